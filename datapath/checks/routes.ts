import { contains, isIpv4Address, overlap } from "../../modes/cidr";
import type { ExpectedEvidence } from "../../modes/evidence";
import { ciliumNodesByNode, valueOf } from "../evidence/api";
import { gatewayOf, type Evidence } from "../evidence/gather";
import { addressesOf, addressesOn, jsonOf, OUTSIDE_ADDRESS, sectionOf, type NodeEvidence } from "../evidence/node";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";
import { IPV4 } from "./family";
import { ipv6Routes } from "./ipv6Routes";
import { judgeGateway, judgeNeighbors } from "./neighbors";
import { eachNode, peersOf, type Peer } from "./nodes";
import { ATTRIBUTES, judgePolicies, judgeRules } from "./routingRules";

/** Whether every node sends packets for the other nodes' pods the way that mode and tunnel have. */
export const routesCheck: Check = {
  id: "routes",
  question:
    "Does every node send packets for other nodes' pods the expected way, with no rule, route or neighbor that Cilium did not create?",
  needs: ["nodes"],
  judge(evidence, expectation) {
    const { evidence: expected, isExternal } = expectation;
    const peers = peersOf(evidence);
    const others = new Set(peers.flatMap(({ podCidrs }) => podCidrs));
    // agents write routes to CiliumNodes that have no Node, which another check finds
    const strange = ciliumNodesByNode(evidence.api).without.flatMap(({ podCidrs }) =>
      podCidrs.filter((cidr) => !others.has(cidr)),
    );
    const tunnelMtu = usualTunnelMtu(evidence);
    const ofIpv4 = eachNode(evidence, "routes", (node, output): Finding[] => {
      const lines = output
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean);
      const isPrivate = privateRoutes(node, lines, peers, evidence);
      const bad = [
        ...judgeRules(node, evidence, isExternal ?? false, IPV4),
        ...judgePolicies(node, evidence, isExternal ?? false),
        ...judgeTunnel(node, expected, evidence),
        ...judgeMissing(node, lines, peers, expected, tunnelMtu, isExternal ?? false),
        ...judgeForeign(node, lines, peers, expected, isExternal ?? false).filter(
          ({ seen }) => !strange.some((cidr) => seen.startsWith(`${cidr} `)),
        ),
        ...(isExternal ? [] : judgeEdited(node, lines, peers, expected, isPrivate)),
        ...judgeNeighbors(node, evidence, peers, IPV4),
        ...judgeGateway(node, evidence, isExternal ?? false),
        ...(isExternal
          ? []
          : judgeConnected(
              node,
              lines.filter((line) => !isPrivate(line)),
              evidence,
            )),
        ...judgeDefault(node, lines, evidence, isExternal ?? false),
        ...judgeOutside(node, lines),
      ];
      if (bad.length > 0) return bad;
      const lookups = judgeLookups(node, evidence, peers, expected);
      if (lookups.length > 0) return lookups;
      return [
        pass(
          node.node,
          `${lines.filter((line) => !line.includes("table local")).length} routes, ${Object.keys(node.lookups).filter((to) => !to.includes(":")).length} lookups as expected`,
        ),
      ];
    });
    return [...ofIpv4, ...ipv6Routes(evidence, expectation)];
  },
};

/** Values of keys with which agents have a tunnel beside native routing: to the gateway, or to a Service's backend. */
const OWN_TUNNEL: readonly (readonly [string, string])[] = [
  ["enable-egress-gateway", "true"],
  ["enable-ipv4-egress-gateway", "true"],
  ["bpf-lb-dsr-dispatch", "geneve"],
];

/** Whether a configuration has a tunnel for other packets than those between pods. */
export const hasOwnTunnel = (config: Readonly<Record<string, string | undefined>>) =>
  OWN_TUNNEL.some(([key, value]) => config[key] === value);

