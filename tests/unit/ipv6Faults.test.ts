import type { Check } from "../../datapath/checks/check";
import { kubeProxyRulesCheck } from "../../datapath/checks/kubeProxy";
import { readingOf, type EndpointState } from "../../datapath/evidence/api";
import { IPV6 } from "./support/dualStack";
import {
  bad,
  both,
  inCounters,
  inNode,
  inTable,
  judged,
  recordedDualStack,
  recordedExpectation,
  type Change,
} from "./support/evidence";

const [WORKER, PEER] = ["cmdual-worker", "cmdual-worker2"];
const expectation = recordedExpectation("ebpf", { ipv6: IPV6, clusterName: "cmdual" });
const found = (...changes: Change[]) => judged(recordedDualStack(both(...changes)), expectation);

/** Of the recorded cluster: the nodes' addresses, their pods' networks, and the servers' addresses. */
const { addressOf, networkOf, podOn, clusterIp } = (() => {
  const { api } = recordedDualStack();
  const of = <T extends { readonly name: string }>(all: readonly T[], name: string) =>
    all.find((each) => each.name === name)!;
  return {
    addressOf: (node: string) => of(readingOf(api.nodes), node).ipv6Address!,
    networkOf: (node: string) => of(readingOf(api.ciliumNodes), node).ipv6PodCidrs![0]!,
    podOn: (node: string) => readingOf(api.pods).find((pod) => pod.node === node && pod.labels["app"] === "nettool")!,
    clusterIp: of(readingOf(api.services), "serversvc").clusterIps!.find((each) => each.includes(":"))!,
  };
})();

const routes = (change: (text: string) => string) => inNode("ipv6Routes", change, WORKER);
const without = (pattern: RegExp) => (text: string) => text.replace(pattern, "");
const line = (start: string) => new RegExp(`^${start}.*\n`, "m");

/** Change what one pod said of its IPv6. */
const inPod =
  (change: (text: string) => string): Change =>
  ({ traffic }) => {
    const pod = traffic!.pods.find(({ pod: name }) => name === podOn(WORKER).name)!;
    const changed = change(pod.ipv6!);
    if (changed === pod.ipv6) throw new Error(`what ${pod.pod} said did not change`);
    pod.ipv6 = changed;
  };

/** Let probes by IPv6 between two nodes fail. */
const lost =
  (wanted: (from: string | undefined, to: string | undefined) => boolean): Change =>
  ({ traffic }) => {
    for (const { from, to, tries } of traffic!.ipv6!.probes)
      if (wanted(from.node, to.node)) for (const each of tries) each.failure = "no answer within 4 s";
  };
const lostAt = (node: string) => lost((from, to) => from !== to && [from, to].includes(node));

/** No other node has a link-layer address for this one. */
const unresolved = (node: string): Change =>
  both(
    ...[WORKER, PEER, "cmdual-control-plane"]
      .filter((each) => each !== node)
      .map((each) =>
        inNode(
          "ipv6Neighbors",
          (text) =>
            text
              .split("\n")
              .filter((entry) => !entry.startsWith(`${addressOf(node)} `))
              .concat(`${addressOf(node)} dev eth0 FAILED`)
              .join("\n"),
          each,
        ),
      ),
  );

const endpoints =
  (change: (all: EndpointState[]) => void): Change =>
  ({ api }) =>
    change(readingOf(api.ipv6Endpoints!) as EndpointState[]);

