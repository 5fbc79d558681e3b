import ipaddr from "ipaddr.js";

/** A packet of either family with ICMP or TCP; the inner one of an encapsulated packet. */
export interface Packet {
  readonly source: string;
  readonly destination: string;
  /** TTL, or the hop limit of IPv6. */
  readonly ttl: number;
  readonly content: Icmp | Tcp;
  /** Addresses of the outer packet. */
  readonly tunnel?: { readonly source: string; readonly destination: string } | undefined;
}

/** An echo, or an error with the first bytes of its packet. */
export interface Icmp {
  readonly protocol: "ICMP" | "ICMPv6";
  /** ICMP: 8 echo request, 0 echo reply, 3 destination unreachable, …; ICMPv6: 128, 129, 1, … */
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

/** EtherTypes. */
const IPV4 = 0x0800;
const IPV6 = 0x86dd;

/** UDP ports of Cilium's tunnels: VXLAN and Geneve. */
const TUNNEL_PORTS: readonly number[] = [8472, 6081];

/**
 * Parse packets with ICMP or TCP from a capture of `tcpdump -i any -y LINUX_SLL2 --time-stamp-precision=nano`. A truncated
 * last record is ignored.
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
    if (record.length < length || length < SLL2_BYTES) continue;
    const packet = parsePacket(record.readUInt16BE(0), record.subarray(SLL2_BYTES));
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

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;

/** Addresses and TTL of a packet, with what follows its headers. */
interface Header extends Pick<Packet, "source" | "destination" | "ttl"> {
  readonly protocol: number;
  readonly body: Buffer;
}

/** Parse a packet, or the inner one of a tunnel; undefined for other protocols and later fragments. */
function parsePacket(etherType: number, ip: Buffer): Packet | undefined {
  const header = etherType === IPV4 ? ipv4Header(ip) : etherType === IPV6 ? ipv6Header(ip) : undefined;
  if (header === undefined) return undefined;
  const { protocol, body, ...outer } = header;
  switch (protocol) {
    case PROTOCOLS.icmp:
    case PROTOCOLS.icmpv6: {
      if (body.length < 8) return undefined;
      const name = protocol === PROTOCOLS.icmp ? "ICMP" : "ICMPv6";
      const content = { type: body[0]!, identifier: body.readUInt16BE(4), data: body.subarray(8) };
      return { ...outer, content: { protocol: name, ...content } };
    }
    case PROTOCOLS.tcp:
      return body.length < 20 ? undefined : { ...outer, content: parseTcp(body) };
    case PROTOCOLS.udp: {
      if (body.length < 16 || !TUNNEL_PORTS.includes(body.readUInt16BE(2))) return undefined;
      // the length of Geneve's options, in words of four bytes; VXLAN has none
      const options = body.readUInt16BE(2) === 6081 ? (body[8]! & 0x3f) * 4 : 0;
      const ethernet = body.subarray(16 + options);
      if (ethernet.length < 14) return undefined;
      const inner = parsePacket(ethernet.readUInt16BE(12), ethernet.subarray(14));
      return inner && { ...inner, tunnel: { source: outer.source, destination: outer.destination } };
    }
    default:
      return undefined;
  }
}

function ipv4Header(ip: Buffer): Header | undefined {
  if (ip.length < 20 || ip[0]! >> 4 !== 4 || (ip.readUInt16BE(6) & 0x1fff) !== 0) return undefined;
  const addresses = { source: addressAt(ip, 12, 4), destination: addressAt(ip, 16, 4) };
  return { ...addresses, ttl: ip[8]!, protocol: ip[9]!, body: ip.subarray((ip[0]! & 0xf) * 4) };
}

/** Extension headers: https://www.rfc-editor.org/rfc/rfc8200#section-4. DSR writes the Service's address into destination options. */
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION = 60;
const EXTENSIONS: readonly number[] = [HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION];

function ipv6Header(ip: Buffer): Header | undefined {
  if (ip.length < 40 || ip[0]! >> 4 !== 6) return undefined;
  let [protocol, at] = [ip[6]!, 40];
  while (EXTENSIONS.includes(protocol)) {
    if (at + 8 > ip.length || (protocol === FRAGMENT && ip.readUInt16BE(at + 2) >> 3 !== 0)) return undefined;
    const length = protocol === FRAGMENT ? 8 : (ip[at + 1]! + 1) * 8;
    [protocol, at] = [ip[at]!, at + length];
  }
  const addresses = { source: addressAt(ip, 8, 16), destination: addressAt(ip, 24, 16) };
  return { ...addresses, ttl: ip[7]!, protocol, body: ip.subarray(at) };
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

/** An address, of IPv6 in its shortest form (RFC 5952), as Kubernetes, Cilium and the kernel's tools print it. */
function addressAt(bytes: Buffer, offset: number, length: 4 | 16): string {
  return ipaddr.fromByteArray([...bytes.subarray(offset, offset + length)]).toString();
}
