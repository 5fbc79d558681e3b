import { inForce, onOneNode } from "./configuration";
import {
  deletedEntry,
  inAgent,
  inPod,
  ip6tablesRule,
  kernelParameter,
  manifest,
  onEveryNode,
  onNode,
  RESTART_AGENT,
  restoreIpv6,
  ruleBy,
  saveIpv6,
  THROUGH_HOST,
  WITH_KUBE_PROXY,
  WITHOUT_KUBE_PROXY,
  type Fault,
} from "./fault";
import { ciliumPolicy } from "./policies";
import { flushed, nftTable } from "./netfilter";
import { foreignRoute, foreignRule, heldRoute } from "./routing";
import { foreignSlice, incompleteSlice } from "./services";

const addressesOn = (where: typeof onNode, device: string) =>
  where(`ip -6 -o address show dev ${device} scope global | awk '{ print $4 }' | sort`)[0]!;

/** Take IPv6 from a device, and give it its addresses and routes back. */
function disabled(where: typeof onNode, device: string) {
  const file = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
  return {
    inject: where(`${saveIpv6(device)}\necho 1 >${file}`),
    undo: where(`echo 0 >${file}\n${restoreIpv6(device)}`),
    probe: where(`cat ${file}; ip -6 -o address show dev ${device} scope global | awk '{ print $4 }' | sort`)[0]!,
  };
}

/** Take a device's IPv6 addresses away, and give them back. */
function withoutAddress(where: typeof onNode, device: string) {
  return {
    inject: where(`${saveIpv6(device)}\nip -6 address flush dev ${device} scope global`),
    undo: where(restoreIpv6(device)),
    probe: addressesOn(where, device),
  };
}

/** What nodes know of each other's link-layer addresses would last for a while: forget it, and ask again. */
const FORGET_NEIGHBORS = onEveryNode(
  'ip -6 neigh flush dev eth0; timeout 1 bash -c "</dev/tcp/$node_ipv6/10250" 2>/dev/null || true; sleep 2',
);

/** An IPv6 address as 16 hexadecimal bytes, as keys of BPF maps have it. */
const bytesOf = (address: string) =>
  `$(echo ${address} | awk '{ split($1, half, "::"); n = split(half[1], a, ":"); m = $1 ~ /::/ ? split(half[2], b, ":") : 0; for (i = 1; i <= 8; i++) { g = i <= n ? a[i] : i > 8 - m ? b[i - 8 + m] : "0"; g = substr("0000" g, length(g) + 1); printf "%s %s ", substr(g, 1, 2), substr(g, 3, 2) } }')`;

/** The key of the workload's ClusterIP in Cilium's service map: address, port, slot, protocol, scope. */
const frontend = (slot: number) =>
  `${bytesOf("$cluster_ipv6")} 00 50 ${slot.toString(16).padStart(2, "0")} 00 06 00 00 00`;

const IPCACHE = inAgent("$cilium bpf ipcache get $peer_pod_ipv6 2>&1 | grep -o 'identity=[0-9]*' || echo none")[0]!;

