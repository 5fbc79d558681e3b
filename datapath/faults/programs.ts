import { inAgent, onNode, RESTART_AGENT, THROUGH_HOST, WITHOUT_KUBE_PROXY, type Fault } from "./fault";

/** Remove the pin of a program's link, which detaches the program; the agent attaches it again when it starts. */
function detached(pin: string) {
  return {
    inject: inAgent(`rm /sys/fs/bpf/cilium/${pin}`),
    undo: RESTART_AGENT,
    probe: inAgent(`[ -e /sys/fs/bpf/cilium/${pin} ] && echo attached || echo missing`)[0]!,
  };
}

const socket = (program: string) => detached(`socketlb/links/cgroup/${program}`);
const onDevice = (device: string, program: string) => detached(`devices/${device}/links/${program}`);
const onEndpoint = (program: string) => detached(`endpoints/$(endpoint)/links/${program}`);

/** By kind of program: its context, the helper that reads a packet, its answers, and where the IP header begins. */
const KINDS = {
  xdp: { context: "xdp_md", loadBytes: 189, drop: 1, pass: 2, ip: 14 },
  tc: { context: "__sk_buff", loadBytes: 26, drop: 2, pass: 0, ip: 14 },
  cgroup: { context: "__sk_buff", loadBytes: 26, drop: 0, pass: 1, ip: 0 },
} as const;

/** Compile a program that drops UDP over IPv4, with the agent's own compiler, into a folder that the node sees. */
function compileUdpDropper(kind: keyof typeof KINDS) {
  const { context, loadBytes, drop, pass, ip } = KINDS[kind];
  return inAgent(`cat >$kept/foreign.c <<'X'
struct ${context};
static long (*load)(void *, unsigned, void *, unsigned) = (void *)${loadBytes};
__attribute__((section("${kind}"), used)) int foreign(struct ${context} *packet)
{
  unsigned char header[10] = {};
  if (load(packet, ${ip}, header, sizeof header)) return ${pass};
  return header[0] >> 4 == 4 && header[9] == 17 ? ${drop} : ${pass};
}
char _license[] __attribute__((section("license"), used)) = "GPL";
X
clang -O2 -target bpf -c $kept/foreign.c -o $kept/foreign.o`);
}

/** Drop UDP that sockets of a cgroup receive. @param cgroup a shell word */
function cgroupDrops(cgroup: string) {
  const pin = "/sys/fs/bpf/cilium-modes-drill";
  const command = (action: string) => `bpftool cgroup ${action} ${cgroup} cgroup_inet_ingress pinned ${pin}`;
  return {
    inject: [
      ...compileUdpDropper("cgroup"),
      ...inAgent(
        `[ -e ${pin} ] || bpftool prog load $kept/foreign.o ${pin} type cgroup/skb; ${command("attach")} multi`,
      ),
    ],
    undo: inAgent(`[ ! -e ${pin} ] || { ${command("detach")}; rm ${pin}; }; rm -f $kept/foreign.*`),
    probe: inAgent(`bpftool cgroup show ${cgroup} | grep -c foreign || true`)[0]!,
  };
}

/** The key of one endpoint in the map of policy programs. */
const POLICY_PROGRAM =
  "id=$(endpoint); entry=\"pinned /sys/fs/bpf/tc/globals/cilium_call_policy key hex $(printf '%02x %02x 00 00' $((id % 256)) $((id / 256)))\"";

