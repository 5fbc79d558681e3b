import { span, steps } from "../../host/timings.cjs";
import { isIpv4Address } from "../../modes/cidr";
import { WORKLOAD } from "../../modes/workload";
import { listAgents, type Agent } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import { limited } from "../../cluster/limited";
import type { Expectation } from "../checks/check";
import type { EvidenceCluster, OutsideClient } from "../../cluster/read";
import { isDualStack, readApi, valueOf, type ApiEvidence } from "./api";
import { healthScript, healthTargets } from "./health";
import { hubbleScript } from "./hubble";
import {
  counterOf,
  IPV6_COMMANDS,
  IPV6_COUNTERS,
  MAP_COMMANDS,
  NODE_COMMANDS,
  OUTSIDE_IPV6_ADDRESS,
  readCounters,
  readNode,
  type Moment,
  type NodeCounters,
  type NodeEvidence,
} from "./node";
import { readPods } from "./pods";
import { sampled } from "./sample";
import { readIpv6Traffic } from "./ipv6Traffic";
import { readTraffic, type TrafficEvidence } from "./traffic";

/** Parts of the evidence: a check needs some of them; `maps` is how full BPF maps are, which no check needs. */
export type Part = "nodes" | "maps" | "traffic";

/** Everything that was observed of a cluster at one time. Plain data: it can be kept as JSON and judged again. */
export interface Evidence {
  readonly api: ApiEvidence;
  /** The nodes that were looked at. */
  readonly nodes: readonly NodeEvidence[];
  /** Counters before the pings between pods, between these and the other probes, and after them. */
  readonly before: readonly NodeCounters[];
  readonly between: readonly NodeCounters[];
  readonly after: readonly NodeCounters[];
  /** Undefined where no workload can send probes. */
  readonly traffic?: TrafficEvidence | undefined;
}

/** What is to be gathered. */
export interface Scope {
  readonly parts: ReadonlySet<Part>;
  /** Larger clusters are sampled. */
  readonly maxNodes: number;
  /** Only what is essential. */
  readonly quick: boolean;
}

/** Called when something else is being looked at, and when more of it has been. @param count such as `120 of 1,000` */
export type At = (what: string, count?: string) => void;

/** What the API server says, the nodes to look at, and whom to ask about each of them. */
interface Survey {
  readonly api: ApiEvidence;
  readonly nodes: readonly string[];
  readonly agents: ReadonlyMap<string, Agent> | Error;
  readonly agentOf: (node: string) => Agent | Error;
}

/** Ask the API server for what there is to look at. */
export async function survey(
  cluster: EvidenceCluster,
  maxNodes: number,
  read: (cluster: EvidenceCluster) => Promise<ApiEvidence> = readApi,
): Promise<Survey> {
  const [api, agents] = await Promise.all([read(cluster), agentsByNode(cluster)]);
  const names = valueOf(api.nodes, []).map(({ name }) => name);
  return {
    ...{ api, agents, nodes: sampled(names, maxNodes) },
    agentOf: (node) =>
      agents instanceof Error ? agents : (agents.get(node) ?? new Error(`no Cilium agent runs on ${node}`)),
  };
}

/** Do something with every node, with at most some at the same time, and tell how many are done. */
export function askEach<T>(
  nodes: readonly string[],
  work: (node: string) => Promise<T>,
  done: (count: string) => void,
) {
  let finished = 0;
  const tell = () => done(`${finished.toLocaleString("en")} of ${nodes.length.toLocaleString("en")}`);
  tell();
  return limited(nodes, async (node) => {
    const result = await work(node);
    finished += 1;
    tell();
    return result;
  });
}

