import { both, inNode, inTable } from "../evidence";
import { WORKER, OWN_NETWORK, type RecordedFault } from "./fault";

const SKIPPING = "[9:540] -A POSTROUTING -s 10.0.2.0/24 -p tcp -m tcp --dport 443 -j ACCEPT";

/** Faults by which packets are dropped or rewritten. */
export const FILTER_FAULTS: readonly RecordedFault[] = [
  [
    "a rule in the kubelet's chain",
    inNode(
      "iptables",
      (text) => text.replace(/^\*filter\n/m, "$&[5:300] -A KUBE-FIREWALL -p tcp -m tcp --dport 9100 -j DROP\n"),
      WORKER,
    ),
    "netfilter",
    "netfilter-foreign",
    /-A KUBE-FIREWALL -p tcp/,
  ],
  [
    "connections that skip masquerading",
    inNode("iptables", (text) => text.replace(/^.* -A POSTROUTING .*CILIUM_POST_nat.*$/m, `${SKIPPING}\n$&`), WORKER),
    "netfilter",
    "netfilter-foreign",
    /keeps packets from the rules after it/,
  ],
  [
    "programs that miss a tail call",
    ({ after }) => {
      const drops = JSON.stringify([{ labels: { reason: "Missed tail call", direction: "EGRESS" }, value: 50 }]);
      for (const node of after) node.sections.metrics = { value: drops };
    },
    "drops",
    "program-missing",
    /delete pod -l k8s-app=cilium --field-selector spec\.nodeName=cmlead-\S+: .*a part of Cilium's programs is missing/,
  ],
  [
    "a rule that masquerades pods",
    inNode(
      "iptables",
      (text) =>
        text.replace(
          /^\[\d+:\d+\] -A POSTROUTING -d 127\.0\.0\.11.*$/m,
          `$&\n[7:420] -A POSTROUTING -s ${OWN_NETWORK} -o eth0 -j MASQUERADE`,
        ),
      WORKER,
    ),
    "netfilter",
    "netfilter-foreign",
    /it rewrites source addresses/,
  ],
  [
    "a chain's policy that drops",
    inNode("iptables", (text) => text.replace(":FORWARD ACCEPT", ":FORWARD DROP"), WORKER),
    "netfilter",
    "netfilter-foreign",
    /drops every packet/,
  ],
  [
    "Cilium's rules flushed",
    inNode("iptables", (text) => text.replace(/^\[.*-A CILIUM_FORWARD .*\n/gm, ""), WORKER),
    "netfilter",
    "netfilter-missing",
    /rules that the other nodes have are missing/,
  ],
  [
    "packets of one node that are lost for a moment, in a few tries of each sender",
    ({ traffic }) => {
      for (const { shape, from, to, tries } of traffic!.probes) {
        const isBetween = (from.node === WORKER) !== (to.node === WORKER);
        if (shape === "icmp/small" && to.node !== undefined && isBetween) tries[0]!.lost = 1;
      }
    },
    "lost-packets",
    "packet-loss",
    /lost for moments.*"nodes":\["cmlead-worker"\]|"nodes":\["cmlead-worker"\].*lost for moments/,
  ],
  [
    "a policy map that denies without a policy",
    ({ nodes }) => {
      nodes.find(({ node }) => node === WORKER)!.sections.policyMaps = {
        value:
          "Endpoint ID: 12\nEndpoint ID: 334\nDeny     Ingress     6226          8080/TCP          NONE         disabled    0         0         0        0\n",
      };
    },
    "policies",
    "policy-map-stale",
    /endpoint 334 denies ingress 8080\/TCP of identity 6226/,
  ],
  [
    "a policy that drops probes",
    ({ api, after, traffic }) => {
      api.policies = { value: ["CiliumNetworkPolicy nettool/no-world"] };
      const drops = JSON.stringify([{ labels: { reason: "Policy denied", direction: "INGRESS" }, value: 1e6 }]);
      for (const node of after) node.sections.metrics = { value: drops };
      for (const { flow, tries } of traffic!.probes)
        if (flow === "outside-to-node-port") for (const each of tries) each.failure = "no answer within 3 s";
    },
    "policies",
    "policy-drop",
    /CiliumNetworkPolicy nettool\/no-world drops probes/,
  ],
  [
    "a node that the ipset of nodes lacks",
    both(
      inNode(
        "iptables",
        inTable(
          "nat",
          '[0:0] -A CILIUM_POST_nat -m set --match-set cilium_node_set_v4 dst -m comment --comment "cilium masquerade" -j ACCEPT',
        ),
      ),
      ({ nodes }) => {
        for (const { node, sections } of nodes) {
          const others = node === WORKER ? [] : nodes.map((_, index) => `add cilium_node_set_v4 172.18.0.${index + 2}`);
          sections.ipset = { value: `create cilium_node_set_v4 hash:ip family inet\n${others.join("\n")}\n` };
        }
      },
    ),
    "netfilter",
    "netfilter-missing",
    /are masqueraded: the ipset lacks/,
  ],
  [
    "a table that nft has made unreadable to iptables",
    inNode("iptables", (text) => `${text}\n# Table \`filter' is incompatible, use 'nft' tool.\n`, WORKER),
    "netfilter",
    "netfilter-foreign",
    /iptables cannot list all of this table/,
  ],
  [
    "a rule in the kubelet's empty chain",
    inNode("iptables", inTable("mangle", "[9:540] -A KUBE-KUBELET-CANARY -p tcp --dport 5432 -j DROP"), WORKER),
    "netfilter",
    "netfilter-foreign",
    /neither Cilium, kube-proxy nor kind made/,
  ],
  [
    "a foreign rule that accepts in one of Cilium's chains",
    inNode("iptables", inTable("nat", "[0:0] -A CILIUM_POST_nat -d 203.0.113.0/24 -j ACCEPT"), WORKER),
    "netfilter",
    "netfilter-foreign",
    /keeps packets from the rules after it/,
  ],
  [
    "a rule that returns before its packets are masqueraded",
    inNode(
      "iptables",
      (text) => text.replace(/^(\*nat\n(?::.*\n)*)/m, "$1[9:540] -A POSTROUTING -s 10.0.2.0/24 -j RETURN\n"),
      WORKER,
    ),
    "netfilter",
    "netfilter-foreign",
    /keeps packets from the rules after it/,
  ],
  [
    "a rule that drops packets in one of Cilium's chains",
    inNode("iptables", inTable("filter", "[3:180] -A CILIUM_FORWARD -p tcp -m tcp --dport 5432 -j DROP"), WORKER),
    "netfilter",
    "netfilter-foreign",
    /neither Cilium, kube-proxy nor kind made/,
  ],
  [
    "a rule in a chain that only looks like kube-proxy's",
    inNode(
      "iptables",
      inTable(
        "filter",
        ":KUBE-POD-FW-ABC - [0:0]\n[1:60] -A FORWARD -j KUBE-POD-FW-ABC\n[1:60] -A KUBE-POD-FW-ABC -p udp -m udp --dport 443 -j DROP",
      ),
      WORKER,
    ),
    "netfilter",
    "netfilter-foreign",
    /it drops packets/,
  ],
  [
    "a rule in Cilium's chain that imitates its comments",
    inNode(
      "iptables",
      inTable(
        "filter",
        '[0:0] -A CILIUM_OUTPUT -p icmp -m icmp --icmp-type 3/4 -m comment --comment "cilium: tidy" -j DROP',
      ),
      WORKER,
    ),
    "netfilter",
    "netfilter-foreign",
    /iptables -t filter -D CILIUM_OUTPUT -p icmp/,
  ],
];
