import { RULE_OWNERS, type RuleOwner } from "./results";

/** Of each owner, its chains and rules. */
export type RulesByOwner = Record<RuleOwner, { chains: number; rules: number }>;

/**
 * Count what `iptables-save` printed, of all tables and backends. A rule belongs to its chain's owner; one in a chain of
 * the kernel's to the owner of the chain that it leads to.
 */
export function rulesByOwner(saved: string): RulesByOwner {
  const counts = Object.fromEntries(RULE_OWNERS.map((owner) => [owner, { chains: 0, rules: 0 }])) as RulesByOwner;
  const hasKubeProxy = KUBE_PROXY_RUNS.test(saved);
  for (const line of saved.split("\n")) {
    const made = /^:(\S+) - /.exec(line)?.[1];
    if (made !== undefined) counts[ownerOf(made, hasKubeProxy)].chains += 1;
    const chain = /^-A (\S+)/.exec(line)?.[1];
    if (chain !== undefined) counts[ownerOf(KERNELS.test(chain) ? targetOf(line) : chain, hasKubeProxy)].rules += 1;
  }
  return counts;
}

const KERNELS = /^(?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/;
const KUBELETS = /^KUBE-(?:FIREWALL|KUBELET-CANARY|IPTABLES-HINT|MARK-DROP)$/;

/** Kubelets before 1.28 make these too, on nodes without kube-proxy as well. */
const SHARED = /^KUBE-(?:MARK-MASQ|POSTROUTING)$/;
const KUBE_PROXY_RUNS = /^:KUBE-(?:SERVICES|PROXY-CANARY) /m;

function ownerOf(chain: string, hasKubeProxy: boolean): RuleOwner {
  if (/^(?:OLD_)?CILIUM_/.test(chain)) return "Cilium";
  if (KUBELETS.test(chain) || (SHARED.test(chain) && !hasKubeProxy)) return "kubelet";
  return chain.startsWith("KUBE-") ? "kube-proxy" : "others";
}

/** Where a rule leads to, a chain or not; comments may hold anything. */
function targetOf(rule: string): string {
  return / -[jg] (\S+)/.exec(rule.replace(/"(?:[^"\\]|\\.)*"/g, '""'))?.[1] ?? "";
}
