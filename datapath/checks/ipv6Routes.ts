import { containsAddress } from "../../modes/cidr";
import type { ExpectedEvidence } from "../../modes/evidence";
import { valueOf } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { ipv6View } from "../evidence/ipv6View";
import { OUTSIDE_IPV6_ADDRESS, sectionOf, type NodeEvidence } from "../evidence/node";
import { byIpv6, deletingAgentOn, fail, pass, type Expectation, type Finding } from "./check";
import { IPV6 } from "./family";
import { judgeNeighbors } from "./neighbors";
import { eachNode, peersOf, type Peer } from "./nodes";
import { ATTRIBUTES, judgeRules } from "./routingRules";

/** The main table of a node, and what its routes are compared with. */
interface Table {
  readonly node: NodeEvidence;
  readonly lines: readonly string[];
  readonly peers: readonly Peer[];
  readonly expected: ExpectedEvidence;
}

/** Whether every node sends packets for other nodes' IPv6 pods the expected way; nothing in a cluster without IPv6. */
export function ipv6Routes(evidence: Evidence, { evidence: expected, isExternal = false }: Expectation): Finding[] {
  const view = ipv6View(evidence);
  if (view === undefined) return [];
  // of a node without a CiliumNode only the IPv4 networks are known
  const peers = peersOf(view).map((peer) => ({
    ...peer,
    podCidrs: peer.podCidrs.filter((cidr) => cidr.includes(":")),
  }));
  const findings = eachNode(view, "routes", (node, output): Finding[] => {
    const lines = output
      .split("\n")
      .map((line) => line.trim())
      // kernels may have an unreachable default route of this metric on nodes without another one
      .filter((line) => line !== "" && !/\btable \S+/.test(line) && !line.includes(" metric 4294967295 "));
    const table = { node, lines, peers, expected };
    const bad = [
      ...judgeRules(node, view, isExternal, IPV6),
      ...judgeOwn(table),
      ...judgeOthers(table),
      ...(isExternal ? [] : judgeForeign(table)),
      ...judgeNeighbors(node, view, peers, IPV6),
      ...judgeDefault(table, view, isExternal),
    ];
    if (bad.length > 0) return bad;
    const lookups = judgeLookups(table, view);
    return lookups.length > 0
      ? lookups
      : [pass(node.node, `${lines.length} routes, ${peers.length - 1} of them to other nodes' pods`)];
  });
  return byIpv6(findings);
}

/** The route to another node's pods, as mode and tunnel have it; undefined where Cilium writes none. */
function wayTo({ address }: Peer, { nodeRoutes }: ExpectedEvidence): string | undefined {
  if (nodeRoutes === "not Cilium's" || address === "") return undefined;
  if (nodeRoutes === "via the other node dev eth0") return `via ${address} dev eth0`;
  return nodeRoutes === "via the other node" ? `via ${address}` : "dev cilium_host";
}

/** Whether a line has a way, at whatever place. */
const has = (line: string, way: string) => `${line} `.includes(` ${way} `);

/** A route as `ip -6 route del` takes it. */
const routeText = (line: string) => line.replace(/ (?:proto|error|pref|expires) \S+/g, "");

/** The node's own pods lie behind cilium_host. */
function judgeOwn({ node, lines, peers, expected }: Table): Finding[] {
  if (expected.nodeRoutes === "not Cilium's") return [];
  const own = peers.find(({ name }) => name === node.node)?.podCidrs ?? [];
  const lost = own.filter((cidr) => !lines.some((line) => line.startsWith(`${cidr} `) && has(line, "dev cilium_host")));
  if (lost.length === 0) return [];
  return [
    fail(
      node.node,
      `no route to ${lost.join(", ")} by cilium_host`,
      "the route to the node's own pods is missing",
      `on ${node.node}: ${lost.map((cidr) => `ip -6 route replace ${cidr} dev cilium_host`).join("; ")}; or ${deletingAgentOn(node.node)}: the agent writes its routes when it starts`,
      { cause: "route-missing", nodes: [node.node] },
    ),
  ];
}

/** The routes to other nodes' pods: there, the expected way, and not limited. */
function judgeOthers({ node, lines, peers, expected }: Table): Finding[] {
  return peers.flatMap((peer) => {
    const way = peer.name === node.node ? undefined : wayTo(peer, expected);
    if (way === undefined) return [];
    const more = { nodes: [node.node, peer.name] };
    return peer.podCidrs.flatMap((cidr): Finding[] => {
      const own = lines.filter((line) => new RegExp(`^(?:\\w+ )?${cidr} `).test(line));
      const found = own.find((line) => has(line, way) && line.startsWith(cidr));
      const mtu = / mtu (?:lock )?(\d+)/.exec(found ?? "")?.[1];
      const isNative = way !== "dev cilium_host";
      const write = isNative
        ? `ip -6 route replace ${cidr} ${way}`
        : `${deletingAgentOn(node.node)}: the agent writes its routes when it starts`;
      if (found !== undefined && (mtu === undefined || !isNative)) return [];
      if (found !== undefined) {
        return [
          fail(
            node.node,
            found,
            `the route to the pods of ${peer.name} has an MTU of ${mtu}, which Cilium did not set`,
            `on ${node.node}: ip -6 route del ${routeText(found)}; ${write}`,
            { cause: "mtu-mismatch", ...more },
          ),
        ];
      }
      const [instead] = own;
      return [
        fail(
          node.node,
          instead ?? `no route to ${cidr}`,
          `the route to the pods of ${peer.name} must be ${cidr} ${way}`,
          isNative
            ? `on ${node.node}: ${instead === undefined ? "" : `ip -6 route del ${routeText(instead)}; `}${write}`
            : write,
          { cause: instead === undefined ? "route-missing" : "route-foreign", ...more },
        ),
      ];
    });
  });
}

