import { containsAddress } from "../../modes/cidr";
import type { ExpectedEvidence } from "../../modes/evidence";
import { isDualStack, readingOf, valueOf, type ApiEvidence } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { jsonOf, sectionOf, type NodeEvidence } from "../evidence/node";
import { byIpv6, deletingAgentOn, fail, inconclusive, pass, warning, type Expectation, type Finding } from "./check";

// What checks say beside IPv4 of the second family of a dual-stack cluster; nothing of another cluster.

/** A node as the API server knows its second family. */
interface Ipv6Peer {
  readonly name: string;
  readonly address: string | undefined;
  readonly podCidrs: readonly string[];
}

function peersOf(api: ApiEvidence): Ipv6Peer[] {
  const podCidrs = new Map(readingOf(api.ciliumNodes).map((node) => [node.name, node.ipv6PodCidrs ?? []]));
  return readingOf(api.nodes).map(({ name, ipv6Address }) => ({
    name,
    address: ipv6Address,
    podCidrs: podCidrs.get(name) ?? [],
  }));
}

const eachNode = (evidence: Evidence, judge: (node: NodeEvidence) => Finding): Finding[] =>
  isDualStack(evidence.api) ? byIpv6(evidence.nodes.map(judge)) : [];

/** Whether every node and pod has an IPv6 address, that of a pod in its node's network. */
export function ipv6Addresses(evidence: Evidence, isExternal = false): Finding[] {
  const { api } = evidence;
  return eachNode(evidence, ({ node }) => {
    const at = { nodes: [node] };
    const { address, podCidrs } = peersOf(api).find(({ name }) => name === node) ?? { podCidrs: [] as string[] };
    const own = readingOf(api.pods).filter(
      (pod) => pod.node === node && !pod.hostNetwork && pod.running && !pod.deleting && pod.address !== "",
    );
    const seen = `${address ?? "no address"}, ${own.length} pods in ${podCidrs.join(", ") || "no network"}`;
    if (address === undefined) {
      return fail(
        node,
        seen,
        "the node has no IPv6 address, and other nodes have one",
        `kubectl get node ${node} -o yaml: status.addresses; on the node: ip -6 addr show eth0`,
        { cause: "address-missing", ...at },
      );
    }
    if (podCidrs.length === 0) {
      return fail(
        node,
        seen,
        "the node has no IPv6 network for its pods",
        `kubectl get ciliumnode ${node} -o yaml: spec.ipam.podCIDRs; kubectl -n kube-system logs deployment/cilium-operator`,
        { cause: "address-missing", ...at },
      );
    }
    const wrong = own.filter(
      ({ ipv6Address }) => ipv6Address === undefined || !podCidrs.some((cidr) => containsAddress(cidr, ipv6Address)),
    );
    if (wrong.length === 0) return pass(node, seen);
    const [first] = wrong as [(typeof wrong)[number]];
    // pods of others may well be older than the second family
    return (isExternal ? warning : fail)(
      node,
      wrong.map(({ name, ipv6Address }) => `${name}: ${ipv6Address ?? "no IPv6 address"}`).join(", "),
      `pods must have an address of their node's IPv6 network ${podCidrs.join(", ")}: they may be older than it`,
      `kubectl -n ${first.namespace} delete pod ${first.name}: its controller creates it again`,
      { cause: "address-missing", ...at },
    );
  });
}

/** The route to the pods of another node, as mode and tunnel have it. */
function wayTo(address: string, { nodeRoutes }: ExpectedEvidence): string | undefined {
  if (nodeRoutes === "via the other node dev eth0") return `via ${address} dev eth0`;
  if (nodeRoutes === "via the other node") return `via ${address}`;
  return nodeRoutes === "not Cilium's" ? undefined : "dev cilium_host";
}

/** Whether every node has the expected routes to the IPv6 networks of the other nodes' pods, and no others inside them. */
export function ipv6Routes(evidence: Evidence, { evidence: expected, isExternal = false }: Expectation): Finding[] {
  const peers = peersOf(evidence.api);
  return eachNode(evidence, (node) => {
    const text = sectionOf(node, "ipv6Routes");
    if (text instanceof Error) return inconclusive(node.node, text.message, undefined, { nodes: [node.node] });
    const main = text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !/\btable \S+/.test(line));
    const others = peers.filter(({ name }) => name !== node.node);
    for (const { name, address, podCidrs } of others) {
      const way = address === undefined ? undefined : wayTo(address, expected);
      for (const cidr of way === undefined ? [] : podCidrs) {
        const own = main.filter((line) => line.startsWith(`${cidr} `));
        if (own.some((line) => `${line} `.includes(` ${way} `))) continue;
        return fail(
          node.node,
          own[0] ?? `no route to ${cidr}`,
          `the route to the pods of ${name} must be ${cidr} ${way}`,
          `${deletingAgentOn(node.node)}: the agent writes its routes when it starts`,
          { cause: own.length === 0 ? "route-missing" : "route-foreign", nodes: [node.node, name] },
        );
      }
    }
    const cidrs = peers.flatMap(({ podCidrs }) => podCidrs);
    const foreign = main.find((line) => {
      const to = /^(?:(?:blackhole|prohibit|unreachable|throw) )?([\da-f:]+)(?:\/\d+)?(?= )/.exec(line)?.[1];
      const isCilium = /\bdev (?:cilium_\w+|lxc\w+)\b/.test(line) || cidrs.some((cidr) => line.startsWith(`${cidr} `));
      return to !== undefined && !isCilium && cidrs.some((cidr) => containsAddress(cidr, to));
    });
    if (foreign !== undefined && !isExternal) {
      return fail(
        node.node,
        foreign,
        "a route that Cilium did not write sends packets for pods another way",
        `on ${node.node}: ip -6 route del ${foreign.replace(/ proto \w+.*$/, "")}`,
        { cause: "route-foreign", nodes: [node.node] },
      );
    }
    return pass(node.node, `${main.length} routes, ${others.length} of them to other nodes' pods`);
  });
}

