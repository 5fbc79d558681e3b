import { isIpv4Address } from "../../modes/cidr";
import type { WorkloadNames } from "../../modes/workload";
import { askAgent, type Agent } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import type { EvidenceCluster, OutsideClient } from "../../cluster/read";
import { within } from "../../cluster/within";
import { valueOf, type ApiEvidence } from "./api";
import {
  CONTROL_ADDRESS,
  COVERAGE,
  type Flow,
  type FlowId,
  type ProbedShape,
  type SenderKind,
  type TargetKind,
} from "./coverage";
import { inPod, mtuOf, type PodNetwork } from "./pods";
import { readSameFlows, type SameFlow } from "./sameFlows";
import { probeScript, triesOf, type Protocol, type Target, type Try } from "./probing";

/** An end of a probe: a pod, a node, an address of a service, or a host outside. */
export interface End {
  readonly name: string;
  /** The node that it is on, or whose NodePort it is; undefined for ClusterIPs and outside. */
  readonly node?: string | undefined;
  readonly address: string;
  readonly port: number;
}

/** One combination of sender, target, protocol and size, with what came of it. */
export interface Probe {
  readonly flow: FlowId;
  readonly from: End;
  readonly to: End;
  readonly shape: ProbedShape;
  readonly tries: readonly Try[];
}

/** A name that a pod tried to resolve. */
export interface Resolution {
  readonly pod: string;
  readonly node: string;
  readonly name: string;
  readonly answered: boolean;
  /** The first address of the answer. */
  readonly address?: string | undefined;
  /** How long the answer took, in milliseconds. */
  readonly milliseconds: number;
}

/** How cluster DNS answered a pod in other ways than its resolver asks. */
export interface Queries {
  readonly pod: string;
  readonly node: string;
  /** How long further lookups of each name took, in milliseconds. */
  readonly again: readonly (readonly number[])[];
  /** By TCP, for each name: the answer's code, such as `NOERROR`, or `none`; empty where the pod has no dig. */
  readonly tcp: readonly string[];
  /** The same for a name outside the cluster, by UDP; undefined where the pod has no dig. */
  readonly outside?: string | undefined;
}

/** How long a pod waited for itself, in milliseconds. */
export interface Control {
  readonly pod: string;
  readonly node: string;
  readonly milliseconds: readonly number[];
}

/** All probes of a verification. */
export interface TrafficEvidence {
  /** Workload pods, one server a node and the client. */
  readonly pods: readonly PodNetwork[];
  readonly probes: readonly Probe[];
  readonly resolutions: readonly Resolution[];
  /** Undefined in evidence of earlier versions. */
  readonly queries?: readonly Queries[] | undefined;
  /** Senders that could not send, and why. */
  readonly silent: readonly { readonly flow: FlowId; readonly from: End; readonly error: string }[];
  /** The slowest answer that a pod had from itself without a lost packet, in milliseconds: how busy the machine is. */
  readonly slowest: number;
  /** All such answers, in milliseconds; undefined in evidence of earlier versions. */
  readonly controls?: readonly Control[] | undefined;
  /** Flows that were not probed, and why. */
  readonly omitted: Readonly<Partial<Record<FlowId, string>>>;
  /** Payload of a packet of full size, in bytes. */
  readonly fullBytes: number;
  /** The client outside; undefined where there is none. */
  readonly outside?: string | undefined;
  /** Connections from the same ports to every node; undefined unless Maglev chooses the pods. */
  readonly sameFlows?: readonly SameFlow[] | undefined;
  /** The same probes between IPv6 addresses; undefined unless the cluster is dual-stack. */
  readonly ipv6?: FamilyTraffic | undefined;
}

/** Probes between addresses of one family. */
export type FamilyTraffic = Pick<TrafficEvidence, "probes" | "silent" | "omitted" | "outside">;