/** Routes inside the pods' networks or to nodes that neither the kernel nor Cilium writes, those that refuse packets, and edited ones. */
function judgeForeign({ node, lines, peers }: Table): Finding[] {
  const cidrs = peers.flatMap(({ podCidrs }) => podCidrs);
  return lines.flatMap((line): Finding[] => {
    const [, refusal, to] =
      /^(?:(blackhole|prohibit|unreachable|throw) )?(default|[\da-f:]+(?:\/\d+)?) /.exec(line) ?? [];
    // each network's own route has been judged
    if (to === undefined || cidrs.includes(to)) return [];
    const [address] = to.split("/") as [string];
    const owner = peers.find(
      (peer) =>
        peer.address === address || (to !== "default" && peer.podCidrs.some((cidr) => containsAddress(cidr, address))),
    );
    const isCilium = refusal === undefined && /\bdev (?:cilium_\w+|lxc\w+)\b/.test(line);
    const isKernel = /\bproto kernel\b/.test(line) && !/\bvia\b/.test(line);
    // routers announce their own
    const isEdited = ATTRIBUTES.test(line) && !/\bproto ra\b/.test(line);
    if (!isEdited && refusal === undefined && (owner === undefined || isCilium || isKernel)) return [];
    return [
      fail(
        node.node,
        line,
        refusal !== undefined
          ? `a ${refusal} route throws packets for ${to} away`
          : isEdited
            ? "the route has attributes that Cilium did not set, which change the packets that take it"
            : `a route that Cilium did not write sends packets for ${to}${owner === undefined ? "" : ` on ${owner.name}`} another way`,
        `on ${node.node}: ip -6 route del ${routeText(line)}`,
        {
          cause: "route-foreign",
          nodes: [node.node, ...(owner === undefined || owner.name === node.node ? [] : [owner.name])],
        },
      ),
    ];
  });
}

/** The way out of the cluster, where other nodes have one. */
function judgeDefault({ node, lines }: Table, { nodes }: Evidence, isExternal: boolean): Finding[] {
  const own = lines.find((line) => line.startsWith("default "));
  const at = { nodes: [node.node] };
  const mtu = / mtu (?:lock )?(\d+)/.exec(own ?? "");
  if (mtu !== null && !isExternal && !/\bproto ra\b/.test(own!)) {
    return [
      fail(
        node.node,
        own!,
        `the default route has an MTU of ${mtu[1]}, which neither Cilium nor kind set: larger packets out of the cluster are lost`,
        `on ${node.node}: ip -6 route del ${routeText(own!)}; ip -6 route add ${routeText(own!).replace(mtu[0], "")}`,
        { cause: "mtu-mismatch", ...at },
      ),
    ];
  }
  if (own !== undefined) return [];
  const others = nodes.flatMap((each) => {
    const text = each.node === node.node ? "" : sectionOf(each, "routes");
    return text instanceof Error ? [] : (/^default via .*$/m.exec(text)?.[0] ?? []);
  });
  if (others.length === 0) return [];
  return [
    fail(
      node.node,
      "no default route",
      "packets that leave the cluster have no way out of this node",
      `on ${node.node}: ip -6 route add ${routeText(others[0]!).trim()}`,
      { cause: "route-missing", ...at },
    ),
  ];
}

/** The kernel's own answers, which see rules, tables and more specific routes at once: for each workload pod, and for the outside. */
function judgeLookups({ node, lines, peers, expected }: Table, { api }: Evidence): Finding[] {
  return Object.entries(node.lookups).flatMap(([to, said]): Finding[] => {
    if (!to.includes(":")) return [];
    const [answer = ""] = said.split("\n");
    if (to === OUTSIDE_IPV6_ADDRESS) {
      const ways = lines.flatMap((line) => /^default (via \S+|dev \S+)/.exec(line)?.[1] ?? []);
      if (ways.length === 0 || ways.some((way) => has(answer, way))) return [];
      return [
        fail(
          node.node,
          answer.trim(),
          `packets that leave the cluster take another way than the default route, ${ways.join(" or ")}`,
          `on ${node.node}: ip -6 rule show; ip -6 route show table all | grep -v cilium; ip -6 route get ${to}`,
          { cause: "route-foreign", nodes: [node.node] },
        ),
      ];
    }
    const peer = peers.find(({ podCidrs }) => podCidrs.some((cidr) => containsAddress(cidr, to)));
    const way = peer === undefined || peer.name === node.node ? undefined : wayTo(peer, expected);
    if (way === undefined || has(answer, way)) return [];
    const pod = valueOf(api.pods, []).find(({ address }) => address === to)?.name ?? to;
    return [
      fail(
        node.node,
        `${to}: ${answer.trim()}`,
        `the kernel sends packets for ${pod} on ${peer!.name} another way than ${way}`,
        `on ${node.node}: ip -6 rule show; ip -6 route show table all | grep -e ${to} -e ${peer!.podCidrs[0]!}`,
        { cause: "route-foreign", nodes: [node.node, peer!.name] },
      ),
    ];
  });
}
