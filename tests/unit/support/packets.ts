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
export function vxlan(port: number, inner: Buffer): Body {
  const header = Buffer.alloc(8 + 8 + 14);
  header.writeUInt16BE(40_000, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(header.length + inner.length, 4);
  header.writeUInt16BE(0x0800, 28);
  return { protocol: 17, bytes: Buffer.concat([header, inner]) };
}
