import { valueOf } from "../evidence/api";
import type { CauseId } from "../causes";
import { COVERAGE, type FlowId, type ProbedShape } from "../evidence/coverage";
import type { Evidence } from "../evidence/gather";
import type { Try } from "../evidence/probing";
import { comparableFlows, reachOnePod, type SameFlow } from "../evidence/sameFlows";
import type { Control, End, Probe, TrafficEvidence } from "../evidence/traffic";
import {
  byIpv6,
  fail,
  firstOf,
  inconclusive,
  pass,
  skipped,
  type Check,
  type Expectation,
  type Finding,
} from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** A machine on which a pod waits so long for itself is too busy to call an answer late. */
const BUSY_MILLISECONDS = 150;

/** Share of tries with a lost packet above which the way is at fault. */
const LOSSY = 0.05;
/** The same of all senders together: a short loss hits few tries of each. */
const LOSSY_TOGETHER = 0.01;
/** Fewer lost packets than this say nothing. */
const FEW = 3;

/** Why nothing that travels can be judged. */
export const NO_PROBES = "no workload pod could send probes";

interface FlowCheck {
  readonly id: string;
  readonly question: string;
  readonly flows: readonly FlowId[];
  /** Only these combinations; default all of the flows'. */
  readonly shapes?: (shape: ProbedShape) => boolean;
  readonly cause: CauseId | ((evidence: Evidence) => CauseId);
  /** What to run to find out more. */
  readonly remedy: (from: End, to: End, evidence: Evidence) => string;
  readonly quick?: boolean;
}

/** A check that every probe of some flows was answered, each time. */
function flowCheck({ id, question, flows, shapes = () => true, cause, remedy, quick }: FlowCheck): Check {
  return {
    id,
    question,
    needs: ["traffic"],
    ...(quick === undefined ? {} : { quick }),
    skip: skipWithoutWorkload,
    judge(evidence, expectation) {
      const { traffic } = evidence;
      if (traffic === undefined || traffic.pods.length === 0) return [inconclusive("cluster", NO_PROBES)];
      if (traffic.ipv6 === undefined) return judgeFlows(evidence, expectation, traffic);
      const ipv6 = { ...traffic, ...traffic.ipv6 };
      return [
        ...judgeFlows(evidence, expectation, traffic),
        ...byIpv6(judgeFlows({ ...evidence, traffic: ipv6 }, expectation, ipv6)),
      ];
    },
  };

  function judgeFlows(evidence: Evidence, expectation: Expectation, traffic: TrafficEvidence): Finding[] {
    const omitted = flows.flatMap((flow) => traffic.omitted[flow] ?? []);
    const probes = traffic.probes.filter(({ flow, shape }) => flows.includes(flow) && shapes(shape));
    const silent = traffic.silent.filter(({ flow }) => flows.includes(flow));
    const findings = [
      ...silent.map(({ from, error }) =>
        inconclusive(nameOf(from), `it could not send probes: ${error}`, undefined, { nodes: nodesOf(from) }),
      ),
      ...bySender(probes).map((own) => judgeSender(own, { cause, remedy }, evidence, expectation)),
    ];
    if (findings.length > 0)
      return uniqueBy(findings, ({ subject, verdict, reason }) => `${subject} ${verdict} ${reason}`);
    if (omitted.length > 0) return [skipped("cluster", [...new Set(omitted)].join("; "))];
    return [skipped("cluster", "there was nobody else to ask")];
  }
}

function judgeSender(
  probes: readonly Probe[],
  { cause, remedy }: Pick<FlowCheck, "cause" | "remedy">,
  evidence: Evidence,
  expectation: Expectation,
): Finding {
  const { from } = probes[0]!;
  const tries = probes.flatMap((probe) => probe.tries);
  const answered = tries.filter(({ failure }) => failure === undefined).length;
  const seen = `${answered} of ${tries.length} probes answered`;
  const failing = probes.filter((probe) => probe.tries.some(({ failure }) => failure !== undefined));
  if (failing.length > 0) {
    const [first] = failing as [Probe, ...Probe[]];
    return fail(nameOf(from), seen, shortList(failing.map(failureOf), 3), remedy(from, first.to, evidence), {
      // where small packets are lost too, large ones are not the point
      cause:
        cause === "large-packets" && failing.every((each) => losesSmall(each, evidence))
          ? undefined
          : causeOf(cause, evidence),
      nodes: [...new Set([...nodesOf(from), ...failing.flatMap(({ to }) => nodesOf(to))])],
      backendNodes: backendNodesOf(failing, evidence),
    });
  }
  const isLossy = lossIn(evidence.traffic!);
  const lossy = probes.filter((probe) => probe.tries.some((each) => isLossy(probe, each)));
  const lost = lossy.flatMap((probe) => probe.tries.filter((each) => isLossy(probe, each))).length;
  if (lost >= FEW && lost > LOSSY * tries.length) {
    return fail(
      nameOf(from),
      `${seen}, ${lost} of them only after a packet was lost`,
      `packets are lost now and then: ${shortList(
        lossy.map(({ to, shape }) => `${to.name} ${shape}`),
        3,
      )}`,
      remedy(from, lossy[0]!.to, evidence),
      {
        cause: "packet-loss",
        nodes: [...new Set([...nodesOf(from), ...lossy.flatMap(({ to }) => nodesOf(to))])],
        backendNodes: backendNodesOf(lossy, evidence),
      },
    );
  }
  return missingBackends(probes, seen, evidence, expectation) ?? pass(nameOf(from), seen);
}