/** Faults of IPv6 in clusters that have both families; IPv4 goes on working in all of them. */
export const IPV6_FAULTS: readonly Fault[] = (
  [
    {
      name: "ipv6-off-on-one-node",
      class: "configuration",
      title: "A CiliumNodeConfig turns IPv6 off in one agent (enable-ipv6).",
      teaches: "Pods on that node keep their IPv6 addresses, and nothing on the node handles packets for them.",
      expect: ["config-overridden", "agent-differs", "mode-fallback"],
      ...onOneNode({ "enable-ipv6": "false", "enable-ipv6-masquerade": "false" }),
    },
    {
      name: "ipv6-masquerading-off",
      class: "configuration",
      title: "cilium-config turns masquerading of IPv6 off (enable-ipv6-masquerade).",
      teaches: "Pods leave the cluster with their own IPv6 address, and nothing outside can answer them; IPv4 works.",
      expect: ["config-changed", "mode-fallback"],
      ...inForce(["enable-ipv6-masquerade", "false"]),
    },
    {
      name: "ipv6-forwarding-off",
      class: "kernel",
      title: "One worker does not forward IPv6 (net.ipv6.conf.all.forwarding 0).",
      teaches: "net.ipv4.ip_forward still says 1, so hardening guides that list both are followed for one family only.",
      expect: ["sysctl-changed"],
      ...kernelParameter(onNode, "net/ipv6/conf/all/forwarding", "0"),
    },
    {
      name: "ipv6-forwarding-off-on-eth0",
      class: "kernel",
      title: "One worker's eth0 does not forward IPv6 (net.ipv6.conf.eth0.forwarding 0).",
      teaches: "net.ipv6.conf.all.forwarding still says 1, and the device's own value counts.",
      expect: ["sysctl-changed"],
      ...kernelParameter(onNode, "net/ipv6/conf/eth0/forwarding", "0"),
    },
    {
      name: "ipv6-disabled-on-eth0",
      class: "kernel",
      title: "One worker's eth0 has no IPv6 (net.ipv6.conf.eth0.disable_ipv6 1).",
      teaches: "The device loses its addresses and routes at once, and gets none back when the value is reset.",
      expect: ["sysctl-changed", "address-missing"],
      ...disabled(onNode, "eth0"),
    },
    {
      name: "ipv6-disabled-in-pod",
      class: "kernel",
      title: "One pod's eth0 has no IPv6 (net.ipv6.conf.eth0.disable_ipv6 1).",
      teaches: "Kubernetes still lists the pod's IPv6 address; clients try it first and wait before they take IPv4.",
      expect: ["sysctl-changed", "address-missing"],
      ...disabled(inPod, "eth0"),
    },
    {
      name: "ipv6-node-ignores-pings",
      class: "kernel",
      title: "One worker answers no pings of IPv6 (net.ipv6.icmp.echo_ignore_all 1).",
      teaches: "TCP works by both families, and pings by IPv4 only.",
      expect: ["sysctl-changed", "packet-loss"],
      ...kernelParameter(onNode, "net/ipv6/icmp/echo_ignore_all", "1"),
    },
    {
      name: "ipv6-node-address-missing",
      class: "device",
      title: "One worker's eth0 lost its IPv6 address.",
      teaches: "Kubernetes still lists the node's address, and nothing on the nodes' network answers at it.",
      expect: ["address-missing"],
      ...withoutAddress(onNode, "eth0"),
    },
    {
      name: "ipv6-pod-address-missing",
      class: "device",
      title: "One pod lost its IPv6 address.",
      teaches: "The pod is Ready, since the kubelet probes it by IPv4. Its kernel answers nobody by IPv6.",
      expect: ["address-missing"],
      ...withoutAddress(inPod, "eth0"),
    },
    {
      name: "ipv6-pod-has-peer-address",
      class: "device",
      title: "One pod has the IPv6 address of another node's pod on its own lo.",
      teaches: "What it sends to that pod stays in it: its own server answers, and nothing looks lost.",
      expect: ["address-foreign"],
      inject: inPod("ip -6 address replace $peer_pod_ipv6/128 dev lo nodad"),
      undo: inPod("ip -6 address del $peer_pod_ipv6/128 dev lo 2>/dev/null || true"),
      probe: addressesOn(inPod, "lo"),
    },
    {
      name: "ipv6-mtu-small",
      class: "device",
      title: "One worker's eth0 takes IPv6 packets of 1,280 bytes at most (net.ipv6.conf.eth0.mtu).",
      teaches: "ip link shows an MTU of 1500. IPv6 has another one for each device, which no other tool shows.",
      expect: ["mtu-mismatch", "sysctl-changed", "large-packets"],
      ...kernelParameter(onNode, "net/ipv6/conf/eth0/mtu", "1280"),
    },
    {
      name: "ipv6-node-route-missing",
      class: "routing",
      title: "One worker has no route to the IPv6 addresses of another node's pods.",
      teaches: "ip route shows all routes, since it shows IPv4 only. Packets go to the default gateway.",
      expect: ["route-missing"],
      tunnel: false,
      ...heldRoute("$peer_ipv6_pods", "ip -6 route del $peer_ipv6_pods 2>/dev/null", "ip -6"),
    },
    {
      name: "ipv6-route-to-wrong-node",
      class: "routing",
      title: "One worker's route to the IPv6 addresses of another node's pods leads to a third node.",
      teaches: "The third node passes packets on: everything answers, one hop later, and in one family only.",
      expect: ["route-foreign"],
      tunnel: false,
      ...heldRoute("$peer_ipv6_pods", "ip -6 route replace $peer_ipv6_pods via $third_ipv6 dev eth0", "ip -6"),
    },
    {
      name: "ipv6-route-unreachable",
      class: "routing",
      title: "One worker refuses packets for the IPv6 addresses of another node's pods (unreachable route).",
      teaches: "Connections fail at once with: no route to host. Clients then take IPv4, so nobody notices.",
      expect: ["route-foreign"],
      tunnel: false,
      ...heldRoute(
        "$peer_ipv6_pods",
        "ip -6 route del $peer_ipv6_pods via $peer_ipv6 2>/dev/null; ip -6 route replace unreachable $peer_ipv6_pods",
        "ip -6",
      ),
      undo: [
        ...onNode("unkeep route; while ip -6 route del unreachable $peer_ipv6_pods 2>/dev/null; do :; done"),
        ...heldRoute("$peer_ipv6_pods", "", "ip -6").undo,
      ],
    },
    {
      name: "ipv6-route-mtu-small",
      class: "routing",
      title: "One worker's route to the IPv6 addresses of another node's pods has an MTU of 1,280.",
      teaches: "Small requests work, and full packets are refused with: packet too big.",
      expect: ["mtu-mismatch", "large-packets"],
      tunnel: false,
      ...heldRoute("$peer_ipv6_pods", "ip -6 route replace $peer_ipv6_pods via $peer_ipv6 dev eth0 mtu 1280", "ip -6"),
    },
    {
      name: "ipv6-blackhole-for-one-pod",
      class: "routing",
      title: "A blackhole route drops one worker's packets for the IPv6 address of a pod on another node.",
      teaches: "Connections to that address time out from this node only; from all others it answers.",
      expect: ["route-foreign"],
      tunnel: false,
      ...foreignRoute("$peer_pod_ipv6/128", "", "blackhole", "ip -6"),
    },
    {
      name: "ipv6-detour-for-one-pod",
      class: "routing",
      title: "A /128 route leads one worker's packets for a pod on another node through a third node.",
      teaches: "Everything answers, one hop later: the hop limit is one lower and the third node carries the load.",
      expect: ["route-foreign", "detour"],
      tunnel: false,
      ...foreignRoute("$peer_pod_ipv6/128", "via $third_ipv6 dev eth0", "", "ip -6"),
    },
    {
      name: "ipv6-default-route-missing",
      class: "routing",
      title: "One worker has no default route of IPv6.",
      teaches: "The cluster works. Whatever leaves it from this node by IPv6 fails: network is unreachable.",
      expect: ["route-missing"],
      inject: onNode(
        "[ -e $kept/default6 ] || ip -6 route show default | sed 's/ pref [a-z]*//' >$kept/default6; ip -6 route del default",
      ),
      undo: onNode("[ ! -e $kept/default6 ] || { ip -6 route replace $(cat $kept/default6); rm $kept/default6; }"),
      probe: onNode("ip -6 route show default")[0]!,
    },
    {
      name: "ipv6-rule-drops-pods",
      class: "routing",
      title: "A routing rule of IPv6 drops one worker's packets for another node's pods.",
      teaches: "ip rule shows nothing, since it shows IPv4 only, and the routes are all there.",
      expect: ["rule-foreign"],
      tunnel: false,
      ...foreignRule("to $peer_ipv6_pods blackhole", undefined, "ip -6"),
    },
    {
      name: "ipv6-neighbor-wrong",
      class: "routing",
      title: "One worker has a wrong, permanent MAC address for the IPv6 address of another node.",
      teaches: "Its IPv6 packets for that node reach nobody. ip neigh shows the right one beside it, for IPv4.",
      expect: ["neighbor-wrong"],
      inject: onNode(
        'keep neighbor "ip -6 neigh replace $peer_ipv6 lladdr 02:00:00:00:00:99 dev eth0 nud permanent"; sleep 1',
      ),
      undo: onNode(
        "unkeep neighbor; ip -6 neigh del $peer_ipv6 dev eth0 2>/dev/null || true; ping -6 -c 1 -W 2 $peer_ipv6 >/dev/null || true",
      ),
      probe: onNode("ip -6 neigh show $peer_ipv6 dev eth0 | grep -c 02:00:00:00:00:99 || true")[0]!,
    },
    {
      name: "ipv6-pod-default-route-missing",
      class: "routing",
      title: "One pod has no default route of IPv6.",
      teaches: "The pod reaches nobody by IPv6: its address is a /128, so everything else lies behind the gateway.",
      expect: ["route-missing"],
      inject: inPod(
        "[ -e $kept/default6 ] || ip -6 route show default | sed 's/ pref [a-z]*//' >$kept/default6; ip -6 route del default",
      ),
      undo: inPod("[ ! -e $kept/default6 ] || { ip -6 route replace $(cat $kept/default6); rm $kept/default6; }"),
      probe: inPod("ip -6 route show default")[0]!,
    },
    {
      name: "ipv6-pod-gateway-neighbor-wrong",
      class: "routing",
      title: "One pod has a wrong, permanent MAC address for its IPv6 gateway.",
      teaches: "The host's stack drops the pod's packets of IPv6, since they are addressed to another machine.",
      expect: ["neighbor-wrong"],
      modes: THROUGH_HOST,
      inject: inPod(
        "ip -6 neigh replace $(ip -6 route show default | awk '{ print $3 }') lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
      ),
      undo: inPod("ip -6 neigh del $(ip -6 route show default | awk '{ print $3 }') dev eth0 2>/dev/null || true"),
      probe: inPod("ip -6 neigh show dev eth0 | grep -c 02:00:00:00:00:99 || true")[0]!,
    },
    {
      name: "ipv6-ndp-dropped",
      class: "netfilter",
      title: "One worker drops neighbor solicitations and advertisements (ICMPv6 types 135 and 136).",
      teaches:
        "Somebody blocked ICMPv6 as if it were ICMP. It is IPv6's ARP as well: nobody finds the node on its own network.",
      expect: ["netfilter-foreign", "neighbor-unresolved"],
      inject: [
        ...onNode(
          "for type in 135 136; do ip6tables -w 5 -C INPUT -p ipv6-icmp --icmpv6-type $type -j DROP 2>/dev/null || ip6tables -w 5 -I INPUT -p ipv6-icmp --icmpv6-type $type -j DROP; done",
        ),
        ...FORGET_NEIGHBORS,
      ],
      undo: onNode(
        "for type in 135 136; do while ip6tables -w 5 -D INPUT -p ipv6-icmp --icmpv6-type $type -j DROP 2>/dev/null; do :; done; done; ip -6 neigh flush dev eth0",
      ),
      probe: onNode("ip6tables -w 5 -S INPUT | grep -c icmpv6-type || true")[0]!,
    },
    {
      name: "ipv6-ndp-dropped-by-nft",
      class: "netfilter",
      title: "An nftables table of its own drops the neighbor solicitations and advertisements that one worker sends.",
      teaches:
        "ip6tables -S shows nothing. The node's entries fail one after the other, and those of others for it too.",
      expect: ["netfilter-foreign", "neighbor-unresolved"],
      ...nftTable("ip6", "output priority -300", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } drop"),
      inject: [
        ...nftTable("ip6", "output priority -300", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } drop")
          .inject,
        ...FORGET_NEIGHBORS,
      ],
    },
    {
      name: "ipv6-pings-dropped",
      class: "netfilter",
      title: "One worker drops pings of IPv6.",
      teaches: "Connections work. Whoever judges the node by ping calls it unreachable, in one family.",
      expect: ["netfilter-foreign", "packet-loss"],
      ...ip6tablesRule("INPUT", "-p ipv6-icmp --icmpv6-type echo-request -j DROP"),
    },
    {
      name: "ipv6-node-to-pods-rejected",
      class: "netfilter",
      title: "One worker refuses its own TCP connections to the IPv6 addresses of another node's pods.",
      teaches: "Pods reach them and the node does not, so NodePorts asked on the node fail now and then.",
      expect: ["netfilter-foreign"],
      ...ip6tablesRule("OUTPUT", "-p tcp -d $peer_ipv6_pods -j REJECT"),
    },
    {
      name: "ipv6-node-port-dropped",
      class: "netfilter",
      title: "One worker drops what arrives for its NodePort by IPv6, before it is translated.",
      teaches: "The NodePort answers by IPv4 on all nodes, and by IPv6 on all nodes but this one.",
      expect: ["netfilter-foreign"],
      modes: WITH_KUBE_PROXY,
      ...ip6tablesRule("PREROUTING", "-i eth0 -p tcp --dport $node_port -j DROP", "raw"),
    },
    {
      name: "ipv6-pods-forward-dropped",
      class: "netfilter",
      title: "One worker drops forwarded IPv6 packets of its pods for another node's pods.",
      teaches: "A firewall opened FORWARD for the pods' IPv4 network only.",
      expect: ["netfilter-foreign"],
      modes: THROUGH_HOST,
      tunnel: false,
      ...ip6tablesRule("FORWARD", "-s $node_ipv6_pods -d $peer_ipv6_pods -j DROP"),
    },
    {
      name: "ipv6-forward-chain-flushed",
      class: "netfilter",
      title: "CILIUM_FORWARD of ip6tables is empty on one worker, whose FORWARD policy is DROP.",
      teaches: "Docker sets that policy for IPv6 too. Cilium's rules are what lets pods' packets through it.",
      expect: ["netfilter-missing", "netfilter-foreign"],
      modes: THROUGH_HOST,
      ...flushed("filter", "CILIUM_FORWARD", "ip6tables -w 5 -P FORWARD DROP", "ip6tables"),
    },
    {
      name: "ipv6-masquerade-chain-flushed",
      class: "netfilter",
      title: "CILIUM_POST_nat of ip6tables is empty on one worker.",
      teaches: "Pods there leave the cluster with their own IPv6 address, and nothing outside can answer them.",
      expect: ["netfilter-missing", "source-address"],
      modes: THROUGH_HOST,
      ...flushed("nat", "CILIUM_POST_nat", "true", "ip6tables"),
    },
    {
      name: "ipv6-kube-services-flushed",
      class: "netfilter",
      title: "KUBE-SERVICES of ip6tables is empty on one worker.",
      teaches: "No NodePort answers there by IPv6; iptables -S shows a complete kube-proxy.",
      expect: ["netfilter-missing", "kube-proxy-missing"],
      modes: WITH_KUBE_PROXY,
      kubeProxy: "iptables",
      ...flushed("nat", "KUBE-SERVICES", "true", "ip6tables"),
    },
    {
      name: "ipv6-kube-proxy-rules-left",
      class: "netfilter",
      title: "Rules of ip6tables of a kube-proxy that is gone translate an IPv6 ClusterIP on one worker.",
      teaches: "The cleanup was run for iptables and not for ip6tables.",
      expect: ["kube-proxy-leftover", "netfilter-foreign"],
      modes: WITHOUT_KUBE_PROXY,
      inject: onNode(
        "ip6tables -w 5 -t nat -N KUBE-SVC-LEFTOVER 2>/dev/null || true; ip6tables -w 5 -t nat -F KUBE-SVC-LEFTOVER; ip6tables -w 5 -t nat -A KUBE-SVC-LEFTOVER -p tcp -j DNAT --to-destination [$peer_pod_ipv6]:81; ip6tables -w 5 -t nat -I OUTPUT -d $cluster_ipv6 -j KUBE-SVC-LEFTOVER",
      ),
      undo: onNode(
        "while ip6tables -w 5 -t nat -D OUTPUT -d $cluster_ipv6 -j KUBE-SVC-LEFTOVER 2>/dev/null; do :; done; ip6tables -w 5 -t nat -F KUBE-SVC-LEFTOVER 2>/dev/null || true; ip6tables -w 5 -t nat -X KUBE-SVC-LEFTOVER 2>/dev/null || true",
      ),
      probe: onNode("ip6tables-save -t nat | grep -c KUBE-SVC-LEFTOVER || true")[0]!,
    },
    {
      name: "ipv6-pod-drops-port",
      class: "netfilter",
      title: "A rule of ip6tables inside one pod refuses connections to its port.",
      teaches: "The pod is Ready, since the kubelet probes it by IPv4. One request in three by IPv6 fails.",
      expect: ["netfilter-foreign"],
      ...ruleBy("in_pod ip6tables", "filter", "INPUT", "-p tcp --dport 80 -j REJECT --reject-with tcp-reset"),
    },
    {
      name: "ipv6-pods-masqueraded",
      class: "traffic",
      title: "One worker masquerades the IPv6 packets that its pods send to other nodes.",
      teaches: "Everything answers. Servers, logs and policies see the node's address instead of the pod's.",
      expect: ["netfilter-foreign", "source-address"],
      modes: THROUGH_HOST,
      ...ip6tablesRule("POSTROUTING", "-s $node_ipv6_pods -o eth0 -j MASQUERADE", "nat"),
    },
    {
      name: "ipv6-cluster-ip-missing",
      class: "services",
      title: "The IPv6 ClusterIP is missing from one agent's service map.",
      teaches: "Pods on that node cannot reach the Service by IPv6; a client that takes IPv4 notices nothing.",
      expect: ["service-map-stale"],
      ...deletedEntry("cilium_lb6_services_v2", frontend(0)),
    },
    {
      name: "ipv6-backend-slot-missing",
      class: "services",
      title: "One backend of the IPv6 ClusterIP is missing from one agent's service map.",
      teaches: "Pods on that node lose one in three connections to the Service by IPv6.",
      expect: ["service-map-stale", "endpoints-incomplete"],
      ...deletedEntry("cilium_lb6_services_v2", frontend(2)),
    },
    {
      name: "ipv6-endpoint-slice-incomplete",
      class: "services",
      title: "One pod is missing from the Service's EndpointSlice of IPv6.",
      teaches: "A Service has a slice for each family. The one that kubectl get endpoints shows is complete.",
      expect: ["endpoints-incomplete", "service-changed"],
      ...incompleteSlice("IPv6"),
    },
    {
      name: "ipv6-endpoint-slice-foreign",
      class: "services",
      title: "Another EndpointSlice of IPv6 adds a backend that does not exist.",
      teaches: "One in four connections to the Service by IPv6 times out.",
      expect: ["endpoints-incomplete", "service-changed", "service-map-stale"],
      ...foreignSlice(
        "nettool",
        "serversvc",
        "{name: cni, port: 80, protocol: TCP}, {name: udp, port: 80, protocol: UDP}",
        "$(echo $node_ipv6_pods | sed 's|/.*|fffe|')",
        "IPv6",
      ),
    },
    {
      name: "ipv6-source-ranges-missing",
      class: "services",
      title: "A Service of both families admits clients of 0.0.0.0/0 only (loadBalancerSourceRanges).",
      teaches: "0.0.0.0/0 is every address of IPv4 and none of IPv6: the Service's IPv6 address answers nobody.",
      expect: ["service-changed"],
      ...manifest(
        "service/drill",
        `apiVersion: v1
kind: Service
metadata: {name: drill, namespace: nettool}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  selector: {app: nettool}
  ports: [{port: 80, targetPort: 80}]
  loadBalancerSourceRanges: [0.0.0.0/0]`,
      ),
    },
    {
      name: "ipv6-ipcache-entry-missing",
      class: "maps",
      title: "One agent's ipcache lacks the IPv6 address of a pod on another node.",
      teaches: "Its packets count as coming from outside the cluster, while those of its IPv4 address do not.",
      expect: ["ipcache-stale"],
      inject: inAgent("$cilium bpf ipcache delete $peer_pod_ipv6/128 >/dev/null"),
      undo: RESTART_AGENT,
      probe: IPCACHE,
    },
    {
      name: "ipv6-ipcache-identity-wrong",
      class: "maps",
      title: "One agent's ipcache gives the IPv6 address of a pod on another node the identity of the host.",
      teaches: "Policies that trust the host let this pod through by IPv6.",
      expect: ["ipcache-stale"],
      inject: inAgent(
        "$cilium bpf ipcache update $peer_pod_ipv6/128 --identity 1 --tunnelendpoint $peer_address >/dev/null",
      ),
      undo: RESTART_AGENT,
      probe: IPCACHE,
    },
    {
      name: "ipv6-endpoint-map-entry-missing",
      class: "maps",
      title: "The IPv6 address of one pod is missing from its node's endpoint map.",
      teaches: "BPF does not know the pod's interface by this address. Its packets take the host's stack, or are lost.",
      expect: ["endpoint-map-stale"],
      // the address, its family, and no cluster
      ...deletedEntry("cilium_lxc", `${bytesOf("$pod_ipv6")} 02 00 00 00`),
    },
    {
      name: "ipv6-policy-without-way-out",
      class: "policy",
      title: "A CiliumNetworkPolicy lets pods out to 0.0.0.0/0, and not to ::/0.",
      teaches: "Pods reach the outside by IPv4 only. Programs that prefer IPv6 wait until they give up on it.",
      expect: ["policy-drop"],
      ...ciliumPolicy("  egress: [{toEntities: [cluster]}, {toCIDR: [0.0.0.0/0]}]"),
    },
    {
      name: "ipv6-policy-without-clients",
      class: "policy",
      title: "A CiliumNetworkPolicy lets clients of 0.0.0.0/0 in, and not those of ::/0.",
      teaches: "NodePorts answer clients from outside by IPv4, and drop the same clients by IPv6.",
      expect: ["policy-drop"],
      modes: WITHOUT_KUBE_PROXY,
      ...ciliumPolicy("  ingress: [{fromEntities: [cluster]}, {fromCIDR: [0.0.0.0/0]}]"),
    },
  ] satisfies readonly Fault[]
).map((fault) => ({ ...fault, ipFamily: "dual" }));