/** Seconds that one try may take: a SYN that is lost once is sent again after one. */
const TRY_SECONDS = 3;
/** The same for many packets: the processes of a busy machine wait for each other many times. */
const BULK_SECONDS = 8;
/** Tries through a service by each of TCP and UDP, at most: with three backends each is missed once in 200,000 runs. */
const SERVICE_TRIES = 30;
/** Number of backends that must answer, if a service has more. */
const MOST_BACKENDS = 6;
/** What stands for the world outside. */
const GATEWAY = "the nodes' gateway";
/** Probes of one sender take so long at most. */
export const SENDER_SECONDS = 30;
const BULK_BYTES = 256 * 1024;
const SMALL_BYTES = 32;
const IP_AND_ICMP_HEADER = 28;

/** The targets of traffic, and who sends. */
export interface Ground {
  readonly cluster: EvidenceCluster;
  readonly api: ApiEvidence;
  readonly agents: ReadonlyMap<string, Agent>;
  /** Nodes to look at. */
  readonly nodes: readonly string[];
  readonly workload: WorkloadNames;
  readonly nodePort: number;
  readonly outside: OutsideClient | Error;
  readonly places: readonly PodNetwork[];
  /** Node to its gateway. */
  readonly gateways: ReadonlyMap<string, string>;
  /** Only what is essential: small packets, and fewer tries. */
  readonly quick: boolean;
}

/** A pod's connections to itself, next to its probes. */
const CONTROL: Target = {
  ...{ id: "control", protocol: "tcp", address: CONTROL_ADDRESS, port: 80, bytes: 0 },
  ...{ tries: 10, distinct: 0, seconds: TRY_SECONDS },
};

/** Who sends probes. */
export interface Sender {
  readonly kind: SenderKind;
  readonly end: End;
  run(targets: readonly Target[]): Promise<string>;
}

/** Probe every flow, every sender at the same time. */
export async function readTraffic(ground: Ground): Promise<TrafficEvidence> {
  const { workload, outside, places } = ground;
  const pods = places.filter(({ error }) => error === undefined);
  const fullBytes = Math.max(...pods.map(mtuOf), 0) - IP_AND_ICMP_HEADER;
  const senders = sendersOf(ground, pods);
  const servers = places.filter(({ server }) => server);
  const backends = servers.length;
  const targets = targetsOf(ground, servers);
  const omitted = omissionsOf(senders, targets, outside);
  const silent: TrafficEvidence["silent"][number][] = [];
  const probes: Probe[] = [];
  const controls: Control[] = [];
  const resolutions: Resolution[] = [];
  const queries: Queries[] = [];
  await Promise.all(
    senders.map(async (sender) => {
      const planned = plan(sender, targets, omitted, {
        ...{ fullBytes, dsrBytes: dsrBytesOf(ground.api), backends, quick: ground.quick },
        gateway: ground.gateways.get(sender.end.node ?? ""),
      });
      if (planned.length === 0) return;
      try {
        const control = sender.kind === "pod" ? [CONTROL] : [];
        const output = await within(SENDER_SECONDS, sender.run([...planned.map(({ target }) => target), ...control]));
        resolutions.push(...resolutionsOf(output, sender, workload));
        if (sender.kind === "pod") queries.push(queriesOf(output, sender, workload));
        const tries = triesOf(output);
        // what loses packets may lose those to the pod itself too
        const own = tries.filter(
          ({ target, lost, failure }) => target === CONTROL.id && lost === 0 && failure === undefined,
        );
        if (own.length > 0) {
          const milliseconds = own.map((each) => each.milliseconds);
          controls.push({ pod: sender.end.name, node: sender.end.node!, milliseconds });
        }
        if (tries.length === 0) {
          const said = output.split("\n").findLast((line) => line !== "" && !line.startsWith("name "));
          throw new Error(`the probes ended without a result${said === undefined ? "" : `: ${said.slice(0, 200)}`}`);
        }
        probes.push(...probesOf(sender, planned, tries));
      } catch (error) {
        silent.push(...silenceOf(sender, planned, error as Error));
      }
    }),
  );
  const usesMaglev = (configOf(ground.api)["bpf-lb-algorithm"] ?? "random") === "maglev";
  const ofNodes = targets["node-port"].map(({ node, address, port }) => ({ node: node!, address, port }));
  const sameFlows =
    usesMaglev && !(outside instanceof Error) && omitted["outside-to-node-port"] === undefined
      ? await within(SENDER_SECONDS, readSameFlows(outside, ofNodes, ground.cluster.now())).catch(() => undefined)
      : undefined;
  const slowest = Math.max(0, ...controls.flatMap(({ milliseconds }) => milliseconds));
  return {
    ...{ pods: places, probes, resolutions, queries, silent, omitted, fullBytes, slowest, controls },
    outside: outside instanceof Error ? undefined : outside.address,
    ...(sameFlows === undefined ? {} : { sameFlows }),
  };
}

