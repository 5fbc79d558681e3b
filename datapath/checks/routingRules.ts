import { valueOf } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { sectionOf, type NodeEvidence } from "../evidence/node";
import { fail, inconclusive, warning, type Finding } from "./check";
import type { Family } from "./family";

/** What changes how packets take a route, and neither the kernel nor Cilium sets. */
export const ATTRIBUTES =
  /\b(?:advmss|rto_min|hoplimit|initcwnd|initrwnd|tos|dsfield|window|rtt|rttvar|ssthresh|reordering|cwnd|quickack|features|congctl)\b/;

/** Routing rules of the kernel and of Cilium: local, main, default, and the proxy's. */
const RULES =
  /^(?:0|100):\s+from all lookup local$|^3276[67]:\s+from all lookup (?:main|default)$|^(?:9|10):\s+from all fwmark 0x[ab2]00\/0xf00 lookup 200[45]\b/;
/** Those that Cilium has where it encrypts with IPsec, or up to 1.13 with WireGuard. */
const RULES_OF_ENCRYPTION = /^1:\s+from all fwmark 0x[de]00\/0xf00 lookup 20[01]\b/;
/** Those that Cilium has for interfaces of clouds, and for egress gateways. */
const RULES_OF_INTERFACES = /^(?:20|110|111):\s.* lookup /;

/** Keys that turn egress gateways on, in all versions. */
const EGRESS_GATEWAY = ["enable-egress-gateway", "enable-ipv4-egress-gateway"];

const rulesIn = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim().replace(/\s+/g, " "))
    .filter(Boolean);

/** Rules that are neither the kernel's nor Cilium's. */
export function foreignRules(text: string, config: Readonly<Record<string, string | undefined>> | undefined): string[] {
  const hasInterfaces =
    config === undefined ||
    /^(?:eni|azure|alibabacloud)$/.test(config["ipam"] ?? "") ||
    EGRESS_GATEWAY.some((key) => config[key] === "true");
  const isEncrypted = ["enable-ipsec", "enable-wireguard"].some((key) => config?.[key] === "true");
  return rulesIn(text).filter(
    (rule) =>
      !RULES.test(rule) &&
      !(hasInterfaces && RULES_OF_INTERFACES.test(rule)) &&
      !(isEncrypted && RULES_OF_ENCRYPTION.test(rule)),
  );
}

/** Rules that choose other tables than the kernel's and Cilium's. */
export function judgeRules(
  node: NodeEvidence,
  { api }: Evidence,
  isExternal: boolean,
  { ip }: Pick<Family, "ip">,
): Finding[] {
  const text = sectionOf(node, "rules");
  if (text instanceof Error) return [inconclusive(node.node, text.message, undefined, { nodes: [node.node] })];
  const rules = rulesIn(text);
  const foreign = foreignRules(text, valueOf(api.config, undefined)?.data);
  const at = { nodes: [node.node] };
  if (!rules.some((rule) => /lookup main$/.test(rule)) || !rules.some((rule) => /lookup local$/.test(rule))) {
    return [
      fail(
        node.node,
        rules.join("; "),
        "the rule that looks up the table main or local is missing",
        `on ${node.node}: ${ip} rule add pref 32766 lookup main; ${ip} rule add pref 0 lookup local`,
        { cause: "rule-missing", ...at },
      ),
    ];
  }
  if (foreign.length === 0) return [];
  const found = [
    node.node,
    foreign.join("; "),
    "a routing rule that is neither the kernel's nor Cilium's sends packets by another table",
    `on ${node.node}: ${ip} rule del ${foreign[0]!.replace(/^(\d+): /, "pref $1 ")}`,
    { cause: "rule-foreign", ...at },
  ] as const;
  // other clusters' nodes have rules of other programs, which need not concern pods
  return [isExternal ? warning(...found) : fail(...found)];
}

/** Policies of IPsec come before every route; Cilium has some only where it encrypts with IPsec. */
export function judgePolicies(node: NodeEvidence, { api }: Evidence, isExternal: boolean): Finding[] {
  const text = sectionOf(node, "xfrm");
  const config = valueOf(api.config, undefined)?.data;
  // without a configuration nobody can tell whose it is; another check says so
  if (config === undefined || config["enable-ipsec"] === "true") return [];
  if (text instanceof Error) return [inconclusive(node.node, text.message, undefined, { nodes: [node.node] })];
  const [, selector, direction] = /^(src \S+ dst \S+).*\n\s+dir (\w+)/m.exec(text) ?? [];
  if (selector === undefined) return [];
  const found = [
    node.node,
    `IPsec policy ${text.trim().replace(/\s+/g, " ").slice(0, 120)}`,
    "an IPsec policy that is not Cilium's encrypts or drops packets before they are routed",
    `on ${node.node}: ip xfrm policy delete ${selector} dir ${direction}`,
    { cause: "rule-foreign", nodes: [node.node] },
  ] as const;
  return [isExternal ? warning(...found) : fail(...found)];
}
