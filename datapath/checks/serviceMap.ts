import { isIP } from "node:net";
import { withPort } from "../../modes/ipFamily";
import { WORKLOAD } from "../../modes/workload";
import {
  readingOf,
  valueOf,
  type ApiEvidence,
  type EndpointState,
  type PodState,
  type ServiceState,
} from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { ipv6View } from "../evidence/ipv6View";
import { sectionOf, type NodeEvidence } from "../evidence/node";
import { byIpv6, fail, inconclusive, pass, skipped, type Check, type Expectation, type Finding } from "./check";
import { eachFamily, isIpv6, portOf, type Family } from "./family";
import { deposed, takeLease } from "./kubernetes";
import { eachNode } from "./nodes";

/** One frontend of Cilium's service map. */
export interface ServiceEntry {
  /** `address:port` without protocol. */
  readonly frontend: string;
  /** `TCP`, `UDP` or `SCTP`; `ANY` where the version does not say. */
  readonly protocol: string;
  /** `ClusterIP`, `NodePort`, `HostPort` and so on. */
  readonly type: string;
  readonly backends: readonly { readonly address: string; readonly active: boolean }[];
}

/** Read `cilium service list`, of every version from 1.12 on. */
export function parseServiceList(text: string): ServiceEntry[] {
  const entries: {
    frontend: string;
    protocol: string;
    type: string;
    backends: { address: string; active: boolean }[];
  }[] = [];
  for (const line of text.split("\n")) {
    const head = /^\d+\s+(\S+)\s+(\w+)\s*(.*)$/.exec(line);
    if (head !== null) {
      const [frontend, protocol = "ANY"] = head[1]!.split("/");
      entries.push({ frontend: frontend!, protocol, type: head[2]!, backends: [] });
    }
    const backend = /(?:^|\s)\d+ => (\S+?)(?:\/\w+)?(?:\s+\((\w+)\))?\s*$/.exec(head === null ? line : head[3]!);
    // versions without the state list active backends only
    if (backend !== null)
      entries.at(-1)?.backends.push({ address: backend[1]!, active: (backend[2] ?? "active") === "active" });
  }
  return entries;
}

/** Read the backends of `cilium bpf lb list`: `address:port/protocol` to those of its frontend; `ANY` where the version does not say. */
export function parseLbMap(text: string): Map<string, Set<string>> {
  const map = new Map<string, Set<string>>();
  const [slotted, masters] = [new Set<string>(), new Set<string>()];
  let frontend = "";
  for (const line of text.split("\n")) {
    // the frontend is printed once, or in front of each of its slots
    const head = /^((?:[\d.]+|\[[\da-f:]+\]):\d+)(?:\/(\w+))?(?:\/i)?(?: \((\d+)\))?\s+(.*)$/.exec(line);
    if (head !== null) frontend = `${head[1]}/${head[2] ?? "ANY"}`;
    if (head?.[3] !== undefined) (head[3] === "0" ? masters : slotted).add(frontend);
    const rest = (head === null ? line : head[4]!).trim();
    const backend = /^(?:[\d.]+|\[[\da-f:]+\]):\d+/.exec(rest)?.[0];
    if (frontend === "" || rest === "") continue;
    const own = map.get(frontend) ?? new Set();
    if (backend !== undefined && !/^(?:0\.0\.0\.0|\[::\]):/.test(backend)) own.add(backend);
    map.set(frontend, own);
  }
  // without its slot 0, which tells how many there are, no other slot is looked at
  for (const each of slotted) if (!masters.has(each)) map.delete(each);
  return map;
}

/** The frontend of a port on every address of the family of another address or frontend. */
const onEveryAddress = (port: number | string, like: string) => withPort(isIpv6(like) ? "::" : "0.0.0.0", port);