function judgeTunnel(node: NodeEvidence, expected: ExpectedEvidence, { api }: Evidence): Finding[] {
  const links = jsonOf<{ readonly ifname: string }[]>(node, "links");
  if (links instanceof Error) return [];
  const device = links.find(({ ifname }) => /^cilium_(?:vxlan|geneve)$/.test(ifname))?.ifname ?? "none";
  // another check says that it is missing
  if (device === expected.tunnelDevice || device === "none") return [];
  if (expected.tunnelDevice === "none" && hasOwnTunnel(valueOf(api.config, undefined)?.data ?? {})) return [];
  return [
    fail(
      node.node,
      `tunnel device ${device}`,
      `the tunnel device must be ${expected.tunnelDevice}: the agent routes otherwise than expected`,
      "kubectl -n kube-system exec ds/cilium -- cilium status | grep Routing; set the routing mode anew and restart the agents",
      { cause: "mode-fallback", nodes: [node.node] },
    ),
  ];
}

/** The route to another node's pods, by the word of the contract. */
function wayTo(peer: Peer, { nodeRoutes }: ExpectedEvidence): { readonly pattern: RegExp; readonly shown: string } {
  const address = peer.address.replaceAll(".", "\\.");
  switch (nodeRoutes) {
    case "via the other node dev eth0":
      return { pattern: new RegExp(`via ${address} dev eth0\\b`), shown: `via ${peer.address} dev eth0` };
    case "via the other node":
      return { pattern: new RegExp(`via ${address}\\b`), shown: `via ${peer.address}` };
    case "via cilium_host dev cilium_host":
      return { pattern: /dev cilium_host\b/, shown: "dev cilium_host" };
    case "not Cilium's":
      return { pattern: /./, shown: "any way" };
  }
}

/** The MTU that most routes through the tunnel have, on all nodes; undefined if two are as frequent. */
function usualTunnelMtu({ nodes }: Evidence): string | undefined {
  const counts = new Map<string, number>();
  for (const node of nodes) {
    const text = sectionOf(node, "routes");
    if (text instanceof Error) continue;
    for (const [, mtu] of text.matchAll(/^\d.* dev cilium_host\b.* mtu (\d+)/gm))
      counts.set(mtu!, (counts.get(mtu!) ?? 0) + 1);
  }
  const [first, second] = [...counts].sort((a, b) => b[1] - a[1]);
  return first?.[1] === second?.[1] ? undefined : first?.[0];
}