/** Programs of BPF: those that the mode needs, and those of others. */
export const PROGRAM_FAULTS: readonly Fault[] = [
  {
    name: "socket-connect-detached",
    class: "programs",
    title: "cil_sock4_connect is detached on one worker.",
    teaches: "Pods still reach Services, by BPF at their interfaces; the node itself reaches no ClusterIP.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...socket("cil_sock4_connect"),
  },
  {
    name: "socket-sendmsg-detached",
    class: "programs",
    title: "cil_sock4_sendmsg is detached on one worker.",
    teaches: "Datagrams of unconnected sockets leave for the ClusterIP itself: some resolvers fail and others work.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...socket("cil_sock4_sendmsg"),
  },
  {
    name: "socket-recvmsg-detached",
    class: "programs",
    title: "cil_sock4_recvmsg is detached on one worker.",
    teaches: "Answers come from the backend's address instead of the Service's, and clients that check it drop them.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...socket("cil_sock4_recvmsg"),
  },
  {
    name: "socket-getpeername-detached",
    class: "programs",
    title: "cil_sock4_getpeername is detached on one worker.",
    teaches: "Applications see the backend's address where they connected to a Service, and some refuse to go on.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...socket("cil_sock4_getpeername"),
  },
  {
    name: "socket-post-bind-detached",
    class: "programs",
    title: "cil_sock4_post_bind is detached on one worker.",
    teaches: "A process of the node can bind a NodePort's number, and connections to it reach Cilium all the same.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...socket("cil_sock4_post_bind"),
  },
  {
    name: "socket6-connect-detached",
    class: "programs",
    title: "cil_sock6_connect is detached on one worker.",
    teaches: "Programs that use IPv6 sockets for IPv4 addresses, as Java does, take another way to Services.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...socket("cil_sock6_connect"),
  },
  {
    name: "from-netdev-detached",
    class: "programs",
    title: "cil_from_netdev is detached from one worker's eth0.",
    teaches: "NodePorts of that node answer nobody from outside, and packets for its pods pass the host's stack.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...onDevice("eth0", "cil_from_netdev"),
  },
  {
    name: "to-netdev-detached",
    class: "programs",
    title: "cil_to_netdev is detached from one worker's eth0.",
    teaches: "Replies are not translated back, and BPF masquerades nothing on the way out of that node.",
    expect: ["program-missing"],
    modes: WITHOUT_KUBE_PROXY,
    ...onDevice("eth0", "cil_to_netdev"),
  },
  {
    name: "from-container-detached",
    class: "programs",
    title: "cil_from_container is detached from one pod's interface.",
    teaches: "The pod's packets go straight to the host's stack: no policy, no load balancing, no BPF routing.",
    expect: ["program-missing"],
    ...onEndpoint("cil_from_container"),
  },
  {
    name: "to-host-detached",
    class: "programs",
    title: "cil_to_host is detached from cilium_net on one worker.",
    teaches: "Packets from the datapath reach the node's processes without the checks of that program.",
    expect: ["program-missing"],
    ...onDevice("cilium_net", "cil_to_host"),
  },
  {
    name: "from-host-detached",
    class: "programs",
    title: "cil_from_host is detached from cilium_host on one worker.",
    teaches: "BPF no longer delivers the node's packets to its own pods, and they lose the node's identity.",
    expect: ["program-missing"],
    ...onDevice("cilium_host", "cil_from_host"),
  },
  {
    name: "cilium-host-to-host-detached",
    class: "programs",
    title: "cil_to_host is detached from cilium_host on one worker.",
    teaches: "Packets that reach cilium_host lose the identity that BPF gave them.",
    expect: ["program-missing"],
    ...onDevice("cilium_host", "cil_to_host"),
  },
  {
    name: "policy-program-missing",
    class: "programs",
    title: "One pod's policy program is missing from the map of tail calls.",
    teaches: "Packets for the pod arrive at the node and are dropped there: missed tail call.",
    expect: ["program-missing", "endpoint-map-stale"],
    inject: inAgent(`${POLICY_PROGRAM}; bpftool map delete $entry`),
    undo: RESTART_AGENT,
    probe: inAgent(`${POLICY_PROGRAM}; bpftool map lookup $entry 2>&1 | grep -c value: || true`)[0]!,
  },
  {
    name: "foreign-xdp-drops-udp",
    class: "programs",
    title: "A foreign XDP program on one worker's eth0 drops UDP.",
    teaches: "It sees packets before Cilium and tcpdump do. TCP works; UDP and DNS to that node's pods do not.",
    expect: ["program-foreign", "packet-loss"],
    inject: [...compileUdpDropper("xdp"), ...onNode("ip link set dev eth0 xdpgeneric obj $kept/foreign.o sec xdp")],
    undo: onNode("ip link set dev eth0 xdpgeneric off; rm -f $kept/foreign.*"),
    probe: onNode("ip -o link show dev eth0 | grep -c xdp || true")[0]!,
  },
  {
    name: "foreign-filter-in-pod",
    class: "programs",
    title: "A foreign tc filter inside one pod drops UDP that it receives.",
    teaches: "The pod is Ready by its HTTP probe and answers no datagram.",
    expect: ["program-foreign", "packet-loss"],
    inject: [
      ...compileUdpDropper("tc"),
      ...onNode(
        "in_pod tc qdisc replace dev eth0 clsact; in_pod tc filter add dev eth0 ingress bpf direct-action obj $kept/foreign.o sec tc",
      ),
    ],
    undo: onNode("in_pod tc qdisc del dev eth0 clsact 2>/dev/null || true; rm -f $kept/foreign.*"),
    probe: onNode("in_pod tc qdisc show dev eth0 | grep -c clsact || true")[0]!,
  },
  {
    name: "foreign-filter-on-pod-interface",
    class: "programs",
    title: "A foreign tc filter on the host's end of one pod's interface drops UDP for the pod.",
    teaches: "Where the host's stack delivers packets, this filter sees them after everything that Cilium does.",
    expect: ["program-foreign", "packet-loss"],
    modes: THROUGH_HOST,
    inject: [
      ...compileUdpDropper("tc"),
      ...onNode(
        "tc qdisc add dev $(lxc) clsact 2>/dev/null || true; tc filter add dev $(lxc) egress pref 7 bpf direct-action obj $kept/foreign.o sec tc",
      ),
    ],
    undo: onNode(
      "tc filter del dev $(lxc) egress pref 7 2>/dev/null || true; tc qdisc del dev $(lxc) clsact 2>/dev/null || true; rm -f $kept/foreign.*",
    ),
    probe: onNode("tc filter show dev $(lxc) egress 2>/dev/null | grep -c 'pref 7 ' || true")[0]!,
  },
  {
    name: "foreign-program-on-all-sockets",
    class: "programs",
    title: "A foreign program on one worker's root cgroup drops UDP that sockets receive.",
    teaches: "It is attached beside Cilium's socket programs. No rule, filter or drop counter shows it.",
    expect: ["program-foreign"],
    ...cgroupDrops("/run/cilium/cgroupv2"),
  },
  {
    name: "foreign-program-on-pods-cgroup",
    class: "programs",
    title: "A foreign program on the cgroup of one worker's pods drops UDP that they receive.",
    teaches: "The node itself answers; every pod of it receives no datagram, and Cilium delivers them all.",
    expect: ["program-foreign"],
    ...cgroupDrops("$(ls -d /run/cilium/cgroupv2/kubelet.slice /run/cilium/cgroupv2/kubelet 2>/dev/null | head -n 1)"),
  },
];