/** Whether the workload's Service is the one that was deployed. */
export const serviceCheck: Check = {
  id: "service",
  question: "Is the workload's Service as it was deployed, and do the EndpointSlices of all Services match their pods?",
  needs: [],
  skip: ({ nodePort }) => (nodePort === undefined ? "the cluster has no workload of this project" : undefined),
  judge(evidence, { workload = WORKLOAD, nodePort, isExternal = false }) {
    const { api } = evidence;
    const { namespace, service: name, daemonSet } = workload;
    const services = valueOf(api.services, undefined);
    const service = services?.find((each) => each.namespace === namespace && each.name === name);
    const remedy = isExternal
      ? `kubectl -n ${namespace} get service ${name} -o yaml`
      : `pulumi up --refresh; or kubectl -n ${namespace} edit service ${name}`;
    if (services === undefined)
      return [inconclusive("cluster", "Services could not be read", "kubectl get services -A")];
    if (service === undefined) {
      return [
        fail("cluster", `no Service ${name}`, `Service ${namespace}/${name} is gone`, remedy, {
          cause: "service-changed",
        }),
      ];
    }
    const tcp = service.ports.find(({ protocol }) => protocol === "TCP");
    const wrong = [
      ...(service.type === "NodePort" ? [] : [`type ${service.type}, expected NodePort`]),
      ...(tcp?.nodePort === nodePort ? [] : [`NodePort ${tcp?.nodePort ?? "none"}, expected ${nodePort}`]),
      ...(service.ports.some(({ protocol, nodePort: own }) => protocol === "UDP" && own === nodePort)
        ? []
        : [`no UDP port at NodePort ${nodePort}`]),
      ...(tcp === undefined ? ["no TCP port"] : []),
      ...service.ports.flatMap(({ protocol, targetPort }) =>
        targetPort === "80" ? [] : [`target port ${targetPort}/${protocol}, expected 80`],
      ),
      ...(service.selector["app"] === daemonSet && Object.keys(service.selector).length === 1
        ? []
        : [`selector ${JSON.stringify(service.selector)}, expected {"app":"${daemonSet}"}`]),
      ...(service.externalTrafficPolicy === "Cluster"
        ? []
        : [`externalTrafficPolicy ${service.externalTrafficPolicy}, expected Cluster`]),
      ...(service.internalTrafficPolicy === "Cluster"
        ? []
        : [`internalTrafficPolicy ${service.internalTrafficPolicy}, expected Cluster`]),
      ...(service.sessionAffinity === "None" ? [] : [`sessionAffinity ${service.sessionAffinity}, expected None`]),
      ...(service.publishesNotReady === true ? ["publishNotReadyAddresses true, expected false"] : []),
      ...((service.externalAddresses ?? []).length === 0
        ? []
        : [`external addresses ${service.externalAddresses!.join(", ")}, expected none`]),
      ...(service.proxyName === undefined ? [] : [`label service-proxy-name ${service.proxyName}, expected none`]),
      ...(service.selective.length === 0 ? [] : [`${service.selective.join(", ")}, which the stack did not set`]),
    ];
    if (wrong.length > 0) {
      return [
        fail("cluster", wrong.join("; "), `Service ${namespace}/${name} was changed: ${wrong.join("; ")}`, remedy, {
          cause: "service-changed",
        }),
      ];
    }
    const ofIpv6 = ipv6View(evidence)?.api;
    return [
      ...judgeSlices(api, service),
      ...(isExternal ? [] : judgeOthers(api, service)),
      ...(ofIpv6 === undefined ? [] : byIpv6(judgeIpv6Slices(ofIpv6, service, isExternal))),
    ];
  },
};

/** Services of Kubernetes itself, which other proxies must not take over. */
const OF_SYSTEM = new Set(["default/kubernetes", "kube-system/kube-dns"]);

/** Ports at which the programs of a node itself answer: https://kubernetes.io/docs/reference/networking/ports-and-protocols/, and Cilium's. */
const OF_NODES: Readonly<Record<number, string>> = {
  22: "SSH",
  2379: "etcd",
  2380: "etcd",
  4240: "Cilium's health check",
  4244: "Hubble",
  6443: "the API server",
  10250: "the kubelet",
  10256: "the health check of kube-proxy",
};

/** Services that are served at the address of a pod, which its packets then do not reach. */
function takenPods(api: ApiEvidence, services: readonly ServiceState[]): Finding[] {
  const pods = readingOf(api.pods).filter(
    ({ hostNetwork, running, address }) => !hostNetwork && running && address !== "",
  );
  return services.flatMap(({ namespace, name, externalAddresses = [] }) =>
    pods
      .filter(({ address }) => externalAddresses.includes(address))
      .map((pod) =>
        fail(
          "cluster",
          `${namespace}/${name}: externalIPs ${pod.address}`,
          `the Service ${namespace}/${name} takes the address of the pod ${pod.namespace}/${pod.name}: its own endpoints answer instead of the pod`,
          `kubectl -n ${namespace} edit service ${name}: externalIPs without ${pod.address}`,
          { cause: "service-changed" },
        ),
      ),
  );
}