/** Whether a packet of a try was lost: where the sender is too busy, the kernel also repeats TCP segments whose answer is only late. */
const lossIn =
  (traffic: TrafficEvidence) =>
  ({ from, shape }: Probe, { lost }: Try): boolean =>
    lost > 0 && (!shape.startsWith("tcp") || !isBusy(from, traffic));

/** Whether a sender waits for itself: in most of its tries, or in some while pods of most nodes do so too. */
function isBusy({ name, node }: End, { controls, slowest }: TrafficEvidence): boolean {
  if (controls === undefined) return slowest >= BUSY_MILLISECONDS;
  const isLate = ({ milliseconds }: Control) => Math.max(...milliseconds) >= BUSY_MILLISECONDS;
  const isMostlyLate = ({ milliseconds }: Control) =>
    2 * milliseconds.filter((each) => each >= BUSY_MILLISECONDS).length >= milliseconds.length;
  const nodes = new Set(controls.map((each) => each.node));
  const areMostLate = 2 * new Set(controls.filter(isLate).map((each) => each.node)).size > nodes.size;
  const own = controls.filter(
    (each) => node === undefined || each.pod === name || (name === node && each.node === node),
  );
  return own.some((each) => isMostlyLate(each) || (areMostLate && isLate(each)));
}

const causeOf = (cause: FlowCheck["cause"], evidence: Evidence) =>
  typeof cause === "function" ? cause(evidence) : cause;

/** Whether small packets fail between the same two ends. */
function losesSmall({ flow, from, to }: Probe, { traffic }: Evidence): boolean {
  return traffic!.probes.some(
    (other) =>
      other.flow === flow &&
      isSmall(other.shape) &&
      other.from.name === from.name &&
      other.to.address === to.address &&
      other.tries.some(({ failure }) => failure !== undefined),
  );
}

function failureOf({ to, shape, tries }: Probe): string {
  const failed = tries.filter(({ failure }) => failure !== undefined);
  const count = failed.length === tries.length ? "" : `${failed.length} of ${tries.length} tries: `;
  return `${to.name} (${to.address}${to.port === 0 ? "" : `:${to.port}`}, ${shape}): ${count}${failed[0]!.failure!}`;
}

/** Servers that never answered through a frontend, if random choice alone would have reached each of them in these tries. */
function missingBackends(
  probes: readonly Probe[],
  seen: string,
  { traffic }: Evidence,
  { evidence }: Expectation,
): Finding | undefined {
  const { pods, probes: all } = traffic as TrafficEvidence;
  const servers = pods.filter(({ server }) => server).map(({ pod }) => pod);
  if (servers.length > 6) return undefined;
  for (const { from, to, shape, tries } of probes) {
    const many = tries.length >= 3 * servers.length || new Set(tries.map(({ pod }) => pod)).size >= servers.length;
    if ((shape !== "tcp/small" && shape !== "udp/small") || !isService(to) || !many) continue;
    const silent = servers.filter((pod) => !tries.some((each) => each.pod === pod));
    if (silent.length === 0) continue;
    const translator = evidence.serviceMap.nodePort === "present" ? "Cilium's service map" : "kube-proxy's rules";
    return fail(
      nameOf(from),
      `${seen}, none by ${silent.join(", ")}`,
      `${silent.join(" and ")} never ${silent.length === 1 ? "answers" : "answer"} through ${to.name} by ${shape.startsWith("tcp") ? "TCP" : "UDP"}, in ${tries.length} tries`,
      `compare the Service's endpoints with ${translator}: kubectl get endpointslices -A; kubectl -n kube-system exec ds/cilium -- cilium bpf lb list; an agent that restarts fills its maps again`,
      {
        // what answers nobody answers no Service either
        cause: all.some(
          ({ flow, to: { name }, tries: own }) =>
            flow === "pod-to-pod" && silent.includes(name) && own.some(({ failure }) => failure !== undefined),
        )
          ? undefined
          : "service-map-stale",
        nodes: [
          ...new Set([...nodesOf(from), ...pods.filter(({ pod }) => silent.includes(pod)).map(({ node }) => node)]),
        ],
      },
    );
  }
  return undefined;
}

