import ipaddr from "ipaddr.js";

/** A record of a capture. */
export interface CaptureRecord {
  readonly packet: Buffer;
  readonly nanoseconds?: bigint;
  readonly index?: number;
  readonly out?: boolean;
  /** To another hardware address. */
  readonly forOther?: boolean;
  readonly etherType?: number;
}

/** What `tcpdump -i any -y LINUX_SLL2 --time-stamp-precision=nano -w -` writes on x86 and ARM. */
export function captureOf(records: readonly CaptureRecord[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  // the format's version, 2.4
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(256, 16);
  header.writeUInt32LE(276, 20);
  return Buffer.concat([header, ...records.map(recordOf)]);
}

function recordOf({
  packet,
  nanoseconds = 0n,
  index = 1,
  out = false,
  forOther = false,
  etherType = 0x0800,
}: CaptureRecord): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(Number(nanoseconds / 1_000_000_000n), 0);
  head.writeUInt32LE(Number(nanoseconds % 1_000_000_000n), 4);
  head.writeUInt32LE(packet.length + 20, 8);
  head.writeUInt32LE(packet.length + 20, 12);
  const link = Buffer.alloc(20);
  link.writeUInt16BE(etherType, 0);
  link.writeUInt32BE(index, 4);
  link[10] = out ? 4 : forOther ? 3 : 0;
  return Buffer.concat([head, link, packet]);
}

/** An IPv4 packet; its protocol is the body's. */
export function ipv4(source: string, destination: string, ttl: number, body: Body): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + body.bytes.length, 2);
  header[8] = ttl;
  header[9] = body.protocol;
  Buffer.from(source.split(".").map(Number)).copy(header, 12);
  Buffer.from(destination.split(".").map(Number)).copy(header, 16);
  return Buffer.concat([header, body.bytes]);
}

/** An IPv6 packet; its next header is the body, which can be an extension header. */
export function ipv6(source: string, destination: string, hopLimit: number, body: Body): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 0x60;
  header.writeUInt16BE(body.bytes.length, 4);
  header[6] = body.protocol;
  header[7] = hopLimit;
  const addresses = [source, destination].map((each) => Buffer.from(ipaddr.parse(each).toByteArray()));
  return Buffer.concat([header, ...addresses, body.bytes]);
}

/** Hop-by-hop options, routing, fragment and destination options: a header before the rest. @param length in units of 8 bytes beyond the first 8 */
export function extended(protocol: 0 | 43 | 44 | 60, body: Body, length = 0, fragmentOffset = 0): Body {
  const header = Buffer.alloc(8 + length * 8);
  header[0] = body.protocol;
  header[1] = length;
  if (protocol === 44) header.writeUInt16BE(fragmentOffset << 3, 2);
  return { protocol, bytes: Buffer.concat([header, body.bytes]) };
}

interface Body {
  readonly protocol: number;
  readonly bytes: Buffer;
}

export function icmp(type: number, identifier: number, data: Buffer): Body {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt16BE(identifier, 4);
  return { protocol: 1, bytes: Buffer.concat([header, data]) };
}

export const icmpv6 = (type: number, identifier: number, data: Buffer): Body => ({
  ...icmp(type, identifier, data),
  protocol: 58,
});

export function tcp(
  sourcePort: number,
  destinationPort: number,
  { sequence = 0, acknowledgement = 0, syn = false, ack = false, rst = false, data = Buffer.alloc(0) },
): Body {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(destinationPort, 2);
  header.writeUInt32BE(sequence, 4);
  header.writeUInt32BE(acknowledgement, 8);
  header[12] = 0x50;
  header[13] = (syn ? 2 : 0) | (rst ? 4 : 0) | (ack ? 16 : 0);
  return { protocol: 6, bytes: Buffer.concat([header, data]) };
}

/** A packet in UDP, after a header without options, as VXLAN and Geneve have it. */
export function vxlan(port: number, inner: Buffer, etherType = 0x0800): Body {
  const header = Buffer.alloc(8 + 8 + 14);
  header.writeUInt16BE(40_000, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(header.length + inner.length, 4);
  header.writeUInt16BE(etherType, 28);
  return { protocol: 17, bytes: Buffer.concat([header, inner]) };
}
