import { WORKLOAD } from "../../modes/workload";
import { contains, isIpv4Address } from "../../modes/cidr";
import { readingOf, valueOf } from "../evidence/api";
import type { CauseId } from "../causes";
import { COVERAGE, type FlowId, type ProbedShape } from "../evidence/coverage";
import type { Evidence } from "../evidence/gather";
import { addressesOn } from "../evidence/node";
import type { Try } from "../evidence/probing";
import type { End, Probe, TrafficEvidence } from "../evidence/traffic";
import { fail, inconclusive, pass, skipped, type Check, type Expectation, type Finding } from "./check";
import { odd } from "./nodes";
import { isOnNode, skipWithoutWorkload } from "./podNetwork";

/** A machine on which a pod waits so long for itself is too busy to call an answer late. */
const BUSY_MILLISECONDS = 150;

/** Share of tries with a lost packet above which the way is at fault. */
const LOSSY = 0.05;
/** Fewer lost packets than this say nothing. */
const FEW = 3;

/** The resolver sends a query again after 5 s. */
const LOST_QUERY_MILLISECONDS = 4500;

const NO_PROBES = "no workload pod could send probes";

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
    },
  };
}

function judgeSender(
  probes: readonly Probe[],
  { cause, remedy }: Pick<FlowCheck, "cause" | "remedy">,
  evidence: Evidence,
  expectation: Expectation,
): Finding {
  const { from } = probes[0]!;
  const slowest = evidence.traffic?.slowest ?? 0;
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
  // the kernel also repeats TCP segments whose answer is only late
  const isLossy = ({ shape }: Probe, { lost }: Try) =>
    lost > 0 && (!shape.startsWith("tcp") || slowest < BUSY_MILLISECONDS);
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
    if (shape !== "tcp/small" || !isService(to) || !many) continue;
    const silent = servers.filter((pod) => !tries.some((each) => each.pod === pod));
    if (silent.length === 0) continue;
    const translator = evidence.serviceMap.nodePort === "present" ? "Cilium's service map" : "kube-proxy's rules";
    return fail(
      nameOf(from),
      `${seen}, none by ${silent.join(", ")}`,
      `${silent.join(", ")} never answers through ${to.name}, in ${tries.length} tries`,
      `compare the Service's endpoints with ${translator}: kubectl get endpointslices -A; kubectl -n kube-system exec ds/cilium -- cilium service list`,
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

const nameOf = ({ name, node }: End) => (node === undefined || node === name ? name : `${name} on ${node}`);
const nodesOf = ({ node }: End) => (node === undefined ? [] : [node]);

function shortList(all: readonly string[], count: number): string {
  const unique = [...new Set(all)];
  return `${unique.slice(0, count).join("; ")}${unique.length > count ? `; and ${unique.length - count} more` : ""}`;
}

function uniqueBy<T>(all: readonly T[], keyOf: (each: T) => string): T[] {
  return [...new Map(all.map((each) => [keyOf(each), each])).values()];
}

const monitor = (from: End) =>
  `kubectl -n kube-system exec ds/cilium -- cilium monitor --type drop (in the agent of ${from.node ?? "the asked node"}) shows each dropped packet with its reason`;

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

/** Whether every node's NodePort answers somebody outside the cluster, with every backend. */
export const fromOutsideCheck = flowCheck({
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

/** Whether names of the cluster resolve in every pod. */
export const dnsCheck: Check = {
  id: "dns",
  question: "Do names of the cluster resolve in pods on every node?",
  needs: ["nodes", "traffic"],
  skip: skipWithoutWorkload,
  judge({ traffic, api, nodes }, { workload = WORKLOAD, isExternal }) {
    if (traffic === undefined || traffic.pods.length === 0) return [inconclusive("cluster", NO_PROBES)];
    const dns = valueOf(api.services, []).find(
      ({ namespace, name }) => namespace === "kube-system" && (name === "kube-dns" || name === "coredns"),
    );
    const unserved = ["UDP", "TCP"].filter(
      (protocol) => dns !== undefined && !dns.ports.some((each) => each.protocol === protocol && each.port === 53),
    );
    if (unserved.length > 0) {
      return [
        fail(
          "cluster",
          `Service ${dns!.name}: ${dns!.ports.map(({ protocol, port }) => `${port}/${protocol}`).join(", ")}`,
          `cluster DNS has no port 53 for ${unserved.join(" and ")}: long answers need TCP, all others UDP`,
          `kubectl -n kube-system edit service ${dns!.name}`,
          { cause: "dns-down" },
        ),
      ];
    }
    return traffic.pods.map(({ pod, node, output }): Finding => {
      const subject = `${pod} on ${node}`;
      const at = { nodes: [node] };
      const own = traffic.resolutions.filter((each) => each.pod === pod);
      if (own.length === 0) return inconclusive(subject, "the pod did not say whether names resolve", undefined, at);
      // on a busy machine an answer is late without being lost
      const isLate = (milliseconds: number) =>
        milliseconds >= LOST_QUERY_MILLISECONDS && traffic.slowest < LOST_QUERY_MILLISECONDS / 4;
      const failed = own.filter(({ answered, milliseconds }) => !answered || isLate(milliseconds));
      const unlike = odd(
        traffic.pods.map((each) => ({ node: each.pod, text: each.output?.split("---\n")[3]?.trim() })),
        ({ text }) => text,
      ).find((each) => each.node === pod);
      const server = /^nameserver (\S+)/m.exec(output?.split("---\n")[3] ?? "")?.[1];
      const isOther =
        server !== undefined && dns !== undefined && server !== dns.clusterIp && !isOnNode(server, node, nodes);
      const seen = `${own.length - failed.length} of ${own.length} names resolved by ${server ?? "no nameserver"}`;
      const search = /^search (.*)$/m.exec(output?.split("---\n")[3] ?? "")?.[1] ?? "";
      const domain = `${workload.namespace}.svc.cluster.local`;
      // another cluster may have another domain
      if (
        failed.length === 0 &&
        !isOther &&
        !isExternal &&
        server !== undefined &&
        !search.split(" ").includes(domain)
      ) {
        return fail(
          subject,
          `search ${search || "(none)"}`,
          `the pod's resolv.conf does not search ${domain}, so that short names of Services do not resolve`,
          `kubectl -n ${workload.namespace} delete pod ${pod}; the kubelet's clusterDomain must be cluster.local`,
          { cause: "dns-config", ...at },
        );
      }
      const misled = own.flatMap(({ name, answered, address = "" }) => {
        const [service, namespace] = name.split(".");
        const wanted = valueOf(api.services, []).find(
          (each) => each.name === service && each.namespace === namespace,
        )?.clusterIp;
        return answered && isIpv4Address(address) && wanted !== undefined && address !== wanted
          ? [`${name} is ${address}, and its Service has ${wanted}`]
          : [];
      });
      if (misled.length > 0) {
        return fail(
          subject,
          misled.join("; "),
          "cluster DNS answers with addresses that its Services do not have",
          "kubectl -n kube-system get configmap coredns -o yaml; kubectl -n kube-system rollout restart deployment coredns",
          { cause: "dns-config" },
        );
      }
      if (failed.length === 0 && !isOther && unlike === undefined) return pass(subject, seen);
      if (unlike !== undefined && !isOther && server !== undefined) {
        return fail(
          subject,
          unlike.own.replaceAll("\n", "; "),
          `the pod's resolv.conf differs from the other pods' (${unlike.most.replaceAll("\n", "; ")})`,
          `kubectl -n ${workload.namespace} delete pod ${pod}; look at its spec.dnsPolicy and spec.dnsConfig`,
          { cause: "dns-config", ...at },
        );
      }
      if (isOther || server === undefined) {
        return fail(
          subject,
          seen,
          `the pod's resolv.conf names ${server ?? "no nameserver"}, and cluster DNS is ${dns?.clusterIp ?? "unknown"}`,
          `kubectl -n ${workload.namespace} delete pod ${pod}; the kubelet's clusterDNS must be ${dns?.clusterIp ?? "the address of Service kube-dns"}`,
          { cause: "dns-config", ...at },
        );
      }
      const endpoints = readingOf(api.endpoints)
        .filter((each) => each.namespace === "kube-system" && each.service === dns?.name && each.protocol === "UDP")
        .flatMap(({ addresses }) => addresses);
      const servers = valueOf(api.pods, []).filter(({ address }) => endpoints.includes(address));
      const why =
        endpoints.length === 0
          ? "Service kube-dns has no ready endpoint"
          : failed.every(({ answered }) => answered)
            ? `a query to cluster DNS at ${server} was lost, and only the resolver's next one was answered`
            : `cluster DNS at ${server} gives no answer`;
      return fail(
        subject,
        seen,
        `${failed.map(({ name }) => name).join(", ")} did not resolve: ${why}`,
        "kubectl -n kube-system get pods -l k8s-app=kube-dns; kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns; kubectl -n kube-system logs -l k8s-app=kube-dns",
        { cause: "dns-down", nodes: [node, ...servers.map((server) => server.node)] },
      );
    });
  },
};

/** Whether servers see the addresses that the mode lets them see. */
export const sourceAddressCheck: Check = {
  id: "source-address",
  question: "Does the server see each client's own address, or its node's, exactly where the mode rewrites it?",
  needs: ["traffic", "nodes"],
  skip: skipWithoutWorkload,
  judge({ traffic, api, nodes: evidences }, { evidence }) {
    if (traffic === undefined || traffic.pods.length === 0) return [inconclusive("cluster", NO_PROBES)];
    const nodes = readingOf(api.nodes);
    const addressOf = (name: string | undefined) => nodes.find((each) => each.name === name)?.address;
    // what Cilium translates and sends through a tunnel comes from its own address on the node
    const tunnelAddressOf = (name: string | undefined) => {
      const node = evidences.find((each) => each.node === name);
      return node === undefined ? undefined : addressesOn(node, "cilium_host")[0];
    };
    const nodeOfPod = new Map(traffic.pods.map(({ pod, node }) => [pod, node]));
    const isCilium = evidence.serviceMap.nodePort === "present";
    const config = valueOf(api.config, undefined)?.data ?? {};
    // DSR and hybrid mode leave the client's address alone on the way in
    const keepsClient = ["dsr", "hybrid"].includes(config["bpf-lb-mode"] ?? config["node-port-mode"] ?? "snat");
    const native = config["ipv4-native-routing-cidr"] ?? "";
    const allowed = (
      { flow, from, to }: Probe,
      pod: string | undefined,
    ): { readonly addresses: readonly string[]; readonly why: string } | undefined => {
      const own = { addresses: [from.address], why: "the client's own address" };
      // what a service gives back to the client itself gets Cilium's loopback address
      if (pod === from.name) return undefined;
      switch (flow) {
        case "pod-to-pod":
        case "pod-to-cluster-ip":
          return own;
        case "pod-to-node-port":
          // kube-proxy masquerades on the asked node; Cilium translates in the pod's socket
          return isCilium ? own : undefined;
        case "pod-to-outside": {
          if (native !== "" && contains(native, `${to.address}/32`)) return own;
          const address = addressOf(from.node);
          return address === undefined ? undefined : { addresses: [address], why: `its node's address ${address}` };
        }
        case "outside-to-node-port": {
          const isTunnel = evidence.tunnelDevice !== "none";
          const address = isTunnel ? tunnelAddressOf(to.node) : addressOf(to.node);
          if (address === undefined || !isCilium) return undefined;
          const isLocal = pod !== undefined && nodeOfPod.get(pod) === to.node;
          const why = `the asked node's address ${address}${isTunnel ? " on cilium_host" : ""}`;
          return isLocal || keepsClient ? own : { addresses: [address], why };
        }
        case "pod-to-node":
        case "node-to-pod":
        case "node-to-cluster-ip":
        case "node-to-node-port":
          return undefined;
      }
    };
    const judged = traffic.probes.flatMap((probe) =>
      probe.tries.flatMap(({ client, pod }) => {
        const want = client === undefined ? undefined : allowed(probe, pod);
        return want === undefined ? [] : [{ probe, client: client!, pod, want }];
      }),
    );
    if (judged.length === 0)
      return [skipped("cluster", "no server told a client's address: its image is older than this check")];
    const senders = new Map<string, typeof judged>();
    for (const each of judged)
      senders.set(nameOf(each.probe.from), [...(senders.get(nameOf(each.probe.from)) ?? []), each]);
    return [...senders].map(([subject, own]): Finding => {
      const wrong = own.filter(({ client, want }) => !want.addresses.includes(client));
      if (wrong.length === 0) return pass(subject, `${own.length} clients' addresses as expected`);
      const [{ probe, client, pod, want }] = wrong as [(typeof wrong)[number]];
      return fail(
        subject,
        `${wrong.length} of ${own.length} answers name another client`,
        `${COVERAGE[probe.flow].from} to ${probe.to.name} (${probe.shape}): ${pod ?? "the server"} saw ${client}, expected ${want.why}`,
        probe.from.node === undefined
          ? `kubectl -n kube-system exec ds/cilium -- cilium status --verbose (in the agent of ${probe.to.node}): load balancer mode`
          : `on ${probe.from.node}: iptables -t nat -S POSTROUTING; kubectl -n kube-system exec ds/cilium -- cilium bpf nat list (in its agent)`,
        {
          cause: "source-address",
          nodes: [
            ...new Set(
              wrong.flatMap((each) => [
                ...nodesOf(each.probe.from),
                ...(each.probe.flow === "outside-to-node-port" ? nodesOf(each.probe.to) : []),
              ]),
            ),
          ],
        },
      );
    });
  },
};