/** Services of both families that admit clients of one: a range of all addresses is one of its own family. */
function halfAdmitted(services: readonly ServiceState[]): Finding[] {
  return services.flatMap(({ namespace, name, sourceRanges = [] }) => {
    const [without, ...more] = [
      ["IPv4", sourceRanges.filter((each) => !each.includes(":")), "0.0.0.0/0"] as const,
      ["IPv6", sourceRanges.filter((each) => each.includes(":")), "::/0"] as const,
    ].filter(([, ranges]) => ranges.length === 0);
    if (without === undefined || more.length > 0) return [];
    const [family, , all] = without;
    return [
      fail(
        "cluster",
        `${namespace}/${name}: loadBalancerSourceRanges ${sourceRanges.join(", ")}`,
        `the Service ${namespace}/${name} has addresses of both families, and its source ranges admit no client by ${family}`,
        `kubectl -n ${namespace} patch service ${name} --type=json -p '[{"op":"add","path":"/spec/loadBalancerSourceRanges/-","value":"${all}"}]', or a smaller range of ${family}`,
        { cause: "service-changed" },
      ),
    ];
  });
}

/** Services that take a port of a node's own address from the node's own program. */
function takenPorts(api: ApiEvidence, services: readonly ServiceState[]): Finding[] {
  const nodes = readingOf(api.nodes);
  return services.flatMap(({ namespace, name, ports, externalAddresses = [] }) =>
    nodes.flatMap((node) =>
      ports.flatMap(({ port }) => {
        const program = OF_NODES[port];
        if (program === undefined || !externalAddresses.includes(node.address)) return [];
        return [
          fail(
            node.name,
            `${namespace}/${name}: ${node.address}:${port}`,
            `the Service ${namespace}/${name} takes ${node.address}:${port} from ${program} of the node`,
            `kubectl -n ${namespace} edit service ${name}: other externalIPs, or another port`,
            { cause: "service-changed", nodes: [node.name] },
          ),
        ];
      }),
    ),
  );
}

/** What is wrong with the cluster's other Services. */
function judgeOthers(api: ApiEvidence, own: ServiceState): Finding[] {
  const others = readingOf(api.services).filter((each) => each.namespace !== own.namespace || each.name !== own.name);
  const unserved = others.filter(
    ({ namespace, name, proxyName }) => proxyName !== undefined && OF_SYSTEM.has(`${namespace}/${name}`),
  );
  const system = others.filter(({ namespace, name }) => OF_SYSTEM.has(`${namespace}/${name}`));
  const partial = system.filter(({ internalTrafficPolicy }) => internalTrafficPolicy !== "Cluster");
  const selective = system.filter((each) => each.selective.length > 0);
  const pods = readingOf(api.pods);
  const servers = pods.filter(({ labels }) => labels["component"] === "kube-apiserver").map(({ address }) => address);
  const listed = readingOf(api.endpoints).filter(
    ({ namespace, service }) => namespace === "default" && service === "kubernetes",
  );
  const strangers = listed.flatMap(({ addresses }) => addresses.filter((each) => !servers.includes(each)));
  return [
    ...takenPorts(api, others),
    ...takenPods(api, others),
    ...halfAdmitted(others),
    ...selective.map(({ namespace, name, selective: by }) =>
      fail(
        "cluster",
        `${namespace}/${name}: ${by.join(", ")}`,
        `not every node serves ${namespace}/${name}, or not with all of its endpoints: ${by.join(", ")} says so`,
        `kubectl -n ${namespace} edit service ${name}: remove ${by.join(", ")}`,
        { cause: "service-changed" },
      ),
    ),
    ...unserved.map(({ namespace, name, proxyName }) =>
      fail(
        "cluster",
        `${namespace}/${name}: service-proxy-name ${proxyName}`,
        `neither Cilium nor kube-proxy serves ${namespace}/${name}: its label leaves it to the proxy ${proxyName}`,
        `kubectl -n ${namespace} label service ${name} service.kubernetes.io/service-proxy-name-`,
        { cause: "service-changed" },
      ),
    ),
    ...partial.map(({ namespace, name, internalTrafficPolicy }) =>
      fail(
        "cluster",
        `${namespace}/${name}: internalTrafficPolicy ${internalTrafficPolicy}`,
        `nodes without an endpoint of ${namespace}/${name} do not reach it`,
        `kubectl -n ${namespace} patch service ${name} -p '{"spec":{"internalTrafficPolicy":"Cluster"}}'`,
        { cause: "service-changed" },
      ),
    ),
    ...(strangers.length === 0 || servers.length === 0
      ? []
      : [
          fail(
            "cluster",
            `default/kubernetes: ${strangers.join(", ")}`,
            "the API server's Service has an endpoint at which no API server runs",
            "kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes; delete the one that is not named kubernetes",
            { cause: "endpoints-incomplete" },
          ),
        ]),
    // of IPv6 alone, whose slices are of IPv6
    ...slicesOfOthers(
      api,
      others.filter(({ clusterIp }) => !clusterIp.includes(":")),
    ),
  ];
}

