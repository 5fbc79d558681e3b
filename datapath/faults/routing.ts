import { inPod, onNode, RESTART_AGENT, THROUGH_HOST, type Fault } from "./fault";

/** A route that Cilium does not know of; it comes and goes with its prefix. */
function foreignRoute(prefix: string, way: string, type = "") {
  return {
    inject: onNode(`ip route replace ${type} ${prefix} ${way}`),
    undo: onNode(`ip route del ${type} ${prefix} 2>/dev/null || true`),
    probe: onNode(`ip route show exact ${prefix}`)[0]!,
  };
}

/** Do something to a route of Cilium's, again and again since the agent repairs it, and restore it. */
function heldRoute(prefix: string, change: string) {
  return {
    inject: onNode(
      `[ -e $kept/route ] || ip route show exact ${prefix} >$kept/route; [ -s $kept/route ]; keep route "${change}"; sleep 1`,
    ),
    undo: onNode(
      `unkeep route; [ ! -e $kept/route ] || { ip route del ${prefix} 2>/dev/null || true; while read -r route; do ip route replace $route; done <$kept/route; rm $kept/route; }`,
    ),
    probe: onNode(`ip route show exact ${prefix} | tr -s ' \\n' ' '`)[0]!,
  };
}

/** An ip rule before all others; with a route, it leads to a table that has only that. */
function foreignRule(selector: string, route?: string) {
  return {
    inject: onNode(
      route === undefined
        ? `ip rule add pref 50 ${selector}`
        : `ip route replace ${route} table 4242; ip rule add pref 50 ${selector} lookup 4242`,
    ),
    undo: onNode("while ip rule del pref 50 2>/dev/null; do :; done; ip route flush table 4242 2>/dev/null || true"),
    probe: onNode("ip rule show pref 50")[0]!,
  };
}