const NAMES = (workload: WorkloadNames) => [
  "kubernetes.default.svc.cluster.local.",
  `${workload.service}.${workload.namespace}.svc.cluster.local.`,
];

/** Prints the code of an answer, or `none`. */
const CODE = "sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p' | grep . || echo none";

/**
 * Resolves all names at the same time, next to whatever follows in the script, and some more times with pauses. One name is
 * outside the cluster: every resolver says that it does not exist (RFC 6761), and nobody has it cached.
 */
const resolveScript = (workload: WorkloadNames, quick: boolean) =>
  NAMES(workload)
    .map(
      (name, index) =>
        `(for try in name${quick ? "" : " again again"}; do
  [ $try = name ] || sleep 0.7
  s=$(date +%s%3N); answer=$(timeout 8 getent hosts ${name}); echo $try ${index} $? $(($(date +%s%3N) - s)) "\${answer%% *}"
  [ $(($(date +%s%3N) - s)) -lt 4000 ] || break
done) &
`,
    )
    .join("") +
  `command -v dig >/dev/null && {
(for name in ${NAMES(workload).join(" ")}; do echo "tcp $(dig +tcp +tries=1 +time=3 $name | ${CODE})"; done) &
(echo "outside $(dig +tries=1 +time=4 cilium-modes-$(date +%s%N).invalid. | ${CODE})") &
}
`;

/** What a sender's output says of the names; nodes and the client outside resolve none. */
function resolutionsOf(output: string, { kind, end }: Sender, workload: WorkloadNames): Resolution[] {
  if (kind !== "pod") return [];
  return NAMES(workload).map((name, index) => {
    const [, code, took, address] = new RegExp(`^name ${index} (\\d+) (\\d+) ?(\\S*)$`, "m").exec(output) ?? [];
    return { pod: end.name, node: end.node!, name, address, answered: code === "0", milliseconds: Number(took ?? 0) };
  });
}

/** What it says of other ways to ask. */
function queriesOf(output: string, { end }: Sender, workload: WorkloadNames): Queries {
  const all = (pattern: RegExp) => [...output.matchAll(pattern)].map(([, found]) => found!);
  return {
    ...{ pod: end.name, node: end.node! },
    again: NAMES(workload).map((_, index) => all(new RegExp(`^again ${index} \\d+ (\\d+) `, "gm")).map(Number)),
    tcp: all(/^tcp (\w+)$/gm),
    outside: all(/^outside (\w+)$/gm)[0],
  };
}

/** A last connection, of which Hubble is asked: it tells of the latest flows only. */
const connectTo = (address: string) => `timeout 2 bash -c '</dev/tcp/${address}/80' 2>/dev/null; true`;

/** The output of a command. @throws the error of one that failed */
export function orThrow(output: string | Error): string {
  if (output instanceof Error) throw output;
  return output;
}

function sendersOf(ground: Ground, pods: readonly PodNetwork[]): Sender[] {
  const { cluster, workload, outside, api, quick } = ground;
  const addressOf = (node: string) => valueOf(api.nodes, []).find(({ name }) => name === node)?.address ?? "";
  return [
    ...pods.map(({ pod, node, address, pinged }): Sender => ({
      kind: "pod",
      end: { name: pod, node, address, port: 0 },
      run: async (targets) =>
        orThrow(
          await inPod(cluster, workload, pod, SENDER_SECONDS, [
            "sh",
            "-c",
            `${resolveScript(workload, quick)}(${probeScript(targets)}\n) 2>&1\nwait\n${quick || pinged === undefined ? "" : connectTo(pinged.address)}`,
          ]),
        ),
    })),
    ...sendersBesidePods(ground, addressOf, outside),
  ];
}

