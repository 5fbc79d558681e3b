import {
  inAgent,
  iptablesRule,
  onNode,
  podRule,
  THROUGH_HOST,
  WITH_KUBE_PROXY,
  WITHOUT_KUBE_PROXY,
  type Fault,
} from "./fault";

/** A table of nftables with one rule. */
export function nftTable(family: string, hook: string, rule: string) {
  return {
    inject: onNode(
      `nft "add table ${family} drill"; nft "add chain ${family} drill drill { type filter hook ${hook}; policy accept; }"; nft "add rule ${family} drill drill ${rule}"`,
    ),
    undo: onNode(`nft "delete table ${family} drill" 2>/dev/null || true`),
    probe: onNode(`nft list tables | grep -c ' drill$' || true`)[0]!,
  };
}

/** Flush a chain again and again, since its owner writes it anew, and restore its table. */
export function flushed(table: string, chain: string, alongside = "true", program = "iptables") {
  return {
    inject: onNode(
      `[ -e $kept/table ] || ${program}-save -t ${table} >$kept/table; keep flush "${program} -w 5 -t ${table} -F ${chain} && ${alongside}"; sleep 1`,
    ),
    undo: onNode(`unkeep flush; [ ! -e $kept/table ] || { ${program}-restore <$kept/table; rm $kept/table; }`),
    probe: onNode(`${program} -w 5 -t ${table} -S ${chain} | grep -c -e -A || true`)[0]!,
  };
}