function judgeMissing(
  node: NodeEvidence,
  lines: readonly string[],
  peers: readonly Peer[],
  expected: ExpectedEvidence,
  tunnelMtu: string | undefined,
  isExternal: boolean,
): Finding[] {
  if (expected.nodeRoutes === "not Cilium's") return [];
  const others = peers.filter(({ name }) => name !== node.node);
  const unknown = others.filter(({ podCidrs }) => podCidrs.length === 0);
  const at = (peer: Peer) => ({ nodes: [node.node, peer.name] });
  if (unknown.length > 0) {
    return [
      inconclusive(
        node.node,
        `no pod network is known of ${unknown.map(({ name }) => name).join(", ")}`,
        "kubectl get ciliumnodes -o yaml",
        { nodes: [node.node, ...unknown.map(({ name }) => name)] },
      ),
    ];
  }
  const main = lines.filter((line) => !/\btable \S+/.test(line));
  const own = peers.find(({ name }) => name === node.node)?.podCidrs ?? [];
  const lost = own.filter(
    (cidr) => !main.some((line) => line.startsWith(`${cidr} `) && /dev cilium_host\b/.test(line)),
  );
  if (lost.length > 0) {
    return [
      fail(
        node.node,
        `no route to ${lost.join(", ")} by cilium_host`,
        "the route to the node's own pods is missing",
        `kubectl -n kube-system delete pod ${node.agent ?? "(the node's agent)"}: the agent writes its routes when it starts`,
        { cause: "route-missing", nodes: [node.node] },
      ),
    ];
  }
  const routesTo = new Map<string, string[]>();
  for (const line of main) {
    const [to] = line.split(" ", 1) as [string];
    routesTo.set(to, [...(routesTo.get(to) ?? []), line]);
  }
  return others.flatMap((peer) =>
    peer.podCidrs.flatMap((cidr) => {
      const { pattern, shown } = wayTo(peer, expected);
      const found = routesTo.get(cidr)?.find((line) => pattern.test(line));
      const mtu = / mtu (\d+)/.exec(found ?? "")?.[1];
      if (mtu !== undefined && expected.tunnelDevice === "none") {
        return [
          fail(
            node.node,
            found!,
            `the route to the pods of ${peer.name} has an MTU of ${mtu}, which Cilium did not set`,
            `on ${node.node}: ip route replace ${cidr} ${shown}`,
            {
              cause: "mtu-mismatch",
              ...at(peer),
            },
          ),
        ];
      }
      if (found !== undefined && expected.tunnelDevice !== "none" && !isExternal && mtu !== tunnelMtu) {
        return [
          fail(
            node.node,
            found,
            `the route to the pods of ${peer.name} has ${mtu === undefined ? "no MTU" : `an MTU of ${mtu}`}, and ${tunnelMtu === undefined ? "routes on other nodes have another" : `the others have ${tunnelMtu}`}`,
            `kubectl -n kube-system delete pod ${node.agent ?? "(the node's agent)"}: the agent writes its routes when it starts`,
            { cause: "mtu-mismatch", ...at(peer) },
          ),
        ];
      }
      if (found !== undefined) return [];
      const instead = main.find((line) => new RegExp(`^(?:\\w+ )?${cidr.replaceAll(".", "\\.")} `).test(line));
      return [
        fail(
          node.node,
          instead === undefined ? `no route to ${cidr}` : instead,
          `the route to the pods of ${peer.name} must be ${cidr} ${shown}`,
          `kubectl -n kube-system delete pod ${node.agent ?? "(the node's agent)"}: the agent writes its routes when it starts`,
          { cause: instead === undefined ? "route-missing" : "route-foreign", ...at(peer) },
        ),
      ];
    }),
  );
}

/** Routes inside the pods' networks, or to nodes, that neither the kernel nor Cilium writes; and those that throw packets away. */
function judgeForeign(
  node: NodeEvidence,
  lines: readonly string[],
  peers: readonly Peer[],
  expected: ExpectedEvidence,
  isExternal: boolean,
): Finding[] {
  const cidrs = peers.flatMap(({ podCidrs }) => podCidrs);
  const concerns = (to: string) => {
    const cidr = to.includes("/") ? to : `${to}/32`;
    return (
      cidrs.some((each) => contains(each, cidr)) ||
      peers.some(({ address }) => address === to || cidr === `${address}/32`)
    );
  };
  const hasNetwork = peers.some(({ name, podCidrs }) => name === node.node && podCidrs.length > 0);
  const foreign = lines.flatMap((line) => {
    if (/\btable (?:local|20[01]|200[45])\b/.test(line)) return [];
    // of a node whose network nobody knows, the route to it looks like a foreign one
    if (!hasNetwork && /\bdev cilium_host\b/.test(line)) return [];
    const match = /^(?:(blackhole|prohibit|unreachable|throw) )?(\d[\d./]*)\b/.exec(line);
    if (match === null) return [];
    const [, refusal, to] = match as unknown as [string, string | undefined, string];
    const isConnected = /\bproto kernel scope link\b/.test(line) && !/\bvia\b/.test(line);
    const isOfMain = !/\btable \S+/.test(line);
    const isOthers = isExternal || expected.nodeRoutes === "not Cilium's";
    if (!concerns(to) && isLikeDefault(line, to, lines)) return [];
    if (!concerns(to) && (refusal === undefined ? isOthers || isConnected || !isOfMain : isExternal)) return [];
    const known =
      concerns(to) &&
      refusal === undefined &&
      (/\bdev (?:cilium_host|lxc\w+|cilium_net)\b/.test(line)
        ? expected.nodeRoutes === "via cilium_host dev cilium_host" ||
          !peers.some(
            ({ name, podCidrs }) =>
              name !== node.node && podCidrs.some((cidr) => contains(cidr, to.includes("/") ? to : `${to}/32`)),
          )
        : cidrs.includes(to));
    return known ? [] : [{ line, to, refusal }];
  });
  return foreign.map(({ line, to, refusal }) => {
    const owner = peers.find(
      ({ podCidrs, address }) =>
        address === to || podCidrs.some((cidr) => contains(cidr, to.includes("/") ? to : `${to}/32`)),
    );
    return fail(
      node.node,
      line,
      refusal === undefined
        ? `a route that Cilium did not write sends packets for ${to}${owner === undefined ? "" : ` on ${owner.name}`} another way`
        : `a ${refusal} route throws packets for ${to} away`,
      `on ${node.node}: ip route del ${line.replace(/ proto \w+.*$/, "")}`,
      {
        cause: "route-foreign",
        nodes: [node.node, ...(owner === undefined || owner.name === node.node ? [] : [owner.name])],
      },
    );
  });
}