/** What is wrong, how the evidence shows it, the check that finds it, its cause, and the command that mends it. */
const FAULTS: readonly (readonly [string, Change, string, string, RegExp])[] = [
  [
    "a missing route to another node's pods",
    routes(without(line(networkOf(PEER)))),
    "routes",
    "route-missing",
    new RegExp(`on ${WORKER}: ip -6 route replace ${networkOf(PEER)} via ${addressOf(PEER)} dev eth0`),
  ],
  [
    "a route that leads to a third node",
    routes((text) => text.replace(new RegExp(`^(${networkOf(PEER)} via) \\S+`, "m"), "$1 fc00::99")),
    "routes",
    "route-foreign",
    /ip -6 route del \S+ via fc00::99 dev eth0.*; ip -6 route replace/,
  ],
  [
    "an unreachable route",
    routes((text) =>
      text.replace(line(networkOf(PEER)), `unreachable ${networkOf(PEER)} dev lo metric 1024 error -101 pref medium\n`),
    ),
    "routes",
    "route-foreign",
    /ip -6 route del unreachable \S+ dev lo metric 1024; ip -6 route replace/,
  ],
  [
    "a route with an MTU of its own",
    routes((text) => text.replace(new RegExp(`^(${networkOf(PEER)} via .*) pref`, "m"), "$1 mtu 1280 pref")),
    "routes",
    "mtu-mismatch",
    /ip -6 route del .* mtu 1280; ip -6 route replace/,
  ],
  [
    "a blackhole for one pod",
    routes((text) => `blackhole ${podOn(PEER).ipv6Address} dev lo metric 1024 pref medium\n${text}`),
    "routes",
    "route-foreign",
    /ip -6 route del blackhole \S+ dev lo metric 1024/,
  ],
  [
    "a detour for a node",
    routes((text) => `${addressOf(PEER)} via fc00::99 dev eth0 metric 1024 pref medium\n${text}`),
    "routes",
    "route-foreign",
    /ip -6 route del \S+ via fc00::99 dev eth0 metric 1024/,
  ],
  [
    "no route to the node's own pods",
    routes(without(line(networkOf(WORKER)))),
    "routes",
    "route-missing",
    /ip -6 route replace \S+ dev cilium_host/,
  ],
  [
    "no default route",
    routes(without(line("default "))),
    "routes",
    "route-missing",
    /ip -6 route add default via \S+ dev eth0/,
  ],
  [
    "a routing rule",
    inNode("ipv6Rules", (text) => `50:\tfrom all to ${networkOf(PEER)} blackhole\n${text}`, WORKER),
    "routes",
    "rule-foreign",
    /ip -6 rule del pref 50 from all to \S+ blackhole/,
  ],
  [
    "a lookup that ends elsewhere, although the main table is right",
    ({ nodes }) => {
      const { lookups } = nodes.find(({ node }) => node === WORKER)!;
      const to = podOn(PEER).ipv6Address!;
      lookups[to] = lookups[to]!.replace(/via \S+/, "via fc00::99");
    },
    "routes",
    "route-foreign",
    /ip -6 rule show; ip -6 route show table all/,
  ],
  [
    "a wrong link-layer address of another node",
    inNode(
      "ipv6Neighbors",
      (text) =>
        text.replace(line(`${addressOf(PEER)} `), "") +
        `${addressOf(PEER)} dev eth0 lladdr 02:00:00:00:00:99 PERMANENT\n`,
      WORKER,
    ),
    "routes",
    "neighbor-wrong",
    /ip -6 neigh del \S+ dev eth0/,
  ],
  [
    "a node that answers no neighbor solicitations",
    both(unresolved(WORKER), lostAt(WORKER)),
    "routes",
    "neighbor-unresolved",
    /let ICMPv6 of the types 135 and 136 pass/,
  ],
  [
    "a rule of ip6tables that drops packets",
    inNode("ip6tables", inTable("filter", "[7:560] -A FORWARD -s fd00::/8 -j DROP"), WORKER),
    "netfilter",
    "netfilter-foreign",
    /ip6tables -t filter -D FORWARD -s fd00::\/8 -j DROP/,
  ],
  [
    "a policy of ip6tables that drops packets",
    inNode("ip6tables", (text) => text.replace(":FORWARD ACCEPT", ":FORWARD DROP"), WORKER),
    "netfilter",
    "netfilter-foreign",
    /ip6tables -t \w+ -P FORWARD ACCEPT/,
  ],
  [
    "one of Cilium's own rules of ip6tables that is missing",
    inNode("ip6tables", without(/^\[.*-A CILIUM_FORWARD .*\n/m), WORKER),
    "netfilter",
    "netfilter-missing",
    /delete pod cilium-/,
  ],
  [
    "kube-proxy's chains in ip6tables, where it does not run",
    inNode("ip6tables", (text) => text.replace("*nat\n", "*nat\n:KUBE-SVC-LEFTOVER - [0:0]\n"), WORKER),
    "kube-proxy-rules",
    "kube-proxy-leftover",
    /ip6tables-save \| grep -v KUBE \| ip6tables-restore/,
  ],
  [
    "forwarding of IPv6 turned off",
    inNode("ipv6Sysctls", (text) => text.replace(/^(ipv6\/conf\/all\/forwarding):1/m, "$1:0"), WORKER),
    "kernel",
    "sysctl-changed",
    /sysctl -w net\.ipv6\.conf\.all\.forwarding=1/,
  ],
  [
    "a device without IPv6",
    inNode("ipv6Sysctls", (text) => text.replace(/^(ipv6\/conf\/eth0\/disable_ipv6):0/m, "$1:1"), WORKER),
    "kernel",
    "sysctl-changed",
    /sysctl -w net\.ipv6\.conf\.eth0\.disable_ipv6=0/,
  ],
  [
    "a device that takes small IPv6 packets only",
    inNode("ipv6Sysctls", (text) => text.replace(/^(ipv6\/conf\/eth0\/mtu):\d+/m, "$1:1280"), WORKER),
    "devices",
    "mtu-mismatch",
    /sysctl -w net\.ipv6\.conf\.eth0\.mtu=1500/,
  ],
  [
    "a node's address that is on no device",
    inNode("ipv6Addresses", (text) => text.replace(`"${addressOf(WORKER)}"`, '"fe80::99"'), WORKER),
    "devices",
    "address-missing",
    new RegExp(`ip -6 addr add ${addressOf(WORKER)}/64 dev eth0`),
  ],
  [
    "a cilium_host without its IPv6 address",
    inNode(
      "ipv6Addresses",
      (text) => text.replace(/("ifname":"cilium_host".*?"local":")(?!fe80)[^"]+/, "$1fe80::99"),
      WORKER,
    ),
    "devices",
    "address-missing",
    /the agent makes its devices and routes when it starts/,
  ],
  [
    "a pod's device without IPv6",
    inPod((text) => text.replace("conf/eth0/disable_ipv6:0", "conf/eth0/disable_ipv6:1")),
    "pod-network",
    "sysctl-changed",
    /delete pod nettool-/,
  ],
  [
    "a pod without its IPv6 address",
    inPod((text) => text.replaceAll(`inet6 ${podOn(WORKER).ipv6Address}/128`, "inet6 fe80::9/64")),
    "pod-network",
    "address-missing",
    /ip -6 addr add \S+\/128 dev eth0/,
  ],
  [
    "a pod without a default route of IPv6",
    inPod(without(line("default "))),
    "pod-network",
    "route-missing",
    /ip -6 route replace default via \S+ dev eth0/,
  ],
  [
    "another IPv6 address in a pod",
    inPod((text) => `1: lo    inet6 ${podOn(PEER).ipv6Address}/128 scope global \\       valid_lft forever\n${text}`),
    "pod-network",
    "address-foreign",
    /delete pod nettool-/,
  ],
  [
    "a permanent neighbor in a pod",
    inPod((text) => text.replace(/^(\S+ dev eth0 lladdr) \S+ .*$/m, "$1 02:00:00:00:00:99 PERMANENT")),
    "pod-network",
    "neighbor-wrong",
    /ip -6 neigh del \S+ dev eth0/,
  ],
  [
    "a rule of ip6tables in a pod",
    inPod((text) => `${text}-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset\n`),
    "pod-network",
    "netfilter-foreign",
    /ip6tables -D INPUT -p tcp -m tcp --dport 80 -j REJECT/,
  ],
  [
    "a ClusterIP that the BPF map lacks",
    inNode("lb", without(new RegExp(`^\\[${clusterIp}\\]:80/TCP \\(0\\).*\n`, "m")), WORKER),
    "service-map",
    "service-map-stale",
    /delete pod cilium-/,
  ],
  [
    "a backend that the BPF map lacks",
    inNode("lb", without(new RegExp(`^\\[${clusterIp}\\]:80/TCP \\(2\\).*\n`, "m")), WORKER),
    "service-map",
    "service-map-stale",
    /delete pod cilium-/,
  ],
  [
    "a reverse translation that is missing",
    inNode("revnat", without(new RegExp(`^\\d+\\s+\\[${clusterIp}\\]:80.*\n`, "m")), WORKER),
    "service-map",
    "service-map-stale",
    /delete pod cilium-/,
  ],
  [
    "a backend that the agent lacks",
    inNode("services", without(/^ +2 => \[fd00:.*\n/m), WORKER),
    "service-map",
    "service-map-stale",
    /delete pod cilium-/,
  ],
  [
    "an EndpointSlice of IPv6 without one of the pods",
    endpoints((all) => {
      for (const each of all) (each.addresses as string[]).splice(0, 1);
    }),
    "service",
    "endpoints-incomplete",
    /delete endpointslices/,
  ],
  [
    "an EndpointSlice of IPv6 with an address that no pod has",
    endpoints((all) => {
      all.push({ ...all[0]!, addresses: ["fd00:10::fffe"], slice: "drill" });
    }),
    "service",
    "endpoints-incomplete",
    /kubectl -n nettool delete endpointslices drill/,
  ],
  [
    "source ranges that admit no client by IPv6",
    ({ api }) => {
      const dns = readingOf(api.services).find(({ name }) => name === "kube-dns")! as { sourceRanges?: string[] };
      dns.sourceRanges = ["0.0.0.0/0"];
    },
    "service",
    "service-changed",
    /"value":"::\/0"/,
  ],
  [
    "an identity that is missing",
    inNode("ipcache", (text) => text.replace(`"${podOn(PEER).ipv6Address}/128"`, '"fd00:10::fffe/128"'), WORKER),
    "datapath-maps",
    "ipcache-stale",
    /the agent fills its maps when it starts/,
  ],
  [
    "a local pod that the endpoint map lacks",
    inNode("endpointMap", (text) => text.replace(`"${podOn(WORKER).ipv6Address}:0"`, '"fd00:10::fffe:0"'), WORKER),
    "datapath-maps",
    "endpoint-map-stale",
    /the agent fills its maps when it starts/,
  ],
  [
    "a policy that drops IPv6 alone",
    both(
      ({ api }) => (api.policies = { value: ["CiliumNetworkPolicy nettool/drill"] }),
      lost((from, to) => from === WORKER && to === undefined),
      inCounters("after", "metrics", WORKER, (text) => {
        const all = JSON.parse(text) as object[];
        const labels = { reason: "Policy denied", direction: "EGRESS" };
        return JSON.stringify([...all, { name: "cilium_drop_count_total", labels, value: 12 }]);
      }),
    ),
    "policies",
    "policy-drop",
    /0\.0\.0\.0\/0 also that of ::\/0/,
  ],
];

describe("a verification of a recorded dual-stack cluster", () => {
  it("passes every check without a warning", () => {
    expect(bad(found().results)).toEqual([]);
  });

  it.each(FAULTS)(
    "finds %s in the right check, and names the cause first with its remedy",
    (_what, change, check, cause, remedy) => {
      const { results, causes } = found(change);
      expect(bad(results)).toContain(check);
      expect(causes[0]).toMatchObject({ cause, remedy: expect.stringMatching(remedy) as string });
      const failing = results.find(({ id }) => id === check)!.findings.filter(({ verdict }) => verdict === "fail");
      // source ranges, kernel settings and policies concern no family alone
      if (!["service-changed", "sysctl-changed", "policy-drop"].includes(cause))
        expect(failing.every(({ subject }) => subject.endsWith(" by IPv6"))).toBe(true);
    },
  );

  it("names the rule that drops neighbor solicitations as the one cause", () => {
    const rule = inNode(
      "ip6tables",
      inTable("filter", "[9:648] -A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j DROP"),
      WORKER,
    );
    const { causes } = found(rule, unresolved(WORKER), lostAt(WORKER));
    expect(causes).toMatchObject([{ cause: "netfilter-foreign", nodes: [WORKER] }]);
    expect(causes[0]!.symptoms.map(({ check }) => check)).toEqual(expect.arrayContaining(["routes", "pod-to-node"]));
  });

  it("names the node that all others miss, where nothing shows why it does not answer solicitations", () => {
    const { causes } = found(unresolved(WORKER), lostAt(WORKER));
    expect(causes).toMatchObject([{ cause: "neighbor-unresolved", nodes: [WORKER] }]);
  });

  it("does not mind an entry of a neighbor that failed once, while probes are answered", () => {
    expect(bad(found(unresolved(WORKER)).results)).toEqual([]);
  });
});

describe("kube-proxy's rules of IPv6", () => {
  const proxied = recordedExpectation("kubeproxy", { ipv6: IPV6 });
  const servers = readingOf(recordedDualStack().api.ipv6Endpoints!).find(({ protocol }) => protocol === "TCP")!;
  /** Of one protocol, as kube-proxy writes them. */
  const rulesOf = (protocol: string) => {
    const match = `-p ${protocol} -m comment --comment "nettool/serversvc:cni`;
    const service = `KUBE-SVC-${protocol.toUpperCase()}`;
    const chains = servers.addresses.map((_, index) => `KUBE-SEP-${protocol.toUpperCase()}${index}`);
    return [
      ...[service, ...chains].map((chain) => `:${chain} - [0:0]`),
      `[0:0] -A KUBE-SERVICES -d ${clusterIp}/128 ${match} cluster IP" -m ${protocol} --dport 80 -j ${service}`,
      ...chains.map((chain) => `[0:0] -A ${service} -m comment --comment "nettool/serversvc:cni" -j ${chain}`),
      ...chains.map(
        (chain, index) =>
          `[0:0] -A ${chain} ${match}" -m ${protocol} -j DNAT --to-destination [${servers.addresses[index]}]:80`,
      ),
    ].join("\n");
  };
  const written = inNode("ip6tables", (text) => text.replace("*nat\n", `*nat\n${rulesOf("tcp")}\n${rulesOf("udp")}\n`));
  const table = `table ip6 kube-proxy {
	map service-ips {
		type ipv6_addr . inet_proto . inet_service : verdict
		elements = { ${clusterIp} . tcp . 80 : goto service-A-nettool/serversvc/tcp/cni,
			     ${clusterIp} . udp . 80 : goto service-A-nettool/serversvc/tcp/cni }
	}

	chain service-A-nettool/serversvc/tcp/cni {
		numgen random mod 3 vmap { ${servers.addresses.map((_, index) => `${index} : goto endpoint-${index}`).join(", ")} }
	}
${servers.addresses.map((address, index) => `\n\tchain endpoint-${index} {\n\t\tmeta l4proto tcp dnat to [${address}]:80\n\t}\n`).join("")}}
`;
  const listed =
    (text: string): Change =>
    ({ nodes }) => {
      for (const node of nodes) node.nftables = { value: text };
    };
  const ofIpv6 = (...changes: Change[]) =>
    judged(recordedDualStack(both(...changes)), proxied, [kubeProxyRulesCheck as Check])
      .results[0]!.findings.filter(({ subject }) => subject === `${WORKER} by IPv6`)
      .map(({ verdict, cause }) => [verdict, cause]);

  it("pass where they lead to all endpoints, in iptables and in nftables", () => {
    expect(ofIpv6(written)).toEqual([["pass", undefined]]);
    expect(ofIpv6(listed(table))).toEqual([["pass", undefined]]);
  });

  it.each<[string, Change, string]>([
    ["are missing", () => undefined, "kube-proxy-missing"],
    [
      "lack an endpoint",
      both(
        written,
        inNode("ip6tables", (text) => text.replace(/^.*-A KUBE-SEP-TCP1 .*\n/m, ""), WORKER),
      ),
      "service-map-stale",
    ],
    [
      "lead to an address that is no endpoint",
      both(
        written,
        inNode("ip6tables", (text) => text.replace(/(-A KUBE-SEP-UDP0 .*)\[.*\]:80/, "$1[fd00::99]:80"), WORKER),
      ),
      "service-map-stale",
    ],
    ["lack a Service in nftables", listed(table.replace(`${clusterIp} . tcp . 80 : `, "")), "service-map-stale"],
  ])("fail where they %s", (_what, change, cause) => {
    expect(ofIpv6(change)).toEqual([["fail", cause]]);
  });
});