/** Routes, rules and neighbours: the path that packets take. */
export const ROUTING_FAULTS: readonly Fault[] = [
  {
    name: "detour-for-one-pod",
    class: "routing",
    title: "A /32 route leads one worker's packets for a pod on another node through a third node.",
    teaches: "Everything answers, one hop later: the TTL is one lower and the third node carries the load.",
    expect: ["detour", "route-foreign"],
    tunnel: false,
    ...foreignRoute("$peer_pod_address/32", "via $third_address dev eth0"),
  },
  {
    name: "blackhole-for-one-pod",
    class: "routing",
    title: "A blackhole route drops one worker's packets for a pod on another node.",
    teaches: "Connections to that pod time out from this node only; from all others it answers.",
    expect: ["route-foreign"],
    tunnel: false,
    ...foreignRoute("$peer_pod_address/32", "", "blackhole"),
  },
  {
    name: "prohibited-pod",
    class: "routing",
    title: "A prohibit route refuses one worker's packets for a pod on another node.",
    teaches: "Connections fail at once: communication administratively prohibited, or permission denied.",
    expect: ["route-foreign"],
    tunnel: false,
    ...foreignRoute("$peer_pod_address/32", "", "prohibit"),
  },
  {
    name: "path-mtu-for-one-pod",
    class: "routing",
    title: "One worker has a route with an MTU of 800 for a pod on another node.",
    teaches: "Larger packets for that pod alone are dropped, or answered with: fragmentation needed.",
    expect: ["mtu-mismatch", "route-foreign", "large-packets"],
    tunnel: false,
    ...foreignRoute("$peer_pod_address/32", "via $peer_address dev eth0 mtu lock 800"),
  },
  {
    name: "route-mtu-small",
    class: "routing",
    title: "One worker's route to another node's pods has an MTU of 800.",
    teaches: "Small requests work and transfers hang, in one direction between two nodes.",
    expect: ["mtu-mismatch", "route-foreign", "large-packets"],
    tunnel: false,
    ...heldRoute("$peer_pods", "ip route replace $peer_pods via $peer_address dev eth0 proto kernel mtu lock 800"),
  },
  {
    name: "node-route-missing",
    class: "routing",
    title: "One worker has no route to another node's pods.",
    teaches: "Packets for them go to the default gateway, which does not know them either.",
    expect: ["route-missing"],
    tunnel: false,
    ...heldRoute("$peer_pods", "ip route del $peer_pods 2>/dev/null"),
  },
  {
    name: "route-to-wrong-node",
    class: "routing",
    title: "One worker's route to another node's pods leads to a third node.",
    teaches: "The third node passes packets on, so everything answers, through a node that has nothing to do with it.",
    expect: ["route-foreign", "detour", "route-missing"],
    tunnel: false,
    ...heldRoute("$peer_pods", "ip route replace $peer_pods via $third_address dev eth0 proto kernel"),
  },
  {
    name: "route-over-two-nodes",
    class: "routing",
    title: "One worker spreads packets for another node's pods over that node and a third one (ECMP).",
    teaches: "Some connections take a detour and others do not, so one look may show the right path.",
    expect: ["route-foreign", "detour", "route-missing"],
    tunnel: false,
    ...heldRoute(
      "$peer_pods",
      "ip route replace $peer_pods proto kernel nexthop via $peer_address dev eth0 nexthop via $third_address dev eth0",
    ),
  },
  {
    name: "default-route-missing",
    class: "routing",
    title: "One worker has no default route.",
    teaches:
      "The cluster works. Whatever leaves it from this node fails, packets of pods among it: network unreachable.",
    expect: ["route-missing"],
    inject: onNode("[ -e $kept/default ] || ip route show default >$kept/default; ip route del default"),
    undo: onNode("[ ! -e $kept/default ] || { ip route replace $(cat $kept/default); rm $kept/default; }"),
    probe: onNode("ip route show default")[0]!,
  },
  {
    name: "own-pods-route-missing",
    class: "routing",
    title: "One worker has no route to its own pods (through cilium_host).",
    teaches: "The node does not reach its own pods: probes fail, and replies to pods go to the default gateway.",
    expect: ["route-missing"],
    ...heldRoute("$node_pods", "ip route del $node_pods 2>/dev/null"),
  },
  {
    name: "own-pod-route-wrong",
    class: "routing",
    title: "One worker looks for one of its own pods on eth0.",
    teaches: "The node asks its network by ARP for a pod of its own, and nobody answers.",
    expect: ["route-foreign"],
    ...foreignRoute("$pod_address/32", "dev eth0"),
  },
  {
    name: "peer-pod-address-taken",
    class: "routing",
    title: "One worker has the address of another node's pod on its own lo.",
    teaches: "Connections to that pod reach the wrong machine, and are refused or answered by another process.",
    expect: ["route-foreign", "rule-foreign", "ipcache-stale"],
    inject: onNode("ip address replace $peer_pod_address/32 dev lo"),
    undo: [...onNode("ip address del $peer_pod_address/32 dev lo 2>/dev/null || true; sleep 2"), ...RESTART_AGENT],
    probe: onNode("ip -4 -o address show dev lo | awk '{ print $4 }'")[0]!,
  },
  {
    name: "node-address-detour",
    class: "routing",
    title: "A /32 route leads one worker's packets for another node through a third node.",
    teaches: "Node traffic takes a detour, the agents' health probes and NodePorts among it.",
    expect: ["detour", "route-foreign"],
    ...foreignRoute("$peer_address/32", "via $third_address dev eth0"),
  },
  {
    name: "rule-to-other-table",
    class: "routing",
    title: "An ip rule sends one worker's packets for another node's pods to a table that leads through a third node.",
    teaches: "ip route shows nothing unusual, since it shows the main table only.",
    expect: ["rule-foreign", "detour", "route-foreign"],
    tunnel: false,
    ...foreignRule("to $peer_pods", "default via $third_address dev eth0"),
  },
  {
    name: "rule-drops-pods",
    class: "routing",
    title: "An ip rule of one worker drops packets for another node's pods.",
    teaches: "The routes are all there, and the rule before them wins.",
    expect: ["rule-foreign"],
    tunnel: false,
    ...foreignRule("to $peer_pods blackhole"),
  },
  {
    name: "ipsec-policy-drops-pods",
    class: "routing",
    title: "An IPsec policy of one worker drops packets for another node's pods.",
    teaches:
      "Routes, rules and filters are all as they were: a VPN or an older cluster left a policy that comes before them.",
    expect: ["rule-foreign"],
    tunnel: false,
    inject: onNode(
      "ip xfrm policy update dst $peer_pods dir out action block; ip xfrm policy update dst $peer_pods dir fwd action block",
    ),
    undo: onNode("ip xfrm policy deleteall"),
    probe: onNode("ip xfrm policy")[0]!,
  },
  {
    name: "main-table-not-used",
    class: "routing",
    title: "One worker has no ip rule for the main table.",
    teaches: "All routes are listed and none is used: the node is cut off.",
    expect: ["rule-missing", "node-not-ready", "agent-silent", "agent-not-ready"],
    inject: onNode("ip rule del pref 32766"),
    undo: onNode("ip rule show pref 32766 | grep -q . || ip rule add pref 32766 lookup main"),
    probe: onNode("ip rule show pref 32766")[0]!,
  },
  {
    name: "neighbor-wrong",
    class: "routing",
    title: "One worker has a wrong, permanent MAC address for another node.",
    teaches: "Its packets for that node reach nobody. Stale entries do the same after an address has moved.",
    expect: ["neighbor-wrong"],
    inject: onNode(
      'keep neighbor "ip neigh replace $peer_address lladdr 02:00:00:00:00:99 dev eth0 nud permanent"; sleep 1',
    ),
    undo: onNode(
      "unkeep neighbor; ip neigh del $peer_address dev eth0 2>/dev/null || true; ping -c 1 -W 2 $peer_address >/dev/null || true",
    ),
    probe: onNode("ip neigh show $peer_address dev eth0 | grep -c 02:00:00:00:00:99 || true")[0]!,
  },
  {
    name: "pod-gateway-neighbor-wrong",
    class: "routing",
    title: "One pod has a wrong, permanent MAC address for its gateway.",
    teaches: "The host's stack drops the pod's packets, since they are addressed to another machine.",
    expect: ["neighbor-wrong"],
    modes: THROUGH_HOST,
    inject: inPod(
      "gateway=$(ip route show default | awk '{ print $3 }'); ip neigh replace $gateway lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
    ),
    undo: inPod("ip neigh del $(ip route show default | awk '{ print $3 }') dev eth0 2>/dev/null || true"),
    probe: inPod("ip neigh show dev eth0 | grep -c 02:00:00:00:00:99 || true")[0]!,
  },
  {
    name: "pod-rule-foreign",
    class: "routing",
    title: "A routing rule inside one pod forbids TCP to another node's pod.",
    teaches: "Connections fail at once with permission denied, pings pass, and no program or policy drops anything.",
    expect: ["rule-foreign"],
    inject: inPod("ip rule add pref 50 to $peer_pod_address ipproto tcp prohibit"),
    undo: inPod("while ip rule del pref 50 2>/dev/null; do :; done"),
    probe: inPod("ip rule show pref 50")[0]!,
  },
  {
    name: "pod-default-route-missing",
    class: "routing",
    title: "One pod has no default route.",
    teaches: "The pod reaches nobody: its address is a /32, so everything else lies behind the gateway.",
    expect: ["route-missing"],
    inject: inPod("[ -e $kept/default ] || ip route show default >$kept/default; ip route del default"),
    undo: inPod("[ ! -e $kept/default ] || { ip route replace $(cat $kept/default); rm $kept/default; }"),
    probe: inPod("ip route show default")[0]!,
  },
  {
    name: "outside-over-another-node",
    class: "routing",
    title: "Routes for 0.0.0.0/1 and 128.0.0.0/1 lead one worker's packets for the outside through another node.",
    teaches: "This is how a VPN takes over: the default route is untouched, and no longer used.",
    expect: ["route-foreign"],
    inject: onNode("ip route replace 0.0.0.0/1 via $peer_address; ip route replace 128.0.0.0/1 via $peer_address"),
    undo: onNode("for half in 0.0.0.0/1 128.0.0.0/1; do ip route del $half 2>/dev/null || true; done"),
    probe: onNode("ip route show 0.0.0.0/1")[0]!,
  },
  {
    name: "rule-of-lost-interface",
    class: "routing",
    title: "One worker has a rule and a table of a cloud's interface that throw packets for an outside network away.",
    teaches: "A left-over of ENI or an egress gateway: everything works but what this network answers.",
    expect: ["rule-foreign", "route-foreign"],
    inject: onNode(
      "ip route replace blackhole default table 99; ip rule add pref 110 from $node_pods to 198.51.100.0/24 lookup 99",
    ),
    undo: onNode(
      "while ip rule del pref 110 lookup 99 2>/dev/null; do :; done; ip route flush table 99 2>/dev/null || true",
    ),
    probe: onNode("ip rule show pref 110")[0]!,
  },
  {
    name: "outside-network-thrown-away",
    class: "routing",
    title: "A blackhole route on one worker drops packets for 203.0.113.0/24.",
    teaches: "Only destinations in this network are unreachable.",
    expect: ["route-foreign"],
    inject: onNode("ip route replace blackhole 203.0.113.0/24"),
    undo: onNode("ip route del blackhole 203.0.113.0/24 2>/dev/null || true"),
    probe: onNode("ip route show type blackhole")[0]!,
  },
  {
    name: "default-route-mtu-small",
    class: "routing",
    title: "The default route of one worker has an MTU of 576.",
    teaches: "Packets between nodes are of full size; those that leave the cluster are fragmented or dropped silently.",
    expect: ["mtu-mismatch"],
    inject: onNode(
      "[ -e $kept/default ] || ip route show default >$kept/default; ip route replace $(cat $kept/default) mtu 576",
    ),
    undo: onNode("[ ! -e $kept/default ] || { ip route replace $(cat $kept/default); rm $kept/default; }"),
    probe: onNode("ip route show default")[0]!,
  },
  {
    name: "outside-network-elsewhere",
    class: "routing",
    title: "One worker sends packets for 203.0.113.0/24 to a gateway that does not exist.",
    teaches: "All other destinations outside the cluster work.",
    expect: ["route-foreign"],
    inject: onNode("ip route replace 203.0.113.0/24 via $(echo $node_address | sed 's/[0-9]*$/254/') dev eth0"),
    undo: onNode("ip route del 203.0.113.0/24 2>/dev/null || true"),
    probe: onNode("ip route show 203.0.113.0/24")[0]!,
  },
  {
    name: "outside-network-is-local",
    class: "routing",
    title: "One worker takes all packets for 203.0.113.0/24 for its own.",
    teaches: "A route of the table local answers for addresses that no device has.",
    expect: ["route-foreign"],
    inject: onNode("ip route replace local 203.0.113.0/24 dev lo"),
    undo: onNode("ip route del local 203.0.113.0/24 dev lo 2>/dev/null || true"),
    probe: onNode("ip route show table local | grep -c 203.0.113 || true")[0]!,
  },
  {
    name: "pod-route-source",
    class: "routing",
    title: "The route to another node's pods makes one worker use cilium_host's address as its own.",
    teaches: "Everything answers. Firewalls and network policies see another client than the node.",
    expect: ["route-foreign"],
    tunnel: false,
    inject: onNode(
      "host=$(ip -4 -o addr show cilium_host | sed 's/.*inet \\([0-9.]*\\).*/\\1/'); ip route replace $peer_pods via $peer_address dev eth0 proto kernel src $host",
    ),
    undo: onNode("ip route replace $peer_pods via $peer_address dev eth0 proto kernel"),
    probe: onNode("ip route show $peer_pods")[0]!,
  },
  {
    name: "pod-route-small-segments",
    class: "routing",
    title: "The route to another node's pods limits segments to 100 bytes (advmss).",
    teaches: "Everything works, and transfers between these nodes are many times slower.",
    expect: ["route-foreign"],
    tunnel: false,
    inject: onNode("ip route replace $peer_pods via $peer_address dev eth0 proto kernel advmss 100"),
    undo: onNode("ip route replace $peer_pods via $peer_address dev eth0 proto kernel"),
    probe: onNode("ip route show $peer_pods")[0]!,
  },
  {
    name: "gateway-neighbor-wrong",
    class: "routing",
    title: "One worker has a wrong, permanent MAC address for its gateway.",
    teaches: "Everything in the cluster answers; nothing outside is reached from that node, nor gets answers.",
    expect: ["neighbor-wrong"],
    inject: onNode(
      "ip neigh replace $(ip route show default | awk '{ print $3 }') lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
    ),
    undo: onNode(
      "gateway=$(ip route show default | awk '{ print $3 }'); ip neigh del $gateway dev eth0 2>/dev/null || true; ping -c 1 -W 2 $gateway >/dev/null || true",
    ),
    probe: onNode("ip neigh show dev eth0 | grep -c 02:00:00:00:00:99 || true")[0]!,
  },
  {
    name: "outside-network-on-a-bridge",
    class: "routing",
    title: "A bridge on one worker has a network of addresses outside, as Docker and VPNs make them.",
    teaches: "Pods of that node look for these addresses on the bridge; pods of all other nodes reach them.",
    expect: ["network-overlap"],
    inject: onNode(
      "ip link add drill0 type bridge 2>/dev/null || true; ip addr replace 198.18.0.9/16 dev drill0; ip link set drill0 up",
    ),
    undo: onNode("ip link del drill0 2>/dev/null || true"),
    probe: onNode("ip -4 -o addr show dev drill0 2>/dev/null | wc -l")[0]!,
  },
];
