import { readingOf, valueOf } from "../evidence/api";
import { counterOf, sectionOf, type NodeEvidence } from "../evidence/node";
import type { Evidence } from "../evidence/gather";
import {
  deletingKubeProxyOn,
  fail,
  inconclusive,
  pass,
  warning,
  type Check,
  type Expectation,
  type Finding,
} from "./check";
import { eachFamily, type Family } from "./family";
import { eachNode } from "./nodes";

/** A rule of iptables with its counter. */
export interface NetfilterRule {
  readonly table: string;
  readonly chain: string;
  /** Without the counter, as `iptables -A` takes it. */
  readonly text: string;
  readonly target: string;
  readonly packets: number;
}

interface Ruleset {
  readonly rules: readonly NetfilterRule[];
  /** `table/chain` to the policy of a built-in chain. */
  readonly policies: ReadonlyMap<string, string>;
  /** `table/chain` of all others. */
  readonly chains: ReadonlySet<string>;
}

/** Chains of Cilium, kube-proxy, kubelet, and of Docker for kind's nodes. */
const KNOWN_CHAIN = /^(?:OLD_)?CILIUM_|^KUBE-|^DOCKER_|^KIND-/;
/** Chains whose rules are the same on every node. */
const OWN_CHAIN = /^CILIUM_|^KUBE-(?:SERVICES|NODEPORTS|POSTROUTING|MARK-MASQ|FORWARD)$/;
/** Chains that kube-proxy and the kubelet make. */
const OF_KUBERNETES =
  /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|NODEPORTS|NODE-PORT|POSTROUTING|MARK-MASQ|MARK-DROP|FORWARD|FIREWALL|PROXY-FIREWALL|PROXY-CANARY|KUBELET-CANARY|IPTABLES-HINT|LOAD-BALANCER\S*|IPVS-\S+|SOURCE-RANGES-FIREWALL|CLUSTER-IP|EXTERNAL-IP\S*|NODE-PORT-\S+|(?:SVC|SVL|SEP|EXT|FW|XLB|HP)-\S+)$/;
/** Chains of one Service or backend: with a traffic policy of Local, nodes have different ones. */
const OF_SERVICE = /^KUBE-(?:SVC|SVL|SEP|EXT|FW|XLB|HP)-/;
/** Rules that only nodes with certain pods have: of Services with a traffic policy of Local, and of L7 policies. */
const OF_SOME_NODES = /has no local endpoints|-j KUBE-(?:SVL|XLB)-|TPROXY to host/;
/** Targets that change nothing for a packet. */
const HARMLESS = new Set(["ACCEPT", "RETURN", "LOG", "NFLOG", ""]);

/** Read what `iptables-save -c` printed, of both backends one after the other. */
function parseRules(text: string): Ruleset {
  const rules: NetfilterRule[] = [];
  const policies = new Map<string, string>();
  const chains = new Set<string>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const policy = /^:(\S+) (\S+) \[/.exec(line);
    if (policy !== null && policy[2] !== "-")
      policies.set(`${table}/${policy[1]!}`, policies.get(`${table}/${policy[1]!}`) === "DROP" ? "DROP" : policy[2]!);
    if (policy?.[2] === "-") chains.add(`${table}/${policy[1]!}`);
    const rule = /^\[(\d+):\d+\] -A (\S+) ?(.*)$/.exec(line);
    if (rule !== null) {
      const [, packets, chain, match] = rule as unknown as [string, string, string, string];
      rules.push({
        table,
        chain,
        text: `-A ${chain} ${match}`,
        target: /(?:^| )-[jg] (\S+)/.exec(match)?.[1] ?? "",
        packets: Number(packets),
      });
    }
  }
  return { rules, policies, chains };
}

/** Whether the nodes' netfilter has Cilium's rules, and none that drop or rewrite packets on anybody else's account. */
export const netfilterCheck: Check = {
  id: "netfilter",
  question: "Do the nodes have all of Cilium's iptables rules, and no other rules that drop or rewrite packets?",
  needs: ["nodes"],
  judge: (evidence, expectation) => eachFamily(evidence, (own, family) => judgeFamily(own, family, expectation)),
};