/** The same slices of IPv6, of the Services that have an address of it. */
function judgeIpv6Slices(api: ApiEvidence, { namespace, name }: ServiceState, isExternal: boolean): Finding[] {
  const served = readingOf(api.services).filter(({ clusterIp }) => clusterIp !== "");
  const isOwn = (each: ServiceState) => each.namespace === namespace && each.name === name;
  const own = served.filter(isOwn).flatMap((each) => judgeSlices(api, each));
  return [
    ...own,
    ...(isExternal
      ? []
      : slicesOfOthers(
          api,
          served.filter((each) => !isOwn(each)),
        )),
  ];
}

/** What is wrong with the slices of Services that are not the workload's. */
function slicesOfOthers(api: ApiEvidence, others: readonly ServiceState[]): Finding[] {
  const pods = readingOf(api.pods);
  return others
    .filter(
      ({ type, selector, proxyName }) =>
        type !== "ExternalName" && Object.keys(selector).length > 0 && proxyName === undefined,
    )
    .flatMap((each) =>
      // those of others may be listed although they are not ready
      judgeSlices(
        api,
        each,
        pods.filter((pod) => isMatched(pod, each)),
      ).filter(({ verdict }) => verdict === "fail"),
    );
}

/** @param alive pods that may be listed although they are not ready; undefined for the workload's own Service */
function judgeSlices(api: ApiEvidence, service: ServiceState, alive?: readonly PodState[]): Finding[] {
  const endpoints = valueOf(api.endpoints, undefined);
  const pods = valueOf(api.pods, undefined);
  if (endpoints === undefined || pods === undefined)
    return [inconclusive("cluster", "EndpointSlices or pods could not be read", "kubectl get endpointslices -A")];
  const wanted = pods.filter((pod) => isSelected(pod, service));
  const findings = service.ports.flatMap(({ protocol, targetPort }): Finding[] => {
    const listed = addressesOf(endpoints, service, protocol, targetPort);
    // pods of other Services need not have a port of this name
    const isCertain = alive === undefined || /^\d+$/.test(targetPort);
    const missing = isCertain ? wanted.filter(({ address }) => !listed.has(address)) : [];
    const strangers = [...listed].filter(
      (address) => ![...wanted, ...(alive ?? [])].some((pod) => pod.address === address),
    );
    if (missing.length + strangers.length === 0) return [];
    const remedy = slicesRemedy(api, service, missing.length > 0 ? [] : strangers);
    const parts = [
      ...(missing.length > 0 ? [`${missing.map(({ name }) => name).join(", ")} is ready and missing`] : []),
      ...(strangers.length > 0
        ? [`${strangers.join(", ")} is listed and no ready pod of the Service has this address`]
        : []),
    ];
    return [
      fail(
        "cluster",
        `${protocol}: ${listed.size} endpoints for ${wanted.length} ready pods`,
        `the EndpointSlices of ${service.namespace}/${service.name} do not match its pods: ${parts.join("; ")}`,
        remedy,
        {
          cause: "endpoints-incomplete",
        },
      ),
    ];
  });
  if (findings.length > 0) return findings;
  return [
    pass(
      "cluster",
      `${service.type} ${service.ports.map(({ nodePort, protocol }) => `${nodePort}/${protocol}`).join(", ")} with ${wanted.length} endpoints`,
    ),
  ];
}