/** Nodes and the client outside, with their addresses of one family; none of a node without an agent or an address. */
export function sendersBesidePods(
  { cluster, agents, nodes }: Pick<Ground, "cluster" | "agents" | "nodes">,
  addressOf: (node: string) => string | undefined,
  outside: Pick<OutsideClient, "address" | "run"> | Error,
): Sender[] {
  return [
    ...nodes.flatMap((node): Sender[] => {
      const [agent, address] = [agents.get(node), addressOf(node)];
      if (agent === undefined || address === undefined) return [];
      const run = async (targets: readonly Target[]) =>
        orThrow(await askAgent(cluster, agent, ["sh", "-c", probeScript(targets)], SENDER_SECONDS));
      return [{ kind: "node", end: { name: node, node, address, port: 0 }, run }];
    }),
    ...(outside instanceof Error
      ? []
      : [
          {
            kind: "outside" as const,
            end: { name: "outside client", address: outside.address, port: 0 },
            run: (targets: readonly Target[]) => outside.run(probeScript(targets)),
          },
        ]),
  ];
}

/** Whom to ask, by kind. */
export type Targets = Readonly<Record<TargetKind, readonly End[]>>;

function targetsOf(
  { api, workload, nodePort, nodes, outside, gateways }: Ground,
  servers: readonly PodNetwork[],
): Targets {
  const looked = new Set(nodes);
  const known = valueOf(api.nodes, []).filter(({ name, address }) => looked.has(name) && isIpv4Address(address));
  const service = valueOf(api.services, []).find(
    ({ namespace, name }) => namespace === workload.namespace && name === workload.service,
  );
  return {
    pod: servers.map(({ pod, node, address }) => ({ name: pod, node, address, port: 80 })),
    node: known.map(({ name, address }) => ({ name, node: name, address, port: 0 })),
    "cluster-ip":
      service !== undefined && isIpv4Address(service.clusterIp)
        ? [{ name: service.name, address: service.clusterIp, port: 80 }]
        : [],
    "node-port": known.map(({ name, address }) => ({
      name: `NodePort of ${name}`,
      node: name,
      address,
      port: nodePort,
    })),
    // the gateway answers pings only
    outside: [
      ...(outside instanceof Error ? [] : [{ name: "outside client", address: outside.address, port: 80 }]),
      // each sender asks its own node's
      ...[...gateways.values()].slice(0, 1).map((address) => ({ name: GATEWAY, address, port: 0 })),
    ],
  };
}

/** Why probes of flows are not sent, by flow. */
export function omissionsOf(
  senders: readonly Sender[],
  targets: Targets,
  outside: Pick<OutsideClient, "address"> | Error,
): Partial<Record<FlowId, string>> {
  const omitted: Partial<Record<FlowId, string>> = {};
  for (const [id, flow] of Object.entries(COVERAGE) as [FlowId, Flow][]) {
    const why = whyOmitted(flow, senders, targets, outside);
    if (why !== undefined) omitted[id] = why;
  }
  return omitted;
}

function whyOmitted(
  { from, to }: Flow,
  senders: readonly Sender[],
  targets: Targets,
  outside: Pick<OutsideClient, "address"> | Error,
): string | undefined {
  if (from === "outside" && outside instanceof Error) return outside.message;
  if (!senders.some(({ kind }) => kind === from)) return `no ${from} can send probes`;
  return targets[to].length === 0 ? `no ${to} to ask` : undefined;
}

interface Planned {
  readonly flow: FlowId;
  readonly to: End;
  readonly shape: ProbedShape;
  readonly target: Target;
}