/** Whether a route sends packets where the default route would: by its gateway and device, and with nothing else that changes them. */
function isLikeDefault(line: string, to: string, lines: readonly string[]): boolean {
  const network = to.includes("/") ? to : `${to}/32`;
  const [, way] = /^\S+ (via \S+ dev \S+)(?: proto \w+| metric \d+)*$/.exec(line) ?? [];
  return (
    way !== undefined &&
    lines.some((each) => `${each} `.startsWith(`default ${way} `) && !/\btable \S+/.test(each)) &&
    !connectedIn(lines).some(({ to: connected }) => overlap(connected, network))
  );
}

/** A route, why it is wrong, and the commands that mend it. */
type Wrong = readonly [line: string, reason: string, remedy: string];

/** Routes to the right place that were changed or doubled, and addresses of others that the node takes for its own. */
function judgeEdited(
  node: NodeEvidence,
  lines: readonly string[],
  peers: readonly Peer[],
  expected: ExpectedEvidence,
  isPrivate: (line: string) => boolean,
): Finding[] {
  const main = lines.filter((line) => !/\btable \S+/.test(line));
  const cidrs = peers.flatMap(({ podCidrs }) => podCidrs);
  const isNative = /^via the other node/.test(expected.nodeRoutes);
  const hasSource = (line: string) =>
    isNative &&
    / src /.test(line) &&
    !/\bdev cilium_host\b/.test(line) &&
    cidrs.some((cidr) => line.startsWith(`${cidr} via`));
  const edited = main.flatMap((line): Wrong[] => {
    if (!ATTRIBUTES.test(line) && !hasSource(line)) return [];
    const without = line.replace(new RegExp(`${ATTRIBUTES.source}(?: lock)? \\S+`, "g"), "").replace(/ src \S+/, "");
    return [
      [
        line,
        "the route has attributes that Cilium did not set, which change the packets that take it",
        `ip route del ${line}; ip route replace ${without.replace(/ +/g, " ").trim()}`,
      ],
    ];
  });
  const doubled = [...cidrs, "default"].flatMap((to) => {
    const [, ...more] = main.filter((line) => line.startsWith(`${to} `) && !ATTRIBUTES.test(line));
    return more.map((line): Wrong => [
      line,
      `there are two routes to ${to}, and one counts`,
      `ip route show ${to}; ip route del ${line}`,
    ]);
  });
  const own = [...(addressesOf(node) ?? [])].flatMap(([address, devices]) =>
    devices.some((device) => device !== "lo") ? [address] : [],
  );
  const taken = lines.flatMap((line): Wrong[] => {
    const to = /^local (\S+) .*\btable local\b/.exec(line)?.[1];
    if (to === undefined || to.startsWith("127.") || own.length === 0 || own.includes(to) || isPrivate(line)) return [];
    return [
      [
        line,
        `the node takes packets for ${to} for its own, which is no address of its devices`,
        `ip route del local ${to} table local; ip -4 addr show dev lo`,
      ],
    ];
  });
  return [...edited, ...doubled, ...taken].map(([line, reason, remedy]) =>
    fail(node.node, line, reason, `on ${node.node}: ${remedy}`, { cause: "route-foreign", nodes: [node.node] }),
  );
}