function judgeFamily(evidence: Evidence, family: Family, { isExternal }: Expectation): Finding[] {
  const { iptables, nft } = family;
  const usual = usualRules(evidence);
  // a comment is easily imitated: what drops or rewrites packets in Cilium's chains must be there on most nodes
  const isComparable = isExternal !== true && evidence.nodes.length > 2;
  const isPortmap = valueOf(evidence.api.config, undefined)?.data["cni-chaining-mode"] === "portmap";
  return eachNode(evidence, "iptables", (node, output): Finding[] => {
    const at = { nodes: [node.node] };
    if (!output.includes("*nat"))
      return [inconclusive(node.node, `${iptables}-save printed no nat table`, undefined, at)];
    const ruleset = parseRules(output);
    const { rules, policies } = ruleset;
    const later = parseRules(textOr(counterOf(evidence.after, node.node, "iptables"), output)).rules;
    const counted = (rule: NetfilterRule) =>
      (later.find(({ table, text }) => table === rule.table && text === rule.text)?.packets ?? 0) - rule.packets;
    const isExtra = (rule: NetfilterRule) => isComparable && REWRITING.test(rule.target) && !usual.has(keyOf(rule));
    const foreign = rules.filter(
      (rule) =>
        (isForeign(rule) || (/^CILIUM_/.test(rule.chain) && isExtra(rule))) &&
        !(isPortmap && OF_PORTMAP.test(rule.text)),
    );
    const findings: Finding[] = [];
    const effective = foreign.filter((rule) => isEffective(rule, ruleset));
    if (effective.length > 0) {
      const shown = effective.slice(0, 3);
      const isUsed = effective.some((rule) => rule.packets > 0 || counted(rule) > 0);
      // a rule among Cilium's or kube-proxy's own is somebody's edit, used or not
      const isEdit = !isExternal && effective.some(({ chain }) => isKnown(chain));
      const say = isExternal && !isUsed ? undefined : isUsed || isEdit ? fail : warning;
      if (say !== undefined) {
        findings.push(
          say(
            node.node,
            shown
              .map((rule) => `${rule.table}: ${rule.text} (${rule.packets + Math.max(0, counted(rule))} packets)`)
              .join("; "),
            `${iptables} has ${effective.length === 1 ? "a rule" : `${effective.length} rules`} that neither Cilium, kube-proxy nor kind made, and ${isUsed ? "packets match" : "none matched so far"}: ${effectOf(shown)}`,
            `on ${node.node}: ${shown.map((rule) => `${iptables} -t ${rule.table} ${rule.text.replace(/^-A/, "-D")}`).join("; ")}`,
            { cause: "netfilter-foreign", ...at },
          ),
        );
      }
    }
    const dropping = [...policies].filter(([, policy]) => policy === "DROP");
    if (dropping.length > 0 && !isExternal) {
      findings.push(
        fail(
          node.node,
          dropping.map(([chain, policy]) => `${chain} ${policy}`).join(", "),
          "a built-in chain drops every packet that no rule accepts",
          `on ${node.node}: ${dropping.map(([chain]) => `${iptables} -t ${chain.split("/")[0]!} -P ${chain.split("/")[1]!} ACCEPT`).join("; ")}`,
          { cause: "netfilter-foreign", ...at },
        ),
      );
    }
    const tables = foreignTables(node.nftables);
    if (tables.length > 0) {
      const actsOnPackets = tables.some(({ rules: own }) => ACTIONS.test(own));
      const say = isExternal || !actsOnPackets ? warning : fail;
      findings.push(
        say(
          node.node,
          tables.map(({ name }) => name).join(", "),
          `nftables has tables that neither Cilium nor kube-proxy made${actsOnPackets ? "" : ", whose rules drop and rewrite nothing"}`,
          `on ${node.node}: nft list ${tables[0]!.name}; nft delete ${tables[0]!.name}`,
          { cause: "netfilter-foreign", ...at },
        ),
      );
    }
    findings.push(...judgeNodeSet(node, rules, evidence, family, isExternal ?? false));
    if (UNREADABLE.test(output)) {
      findings.push(
        (isExternal ? warning : fail)(
          node.node,
          UNREADABLE.exec(output)![0],
          `${iptables} cannot list all of this table: nft, or a newer ${iptables}, wrote to it`,
          `on ${node.node}: nft list table ${nft} ${UNREADABLE.exec(output)![1]!}; nft delete chain ${nft} ${UNREADABLE.exec(output)![1]!} <the foreign chain>`,
          { cause: "netfilter-foreign", ...at },
        ),
      );
    }
    const missing = [...usual].filter((key) => !rules.some((rule) => keyOf(rule) === key));
    if (missing.length > 0) {
      findings.push(
        fail(
          node.node,
          `${missing.length} of ${usual.size} of Cilium's and kube-proxy's rules are missing: ${missing.slice(0, 2).join("; ")}`,
          evidence.nodes.length === 2
            ? "the other node has these rules: they are missing on this node, or were added on the other"
            : "rules that the other nodes have are missing on this node",
          missing.every((rule) => /^\S+ -A \S*KUBE-|-j KUBE-/.test(rule))
            ? `${deletingKubeProxyOn(node.node)}: kube-proxy writes its rules when it starts`
            : `kubectl -n kube-system delete pod ${node.agent}: the agent writes its rules when it starts`,
          { cause: "netfilter-missing", ...at },
        ),
      );
    }
    if (findings.length > 0) return findings;
    return [
      pass(
        node.node,
        `${rules.length} rules, none of others${foreign.length > 0 ? ` but ${foreign.length} that accept` : ""}`,
      ),
    ];
  });
}

