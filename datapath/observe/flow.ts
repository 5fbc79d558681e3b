/** One end of a flow. */
export interface FlowEnd {
  readonly address: string;
  /** Undefined for protocols without ports. */
  readonly port?: number | undefined;
  /** `namespace/pod`, a node, or `service namespace/name`; undefined for addresses outside the cluster. */
  readonly name?: string | undefined;
}

/** A packet at one point of Cilium's datapath, as reported by an agent. */
export interface Flow {
  /** Time of the packet; with `cilium monitor`, which reports no times, time of the report. */
  readonly time: Date;
  readonly node: string;
  readonly verdict: "forwarded" | "dropped" | "other";
  /** Where Cilium saw it, such as `to-endpoint`; for a drop, the reason. */
  readonly at: string;
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  /** With TCP's flags, such as `TCP SYN`. */
  readonly protocol: string;
}

/** Names of the cluster's addresses. */
export type Names = ReadonlyMap<string, string>;

/** A flow in Hubble's JSON: https://github.com/cilium/cilium/blob/main/api/v1/flow/flow.proto */
interface HubbleFlow {
  readonly time?: string;
  readonly verdict?: string;
  readonly drop_reason_desc?: string;
  readonly IP?: { readonly source?: string; readonly destination?: string };
  readonly l4?: Readonly<Record<string, HubblePorts>>;
  readonly source?: HubbleEnd;
  readonly destination?: HubbleEnd;
  readonly trace_observation_point?: string;
  readonly Type?: string;
}

interface HubblePorts {
  readonly source_port?: number;
  readonly destination_port?: number;
  readonly flags?: Readonly<Record<string, boolean>>;
}

interface HubbleEnd {
  readonly namespace?: string;
  readonly pod_name?: string;
}

/** Parse a line of `hubble observe -o json`; undefined if it is not a packet. */
export function hubbleFlow(line: string, node: string, names: Names = new Map()): Flow | undefined {
  const flow = parsed<{ flow?: HubbleFlow }>(line)?.flow;
  if (flow?.IP?.source === undefined || flow.IP.destination === undefined) return undefined;
  const [protocol, ports] = Object.entries(flow.l4 ?? {})[0] ?? [""];
  return {
    time: new Date(flow.time ?? 0),
    node,
    verdict: VERDICTS[flow.verdict ?? ""] ?? "other",
    at: (flow.drop_reason_desc ?? flow.trace_observation_point ?? flow.Type ?? "").toLowerCase().replaceAll("_", "-"),
    from: end(flow.IP.source, ports?.source_port, hubbleName(flow.source), names),
    to: end(flow.IP.destination, ports?.destination_port, hubbleName(flow.destination), names),
    protocol: [protocol, ...Object.keys(ports?.flags ?? {})].join(" "),
  };
}

const VERDICTS: Readonly<Record<string, Flow["verdict"]>> = {
  FORWARDED: "forwarded",
  REDIRECTED: "forwarded",
  DROPPED: "dropped",
  ERROR: "dropped",
};

/** A packet in the output of `cilium monitor -j`; see pkg/monitor in Cilium. */
interface MonitorEvent {
  readonly type?: string;
  readonly reason?: string;
  readonly observationPoint?: string;
  readonly summary?: {
    readonly tcp?: string;
    readonly udp?: string;
    readonly icmpv4?: string;
    readonly l3?: { readonly src?: string; readonly dst?: string };
    readonly l4?: { readonly src?: string; readonly dst?: string };
  };
}

/** Parse a line of `cilium monitor -j`; undefined if it is not an IPv4 packet. */
export function monitorFlow(line: string, node: string, names: Names, time: Date): Flow | undefined {
  const event = parsed<MonitorEvent>(line);
  const { l3, l4, tcp, udp, icmpv4 } = event?.summary ?? {};
  if (event === undefined || l3?.src === undefined || l3.dst === undefined) return undefined;
  const protocol = tcp !== undefined ? "TCP" : udp !== undefined ? "UDP" : icmpv4 !== undefined ? "ICMPv4" : "";
  const isDropped = event.type === "drop";
  return {
    time,
    node,
    verdict: isDropped ? "dropped" : "forwarded",
    at: (isDropped ? event.reason : event.observationPoint) ?? "",
    from: end(l3.src, portOf(l4?.src), undefined, names),
    to: end(l3.dst, portOf(l4?.dst), undefined, names),
    protocol: [protocol, ...tcpFlags(tcp)].join(" "),
  };
}

/** Filter of flows; undefined fields match anything. */
export interface FlowFilter {
  /** Pod (`net` or `nettool/net`), node, service, or address. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly dropped?: boolean | undefined;
}

/** Whether a flow matches the filter, in either direction. */
export function isWanted(flow: Flow, { from, to, dropped = false }: FlowFilter): boolean {
  if (dropped && flow.verdict !== "dropped") return false;
  const is = (end: FlowEnd, wanted: string | undefined) => wanted === undefined || isEnd(end, wanted);
  return (is(flow.from, from) && is(flow.to, to)) || (is(flow.from, to) && is(flow.to, from));
}

/** A flow in one line. */
export function flowText({ time, node, verdict, at, from, to, protocol }: Flow): string {
  const clock = time.toISOString().slice(11, 23);
  return `${clock} ${node}: ${endText(from)} -> ${endText(to)} ${protocol} ${at} ${verdict}`;
}

function endText({ address, port, name }: FlowEnd): string {
  return `${name === undefined ? address : `${name} (${address})`}${port === undefined ? "" : `:${port}`}`;
}

function isEnd({ address, name }: FlowEnd, wanted: string): boolean {
  return address === wanted || name === wanted || name?.split("/").pop() === wanted;
}

function end(address: string, port: number | undefined, own: string | undefined, names: Names): FlowEnd {
  return { address, port, name: own ?? names.get(address) };
}

function hubbleName({ namespace, pod_name: pod }: HubbleEnd = {}): string | undefined {
  return namespace === undefined || pod === undefined ? undefined : `${namespace}/${pod}`;
}

/** `43210` or `80(http)`. */
function portOf(text: string | undefined): number | undefined {
  const port = Number.parseInt(text ?? "", 10);
  return Number.isNaN(port) ? undefined : port;
}

/** `… SYN=true ACK=false …` or `{… Flags: …}`, by the dissector's version. */
function tcpFlags(text: string | undefined): string[] {
  return [...(text ?? "").matchAll(/\b(SYN|ACK|FIN|RST|PSH)=true/g)].map(([, flag]) => flag!);
}

function parsed<T>(line: string): T | undefined {
  try {
    return JSON.parse(line) as T;
  } catch {
    return undefined; // a notice between flows
  }
}