/**
 * Whether the kernel made a route for an address of the loopback or of a dummy device, as NodeLocal DNSCache and keepalived give
 * nodes, and it takes no packets for the cluster: pods, nodes, Services and the nodes' gateway are elsewhere.
 */
function privateRoutes(
  node: NodeEvidence,
  lines: readonly string[],
  peers: readonly Peer[],
  { api }: Evidence,
): (line: string) => boolean {
  const links = jsonOf<{ readonly ifname: string; readonly linkinfo?: { readonly info_kind?: string } }[]>(
    node,
    "links",
  );
  const dummies = (links instanceof Error ? [] : links).filter(({ linkinfo }) => linkinfo?.info_kind === "dummy");
  const devices = new Set(["lo", ...dummies.map(({ ifname }) => ifname)]);
  const services = valueOf(api.services, []).flatMap(({ clusterIp, externalAddresses = [] }) => [
    clusterIp,
    ...externalAddresses,
  ]);
  const addresses = [...peers.map(({ address }) => address), ...services, gatewayOf(lines.join("\n")) ?? ""];
  const ofCluster = [
    ...peers.flatMap(({ podCidrs }) => podCidrs),
    ...addresses.filter(isIpv4Address).map((address) => `${address}/32`),
    ...connectedIn(lines).flatMap(({ to, device }) => (devices.has(device) ? [] : [to])),
  ];
  return (line) => {
    const [, to, device, source] =
      /^(?:local )?(\d[\d./]*) dev (\S+) (?:table local )?proto kernel .*\bsrc (\S+)/.exec(line) ?? [];
    if (to === undefined || !devices.has(device!) || !addressesOn(node, device!).includes(source!)) return false;
    const network = to.includes("/") ? to : `${to}/32`;
    return contains(network, `${source}/32`) && !ofCluster.some((each) => overlap(each, network));
  };
}

/** Networks that only one of several nodes is connected to, as by a bridge or a VPN: its pods reach other machines there than those of other nodes. */
function judgeConnected(node: NodeEvidence, lines: readonly string[], { nodes }: Evidence): Finding[] {
  const others = nodes.flatMap((each) => {
    const text = each.node === node.node ? new Error() : sectionOf(each, "routes");
    return text instanceof Error ? [] : [new Set(connectedIn(text.split("\n")).map(({ to }) => to))];
  });
  if (others.length < 2) return [];
  return connectedIn(lines)
    .filter(({ to }) => !others.some((each) => each.has(to)))
    .map(({ line, to, device }) =>
      fail(
        node.node,
        line,
        `only this node is connected to ${to}, by ${device}: packets of its pods for addresses there do not leave as those of other nodes do`,
        `on ${node.node}: ip -4 addr show dev ${device}; ip link del ${device}, or give it a network that nobody else has`,
        { cause: "network-overlap", nodes: [node.node] },
      ),
    );
}

/** Routes to networks at a device's own address; Cilium's devices have some of each node. */
function connectedIn(
  lines: readonly string[],
): { readonly line: string; readonly to: string; readonly device: string }[] {
  return lines.flatMap((line) => {
    const [, to, device] = /^(\d[\d.]*\/\d+) dev (\S+) proto kernel scope link\b/.exec(line.trim()) ?? [];
    return to === undefined || /^(?:cilium_|lxc)/.test(device!) || /\btable \S+/.test(line)
      ? []
      : [{ line: line.trim(), to, device: device! }];
  });
}

