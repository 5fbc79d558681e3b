import { inPod, onNode, RESTART_AGENT, restoreIpv6, saveIpv6, type Fault, type Script } from "./fault";

/** A device's MTU, changed and restored. */
function mtu(where: typeof onNode, device: string, bytes: number) {
  return {
    inject: where(
      `[ -e $kept/mtu ] || cat /sys/class/net/${device}/mtu >$kept/mtu\n${saveIpv6(device)}\nip link set dev ${device} mtu ${bytes}`,
    ),
    undo: where(
      `[ ! -e $kept/mtu ] || { ip link set dev ${device} mtu $(cat $kept/mtu); rm $kept/mtu; }\n${restoreIpv6(device)}`,
    ),
    probe: where(`cat /sys/class/net/${device}/mtu`)[0]!,
  };
}

/** A device's routes and addresses, which go when it does. */
const SAVE = (device: string) =>
  `[ -e $kept/routes ] || { ip route show dev ${device} >$kept/routes; ip -4 -o address show dev ${device} | awk '{ print $4 }' >$kept/address; }`;
const RESTORE = (device: string) =>
  `[ ! -e $kept/routes ] || { for address in $(cat $kept/address); do ip address add $address dev ${device} 2>/dev/null || true; done
for round in 1 2; do while read -r route; do ip route replace $route dev ${device} 2>/dev/null || true; done <$kept/routes; done
rm $kept/routes $kept/address; }`;

function down(where: typeof onNode, device: string) {
  return {
    inject: where(`${SAVE(device)}\n${saveIpv6(device)}\nip link set dev ${device} down`),
    undo: where(`ip link set dev ${device} up\n${RESTORE(device)}\n${restoreIpv6(device)}`),
    probe: isUp(where, device),
  };
}

function isUp(where: typeof onNode, device: string): Script {
  return where(
    `ip -o link show dev ${device} up | wc -l; ip -4 -o address show dev ${device} | awk '{ print $4 }'`,
  )[0]!;
}

/** Whatever leaves a device passes a token bucket. */
function shaped(where: typeof onNode, rate: string) {
  return {
    inject: where(`tc qdisc replace dev eth0 root tbf rate ${rate} burst 4kb latency 50ms`),
    undo: where("tc qdisc del dev eth0 root 2>/dev/null || true"),
    probe: where("tc qdisc show dev eth0 | grep -v clsact | cut -d' ' -f2")[0]!,
  };
}

