/** An IPv4 packet with ICMP or TCP; the inner one of an encapsulated packet. */
export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  readonly content: Icmp | Tcp;
  /** Addresses of the outer packet. */
  readonly tunnel?: { readonly source: string; readonly destination: string } | undefined;
}

/** An echo, or an error with the first bytes of its packet. */
export interface Icmp {
  readonly protocol: "ICMP";
  /** 8 echo request, 0 echo reply, 3 destination unreachable, … */
  readonly type: number;
  /** Identifies a sender's echoes; masquerading can change it. */
  readonly identifier: number;
  readonly data: Buffer;
}

export interface Tcp {
  readonly protocol: "TCP";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly syn: boolean;
  readonly ack: boolean;
  readonly rst: boolean;
  readonly data: Buffer;
}

/** A packet as an interface saw it. */
export interface Frame {
  /** Since 1970, by the clock of the machine that captured it. */
  readonly nanoseconds: bigint;
  readonly interfaceIndex: number;
  readonly direction: "in" | "out";
  /** Addressed to another MAC: flooded by a bridge, or decapsulated by Cilium. */
  readonly isForOther: boolean;
  readonly packet: Packet;
}

/** libpcap's file format with nanoseconds (https://www.tcpdump.org/manpages/pcap-savefile.5.html), little-endian. */
const MAGIC = 0xa1b23c4d;
/** https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html: what `tcpdump -i any` captures. */
const LINUX_SLL2 = 276;
const SLL2_BYTES = 20;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const OUTGOING = 4;
/** The frame has another host's MAC address. */
const OTHER_HOST = 3;
const IPV4 = 0x0800;

/** UDP ports of Cilium's tunnels: VXLAN and Geneve. */
const TUNNEL_PORTS: readonly number[] = [8472, 6081];

/**
 * Parse IPv4 packets with ICMP or TCP from a capture of `tcpdump -i any -y LINUX_SLL2 --time-stamp-precision=nano`. A
 * truncated last record is ignored.
 * @throws Error for another kind of capture
 */
export function parseCapture(bytes: Buffer): Frame[] {
  if (bytes.length < FILE_HEADER_BYTES) return [];
  if (bytes.readUInt32LE(0) !== MAGIC || (bytes.readUInt32LE(20) & 0xffff) !== LINUX_SLL2) {
    throw new Error("the capture does not have the format LINUX_SLL2 with nanoseconds");
  }
  const frames: Frame[] = [];
  let at = FILE_HEADER_BYTES;
  while (at + RECORD_HEADER_BYTES <= bytes.length) {
    const seconds = bytes.readUInt32LE(at);
    const nanoseconds = bytes.readUInt32LE(at + 4);
    const length = bytes.readUInt32LE(at + 8);
    const record = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    at += RECORD_HEADER_BYTES + length;
    if (record.length < length || length < SLL2_BYTES || record.readUInt16BE(0) !== IPV4) continue;
    const packet = parsePacket(record.subarray(SLL2_BYTES));
    if (packet === undefined) continue;
    frames.push({
      nanoseconds: BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
      interfaceIndex: record.readUInt32BE(4),
      direction: record[10] === OUTGOING ? "out" : "in",
      isForOther: record[10] === OTHER_HOST,
      packet,
    });
  }
  return frames;
}

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17 } as const;

/** Parse an IPv4 packet, or the inner one of a tunnel; undefined for other protocols and later fragments. */
function parsePacket(ip: Buffer): Packet | undefined {
  if (ip.length < 20 || ip[0]! >> 4 !== 4 || (ip.readUInt16BE(6) & 0x1fff) !== 0) return undefined;
  const source = addressAt(ip, 12);
  const destination = addressAt(ip, 16);
  const body = ip.subarray((ip[0]! & 0xf) * 4);
  const outer = { source, destination, ttl: ip[8]! };
  switch (ip[9]) {
    case PROTOCOLS.icmp:
      return body.length < 8
        ? undefined
        : {
            ...outer,
            content: { protocol: "ICMP", type: body[0]!, identifier: body.readUInt16BE(4), data: body.subarray(8) },
          };
    case PROTOCOLS.tcp:
      return body.length < 20 ? undefined : { ...outer, content: parseTcp(body) };
    case PROTOCOLS.udp: {
      if (body.length < 16 || !TUNNEL_PORTS.includes(body.readUInt16BE(2))) return undefined;
      // the length of Geneve's options, in words of four bytes; VXLAN has none
      const options = body.readUInt16BE(2) === 6081 ? (body[8]! & 0x3f) * 4 : 0;
      const ethernet = body.subarray(16 + options);
      if (ethernet.length < 14 || ethernet.readUInt16BE(12) !== IPV4) return undefined;
      const inner = parsePacket(ethernet.subarray(14));
      return inner && { ...inner, tunnel: { source, destination } };
    }
    case undefined:
    default:
      return undefined;
  }
}

function parseTcp(body: Buffer): Tcp {
  const flags = body[13]!;
  return {
    protocol: "TCP",
    sourcePort: body.readUInt16BE(0),
    destinationPort: body.readUInt16BE(2),
    sequence: body.readUInt32BE(4),
    acknowledgement: body.readUInt32BE(8),
    syn: (flags & 0x02) !== 0,
    ack: (flags & 0x10) !== 0,
    rst: (flags & 0x04) !== 0,
    data: body.subarray((body[12]! >> 4) * 4),
  };
}

function addressAt(bytes: Buffer, offset: number): string {
  return bytes.subarray(offset, offset + 4).join(".");
}