interface PlanOptions {
  readonly fullBytes: number;
  /** What a packet from outside grows by on its way to another node's backend. */
  readonly dsrBytes: number;
  readonly backends: number;
  readonly quick: boolean;
  /** The gateway of the sender's node. */
  readonly gateway: string | undefined;
}

/**
 * What DSR adds to each UDP packet, by its dispatch: an IPv4 option (Cilium's `bpf/lib/nodeport.h`: `struct dsr_opt_v4`), an
 * IPv4 header, or headers of IPv4, UDP, Geneve and Ethernet with an option (`struct geneve_dsr_opt4`).
 */
const DSR_BYTES: Readonly<Record<string, number>> = { opt: 8, ipip: 20, geneve: 20 + 8 + 8 + 14 + 12 };

/** What DSR adds to UDP packets from outside; hybrid forwards these as SNAT does. @param bytes by dispatch. Default: of IPv4 */
export function dsrBytesOf(api: ApiEvidence, bytes = DSR_BYTES): number {
  const data = configOf(api);
  const isDsr = (data["bpf-lb-mode"] ?? data["node-port-mode"]) === "dsr";
  return isDsr ? (bytes[data["bpf-lb-dsr-dispatch"] ?? "opt"] ?? 0) : 0;
}

const configOf = ({ config }: ApiEvidence) => valueOf(config, undefined)?.data ?? {};

/** What a sender's tries tell of what was planned; bash can do neither pings nor unconnected sockets. */
export function probesOf({ end: from }: Sender, planned: readonly Planned[], tries: readonly Try[]): Probe[] {
  return planned.flatMap(({ flow, to, shape, target }) => {
    const own = tries.filter((each) => each.target === target.id);
    return own.length > 0 ? [{ flow, from, to, shape, tries: own }] : [];
  });
}

/** The flows of a sender that has not answered. */
export function silenceOf({ end: from }: Sender, planned: readonly Planned[], error: Error): TrafficEvidence["silent"] {
  const flows = [...new Set(planned.map(({ flow }) => flow))];
  return flows.map((flow) => ({ flow, from, error: apiErrorLine(error) }));
}

/** The probes of one sender. */
export function plan(
  sender: Sender,
  targets: Targets,
  omitted: Readonly<Partial<Record<FlowId, string>>>,
  { fullBytes, dsrBytes, backends, quick, gateway }: PlanOptions,
): Planned[] {
  const planned: Planned[] = [];
  for (const [flow, { from, to, shapes }] of Object.entries(COVERAGE) as [FlowId, Flow][]) {
    if (from !== sender.kind || omitted[flow] !== undefined) continue;
    for (const each of targets[to]) {
      const end = each.name === GATEWAY ? { ...each, address: gateway ?? each.address } : each;
      // a pod does not ask itself
      if (to === "pod" && end.address === sender.end.address) continue;
      for (const shape of shapes) {
        const [protocol, size] = shape.split("/") as [Protocol, "small" | "full" | "bulk"];
        if (end.port === 0 && protocol !== "icmp") continue;
        if (end.port !== 0 && to === "outside" && protocol === "icmp") continue;
        if (quick && size !== "small") continue;
        const isService = to === "cluster-ip" || to === "node-port";
        const everyBackend = isService && (protocol === "tcp" || protocol === "udp") && size === "small";
        const bytes =
          size === "full"
            ? Math.max(fullBytes - (flow === "outside-to-node-port" ? dsrBytes : 0), SMALL_BYTES)
            : protocol === "tcp"
              ? size === "bulk"
                ? BULK_BYTES
                : 0
              : SMALL_BYTES;
        const target: Target = {
          id: String(planned.length),
          ...{ protocol, bytes, address: end.address, port: end.port },
          seconds: size === "bulk" ? BULK_SECONDS : TRY_SECONDS,
          tries: everyBackend && !quick ? SERVICE_TRIES : size === "small" ? 3 : 2,
          distinct: everyBackend ? Math.min(backends, MOST_BACKENDS) : 0,
        };
        planned.push({ flow, to: end, shape, target });
      }
    }
  }
  return planned;
}