/** How EndpointSlices become those of the pods again. Nobody writes those that are deleted while the controller does not work. */
function slicesRemedy(api: ApiEvidence, { namespace, name }: ServiceState, strangers: readonly string[]): string {
  const stopped = deposed(api).find(({ component }) => component === "kube-controller-manager");
  if (stopped !== undefined) return `${takeLease(stopped.component)}; delete no EndpointSlice before`;
  const of = valueOf(api.endpoints, []).filter((each) => each.namespace === namespace && each.service === name);
  const foreign = new Set(
    of.filter(({ addresses }) => addresses.some((each) => strangers.includes(each))).map(({ slice }) => slice),
  );
  // one that has nothing else
  const isForeign = [...foreign].every((slice) =>
    of.every((each) => each.slice !== slice || each.addresses.every((address) => strangers.includes(address))),
  );
  const which =
    isForeign && foreign.size > 0 && !foreign.has(undefined)
      ? [...foreign].join(" ")
      : `-l kubernetes.io/service-name=${name}`;
  const look = `kubectl -n ${namespace} get endpointslices -o yaml --show-managed-fields`;
  return `kubectl -n ${namespace} delete endpointslices ${which}: the controller writes its own again; then look who edits them: ${look}`;
}

function isMatched({ namespace, labels, address }: PodState, service: ServiceState): boolean {
  const selector = Object.entries(service.selector);
  return (
    namespace === service.namespace &&
    address !== "" &&
    selector.length > 0 &&
    selector.every(([key, value]) => labels[key] === value)
  );
}

const isSelected = (pod: PodState, service: ServiceState): boolean =>
  pod.ready && !pod.deleting && isMatched(pod, service);

function addressesOf(
  endpoints: readonly EndpointState[],
  { namespace, name }: ServiceState,
  protocol: string,
  targetPort: string,
): Set<string> {
  const own = endpoints.filter(
    (each) => each.namespace === namespace && each.service === name && each.protocol === protocol,
  );
  const ofPort = /^\d+$/.test(targetPort) ? own.filter(({ port }) => String(port) === targetPort) : own;
  return new Set(ofPort.flatMap(({ addresses }) => addresses));
}

/** A frontend as the API server's objects demand it. */
export interface Wanted {
  readonly name: string;
  readonly frontend: string;
  readonly protocol: string;
  readonly type: "ClusterIP" | "NodePort";
  readonly backends: ReadonlySet<string>;
}

/** Whether agents and their BPF maps have every frontend with exactly its endpoints, and NodePorts exactly where Cilium answers for them. */
export const serviceMapCheck: Check = {
  id: "service-map",
  question: "Do the agents and their BPF maps have every Service with exactly its endpoints?",
  needs: ["nodes"],
  judge: (evidence, expectation) => eachFamily(evidence, (own, family) => judgeServiceMaps(own, family, expectation)),
};