function bySender(probes: readonly Probe[]): Probe[][] {
  const senders = new Map<string, Probe[]>();
  for (const probe of probes) senders.set(probe.from.name, [...(senders.get(probe.from.name) ?? []), probe]);
  return [...senders.values()];
}

/** Whether somebody asked the workload's Service, by any of its addresses. */
const isService = ({ name, port }: End) => port !== 0 && /^(?:NodePort|serversvc)/.test(name);

/** Nodes of the servers that probes to the Service can have reached. */
function backendNodesOf(probes: readonly Probe[], { traffic }: Evidence): string[] {
  if (!probes.some(({ to }) => isService(to))) return [];
  return [...new Set(traffic!.pods.filter(({ server }) => server).map(({ node }) => node))];
}

/** An end of a probe as findings name it, and the nodes that it is on: none of what is outside. */
export const nameOf = ({ name, node }: End) => (node === undefined || node === name ? name : `${name} on ${node}`);
export const nodesOf = ({ node }: End) => (node === undefined ? [] : [node]);

function shortList(all: readonly string[], count: number): string {
  return firstOf([...new Set(all)], count, ";");
}

function uniqueBy<T>(all: readonly T[], keyOf: (each: T) => string): T[] {
  return [...new Map(all.map((each) => [keyOf(each), each])).values()];
}

const monitor = (from: End) =>
  `kubectl -n kube-system exec ds/cilium -- cilium monitor --type drop (in the agent of ${from.node ?? "the node that received it"}) shows each dropped packet with its reason`;

const isSmall = (shape: ProbedShape) => shape.endsWith("/small");

/** Whether every pod reaches every pod, on its own node and on every other. */
export const podToPodCheck = flowCheck({
  id: "pod-to-pod",
  question: "Does every pod reach every other pod, on its own node and across nodes, by ping, TCP and UDP?",
  flows: ["pod-to-pod"],
  shapes: isSmall,
  cause: "packet-loss",
  remedy: monitor,
});

/** Whether pods and nodes reach each other. */
export const podToNodeCheck = flowCheck({
  id: "pod-to-node",
  question: "Do pods and nodes reach each other, by ping, TCP and UDP?",
  flows: ["pod-to-node", "node-to-pod"],
  shapes: isSmall,
  cause: "packet-loss",
  remedy: monitor,
});

/** Whether packets as large as the MTU, and transfers of many of them, arrive everywhere. */
export const packetSizeCheck = flowCheck({
  id: "packet-size",
  question: "Do packets of full size and long transfers arrive on every path?",
  flows: Object.keys(COVERAGE) as FlowId[],
  shapes: (shape) => !isSmall(shape),
  cause: "large-packets",
  quick: false,
  remedy: (from, to) =>
    `compare MTUs: ip link show on ${[...new Set([from.node, to.node].filter(Boolean))].join(" and ") || "the nodes"}, and ip route get ${to.address} in ${from.name}; a path MTU learnt before a repair lasts 10 minutes: ip route flush cache`,
});

/** Whether services answer pods: the ClusterIP, and every node's NodePort. */
export const servicesCheck = flowCheck({
  id: "services",
  question:
    "Do the ClusterIP and every node's NodePort answer pods on every node, with every backend, over TCP and UDP?",
  flows: ["pod-to-cluster-ip", "pod-to-node-port"],
  shapes: isSmall,
  cause: "packet-loss",
  remedy: (from) =>
    `kubectl -n kube-system exec ds/cilium -- cilium service list (in the agent of ${from.node}); kubectl get endpointslices -A`,
});

/** Whether services answer the nodes themselves, whose sockets are no pod's. */
export const nodePortsCheck = flowCheck({
  id: "node-ports",
  question: "Do the ClusterIP and every node's NodePort answer every node, with every backend?",
  flows: ["node-to-cluster-ip", "node-to-node-port"],
  shapes: isSmall,
  cause: "packet-loss",
  remedy: (from) =>
    `kubectl -n kube-system exec ds/cilium -- cilium service list (in the agent of ${from.node}); kubectl get endpointslices -A`,
});

const answersOutside = flowCheck({
  id: "from-outside",
  question: "Does every node's NodePort answer a client outside the cluster, with every backend?",
  flows: ["outside-to-node-port"],
  shapes: isSmall,
  cause: (evidence) => (usesXdp(evidence) ? "xdp-loses-packets" : "packet-loss"),
  quick: false,
  remedy: (_, to, evidence) =>
    usesXdp(evidence)
      ? "set loadBalancer.acceleration: disabled: XDP programs send packets back out of a device that cannot take them here, and the agent's status does not tell"
      : `kubectl -n kube-system exec ds/cilium -- cilium monitor --type drop (in the agent of ${to.node}) shows each dropped packet with its reason`,
});

