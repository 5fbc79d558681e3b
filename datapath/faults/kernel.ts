import { inPod, kernelParameter, onEveryNode, onNode, THROUGH_HOST, type Fault } from "./fault";

/** Take the memory for fragments away; the lower limit may not be above the higher one. */
function withoutFragments(where: typeof onNode) {
  const [low, high] = ["low", "high"].map((limit) => `/proc/sys/net/ipv4/ipfrag_${limit}_thresh`) as [string, string];
  return {
    inject: where(
      `[ -e $kept/high ] || { cat ${low} >$kept/low; cat ${high} >$kept/high; }; echo 0 >${low}; echo 0 >${high}`,
    ),
    undo: where(`[ ! -e $kept/high ] || { cat $kept/high >${high}; cat $kept/low >${low}; rm $kept/high $kept/low; }`),
    probe: where(`cat ${high}`)[0]!,
  };
}

/** Kernel parameters of a node's or a pod's network namespace. */
export const KERNEL_FAULTS: readonly Fault[] = [
  {
    name: "ip-forward-off",
    class: "kernel",
    title: "One worker does not forward packets (net.ipv4.ip_forward 0).",
    teaches: "Hardening scripts do this. Whatever passes the node's IP stack for a pod is dropped without a counter.",
    expect: ["sysctl-changed"],
    ...kernelParameter(onNode, "net/ipv4/ip_forward", "0"),
  },
  {
    name: "forwarding-off-on-eth0",
    class: "kernel",
    title: "One worker's eth0 does not forward (net.ipv4.conf.eth0.forwarding 0).",
    teaches:
      "net.ipv4.ip_forward still says 1. Packets that arrive at eth0 for pods are dropped, and so are those that BPF looks routes up for.",
    expect: ["sysctl-changed"],
    ...kernelParameter(onNode, "net/ipv4/conf/eth0/forwarding", "0"),
  },
  {
    name: "reverse-path-filter-strict",
    class: "kernel",
    title: "One worker checks source addresses strictly on every interface (rp_filter 1).",
    teaches:
      "The route back to a pod leads through cilium_host and not through the pod's own interface, so the kernel takes its packets for spoofed.",
    expect: ["sysctl-changed"],
    modes: THROUGH_HOST,
    ...kernelParameter(onNode, "net/ipv4/conf/all/rp_filter", "1"),
  },
  {
    name: "reverse-path-filter-strict-everywhere",
    class: "kernel",
    title: "Every node checks source addresses strictly on every interface (rp_filter 1).",
    teaches: "A hardening guide or the distribution's defaults set it on all nodes, so comparing nodes shows nothing.",
    expect: ["sysctl-changed"],
    modes: THROUGH_HOST,
    ...kernelParameter(onEveryNode, "net/ipv4/conf/all/rp_filter", "1"),
  },
  {
    name: "bpf-file-system-read-only",
    class: "kernel",
    title: "One worker's BPF file system is read-only.",
    teaches: "Traffic goes on. New pods get no network, and the agent cannot change a map, nor attach a program.",
    expect: ["bpf-file-system"],
    inject: onNode("mount -o remount,ro /sys/fs/bpf"),
    undo: onNode("mount -o remount,rw /sys/fs/bpf"),
    probe: onNode("grep ' /sys/fs/bpf ' /proc/mounts | cut -d ' ' -f 4 | cut -c 1-2 | sort -u")[0]!,
  },
  {
    name: "node-ignores-pings",
    class: "kernel",
    title: "One worker answers no pings (icmp_echo_ignore_all).",
    teaches: "TCP works. Everything that judges a node by ping, Cilium's health among it, calls it unreachable.",
    expect: ["sysctl-changed", "packet-loss"],
    ...kernelParameter(onNode, "net/ipv4/icmp_echo_ignore_all", "1"),
  },
  {
    name: "pod-ignores-pings",
    class: "kernel",
    title: "One pod answers no pings (icmp_echo_ignore_all in its network namespace).",
    teaches: "HTTP works and ping does not: the datapath is fine, the pod's own kernel parameter is not.",
    expect: ["sysctl-changed", "packet-loss"],
    ...kernelParameter(inPod, "net/ipv4/icmp_echo_ignore_all", "1"),
  },
  {
    name: "pod-ttl-one",
    class: "kernel",
    title: "One pod sends packets with a TTL of 1.",
    teaches: "The pod reaches its node and nothing beyond: the first hop answers that the time to live was exceeded.",
    expect: ["sysctl-changed", "packet-loss"],
    ...kernelParameter(inPod, "net/ipv4/ip_default_ttl", "1"),
  },
  {
    name: "pod-receive-window-tiny",
    class: "kernel",
    title: "One pod receives TCP with buffers of 2 KiB at most.",
    teaches: "Connections work and large transfers crawl, since the sender waits for the window again and again.",
    expect: ["sysctl-changed", "traffic-shaped"],
    ...kernelParameter(inPod, "net/ipv4/tcp_rmem", "2048 2048 2048"),
  },
  {
    name: "pod-refuses-fragments",
    class: "kernel",
    title: "One pod has no memory for fragments (ipfrag_high_thresh 0).",
    teaches: "Datagrams larger than the MTU never arrive at the pod: long DNS answers, for example.",
    expect: ["sysctl-changed", "large-packets"],
    ...withoutFragments(inPod),
  },
  {
    name: "pod-ports-exhausted",
    class: "kernel",
    title: "One pod may use two local ports only (ip_local_port_range).",
    teaches: "The third connection to the same server fails with: cannot assign requested address.",
    expect: ["sysctl-changed", "packet-loss"],
    ...kernelParameter(inPod, "net/ipv4/ip_local_port_range", "60000 60001"),
  },
  {
    name: "arp-unanswered",
    class: "kernel",
    title: "One worker answers no ARP requests on eth0 (arp_ignore 8).",
    teaches: "Nothing happens until the neighbours' entries expire. Then the node is unreachable from its own network.",
    expect: ["sysctl-changed", "node-unreachable", "node-not-ready"],
    inject: [
      ...kernelParameter(onNode, "net/ipv4/conf/eth0/arp_ignore", "8").inject,
      ...onEveryNode("[ $here = $node ] || ip neigh flush to $node_address dev eth0 nud all; true"),
    ],
    undo: kernelParameter(onNode, "net/ipv4/conf/eth0/arp_ignore", "0").undo,
    probe: onNode("cat /proc/sys/net/ipv4/conf/eth0/arp_ignore")[0]!,
  },
  {
    name: "node-ports-exhausted",
    class: "kernel",
    title: "One worker may use four local ports only (ip_local_port_range).",
    teaches: "Kubelet, agent and node services share four source ports: connections from the node fail now and then.",
    expect: ["sysctl-changed", "packet-loss", "node-not-ready"],
    ...kernelParameter(onNode, "net/ipv4/ip_local_port_range", "60000 60003"),
  },
  {
    name: "reverse-path-filter-on-pod-interface",
    class: "kernel",
    title: "The host's end of one pod's interface checks source addresses strictly (rp_filter 1).",
    teaches: "The kernel drops every packet that this pod sends; its neighbours on the same node are fine.",
    expect: ["sysctl-changed"],
    modes: THROUGH_HOST,
    inject: onNode(
      "[ -e $kept/rp ] || cat /proc/sys/net/ipv4/conf/$(lxc)/rp_filter >$kept/rp; echo 1 >/proc/sys/net/ipv4/conf/$(lxc)/rp_filter",
    ),
    undo: onNode("[ ! -e $kept/rp ] || { cat $kept/rp >/proc/sys/net/ipv4/conf/$(lxc)/rp_filter; rm $kept/rp; }"),
    probe: onNode("cat /proc/sys/net/ipv4/conf/$(lxc)/rp_filter")[0]!,
  },
  {
    name: "connections-forgotten",
    class: "kernel",
    title: "One worker's kernel forgets connections that are idle for five seconds.",
    teaches: "Busy connections live. Those that wait lose their translation, and their next packet is refused.",
    expect: ["sysctl-changed"],
    ...kernelParameter(onNode, "net/netfilter/nf_conntrack_tcp_timeout_established", "5"),
  },
  {
    name: "datagrams-forgotten",
    class: "kernel",
    title: "One worker's kernel forgets datagrams that have no answer within a second.",
    teaches: "DNS and QUIC through NodePorts lose slow answers; fast ones work.",
    expect: ["sysctl-changed"],
    modes: THROUGH_HOST,
    ...kernelParameter(onNode, "net/netfilter/nf_conntrack_udp_timeout", "1"),
  },
  {
    name: "fragments-refused-everywhere",
    class: "kernel",
    title: "No node has memory for fragments (ipfrag_high_thresh 0).",
    teaches: "Datagrams larger than the MTU are lost, and comparing nodes shows nothing.",
    expect: ["sysctl-changed"],
    ...withoutFragments(onEveryNode),
  },
  {
    name: "ttl-small-everywhere",
    class: "kernel",
    title: "Packets of every node live for eight hops (ip_default_ttl 8).",
    teaches: "The cluster works, and destinations far away are unreachable; comparing nodes shows nothing.",
    expect: ["sysctl-changed"],
    ...kernelParameter(onEveryNode, "net/ipv4/ip_default_ttl", "8"),
  },
];