function judgeServiceMaps(evidence: Evidence, { name: family }: Family, expectation: Expectation): Finding[] {
  const { api } = evidence;
  const isOfFamily = (frontend: string) => isIpv6(frontend) === (family === "IPv6");
  const wanted = wantedFrontends(api, expectation).filter(({ frontend }) => isOfFamily(frontend));
  const lbMaps = evidence.nodes.map((node) => sectionOf(node, "lb"));
  const judgeNode = (node: NodeEvidence, output: string, unexplained: (lines: string[]) => string[]): Finding => {
    const at = { nodes: [node.node] };
    const entries = parseServiceList(output).filter(({ frontend }) => isOfFamily(frontend));
    const clusterIps = entries.filter(({ type }) => type === "ClusterIP");
    const nodePorts = entries.filter(({ type }) => type === "NodePort");
    const seen = `${clusterIps.length} ClusterIP and ${nodePorts.length} NodePort frontends`;
    // IPv6 need not have Services
    if (clusterIps.length === 0 && family === "IPv4") {
      return inconclusive(
        node.node,
        "the agent's service list has no ClusterIP, not even the API server's",
        `kubectl -n kube-system exec ${node.agent} -- cilium service list`,
        at,
      );
    }
    if (expectation.evidence.serviceMap.nodePort === "absent" && nodePorts.length > 0) {
      return fail(
        node.node,
        `${seen}: ${nodePorts.map(({ frontend }) => frontend).join(", ")}`,
        "Cilium answers for NodePorts, which this mode leaves to kube-proxy",
        "set kubeProxyReplacement to false and restart the agents",
        { cause: "mode-fallback", ...at },
      );
    }
    const restart = `kubectl -n kube-system delete pod ${node.agent}: the agent fills its maps when it starts`;
    // a local redirect policy sends them to pods of its own choice
    const redirected = new Set(entries.filter(({ type }) => type === "LocalRedirect").map(({ frontend }) => frontend));
    const expected = wanted.filter(({ frontend }) => !redirected.has(frontend));
    const problems = expected.flatMap((each) => {
      const own = entries.find(
        ({ frontend, protocol, type }) =>
          type === each.type && frontend === each.frontend && isSame(protocol, each.protocol),
      );
      const problem =
        own === undefined
          ? "is missing"
          : differenceOf(
              new Set(own.backends.filter(({ active }) => active).map(({ address }) => address)),
              each.backends,
            );
      return problem === undefined ? [] : [`${each.name} ${each.frontend}/${each.protocol} ${problem}`];
    });
    const inAgent = unexplained(problems);
    if (inAgent.length > 0) {
      return fail(
        node.node,
        `${seen}; ${inAgent.slice(0, 3).join("; ")}`,
        `the agent's services differ from the API server's in ${inAgent.length === 1 ? "a frontend" : `${inAgent.length} frontends`}`,
        restart,
        { cause: "service-map-stale", ...at },
      );
    }
    const map = sectionOf(node, "lb");
    if (map instanceof Error) return inconclusive(node.node, map.message, undefined, at);
    const inMap = new Map([...parseLbMap(map)].filter(([frontend]) => isOfFamily(frontend)));
    const address = readingOf(api.nodes).find(({ name }) => name === node.node)?.address;
    // the kept connections of a pod that terminates, as in every rollout
    const inactive = new Set(
      entries.flatMap(({ backends }) => backends.filter(({ active }) => !active).map((each) => each.address)),
    );
    const differing = [...expected, ...ownNodePorts(expected, address, lbMaps)].flatMap((each) => {
      const own = inMap.get(`${each.frontend}/${each.protocol}`) ?? inMap.get(`${each.frontend}/ANY`);
      const problem =
        own === undefined
          ? "is missing"
          : differenceOf(
              new Set([...own].filter((one) => each.backends.has(one) || !inactive.has(one))),
              each.backends,
            );
      return problem === undefined ? [] : [`${each.name} ${each.frontend}/${each.protocol} ${problem}`];
    });
    const stale = unexplained(differing);
    if (stale.length > 0) {
      return fail(
        node.node,
        `${seen}; in the BPF map ${stale.slice(0, 3).join("; ")}`,
        `the BPF service map differs from what the agent believes, in ${stale.length === 1 ? "a frontend" : `${stale.length} frontends`}`,
        restart,
        { cause: "service-map-stale", ...at },
      );
    }
    const strange = [
      ...strangeFrontends(inMap, entries),
      ...(expectation.isExternal ? [] : unknownServices(clusterIps, api)),
    ];
    if (strange.length > 0) {
      return fail(
        node.node,
        `${seen}; in the BPF map ${strange.slice(0, 3).join(", ")}`,
        `the BPF service map or the agent has frontends that no Service has (${strange.length})`,
        restart,
        { cause: "service-map-stale", ...at },
      );
    }
    const unanswered = missingReverse(map, sectionOf(node, "revnat")).filter(isOfFamily);
    if (unanswered.length > 0) {
      return fail(
        node.node,
        `${seen}; no or another reverse entry for ${unanswered.slice(0, 3).join(", ")}`,
        "replies from these Services are not translated back to their address, and clients drop them",
        restart,
        { cause: "service-map-stale", ...at },
      );
    }
    return pass(node.node, `${seen}, ${expected.length} compared with the API server and the BPF map`);
  };
  return eachNode(evidence, "services", (node, output): Finding[] => {
    const clashes = clashesOn(node.node, api);
    const found = new Set<Clash>();
    const finding = judgeNode(node, output, (lines) =>
      lines.filter((line) => {
        const reasons = clashes.filter(
          ({ service, port, protocol }) => line.startsWith(`${service} `) && line.includes(`:${port}/${protocol} `),
        );
        for (const each of reasons) found.add(each);
        return reasons.length === 0;
      }),
    );
    const taken = [...found].map(failureOf);
    return taken.length > 0 && finding.verdict === "pass" ? taken : [...taken, finding];
  });
}

/** A pod whose HostPort is the NodePort of a Service: of one port and protocol of a node, Cilium has one frontend. */
interface Clash {
  readonly pod: PodState;
  readonly port: number;
  readonly protocol: string;
  /** `namespace/name`. */
  readonly service: string;
}

/** Whether two protocols are the same; `ANY` stands for one that is not known. */
const isSame = (one: string, other: string) => one === other || one === "ANY" || other === "ANY";