/** Devices of nodes and pods, with their addresses and queues. */
export const DEVICE_FAULTS: readonly Fault[] = [
  {
    name: "node-mtu-small",
    class: "device",
    title: "One worker's eth0 has an MTU of 1280, and the pods' interfaces 1500.",
    teaches:
      "Small requests work. Full-size packets for or from that node's pods are dropped, so transfers hang after the first bytes.",
    expect: ["mtu-mismatch", "large-packets"],
    ...mtu(onNode, "eth0", 1280),
  },
  {
    name: "pod-mtu-small",
    class: "device",
    title: "One pod's eth0 has an MTU of 1000.",
    teaches: "The pod sends small packets only, and peers that do not learn of it cannot send it large datagrams.",
    expect: ["mtu-mismatch", "large-packets"],
    ...mtu(inPod, "eth0", 1000),
  },
  {
    name: "pod-interface-mtu-small",
    class: "device",
    title: "The host's end of one pod's interface has an MTU of 1000.",
    teaches: "What the IP stack forwards to the pod in larger packets is dropped at the last step.",
    expect: ["mtu-mismatch", "large-packets"],
    ...mtu(onNode, "$(lxc)", 1000),
  },
  {
    name: "cilium-host-down",
    class: "device",
    title: "cilium_host is down on one worker.",
    teaches: "The route to the node's own pods leads through it: the node cannot reach them, and probes fail.",
    expect: ["device-down", "route-missing"],
    // the agent sets it up again
    inject: onNode('keep device "ip link set dev cilium_host down"; sleep 1'),
    undo: [...onNode("unkeep device; ip link set dev cilium_host up"), ...RESTART_AGENT],
    probe: isUp(onNode, "cilium_host"),
  },
  {
    name: "cilium-net-down",
    class: "device",
    title: "cilium_net, the other end of cilium_host, is down on one worker.",
    teaches: "cilium_host loses its carrier, and with it the node loses the path to its own pods.",
    expect: ["device-down", "route-missing"],
    ...down(onNode, "cilium_net"),
    undo: [...down(onNode, "cilium_net").undo, ...RESTART_AGENT],
  },
  {
    name: "pod-interface-down",
    class: "device",
    title: "The host's end of one pod's interface is down.",
    teaches: "The pod shows Running until its probe fails, and no packet reaches it or leaves it.",
    expect: ["device-down"],
    inject: onNode("lxc >$kept/lxc; ip link set dev $(cat $kept/lxc) down"),
    undo: onNode("[ ! -e $kept/lxc ] || { ip link set dev $(cat $kept/lxc) up; rm $kept/lxc; }"),
    probe: onNode("ip -o link show dev $(lxc) up | wc -l")[0]!,
  },
  {
    name: "pod-device-down",
    class: "device",
    title: "eth0 is down inside one pod.",
    teaches: "The pod has an address and no network. Kubernetes notices by the readiness probe only.",
    expect: ["device-down", "route-missing"],
    ...down(inPod, "eth0"),
  },
  {
    name: "pod-has-peer-address",
    class: "device",
    title: "One pod has the address of another node's pod on its own lo.",
    teaches: "What it sends to that pod stays in it: its own server answers, and nothing looks lost.",
    expect: ["address-foreign"],
    inject: inPod("ip address replace $peer_pod_address/32 dev lo"),
    undo: inPod("ip address del $peer_pod_address/32 dev lo 2>/dev/null || true"),
    probe: inPod("ip -4 -o address show dev lo | awk '{ print $4 }'")[0]!,
  },
  {
    name: "pod-address-missing",
    class: "device",
    title: "One pod lost its IPv4 address.",
    teaches: "Kubernetes still lists the address; the pod's kernel answers nobody who asks for it.",
    expect: ["address-missing"],
    inject: inPod(`${SAVE("eth0")}; ip -4 address flush dev eth0`),
    undo: inPod(RESTORE("eth0")),
    probe: isUp(inPod, "eth0"),
  },
  {
    name: "cilium-host-address-missing",
    class: "device",
    title: "cilium_host has no address on one worker.",
    teaches: "The node talks to its pods from another address, which policies and replies do not expect.",
    expect: ["address-missing", "route-missing", "device-missing"],
    // the agent adds it again
    inject: onNode('keep address "ip -4 address flush dev cilium_host"; sleep 1'),
    undo: [...onNode("unkeep address"), ...RESTART_AGENT],
    probe: isUp(onNode, "cilium_host"),
  },
  {
    name: "node-shaped",
    class: "device",
    title: "One worker sends with 1 Mbit/s only (tbf on eth0).",
    teaches: "Everything answers and every transfer crawls: somebody tried out a rate limit and left it there.",
    expect: ["traffic-shaped"],
    ...shaped(onNode, "1mbit"),
  },
  {
    name: "pod-shaped",
    class: "device",
    title: "One pod sends with 256 kbit/s only (tbf on its eth0).",
    teaches: "One backend answers late, and a retry hides it.",
    expect: ["traffic-shaped"],
    ...shaped(inPod, "256kbit"),
  },
  {
    name: "cilium-host-missing",
    class: "device",
    title: "cilium_host was deleted on one worker.",
    teaches: "The agent makes it again when it starts and not before. Until then the node has no path to its pods.",
    expect: ["device-missing", "route-missing"],
    inject: onNode("ip link del cilium_host"),
    undo: RESTART_AGENT,
    probe: onNode("ip -o link show type veth | grep -c cilium_host || true")[0]!,
  },
  {
    name: "tunnel-device-down",
    class: "device",
    title: "cilium_vxlan is down on one worker.",
    teaches: "No packet reaches or leaves the node's pods across nodes; on the node all is well.",
    expect: ["device-down"],
    tunnel: true,
    ...down(onNode, "cilium_vxlan"),
  },
  {
    name: "tunnel-device-missing",
    class: "device",
    title: "cilium_vxlan was deleted on one worker.",
    teaches: "Packets for other nodes' pods have no device to leave by until the agent restarts.",
    expect: ["device-missing", "device-down"],
    tunnel: true,
    inject: onNode("ip link del cilium_vxlan"),
    undo: RESTART_AGENT,
    probe: onNode("ip -o link show | grep -c cilium_vxlan || true")[0]!,
  },
  {
    name: "queue-tiny",
    class: "device",
    title: "The queue of one worker's eth0 holds five packets.",
    teaches: "Bursts are cut off: small requests pass, and large transfers are slow.",
    expect: ["traffic-shaped"],
    inject: onNode("tc qdisc replace dev eth0 root pfifo limit 5"),
    undo: onNode("tc qdisc del dev eth0 root 2>/dev/null || true"),
    probe: onNode("tc qdisc show dev eth0 | grep -c pfifo || true")[0]!,
  },
  {
    name: "filter-below-a-queue",
    class: "device",
    title: "A filter below a queue with classes drops TCP port 5432 that one worker sends.",
    teaches: "Such filters sit at the root of the queue, beside ingress and egress where everybody looks.",
    expect: ["program-foreign", "traffic-shaped"],
    inject: onNode(
      "tc qdisc replace dev eth0 root handle 1: htb; tc filter replace dev eth0 parent 1: protocol ip pref 10 u32 match ip dport 5432 0xffff action mirred egress redirect dev lo",
    ),
    undo: onNode("tc qdisc del dev eth0 root 2>/dev/null || true"),
    probe: onNode("tc filter show dev eth0 | head -n 1")[0]!,
  },
  {
    name: "segments-small",
    class: "device",
    title: "eth0 of one worker sends no segments larger than 2,000 bytes (gso_max_size).",
    teaches: "Everything works, and large transfers cost the node many times as much CPU time.",
    expect: ["mtu-mismatch"],
    inject: onNode(
      "[ -e $kept/gso ] || ip -d link show eth0 | sed -n 's/.* gso_max_size \\([0-9]*\\).*/\\1/p' >$kept/gso; ip link set eth0 gso_max_size 2000",
    ),
    undo: onNode("[ ! -e $kept/gso ] || { ip link set eth0 gso_max_size $(cat $kept/gso); rm $kept/gso; }"),
    probe: onNode("ip -d link show eth0 | grep -o 'gso_max_size [0-9]*'")[0]!,
  },
  {
    name: "pod-mac-changed",
    class: "device",
    title: "eth0 of one pod has another hardware address.",
    teaches:
      "Cilium addresses packets for the pod to the old one, and the pod's kernel drops them as another machine's.",
    expect: ["mac-changed"],
    inject: inPod(
      "[ -e $kept/mac ] || cat /sys/class/net/eth0/address >$kept/mac; ip link set eth0 address 02:00:00:00:00:07",
    ),
    undo: inPod("[ ! -e $kept/mac ] || { ip link set eth0 address $(cat $kept/mac); rm $kept/mac; }"),
    probe: inPod("cat /sys/class/net/eth0/address")[0]!,
  },
  {
    name: "pod-loopback-down",
    class: "device",
    title: "lo is down inside one pod.",
    teaches: "The pod answers everybody but itself: also through its Service, when that chooses the pod.",
    expect: ["device-down"],
    ...down(inPod, "lo"),
  },
];