/** Observe a cluster: what the API server says, what every node holds, and what becomes of probes. */
export async function gather(
  cluster: EvidenceCluster,
  expectation: Pick<Expectation, "workload" | "nodePort">,
  scope: Scope,
  at: At = () => undefined,
): Promise<Evidence> {
  at("the API server");
  const { api, agents, nodes, agentOf } = await survey(cluster, scope.maxNodes);
  const { workload = WORKLOAD, nodePort } = expectation;
  const wantsTraffic = scope.parts.has("traffic") && nodePort !== undefined;
  const stage = wantsTraffic ? "nodes and probes" : "nodes";
  const destinations = valueOf(api.pods, [])
    .filter(({ namespace, hostNetwork, address }) => namespace === workload.namespace && !hostNetwork && address !== "")
    .flatMap(({ address, ipv6Address }) => (ipv6Address === undefined ? [address] : [address, ipv6Address]));
  if (isDualStack(api)) destinations.push(OUTSIDE_IPV6_ADDRESS);
  const readAll = async () => {
    if (!scope.parts.has("nodes")) return [];
    const commands = {
      ...NODE_COMMANDS,
      health: healthScript(healthTargets(api)),
      ...(isDualStack(api) ? IPV6_COMMANDS : {}),
      ...(scope.parts.has("maps") ? MAP_COMMANDS : {}),
    };
    const read = (node: string) =>
      span(`evidence of ${node}`, "read", () => readNode(cluster, node, agentOf(node), { commands, destinations }));
    return askEach(nodes, read, (count) => at(stage, count));
  };
  const probe = async () => {
    if (!wantsTraffic) return { before: [], between: [], after: [] };
    const image = workloadImage(api, workload.namespace);
    const starting = span("client outside", "start", () => startOutside(cluster, image, scope.quick));
    const step = steps("probes");
    try {
      step("counters before");
      const ofIpv6 = (moment: Moment) => (isDualStack(api) ? IPV6_COUNTERS[moment] : {});
      const before = await limited(nodes, (node) =>
        readCounters(cluster, node, agentOf(node), "before", ofIpv6("before")),
      );
      // an agent that has not answered is not asked again
      const silent = new Map(
        before.flatMap(({ node, error }) => (error === undefined ? [] : [[node, new Error(error)]])),
      );
      const count = (node: string, moment: Moment, hubble?: string) =>
        readCounters(cluster, node, silent.get(node) ?? agentOf(node), moment, {
          ...ofIpv6(moment),
          ...(hubble === undefined ? {} : { hubble }),
        });
      step("pings between pods");
      const places = await readPods(cluster, api, nodes, workload);
      step("counters between");
      const between = await limited(nodes, (node) => count(node, "between"));
      step("wait for the client outside");
      const client = await starting;
      step("traffic");
      const ground = {
        ...{ cluster, api, nodes, workload, nodePort, places, gateways: gatewaysIn(before), outside: client },
        agents: new Map(agents instanceof Error ? [] : [...agents].filter(([node]) => !silent.has(node))),
        quick: scope.quick,
      };
      const ofIpv4 = await readTraffic(ground);
      const ipv6 = await readIpv6Traffic(ground, ofIpv4.fullBytes);
      const traffic = ipv6 === undefined ? ofIpv4 : { ...ofIpv4, ipv6 };
      const hubble = (node: string) => (scope.quick ? undefined : hubbleScript(api, traffic, node));
      step("counters after");
      const after = await limited(nodes, (node) => count(node, "after", hubble(node)));
      return { before, between, after, traffic };
    } finally {
      step(undefined);
      const outside = await starting;
      if (!(outside instanceof Error)) await outside.end().catch(() => undefined);
    }
  };
  at(stage);
  const [observed, probed] = await Promise.all([readAll(), probe()]);
  return { api, nodes: observed, ...probed };
}

/** @returns an error if the API server does not tell which agents there are */
async function agentsByNode(cluster: EvidenceCluster): Promise<ReadonlyMap<string, Agent> | Error> {
  return listAgents(cluster).then(
    (agents) => new Map(agents.map((agent) => [agent.node, agent])),
    (error: Error) => new Error(`the agents could not be listed: ${apiErrorLine(error)}`),
  );
}

/** Node to its gateway. */
function gatewaysIn(before: readonly NodeCounters[]): ReadonlyMap<string, string> {
  return new Map(
    before.flatMap(({ node }) => {
      const gateway = gatewayOf(counterOf(before, node, "defaultRoute"));
      return gateway === undefined ? [] : [[node, gateway] as const];
    }),
  );
}

/** The IPv4 gateway of a default route. */
export function gatewayOf(route: string | Error): string | undefined {
  if (route instanceof Error) return undefined;
  return [...route.matchAll(/^default via (\S+)/gm)].map(([, via]) => via!).find(isIpv4Address);
}

function workloadImage(api: ApiEvidence, namespace: string): string | undefined {
  const pod = valueOf(api.pods, []).find((each) => each.namespace === namespace && each.running);
  return pod?.containers[0]?.image;
}

async function startOutside(
  cluster: EvidenceCluster,
  image: string | undefined,
  quick: boolean,
): Promise<OutsideClient | Error> {
  if (quick) return new Error("--quick leaves it out");
  if (cluster.startOutside === undefined) {
    return new Error("a client outside needs kind nodes in this machine's Docker");
  }
  if (image === undefined) return new Error("no workload pod runs whose image a client outside could use");
  return cluster.startOutside(image).catch((error: Error) => new Error(error.message.split("\n")[0]));
}