/** The way out of the cluster, where other nodes have one. */
function judgeDefault(
  node: NodeEvidence,
  lines: readonly string[],
  { nodes }: Evidence,
  isExternal: boolean,
): Finding[] {
  const own = lines.find((line) => line.startsWith("default ") && !/\btable \S+/.test(line));
  const mtu = / mtu (?:lock )?(\d+)/.exec(own ?? "");
  // clouds give their MTU by DHCP
  if (mtu !== null && !isExternal) {
    return [
      fail(
        node.node,
        own!,
        `the default route has an MTU of ${mtu[1]}, which neither Cilium nor kind set: larger packets out of the cluster are cut or lost`,
        `on ${node.node}: ip route replace ${own!.replace(mtu[0], "").trim()}`,
        { cause: "mtu-mismatch", nodes: [node.node] },
      ),
    ];
  }
  if (lines.some((line) => line.startsWith("default "))) return [];
  const others = nodes.flatMap((each) => {
    const text = each.node === node.node ? "" : sectionOf(each, "routes");
    return text instanceof Error ? [] : (/^default (.*?)\s*$/m.exec(text)?.[1] ?? []);
  });
  if (others.length === 0) return [];
  return [
    fail(
      node.node,
      "no default route",
      "packets that leave the cluster have no way out of this node",
      `on ${node.node}: ip route add default ${others[0]}`,
      {
        cause: "route-missing",
        nodes: [node.node],
      },
    ),
  ];
}

/** The kernel's own answer for an address outside the cluster: it takes the default route. */
function judgeOutside(node: NodeEvidence, lines: readonly string[]): Finding[] {
  const said = node.lookups[OUTSIDE_ADDRESS]?.split("\n")[0]?.trim();
  const defaults = lines.filter((line) => line.startsWith("default ") && !/\btable \S+/.test(line));
  if (said === undefined || defaults.length === 0) return [];
  const ways = defaults.map((line) => /\bvia \S+/.exec(line)?.[0] ?? /\bdev \S+/.exec(line)?.[0]);
  // several next hops are on lines of their own
  if (ways.some((way) => way === undefined || `${said} `.includes(`${way} `))) return [];
  return [
    fail(
      node.node,
      said,
      `packets that leave the cluster take another way than the default route, ${ways.join(" or ")}`,
      `on ${node.node}: ip rule show; ip route show table all | grep -v cilium; ip route get ${OUTSIDE_ADDRESS}`,
      { cause: "route-foreign", nodes: [node.node] },
    ),
  ];
}

/** The kernel's own answer for each workload pod: it sees rules, tables and more specific routes at once. */
function judgeLookups(
  node: NodeEvidence,
  { api }: Evidence,
  peers: readonly Peer[],
  expected: ExpectedEvidence,
): Finding[] {
  if (expected.nodeRoutes === "not Cilium's") return [];
  return Object.entries(node.lookups).flatMap(([to, said]) => {
    if (to.includes(":")) return [];
    const peer = peers.find(({ podCidrs }) => podCidrs.some((cidr) => contains(cidr, `${to}/32`)));
    if (peer === undefined || peer.name === node.node) return [];
    const { pattern, shown } = wayTo(peer, expected);
    if (pattern.test(said)) return [];
    const pod = valueOf(api.pods, []).find(({ address }) => address === to)?.name ?? to;
    return [
      fail(
        node.node,
        `${to}: ${said.split("\n")[0]!.trim()}`,
        `the kernel sends packets for ${pod} on ${peer.name} another way than ${shown}`,
        `on ${node.node}: ip rule show; ip route show table all | grep -e ${to} -e ${peer.podCidrs[0] ?? to}`,
        { cause: "route-foreign", nodes: [node.node, peer.name] },
      ),
    ];
  });
}