/** Whether the ipcache knows every pod's IPv6 address by its identity. */
export function ipv6Identities(evidence: Evidence): Finding[] {
  const known = readingOf(evidence.api.ciliumEndpoints).filter(({ identity }) => identity > 0);
  const alive = new Set(readingOf(evidence.api.pods).map(({ namespace, name }) => `${namespace}/${name}`));
  return eachNode(evidence, (node) => {
    const at = { nodes: [node.node] };
    const ipcache = jsonOf<Readonly<Record<string, readonly string[]>>>(node, "ipcache");
    if (ipcache instanceof Error) return inconclusive(node.node, ipcache.message, undefined, at);
    const wrong = known.flatMap(({ namespace, name, ipv6Address, identity }) => {
      if (ipv6Address === undefined || !alive.has(`${namespace}/${name}`)) return [];
      const entry = ipcache[`${ipv6Address}/128`] ?? ipcache[ipv6Address];
      const found = /(?:identity=|^)(\d+)/.exec(entry?.join(" ") ?? "")?.[1];
      if (found === undefined) return [`${name} (${ipv6Address}) is missing`];
      return Number(found) === identity ? [] : [`${name} (${ipv6Address}) has identity ${found}, expected ${identity}`];
    });
    if (wrong.length === 0) return pass(node.node, `${known.length} identities as the API server has them`);
    return fail(
      node.node,
      `ipcache: ${wrong.slice(0, 3).join("; ")}`,
      "the BPF ipcache differs from the API server: packets get another identity, or are sent to another node",
      `${deletingAgentOn(node.node)}: the agent fills its maps when it starts`,
      { cause: "ipcache-stale", ...at },
    );
  });
}

/** Whether every agent has the IPv6 ClusterIPs with exactly their endpoints, and NodePorts where Cilium answers for them. */
export function ipv6Services(
  evidence: Evidence,
  { evidence: { serviceMap } }: Expectation,
  parse: (text: string) => readonly {
    readonly frontend: string;
    readonly type: string;
    readonly protocol: string;
    readonly backends: readonly { readonly address: string; readonly active: boolean }[];
  }[],
): Finding[] {
  const { api } = evidence;
  const endpoints = api.ipv6Endpoints === undefined ? [] : readingOf(api.ipv6Endpoints);
  const wanted = valueOf(api.services, []).flatMap((service) => {
    const clusterIp = service.clusterIps?.find((each) => each.includes(":"));
    const isServed = service.internalTrafficPolicy === "Cluster" && service.proxyName === undefined;
    if (clusterIp === undefined || !isServed || service.selective.length > 0) return [];
    return service.ports.flatMap(({ protocol, port, targetPort, nodePort }) => {
      const own = endpoints.filter(
        (each) =>
          each.namespace === service.namespace &&
          each.service === service.name &&
          each.protocol === protocol &&
          (!/^\d+$/.test(targetPort) || String(each.port) === targetPort),
      );
      // a named port may be several: only what has one is compared
      if (new Set(own.map((each) => each.port)).size !== 1) return [];
      const backends = own.flatMap((each) => each.addresses.map((address) => `[${address}]:${each.port}`)).sort();
      const name = `${service.namespace}/${service.name}`;
      const hasNodePort =
        nodePort !== undefined && service.externalTrafficPolicy === "Cluster" && serviceMap.nodePort === "present";
      return [
        { name, protocol, backends, type: "ClusterIP", frontend: `[${clusterIp}]:${port}` },
        ...(hasNodePort ? [{ name, protocol, backends, type: "NodePort", frontend: `[::]:${nodePort}` }] : []),
      ];
    });
  });
  return eachNode(evidence, (node) => {
    const at = { nodes: [node.node] };
    const text = sectionOf(node, "services");
    if (text instanceof Error) return inconclusive(node.node, text.message, undefined, at);
    const entries = parse(text);
    // a local redirect policy sends them to pods of its own choice
    const redirected = new Set(entries.flatMap(({ type, frontend }) => (type === "LocalRedirect" ? [frontend] : [])));
    const expected = wanted.filter(({ frontend }) => !redirected.has(frontend));
    const wrong = expected.flatMap(({ name, frontend, protocol, type, backends }) => {
      const own = entries.find(
        (each) =>
          each.frontend === frontend && each.type === type && (each.protocol === protocol || each.protocol === "ANY"),
      );
      const what = `${name} ${frontend}/${protocol}`;
      if (own === undefined) return [`${what} is missing`];
      const found = own.backends.flatMap(({ address, active }) => (active ? [address] : [])).sort();
      return found.join() === backends.join() ? [] : [`${what} has ${found.join(", ") || "no backend"}`];
    });
    if (wrong.length === 0) return pass(node.node, `${expected.length} frontends as the API server has them`);
    return fail(
      node.node,
      wrong.slice(0, 3).join("; "),
      `the agent's services differ from the API server's in ${wrong.length === 1 ? "a frontend" : `${wrong.length} frontends`}`,
      `${deletingAgentOn(node.node)}: the agent fills its maps when it starts`,
      { cause: "service-map-stale", ...at },
    );
  });
}