const hostPortsOf = ({ hostPorts }: PodState) =>
  hostPorts.map((each) => (typeof each === "number" ? { port: each, protocol: "ANY" } : each));

function clashesOn(node: string, { pods, services }: ApiEvidence): Clash[] {
  // Cilium has no frontends of pods in the node's own network
  const own = readingOf(pods).filter((pod) => pod.node === node && !pod.hostNetwork && !pod.deleting);
  return own.flatMap((pod) =>
    hostPortsOf(pod).flatMap((hostPort) =>
      readingOf(services).flatMap(({ namespace, name, ports }) =>
        ports.flatMap(({ nodePort: port, protocol }) =>
          port === hostPort.port && isSame(protocol, hostPort.protocol)
            ? [{ pod, port, protocol, service: `${namespace}/${name}` }]
            : [],
        ),
      ),
    ),
  );
}

function failureOf({ pod, port, protocol, service }: Clash): Finding {
  return fail(
    pod.node,
    `${pod.namespace}/${pod.name}: hostPort ${port}/${protocol}`,
    `the pod ${pod.namespace}/${pod.name} takes the port ${port} of ${pod.node}, which is the NodePort of the Service ${service}`,
    `give the pod another hostPort, or: kubectl -n ${pod.namespace} delete pod ${pod.name}`,
    { cause: "host-port-taken", nodes: [pod.node] },
  );
}

/** NodePorts on a node's own address, in versions that have them there beside those on every address. */
function ownNodePorts(
  wanted: readonly Wanted[],
  address: string | undefined,
  maps: readonly (string | Error)[],
): Wanted[] {
  return wanted.flatMap((each) => {
    const port = portOf(each.frontend);
    const others = isIpv6(each.frontend) ? "\\[(?!::\\])[\\da-f:]+\\]" : "(?!0\\.0\\.0\\.0)[\\d.]+";
    const isKnown = maps.some((map) => typeof map === "string" && new RegExp(`^${others}:${port}[/ ]`, "m").test(map));
    return each.type === "NodePort" && isKnown && address !== undefined
      ? [{ ...each, frontend: withPort(address, port) }]
      : [];
  });
}

/** Frontends with backends that the agent does not list; NodePorts and HostPorts are there for every address of the node. */
function strangeFrontends(inMap: ReadonlyMap<string, ReadonlySet<string>>, entries: readonly ServiceEntry[]): string[] {
  const known = new Set(entries.map(({ frontend }) => frontend));
  const ports = new Set(
    entries.filter(({ type }) => type === "NodePort" || type === "HostPort").map(({ frontend }) => portOf(frontend)),
  );
  return [...inMap].flatMap(([key, backends]) => {
    const [frontend] = key.split("/") as [string];
    return backends.size === 0 || known.has(frontend) || ports.has(portOf(frontend)) ? [] : [key];
  });
}

/** ClusterIPs of the agent that no Service has. */
function unknownServices(entries: readonly ServiceEntry[], { services }: ApiEvidence): string[] {
  const known = new Set(
    readingOf(services).flatMap(({ clusterIp, clusterIps = [] }) =>
      [clusterIp, ...clusterIps].map((each) => withPort(each, 0)),
    ),
  );
  return entries.flatMap(({ frontend }) => (known.has(frontend.replace(/\d+$/, "0")) ? [] : [frontend]));
}

/** Services whose number of reverse translation is not in its map, or belongs to another. */
function missingReverse(lb: string, revnat: string | Error): string[] {
  if (revnat instanceof Error) return [];
  const known = new Map(
    [...revnat.matchAll(/^(\d+)\s+((?:[\d.]+|\[[\da-f:]+\]):\d+)/gm)].map(([, id, to]) => [id!, to!] as const),
  );
  const masters =
    /^((?:[\d.]+|\[[\da-f:]+\]):[1-9]\d*(?:\/\w+)?)(?: \(0\))?\s+(?:0\.0\.0\.0|\[::\]):0(?:\/\w+)? \((\d+)\)/gm;
  return [...lb.matchAll(masters)].flatMap(([, frontend, id]) => {
    const to = known.get(id!);
    const [own] = frontend!.split("/");
    // NodePorts may share the entry of every address
    const isOwn = to === own || to === onEveryAddress(portOf(own!), own!);
    return id === "0" || isOwn ? [] : [frontend!];
  });
}