/** Whether a rule of others changes what becomes of a packet. */
function isEffective(rule: NetfilterRule, { rules, chains }: Ruleset): boolean {
  const { table, chain, target } = rule;
  // the rules of the other chain are judged on their own
  if (chains.has(`${table}/${target}`)) return false;
  if (!HARMLESS.has(target)) return true;
  // in a built-in chain RETURN accepts as well
  if (!/^(?:ACCEPT|RETURN)$/.test(target)) return false;
  if (OF_CILIUM.test(chain)) return true;
  if (table === "filter" || chains.has(`${table}/${chain}`)) return false;
  // it ends the table for its packets: the rules after it translate, mark and masquerade
  const jumps = rules.flatMap((each, index) =>
    each.table === table && each.chain === chain && KNOWN_CHAIN.test(each.target) ? [index] : [],
  );
  return rules.indexOf(rule) < (jumps.at(-1) ?? -1);
}

/** Chains of kube-proxy and the kubelet that every packet passes, and that drop and translate none but invalid ones. */
const OF_ALL_PACKETS = /^KUBE-(?:FORWARD|POSTROUTING|MARK-MASQ)$/;
/** Cilium's own chains; it comments its rules there, but for those of pods with the annotation no-track-port. */
const OF_CILIUM = /^(?:OLD_)?CILIUM_/;
const UNTRACKED = /-[sd] [\da-f.:]+\/(?:32|128) -p (?:tcp|udp) .*--[sd]port \d+ -j (?:ACCEPT|CT --notrack)$/;
/** Chains of kube-proxy and the kubelet that have no rules. */
const EMPTY = /^KUBE-(?:PROXY-CANARY|KUBELET-CANARY|IPTABLES-HINT)$/;
/** Chains with rules for several Services, each with a comment. */
const OF_SERVICES = /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|NODEPORTS)$/;
/** Targets that end or change a packet. */
const REWRITING = /^(?:DROP|REJECT|DNAT|SNAT|REDIRECT)$/;

const isKnown = (chain: string) => KNOWN_CHAIN.test(chain) && (!chain.startsWith("KUBE-") || OF_KUBERNETES.test(chain));

/** Rules of the CNI plugin portmap, and jumps to them. */
const OF_PORTMAP = /^-A CNI-|-j CNI-/;

/** What iptables-save says of a table that it cannot show. */
const UNREADABLE = /Table `(\w+)' (?:is incompatible|contains incompatible base-chains)/;

/** The set of nodes to which pods go with their own address, where a rule uses it. */
function judgeNodeSet(
  node: NodeEvidence,
  rules: readonly NetfilterRule[],
  { api }: Evidence,
  { name: family }: Family,
  isExternal: boolean,
): Finding[] {
  const text = sectionOf(node, "ipset");
  const set = `cilium_node_set_${family === "IPv4" ? "v4" : "v6"}`;
  // the agent's image may lack the program
  if (text instanceof Error || !text.includes(`create ${set}`)) return [];
  if (!rules.some((rule) => rule.text.includes(`--match-set ${set}`))) return [];
  const members = [...text.matchAll(/^add \S+ (\S+)/gm)].map(([, address]) => address!);
  const addresses = readingOf(api.ciliumNodes).filter(({ address }) => address !== "");
  const missing = addresses.filter(({ name, address }) => name !== node.node && !members.includes(address));
  // nodes of other clusters of a mesh are members too
  const strange = isExternal ? [] : members.filter((each) => !addresses.some(({ address }) => address === each));
  if (missing.length + strange.length === 0) return [];
  return [
    fail(
      node.node,
      `ipset ${set}: ${members.join(", ") || "empty"}`,
      missing.length > 0
        ? `pods' packets to ${missing.map(({ name }) => name).join(", ")} are masqueraded: the ipset lacks these nodes`
        : `pods' packets to ${strange.join(", ")} keep the pod's address: replies cannot be routed back`,
      `kubectl -n kube-system delete pod ${node.agent}: the agent fills the set when it starts`,
      { cause: missing.length > 0 ? "netfilter-missing" : "netfilter-foreign", nodes: [node.node] },
    ),
  ];
}