/** Rules of iptables and nftables that are neither the mode's nor Kubernetes', and such that are missing. */
export const NETFILTER_FAULTS: readonly Fault[] = [
  {
    name: "peer-dropped",
    class: "netfilter",
    title: "One worker drops everything that another node sends it.",
    teaches: "Health, NodePorts and the kubelet fail between two nodes; pods may still reach each other past the rule.",
    expect: ["netfilter-foreign"],
    ...iptablesRule("INPUT", "-s $peer_address -j DROP"),
  },
  {
    name: "pings-dropped",
    class: "netfilter",
    title: "One worker drops ICMP.",
    teaches: "With pings it drops: fragmentation needed. Path MTU discovery fails, and large transfers hang.",
    expect: ["netfilter-foreign", "packet-loss"],
    ...iptablesRule("INPUT", "-p icmp -j DROP"),
  },
  {
    name: "health-port-dropped",
    class: "netfilter",
    title: "One worker drops connections to the agents' health port 4240.",
    teaches:
      "cilium-health reports an unreachable node while all traffic works: a firewall rule is missing an exception.",
    expect: ["netfilter-foreign"],
    ...iptablesRule("INPUT", "-p tcp --dport 4240 -j DROP"),
  },
  {
    name: "node-to-pods-rejected",
    class: "netfilter",
    title: "One worker refuses its own connections to another node's pods.",
    teaches: "Pods reach them and the node does not, so NodePorts asked on the node fail one time in three.",
    expect: ["netfilter-foreign"],
    ...iptablesRule("OUTPUT", "-d $peer_pods -j REJECT"),
  },
  {
    name: "nft-drops-node-to-pods",
    class: "netfilter",
    title: "An nftables table of its own drops one worker's connections to another node's pods.",
    teaches: "iptables -S shows nothing: nftables tables of others are seen by nft only.",
    expect: ["netfilter-foreign"],
    ...nftTable("ip", "output priority -300", "ip daddr $peer_pods drop"),
  },
  {
    name: "nft-drops-at-device",
    class: "netfilter",
    title: "An nftables chain at one worker's eth0 drops UDP for another node's pods.",
    teaches: "It sees packets after BPF has sent them: not even BPF host routing passes by this hook.",
    expect: ["netfilter-foreign", "packet-loss"],
    tunnel: false,
    ...nftTable("netdev", "egress device eth0 priority 0", "ip daddr $peer_pods ip protocol udp drop"),
  },
  {
    name: "pods-forward-dropped",
    class: "netfilter",
    title: "One worker drops forwarded packets for another node's pods.",
    teaches: "Packets through the host's stack pass FORWARD, where a firewall of the node may drop them.",
    expect: ["netfilter-foreign"],
    modes: THROUGH_HOST,
    tunnel: false,
    ...iptablesRule("FORWARD", "-s $node_pods -d $peer_pods -j DROP"),
  },
  {
    name: "forward-loses-one-in-three",
    class: "netfilter",
    title: "One worker drops one in three new connections of its pods to another node's pods.",
    teaches: "Retries hide it: everything works, sometimes a second later.",
    expect: ["netfilter-foreign", "packet-loss"],
    modes: THROUGH_HOST,
    tunnel: false,
    ...iptablesRule("FORWARD", "-s $node_pods -d $peer_pods -m statistic --mode nth --every 3 --packet 0 -j DROP"),
  },
  {
    name: "connections-not-tracked",
    class: "netfilter",
    title: "One worker does not track its pods' connections (raw table, notrack).",
    teaches:
      "Without tracking there is no translation: pods leave with their own address, and kube-proxy's Services fail.",
    expect: ["netfilter-foreign", "source-address"],
    modes: THROUGH_HOST,
    ...iptablesRule("PREROUTING", "-s $node_pods -j CT --notrack", "raw"),
  },
  {
    name: "node-port-redirected",
    class: "netfilter",
    title: "One worker redirects its NodePort to a port on which nobody listens.",
    teaches: "A foreign DNAT rule before kube-proxy's own wins, on one node.",
    expect: ["netfilter-foreign"],
    modes: WITH_KUBE_PROXY,
    ...iptablesRule("PREROUTING", "-p tcp --dport $node_port -j DNAT --to-destination $peer_pod_address:81", "nat"),
  },
  {
    name: "node-port-dropped",
    class: "netfilter",
    title: "One worker drops what arrives for its NodePort before it is translated.",
    teaches: "The NodePort answers on all nodes but this one, and answers pods on this node.",
    expect: ["netfilter-foreign"],
    modes: WITH_KUBE_PROXY,
    ...iptablesRule("PREROUTING", "-i eth0 -p tcp --dport $node_port -j DROP", "raw"),
  },
  {
    name: "segment-size-clamped",
    class: "netfilter",
    title: "One worker clamps forwarded TCP connections to segments of 200 bytes.",
    teaches: "Everything works, with seven times as many packets.",
    expect: ["netfilter-foreign", "large-packets", "mtu-mismatch"],
    modes: THROUGH_HOST,
    ...iptablesRule("FORWARD", "-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 200", "mangle"),
  },
  {
    name: "forward-chain-flushed",
    class: "netfilter",
    title: "CILIUM_FORWARD is empty on one worker, whose FORWARD policy is DROP.",
    teaches: "Other container tools set that policy. Cilium's rules are what lets pods' packets through it.",
    expect: ["netfilter-missing", "netfilter-foreign"],
    modes: THROUGH_HOST,
    ...flushed("filter", "CILIUM_FORWARD", "iptables -w 5 -P FORWARD DROP"),
  },
  {
    name: "masquerade-chain-flushed",
    class: "netfilter",
    title: "CILIUM_POST_nat is empty on one worker.",
    teaches: "Pods there leave the cluster with their own address, and nothing outside can answer them.",
    expect: ["netfilter-missing", "source-address"],
    modes: THROUGH_HOST,
    ...flushed("nat", "CILIUM_POST_nat"),
  },
  {
    name: "kube-services-flushed",
    class: "netfilter",
    title: "KUBE-SERVICES is empty on one worker.",
    teaches:
      "No NodePort answers there, and the node reaches no ClusterIP; kube-proxy repairs it only when it notices.",
    expect: ["netfilter-missing", "kube-proxy-missing"],
    modes: WITH_KUBE_PROXY,
    kubeProxy: "iptables",
    ...flushed("nat", "KUBE-SERVICES"),
  },
  {
    name: "kube-proxy-rules-left",
    class: "netfilter",
    title: "Rules of a kube-proxy that is gone translate a ClusterIP on one worker.",
    teaches: "The left-over leads to a backend that no longer exists, for connections that do not pass the socket LB.",
    expect: ["kube-proxy-leftover", "netfilter-foreign"],
    modes: WITHOUT_KUBE_PROXY,
    inject: onNode(
      "iptables -w 5 -t nat -N KUBE-SVC-LEFTOVER 2>/dev/null || true; iptables -w 5 -t nat -F KUBE-SVC-LEFTOVER; iptables -w 5 -t nat -A KUBE-SVC-LEFTOVER -p tcp -j DNAT --to-destination $peer_pod_address:81; iptables -w 5 -t nat -I OUTPUT -d $cluster_ip -j KUBE-SVC-LEFTOVER",
    ),
    undo: onNode(
      "while iptables -w 5 -t nat -D OUTPUT -d $cluster_ip -j KUBE-SVC-LEFTOVER 2>/dev/null; do :; done; iptables -w 5 -t nat -F KUBE-SVC-LEFTOVER 2>/dev/null || true; iptables -w 5 -t nat -X KUBE-SVC-LEFTOVER 2>/dev/null || true",
    ),
    probe: onNode("iptables-save -t nat | grep -c KUBE-SVC-LEFTOVER || true")[0]!,
  },
  {
    name: "kube-proxy-nft-table-left",
    class: "netfilter",
    title: "The nftables table of a kube-proxy that is gone is left on one worker.",
    teaches: "kube-proxy's nftables mode leaves a table ip kube-proxy, which iptables does not show.",
    expect: ["kube-proxy-leftover"],
    modes: WITHOUT_KUBE_PROXY,
    inject: onNode(
      `nft "add table ip kube-proxy"; nft "add chain ip kube-proxy services { type nat hook output priority -100; }"; nft "add rule ip kube-proxy services ip daddr $cluster_ip tcp dport 80 dnat to $peer_pod_address:81"`,
    ),
    undo: onNode(`nft "delete table ip kube-proxy" 2>/dev/null || true`),
    probe: onNode("nft list tables | grep -c 'kube-proxy$' || true")[0]!,
  },
  {
    name: "pod-drops-port",
    class: "netfilter",
    title: "A rule inside one pod refuses connections to its port.",
    teaches: "Readiness notices after some seconds. Until then one request in three fails.",
    expect: ["netfilter-foreign"],
    ...podRule("INPUT", "-p tcp --dport 80 -j REJECT --reject-with tcp-reset"),
  },
  {
    name: "vxlan-dropped",
    class: "netfilter",
    title: "One worker drops VXLAN (UDP port 8472) of another node.",
    teaches: "Pods do not reach each other across these nodes: a firewall lacks the tunnel's port.",
    expect: ["netfilter-foreign"],
    tunnel: true,
    ...iptablesRule("INPUT", "-s $peer_address -p udp --dport 8472 -j DROP"),
  },
  {
    name: "kubelet-chain-drops",
    class: "netfilter",
    title: "A rule in the kubelet's chain KUBE-FIREWALL drops another node's health probes.",
    teaches: "The chain's name says Kubernetes, so nobody looks at its rules.",
    expect: ["netfilter-foreign"],
    ...iptablesRule("KUBE-FIREWALL", "-s $peer_address -p tcp --dport 4240 -j DROP"),
  },
  {
    name: "accept-before-masquerading",
    class: "netfilter",
    title: "A rule accepts some of one worker's connections before they are masqueraded.",
    teaches:
      "ACCEPT sounds harmless. In the table nat it means: leave the address as it is, so that no answer returns.",
    expect: ["netfilter-foreign"],
    modes: THROUGH_HOST,
    ...iptablesRule("POSTROUTING", "-s $node_pods ! -d 10.0.0.0/8 -p tcp --dport 80 -j ACCEPT", "nat"),
  },
  {
    name: "kube-forward-left",
    class: "netfilter",
    title: "A worker has kube-proxy's chain KUBE-FORWARD, with a rule that drops HTTPS.",
    teaches: "kube-proxy was removed, and a part of its rules was not.",
    expect: ["kube-proxy-leftover"],
    modes: WITHOUT_KUBE_PROXY,
    inject: onNode(
      "iptables -w 5 -N KUBE-FORWARD; iptables -w 5 -A KUBE-FORWARD -p tcp --dport 443 -j DROP; iptables -w 5 -I FORWARD -j KUBE-FORWARD",
    ),
    undo: onNode(
      "while iptables -w 5 -D FORWARD -j KUBE-FORWARD 2>/dev/null; do :; done; iptables -w 5 -F KUBE-FORWARD 2>/dev/null && iptables -w 5 -X KUBE-FORWARD || true",
    ),
    probe: onNode("iptables -w 5 -S | grep -c KUBE-FORWARD || true")[0]!,
  },
  {
    name: "kube-proxy-rules-of-another-mode",
    class: "netfilter",
    title: "A worker has rules of kube-proxy's mode nftables beside those of iptables.",
    teaches:
      "The mode was changed without a cleanup. Rules that nobody updates send connections to pods that are gone.",
    expect: ["kube-proxy-leftover"],
    modes: WITH_KUBE_PROXY,
    kubeProxy: "iptables",
    inject: onNode(
      'nft "add table ip kube-proxy"; nft "add chain ip kube-proxy drill { type nat hook output priority -110; }"; nft "add rule ip kube-proxy drill ip daddr 10.96.255.254 tcp dport 80 dnat to 10.255.255.254:80"',
    ),
    undo: onNode('nft "delete table ip kube-proxy" 2>/dev/null || true'),
    probe: onNode("nft list tables | grep -c kube-proxy || true")[0]!,
  },
  {
    name: "kube-proxy-nft-service-removed",
    class: "netfilter",
    title: "kube-proxy's map in nftables lacks the API server's Service on one worker.",
    teaches: "kube-proxy writes an element anew only when its Service changes; all other Services work.",
    expect: ["service-map-stale"],
    modes: WITH_KUBE_PROXY,
    kubeProxy: "nftables",
    inject:
      onNode(`[ -e $kept/element ] || nft list map ip kube-proxy service-ips | grep -o '[0-9.]* \\. tcp \\. 443 : goto service-[^ ,}]*default/kubernetes[^ ,}]*' >$kept/element
[ -s $kept/element ]
nft "delete element ip kube-proxy service-ips { $(cut -d : -f 1 $kept/element) }"`),
    undo: onNode(
      `[ ! -s $kept/element ] || { nft "add element ip kube-proxy service-ips { $(cat $kept/element) }"; rm $kept/element; }`,
    ),
    probe: onNode("nft list map ip kube-proxy service-ips | grep -c default/kubernetes || true")[0]!,
  },
  {
    name: "cilium-chain-drops",
    class: "netfilter",
    title: "One of Cilium's own chains drops TCP port 5432 on one worker.",
    teaches: "A rule among Cilium's own is easily taken for one of them; only databases stop answering.",
    expect: ["netfilter-foreign"],
    modes: THROUGH_HOST,
    ...iptablesRule("CILIUM_FORWARD", "-p tcp --dport 5432 -j DROP"),
  },
  {
    name: "service-translated-to-nobody",
    class: "netfilter",
    title: "kube-proxy's rule for the API server's Service leads to an address that no endpoint has, on one worker.",
    teaches: "kube-proxy writes a Service's rules anew only when the Service changes, so that the rule stays.",
    expect: ["service-map-stale"],
    modes: WITH_KUBE_PROXY,
    kubeProxy: "iptables",
    inject:
      onNode(`[ -e $kept/rule ] || iptables-save -t nat | grep -- '^-A KUBE-SEP-.*"default/kubernetes:https".* -j DNAT' | head -n 1 >$kept/rule
[ -s $kept/rule ]
chain=$(cut -d ' ' -f 2 $kept/rule)
iptables -w 5 -t nat -R $chain 2 -p tcp -m comment --comment default/kubernetes:https -m tcp -j DNAT --to-destination 10.255.255.254:6443`),
    undo: onNode(`[ ! -s $kept/rule ] || { chain=$(cut -d ' ' -f 2 $kept/rule)
iptables -w 5 -t nat -R $chain 2 -p tcp -m comment --comment default/kubernetes:https -m tcp -j DNAT --to-destination $(sed 's/.* //' $kept/rule); rm $kept/rule; }`),
    probe: onNode("iptables-save -t nat | grep -c 10.255.255.254 || true")[0]!,
  },
  {
    name: "node-set-incomplete",
    class: "netfilter",
    title: "The ipset of the cluster's nodes lacks a node on one worker.",
    teaches:
      "Pods reach that node with their own node's address instead of theirs: firewalls and logs see another client.",
    expect: ["netfilter-missing"],
    modes: THROUGH_HOST,
    tunnel: false,
    inject: inAgent("ipset del cilium_node_set_v4 $peer_address"),
    undo: inAgent("ipset add cilium_node_set_v4 $peer_address -exist"),
    probe: inAgent("ipset test cilium_node_set_v4 $peer_address >/dev/null 2>&1 && echo member || true")[0]!,
  },
  {
    name: "return-before-masquerading",
    class: "netfilter",
    title: "A rule returns for some of one worker's connections before they are masqueraded.",
    teaches: "In a built-in chain RETURN ends the table as ACCEPT does.",
    expect: ["netfilter-foreign"],
    modes: THROUGH_HOST,
    ...iptablesRule("POSTROUTING", "-s $node_pods ! -d 10.0.0.0/8 -p tcp --dport 80 -j RETURN", "nat"),
  },
  {
    name: "accept-in-cilium-chain",
    class: "netfilter",
    title: "A rule in CILIUM_POST_nat accepts connections to 203.0.113.0/24 on one worker.",
    teaches: "Pods reach this network with their own address, and no answer returns.",
    expect: ["netfilter-foreign"],
    modes: THROUGH_HOST,
    ...iptablesRule("CILIUM_POST_nat", "-d 203.0.113.0/24 -j ACCEPT", "nat"),
  },
  {
    name: "canary-chain-drops",
    class: "netfilter",
    title: "The kubelet's chain KUBE-KUBELET-CANARY drops TCP port 5432 on one worker.",
    teaches: "The chain is the kubelet's and should be empty: it only shows that somebody flushed the table.",
    expect: ["netfilter-foreign"],
    inject: onNode(
      "iptables -w 5 -t mangle -A KUBE-KUBELET-CANARY -p tcp --dport 5432 -j DROP; iptables -w 5 -t mangle -I INPUT -j KUBE-KUBELET-CANARY",
    ),
    undo: onNode(
      "while iptables -w 5 -t mangle -D INPUT -j KUBE-KUBELET-CANARY 2>/dev/null; do :; done; iptables -w 5 -t mangle -F KUBE-KUBELET-CANARY 2>/dev/null || true",
    ),
    probe: onNode("iptables -w 5 -t mangle -S | grep -c CANARY || true")[0]!,
  },
  {
    name: "kube-service-emptied",
    class: "netfilter",
    title: "kube-proxy's chain of the API server's Service is empty on one worker.",
    teaches: "kube-proxy writes a Service's rules anew only when it changes; all other Services work.",
    expect: ["service-map-stale", "netfilter-missing"],
    modes: WITH_KUBE_PROXY,
    kubeProxy: "iptables",
    inject: onNode(`[ -e $kept/table ] || { iptables-save -t nat >$kept/saved && mv $kept/saved $kept/table; }
chain=$(sed -n 's|^-A KUBE-SERVICES .*"default/kubernetes:https.* -j \\(KUBE-SVC-[A-Z0-9]*\\).*|\\1|p' $kept/table | head -n 1)
iptables -w 5 -t nat -F \${chain:?}`),
    undo: onNode("[ ! -e $kept/table ] || { iptables-restore <$kept/table; rm $kept/table; }"),
    probe: onNode('iptables-save -t nat | grep -c -e "-A KUBE-SVC-.*default/kubernetes:https" || true')[0]!,
  },
  {
    name: "pod-legacy-rule",
    class: "netfilter",
    title: "A rule of iptables-legacy inside one pod drops UDP.",
    teaches: "The kernel applies it, and iptables and nft of a current image do not list it.",
    expect: ["netfilter-foreign"],
    inject: onNode("in_pod iptables-legacy -w 5 -I INPUT -p udp --dport 80 -j DROP"),
    undo: onNode("while in_pod iptables-legacy -w 5 -D INPUT -p udp --dport 80 -j DROP 2>/dev/null; do :; done"),
    probe: onNode("in_pod iptables-legacy -w 5 -S INPUT | grep -c DROP || true")[0]!,
  },
];