function differenceOf(own: ReadonlySet<string>, wanted: ReadonlySet<string>): string | undefined {
  const missing = [...wanted].filter((each) => !own.has(each));
  const strange = [...own].filter((each) => !wanted.has(each));
  if (missing.length > 0) return `lacks the backend ${missing.join(", ")}`;
  return strange.length > 0 ? `has the backend ${strange.join(", ")}, which is no ready endpoint` : undefined;
}

/** Every ClusterIP with endpoints, and NodePorts where Cilium answers for them. */
export function wantedFrontends(api: ApiEvidence, { evidence }: Expectation): Wanted[] {
  const endpoints = readingOf(api.endpoints);
  return readingOf(api.services).flatMap((service): Wanted[] => {
    if (isIP(service.clusterIp) === 0 || service.internalTrafficPolicy !== "Cluster") return [];
    // Cilium and kube-proxy leave it to another proxy
    if (service.proxyName !== undefined || service.selective.length > 0) return [];
    return service.ports.flatMap(({ protocol, port, targetPort, nodePort }): Wanted[] => {
      const own = endpoints.filter(
        (each) => each.namespace === service.namespace && each.service === service.name && each.protocol === protocol,
      );
      const ofPort = /^\d+$/.test(targetPort) ? own.filter((each) => String(each.port) === targetPort) : own;
      // a named port may be several: only what has one is compared
      if (ofPort.length === 0 || new Set(ofPort.map((each) => each.port)).size !== 1) return [];
      const backends = new Set(ofPort.flatMap((each) => each.addresses.map((address) => withPort(address, each.port))));
      if (backends.size === 0) return [];
      const name = `${service.namespace}/${service.name}`;
      return [
        { name, protocol, backends, type: "ClusterIP", frontend: withPort(service.clusterIp, port) },
        ...(nodePort !== undefined &&
        service.externalTrafficPolicy === "Cluster" &&
        evidence.serviceMap.nodePort === "present"
          ? [
              {
                name,
                protocol,
                backends,
                type: "NodePort" as const,
                frontend: onEveryAddress(nodePort, service.clusterIp),
              },
            ]
          : []),
      ];
    });
  });
}

/** Whether Cilium's service map holds every HostPort, where Cilium answers for them. */
export const hostPortsCheck: Check = {
  id: "host-ports",
  question: "Does Cilium's service map hold the HostPorts of every node's pods?",
  needs: ["nodes"],
  skip: ({ evidence }) =>
    evidence.serviceMap.nodePort === "absent" ? "the CNI plugin portmap answers for HostPorts in this mode" : undefined,
  judge(evidence) {
    const wanted = readingOf(evidence.api.pods).filter(
      ({ hostPorts, hostNetwork, running }) => running && !hostNetwork && hostPorts.length > 0,
    );
    if (!("value" in evidence.api.pods)) return [inconclusive("cluster", evidence.api.pods.error)];
    if (wanted.length === 0) return [skipped("cluster", "no pod asks for a HostPort")];
    return eachNode(evidence, "services", (node, output): Finding[] => {
      const own = wanted
        .filter((pod) => pod.node === node.node)
        .flatMap((pod) => hostPortsOf(pod).map((each) => ({ pod, ...each })));
      if (own.length === 0) return [];
      const held = parseServiceList(output).filter(({ type }) => type === "HostPort");
      const missing = own.filter(
        ({ port, protocol }) =>
          !held.some((each) => each.frontend.endsWith(`:${port}`) && isSame(each.protocol, protocol)),
      );
      const seen = `${own.length - missing.length} of ${own.length} HostPorts`;
      if (missing.length === 0) return [pass(node.node, seen)];
      const isOf = (one: (typeof missing)[number], { pod, port, protocol }: Clash) =>
        one.pod === pod && one.port === port && isSame(one.protocol, protocol);
      const clashes = clashesOn(node.node, evidence.api).filter((clash) => missing.some((each) => isOf(each, clash)));
      const others = missing.filter((each) => !clashes.some((clash) => isOf(each, clash)));
      const taken = clashes.map(failureOf);
      if (others.length === 0) return taken;
      const names = others.map(({ pod, port }) => `${port} of ${pod.name}`).join(", ");
      return [
        ...taken,
        fail(node.node, seen, `the service map lacks ${names}`, `kubectl -n kube-system delete pod ${node.agent}`, {
          cause: "service-map-stale",
          nodes: [node.node],
        }),
      ];
    });
  },
};