/** Whether every node's NodePort answers somebody outside the cluster, with every backend. */
export const fromOutsideCheck: Check = {
  ...answersOutside,
  judge: (evidence, expectation) => [
    ...answersOutside.judge(evidence, expectation, undefined),
    ...sameBackends(evidence.traffic?.sameFlows ?? []),
  ],
};

/** Whether a connection from the same port reaches the same pod through every node, which Maglev promises. */
function sameBackends(flows: readonly SameFlow[]): Finding[] {
  const judged = comparableFlows(flows);
  const nodes = [...new Set(flows.map(({ node }) => node))];
  if (nodes.length < 2) return [];
  const subject = "Maglev";
  if (judged.length === 0)
    return [inconclusive(subject, "no connection from the same port was answered through two nodes")];
  const different = judged.filter((own) => !reachOnePod(own));
  const pods = new Set(judged.flatMap((own) => own.map(({ pod }) => pod)));
  if (different.length === 0) {
    return [
      pass(
        subject,
        `${judged.length} ports of the client reach the same pod through each of ${nodes.length} nodes, ${pods.size} pods together`,
      ),
    ];
  }
  const [first] = different as [SameFlow[]];
  return [
    fail(
      subject,
      `${different.length} of ${judged.length} ports of the client reach another pod through another node`,
      `with Maglev every node chooses the same pod, and port ${first[0]!.port} reached ${first.map(({ pod, node }) => `${pod} through ${node}`).join(", ")}`,
      "kubectl -n kube-system exec ds/cilium -- cilium bpf lb maglev list (in each node's agent); an agent that restarts fills its tables again",
      { cause: "service-map-stale", nodes },
    ),
  ];
}

function usesXdp({ api }: Evidence): boolean {
  const config = valueOf(api.config, undefined)?.data ?? {};
  return (config["bpf-lb-acceleration"] ?? config["node-port-acceleration"] ?? "disabled") !== "disabled";
}

/** Whether pods reach an address outside the cluster. */
export const wayOutCheck = flowCheck({
  id: "way-out",
  question: "Do pods reach addresses outside the cluster, by ping, TCP and UDP?",
  flows: ["pod-to-outside"],
  shapes: isSmall,
  cause: "packet-loss",
  remedy: (from) =>
    `does the node itself reach it? kubectl -n kube-system exec ds/cilium -- cilium bpf nat list (in the agent of ${from.node})`,
});

/** Whether packets are lost for moments: each sender has answers to what it sent again. */
export const lostPacketsCheck: Check = {
  id: "lost-packets",
  question: "Are at most 1 % of all probes answered only after a packet was lost, over TCP, and by UDP and ping?",
  needs: ["traffic"],
  skip: skipWithoutWorkload,
  judge({ traffic }) {
    if (traffic === undefined || traffic.probes.length === 0) return [inconclusive("cluster", NO_PROBES)];
    const { pods } = traffic;
    const probes = [...traffic.probes, ...(traffic.ipv6?.probes ?? [])];
    const isLossy = lossIn(traffic);
    const groups = [true, false].map((isTcp) => {
      const tries = probes
        .filter(({ shape }) => shape.startsWith("tcp") === isTcp)
        .flatMap((probe) => probe.tries.map((each) => ({ probe, each })));
      const own = tries.filter(({ probe, each }) => each.failure === undefined && isLossy(probe, each));
      const seen = `${own.length} of ${tries.length} by ${isTcp ? "TCP" : "UDP and ping"}`;
      return { own, seen, isBad: own.length >= FEW && own.length > LOSSY_TOGETHER * tries.length };
    });
    const seen = `answers only after a packet was lost: ${groups.map((each) => each.seen).join(", ")}`;
    const lossy = groups.flatMap(({ own, isBad }) => (isBad ? own : []));
    if (lossy.length === 0) return [pass("cluster", seen)];
    const ends = lossy.map(({ probe: { from, to }, each }) => [
      ...nodesOf(from),
      ...nodesOf(to),
      ...pods.filter(({ pod }) => pod === each.pod).map(({ node }) => node),
    ]);
    const all = [...new Set(ends.flat())];
    const common = all.filter((node) => ends.every((nodes) => nodes.includes(node)));
    return [
      fail(
        "cluster",
        seen,
        `packets are lost for moments: ${shortList(
          lossy.map(({ probe: { from, to, shape } }) => `${nameOf(from)} to ${to.name} ${shape}`),
          3,
        )}`,
        `npx cilium-modes watch <stack> shows when and where; on ${common.length > 0 ? common.join(" and ") : "each node"}: kubectl -n kube-system exec <its agent> -- cilium monitor --type drop`,
        { cause: "packet-loss", nodes: common.length > 0 ? common : all },
      ),
    ];
  },
};