/** What the kubelet writes into its own chain. */
const OF_KUBELET = /--comment "(?:kubernetes firewall|block incoming localnet)/;

function isForeign({ chain, target, text }: NetfilterRule): boolean {
  if (text.includes('--comment "NodeLocal DNS Cache')) return false;
  if (chain === "KUBE-FIREWALL") return !OF_KUBELET.test(text);
  if (OF_CILIUM.test(chain)) return !text.includes("--comment ") && !UNTRACKED.test(text);
  if (EMPTY.test(chain)) return true;
  if (OF_SERVICES.test(chain)) return REWRITING.test(target) && !text.includes("--comment ");
  // those of Docker forward its own DNS
  if (/^DOCKER_/.test(chain)) return REWRITING.test(target) && !text.includes("127.0.0.11");
  if (OF_ALL_PACKETS.test(chain))
    return REWRITING.test(target) && !/--ctstate INVALID|--comment "?kubernetes/.test(text);
  if (isKnown(chain)) return false;
  return !isKnown(target);
}

function effectOf(rules: readonly NetfilterRule[]): string {
  const words: Readonly<Record<string, string>> = {
    DROP: "it drops packets",
    ACCEPT: "it keeps packets from the rules after it",
    RETURN: "it keeps packets from the rules after it",
    REJECT: "it refuses packets",
    MASQUERADE: "it rewrites source addresses",
    SNAT: "it rewrites source addresses",
    DNAT: "it rewrites destinations",
    REDIRECT: "it rewrites destinations",
    CT: "it hides packets from connection tracking",
    NOTRACK: "it hides packets from connection tracking",
    MARK: "it marks packets, which changes their route",
  };
  return [...new Set(rules.map(({ target }) => words[target] ?? `target ${target}`))].join(", ");
}

const textOr = (text: string | Error, otherwise: string) => (text instanceof Error ? otherwise : text);

const ADDRESS = /(?:\d+(?:\.\d+){3}|(?<![\w:])(?:[\da-f]{0,4}:){2,7}[\da-f]{0,4}(?![\w:]))(?:\/\d+)?/g;

/** A rule without what differs from node to node. */
function keyOf({ table, text }: NetfilterRule): string {
  // a proxy has a port of its own on each node
  return `${table} ${text.replace(/(?:--on-port|--mark|--tproxy-mark) \S+/g, "").replace(ADDRESS, "<address>")}`;
}

/** Cilium's rules that at least two thirds of the nodes have; with fewer than three nodes, one has them all. */
function usualRules({ nodes }: Evidence): ReadonlySet<string> {
  const all = nodes.flatMap((node) => {
    const text = sectionOf(node, "iptables");
    if (text instanceof Error) return [];
    return [
      new Set(
        parseRules(text)
          .rules.filter(
            ({ chain, target, text: rule }) =>
              (OWN_CHAIN.test(chain) || OWN_CHAIN.test(target)) && !OF_SERVICE.test(chain) && !OF_SOME_NODES.test(rule),
          )
          .map(keyOf),
      ),
    ];
  });
  const keys = new Set(all.flatMap((each) => [...each]));
  const enough = nodes.length < 3 ? 1 : (2 * all.length) / 3;
  return new Set([...keys].filter((key) => all.filter((each) => each.has(key)).length >= enough));
}

/** What an nftables rule does to packets, beside accepting and counting them. */
const ACTIONS =
  /\b(?:drop|reject|dnat|snat|masquerade|redirect|queue|notrack|tproxy|synproxy|fwd|dup)\b|\bset (?!\S+ \{)/;

/** Tables of nftables, without those that iptables and kube-proxy keep there. */
function foreignTables(nftables: Evidence["nodes"][number]["nftables"]): { name: string; rules: string }[] {
  if (nftables === undefined || !("value" in nftables)) return [];
  return [...nftables.value.matchAll(/^(table \S+ \S+) ([^]*?)(?=^table |$(?![^]))/gm)]
    .map(([, name, rules]) => ({ name: name!, rules: rules! }))
    .filter(({ name }) => !/^table (?:ip6?|inet) kube-proxy$/.test(name));
}
