import ipaddr from "ipaddr.js";
import { isDualStack, valueOf } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { counterOf } from "../evidence/node";
import type { Probe } from "../evidence/traffic";
import { byIpv6, fail, inconclusive, pass, skipped, type Expectation, type Finding } from "./check";

/** Who gives pods their node's IPv6 address on the way out of a dual-stack cluster; nothing of another cluster. */
export function ipv6Masquerading(
  { api, before, after, traffic }: Evidence,
  { evidence: expected }: Expectation,
): Finding[] {
  if (!isDualStack(api) || traffic?.ipv6 === undefined) return [];
  const { data = {} } = valueOf(api.config, undefined) ?? {};
  if (data["enable-ipv6-masquerade"] === "false")
    return byIpv6([skipped("cluster", "cilium-config turns masquerading of IPv6 off")]);
  const probes = traffic.ipv6.probes.filter(({ flow, shape }) => flow === "pod-to-outside" && shape === "tcp/small");
  const ofNodes = probes.filter(
    ({ from }, index) => probes.findIndex((other) => other.from.node === from.node) === index,
  );
  if (ofNodes.length === 0) return byIpv6([skipped("cluster", "there was nobody outside to ask")]);
  return byIpv6(
    ofNodes.map((probe): Finding => {
      const node = probe.from.node!;
      const at = { nodes: [node] };
      const rules = counterOf(after, node, "ip6tables");
      if (rules instanceof Error) return inconclusive(node, rules.message, undefined, at);
      const [known, now] = [counterOf(before, node, "ipv6Nat"), counterOf(after, node, "ipv6Nat")];
      if (known instanceof Error) return inconclusive(node, known.message, undefined, at);
      if (now instanceof Error) return inconclusive(node, now.message, undefined, at);
      const old = translationsOf(known, probe);
      const by =
        [
          ...(translationsOf(now, probe).some((each) => !old.includes(each)) ? ["BPF"] : []),
          ...(/^(?:\[\d+:\d+\] )?-A CILIUM_POST_nat .*-j MASQUERADE/m.test(rules) ? ["iptables"] : []),
        ].join(" and ") || "nobody";
      const seen = `${probe.from.address} to ${probe.to.address}: masqueraded by ${by}`;
      if (by === expected.masquerading) return pass(node, seen);
      return fail(
        node,
        seen,
        `this mode masquerades by ${expected.masquerading}, and ${by === "nobody" ? "nobody does" : `${by} does`}`,
        `kubectl -n kube-system exec ds/cilium -- cilium status (in the agent of ${node}): Masquerading; ip6tables -t nat -S CILIUM_POST_nat on ${node}`,
        { cause: "source-address", ...at },
      );
    }),
  );
}

/** What BPF gave another source on the way from a pod to an address, each with its port. */
function translationsOf(list: string, { from, to }: Pick<Probe, "from" | "to">): string[] {
  const [source, target] = [from.address, to.address].map(digits) as [string, string];
  return list.split("\n").filter((line) => line.startsWith(`${source}:`) && line.endsWith(` ${target}`));
}

/** An address as 32 digits. */
const digits = (address: string) =>
  ipaddr.IPv6.parse(address)
    .toByteArray()
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
