import { both, inCounters, inNode, inPod, RECORDED_PODS } from "../evidence";
import { WORKER, PEER_NODE, withMore, unready, type RecordedFault } from "./fault";

const QUEUE = "qdisc fq 8001: dev eth0 root refcnt 2 limit 10000p flow_limit 100p";

/** A pod's answer with one more filter, rule or queue. */
const withFilter = (line: string) => (output: string) => {
  const parts = output.split("---\n");
  parts[6] += `${line}\n`;
  return parts.join("---\n");
};

/** Faults of kernels, devices and programs, and of pods' own networks. */
export const DEVICE_FAULTS: readonly RecordedFault[] = [
  [
    "another node's address, whose agent cannot be asked then",
    both(
      inNode(
        "addresses",
        (text) => text.replace(/("ifname":"eth0".*?"addr_info":\[)/, `$1{"local":"${PEER_NODE}","prefixlen":32},`),
        WORKER,
      ),
      ({ nodes }) => {
        const peer = nodes.find(({ node }) => node === `${WORKER}2`)!;
        Object.assign(peer, { sections: {}, error: "pod does not exist" });
      },
    ),
    "devices",
    "node-address-taken",
    /ip addr del 172[\d.]+\/32 dev eth0.*eth0 has 172[\d.]+, the address of cmlead-worker2.*"check":"agents","subjects":\["cmlead-worker2"\]/,
  ],
  [
    "forwarding that is off",
    inNode("sysctls", (text) => text.replace("ipv4/ip_forward:1", "ipv4/ip_forward:0"), WORKER),
    "kernel",
    "sysctl-changed",
    /net\.ipv4\.ip_forward must be 1/,
  ],
  [
    "a full connection table",
    inNode("sysctls", (text) => text.replace(/(nf_conntrack_max:)\d+/, "$12"), WORKER),
    "kernel",
    "conntrack-full",
    /drops new connections/,
  ],
  [
    "a device with a smaller MTU",
    inNode("links", (text) => text.replace(/("ifname":"eth0".*?"mtu":)1500/, "$11280"), WORKER),
    "devices",
    "mtu-mismatch",
    /larger packets are lost/,
  ],
  [
    "cilium_host that is down",
    inNode("links", (text) => text.replace(/("ifname":"cilium_host","flags":\[)[^\]]*/, '$1"BROADCAST"'), WORKER),
    "devices",
    "device-down",
    /cilium_host is down/,
  ],
  [
    "a shaped device",
    inNode("qdiscs", (text) => text.replace("qdisc noqueue 0: dev eth0", "qdisc tbf 8001: dev eth0"), WORKER),
    "devices",
    "traffic-shaped",
    /delays or drops packets/,
  ],
  [
    "a detached program on eth0",
    inNode("tcx", (text) => text.replace(/^.*cil_from_netdev.*\n/m, ""), WORKER),
    "programs",
    "program-missing",
    /packets that arrive at the node bypass Cilium/,
  ],
  [
    "a detached socket hook",
    inNode("cgroups", (text) => text.replace("cil_sock4_sendmsg", "gone"), WORKER),
    "programs",
    "program-missing",
    /unconnected UDP to services gets no answer/,
  ],
  [
    "a socket hook that is detached from every node",
    ({ nodes }) => {
      for (const { sections } of nodes) {
        const { cgroups } = sections;
        if (cgroups !== undefined && "value" in cgroups)
          sections.cgroups = { value: cgroups.value.replace("cil_sock4_post_bind", "gone") };
      }
    },
    "programs",
    "program-missing",
    /programs on the node can bind NodePorts/,
  ],
  [
    "a foreign program",
    inNode("tcx", (text) => `${text}{"devname":"eth0","kind":"tcx/ingress","name":"dropper"}\n`, WORKER),
    "programs",
    "program-foreign",
    /not Cilium's/,
  ],
  [
    "a queue with a rate",
    inNode(
      "qdiscs",
      (text) => text.replace("qdisc noqueue 0: dev eth0 root refcnt 2", `${QUEUE} maxrate 4Mbit`),
      WORKER,
    ),
    "devices",
    "traffic-shaped",
    /maxrate 4Mbit/,
  ],
  [
    "idle connections that are forgotten",
    inNode("sysctls", (text) => text.replace(/(tcp_timeout_established:)\d+/, "$15"), WORKER),
    "kernel",
    "sysctl-changed",
    /idle connections that netfilter translates break/,
  ],
  [
    "a CNI plugin that is gone",
    ({ nodes }) => {
      nodes.find(({ node }) => node === WORKER)!.missingPlugins = ["cilium-cni"];
    },
    "cni",
    "cni-foreign",
    /the kubelet cannot call the CNI plugin/,
  ],
  [
    "a program inside a pod's network",
    inPod(WORKER, withFilter("filter protocol all pref 49152 bpf chain 0 handle 0x1 foreign.o:[tc] direct-action")),
    "pod-network",
    "program-foreign",
    /inside the pod's network drop or change its packets/,
  ],
  [
    "a rule inside a pod's network",
    inPod(WORKER, withFilter("-A INPUT -m length --length 1000:65535 -j DROP")),
    "pod-network",
    "netfilter-foreign",
    /inside the pod's network drop or change its packets/,
  ],
  [
    "a queueing discipline inside a pod",
    inPod(WORKER, withFilter("qdisc tbf 8001: dev eth0 root refcnt 2 rate 1Mbit")),
    "pod-network",
    "traffic-shaped",
    /delays or drops its packets/,
  ],
  [
    "a permanent neighbor entry inside a pod",
    inPod(WORKER, (text) => text.replace(/(dev eth0 lladdr \S+) \w+/, "$1 PERMANENT")),
    "pod-network",
    "neighbor-wrong",
    /permanent neighbor entry/,
  ],
  [
    "a pod's own kernel settings",
    inPod(WORKER, (text) => text.replace("icmp_echo_ignore_all:0", "icmp_echo_ignore_all:1")),
    "pod-network",
    "sysctl-changed",
    /icmp_echo_ignore_all = 1 \(0 in the others\)/,
  ],
  [
    "a readiness probe that fails because of a device",
    both(
      unready,
      inNode("links", (text) => text.replace(/("ifname":"cilium_host","flags":\[)[^\]]*/, '$1"BROADCAST"'), WORKER),
    ),
    "devices",
    "device-down",
    /cilium_host/,
  ],
  [
    "a routing rule in a pod",
    inPod(WORKER, (output) => withMore(output, "50:\tfrom all to 10.0.2.0/24 prohibit\n", "")),
    "pod-network",
    "rule-foreign",
    /50: from all to/,
  ],
  [
    "a name in a pod's /etc/hosts",
    inPod(WORKER, (output) => withMore(output, "", "fe00::\tip6-localnet\n192.0.2.9 serversvc\n")),
    "pod-network",
    "dns-config",
    /\/etc\/hosts: 192\.0\.2\.9 serversvc/,
  ],
  [
    "another pod's address in a pod",
    inPod(WORKER, (output) => `1: lo    inet ${RECORDED_PODS.peer}/32 scope global lo\n${output}`),
    "pod-network",
    "address-foreign",
    /stays in the pod/,
  ],
  [
    "a program on a pod's cgroup",
    inNode(
      "cgroups",
      (text) => {
        const pod1 = {
          cgroup: "/run/cilium/cgroupv2/kubelet/kubepods/pod1",
          programs: [{ id: 2, name: "", attach_type: "cgroup_device" }],
        };
        const pod2 = {
          cgroup: "/run/cilium/cgroupv2/kubelet/kubepods/pod2",
          programs: [{ id: 3, name: "refuse", attach_type: "cgroup_inet4_connect" }],
        };
        return JSON.stringify([...(JSON.parse(text) as object[]), pod1, pod2]);
      },
      WORKER,
    ),
    "programs",
    "program-foreign",
    /detach \S+pod2 cgroup_inet4_connect id 3"/,
  ],
  [
    "a firewall of systemd on a pod's cgroup",
    inNode(
      "cgroups",
      (text) => {
        const programs = [{ id: 7, name: "sd_fw_egress", attach_type: "cgroup_inet_egress" }];
        const pod = { cgroup: "/run/cilium/cgroupv2/kubelet.slice/kubelet-kubepods-pod1.slice", programs };
        return JSON.stringify([...(JSON.parse(text) as object[]), pod]);
      },
      WORKER,
    ),
    "programs",
    "program-foreign",
    /sd_fw_egress \(cgroup_inet_egress\)/,
  ],
  [
    "a program on the cgroup of all sockets that drops packets",
    inNode(
      "cgroups",
      (text) => text.replace('"programs":[', '$&{"id":4,"attach_type":"cgroup_inet_ingress","name":"foreign"},'),
      WORKER,
    ),
    "programs",
    "program-foreign",
    /foreign on cgroup \(cgroup_inet_ingress\)/,
  ],
  [
    "a program on kind's cgroup around all pods",
    inNode(
      "cgroups",
      (text) => {
        const programs = [{ id: 9, name: "foreign", attach_type: "cgroup_inet_ingress" }];
        const around = { cgroup: "/run/cilium/cgroupv2/kubelet.slice", programs };
        return JSON.stringify([...(JSON.parse(text) as object[]), around]);
      },
      WORKER,
    ),
    "programs",
    "program-foreign",
    /detach \S+\/kubelet\.slice cgroup_inet_ingress id 9/,
  ],
  [
    "another hardware address in a pod",
    inPod(WORKER, (output) => output.replace(/(\beth0\b.*link\/ether )\S+/, "$102:00:00:00:00:07")),
    "pod-network",
    "mac-changed",
    /eth0 has the hardware address 02:00:00:00:00:07/,
  ],
  [
    "a loopback that is down in a pod",
    inPod(WORKER, (output) => output.replace("lo: <LOOPBACK,UP,LOWER_UP>", "lo: <LOOPBACK>")),
    "pod-network",
    "device-down",
    /the pod's loopback is down/,
  ],
  [
    "packets of all pods that live for two hops",
    ({ traffic }) => {
      for (const pod of traffic!.pods) pod.output = pod.output!.replace("ip_default_ttl:64", "ip_default_ttl:2");
    },
    "pod-network",
    "sysctl-changed",
    /net\.ipv4\.ip_default_ttl must be 64/,
  ],
  [
    "four local ports on all nodes",
    inNode("sysctls", (text) => text.replace(/(ip_local_port_range:).*/, "$160000\t60003")),
    "kernel",
    "sysctl-changed",
    /net\.ipv4\.ip_local_port_range must be 32768 60999/,
  ],
  [
    "a route in another table of a pod",
    inPod(WORKER, (output) => `${output}---\nblackhole 198.18.0.0/16 table local\n---\n`),
    "pod-network",
    "route-foreign",
    /in another table than its main one/,
  ],
  [
    "an IPsec policy in a pod",
    inPod(WORKER, (output) => `${output}---\n---\nsrc 0.0.0.0/0 dst 198.18.0.0/16 \n\tdir out action block\n`),
    "pod-network",
    "rule-foreign",
    /an IPsec policy inside the pod/,
  ],
  [
    "another loopback plugin on one node",
    ({ nodes }) => {
      for (const node of nodes) node.loopbackPlugin = node.node === WORKER ? "1 29" : "2988364411 2274880";
    },
    "cni",
    "cni-foreign",
    /\/opt\/cni\/bin\/loopback: checksum and size 1 29/,
  ],
  [
    "another resolver on one node",
    ({ nodes }) => {
      for (const node of nodes) node.resolvConf = `nameserver ${node.node === WORKER ? "192.0.2.1" : "127.0.0.11"}`;
    },
    "cni",
    "node-resolver",
    /the node asks other name servers than the other nodes/,
  ],
  [
    "another domain in one kubelet",
    ({ nodes }) => {
      for (const node of nodes) node.clusterDomain = node.node === WORKER ? "corp.local" : "cluster.local";
    },
    "cni",
    "dns-config",
    /the kubelet's clusterDomain is corp\.local/,
  ],
  [
    "a node without an address for another pod",
    inNode("status", (text) => text.replace(/IPv4: \d+\/254 allocated/, "IPv4: 254/254 allocated"), WORKER),
    "cni",
    "addresses-exhausted",
    /no address for a new pod/,
  ],
  [
    "a BPF file system that cannot be written",
    ({ nodes }) => {
      const { sections } = nodes.find(({ node }) => node === WORKER)!;
      for (const name of ["lb", "ipcache", "revnat"] as const)
        sections[name] = { error: `${name}: Unable to open map: read-only file system` };
    },
    "kernel",
    "bpf-file-system",
    /mount -o remount,rw \/sys\/fs\/bpf/,
  ],
  [
    "a health endpoint's device that is gone, with its program",
    both(
      inNode("links", (text) => text.replaceAll('"lxc_health"', '"gone"'), WORKER),
      inNode("tcx", (text) => text.replace(/^.*"lxc_health".*\n?/gm, ""), WORKER),
    ),
    "devices",
    "device-missing",
    /^\[\{"cause":"device-missing",[^{]*Cilium's device lxc_health is missing[^{]*"symptoms":\[\{"check":"programs"[^{]*$/,
  ],
  [
    "a second BPF file system over the pins, which explains what cannot be read",
    both(
      ({ nodes }) => {
        const { sections } = nodes.find(({ node }) => node === WORKER)!;
        sections.ipcache = { error: "ipcache: error dumping contents of map: open map: no such file or directory" };
        sections.endpointMap = { error: "endpoint map: exit code 1" };
      },
      inNode("lb", (text) => text.split("\n")[0]!, WORKER),
      inCounters("before", "nat", WORKER, () => ""),
      inCounters("after", "nat", WORKER, () => ""),
    ),
    "kernel",
    "bpf-file-system",
    /^\[\{"cause":"bpf-file-system","check":"kernel","remedy":"[^"]*umount \/sys\/fs\/bpf[^{]*"symptoms":\[\{"check":"masquerading",[^{]*\{"check":"service-map",[^{]*\{"check":"datapath-maps",[^{]*$/,
  ],
  [
    "a map of translations without its pin",
    both(
      inCounters("before", "nat", WORKER, () => ""),
      inCounters("after", "nat", WORKER, () => ""),
    ),
    "masquerading",
    "bpf-file-system",
    /cilium_snat_v4_external has no pin/,
  ],
  [
    "an ipcache without a single entry",
    inNode("ipcache", () => "{}\n", WORKER),
    "kernel",
    "bpf-file-system",
    /no pins of BPF maps in \/sys\/fs\/bpf: ipcache/,
  ],
  [
    "another network plugin that comes first",
    inNode("cni", (text) => text.replace("mounted\n", "mounted\n00-bridge.conflist:0\n"), WORKER),
    "cni",
    "cni-foreign",
    /new pods get their network from another plugin/,
  ],
  [
    "no forwarding on any node",
    inNode("sysctls", (text) => text.replace("ipv4/ip_forward:1", "ipv4/ip_forward:0")),
    "kernel",
    "sysctl-changed",
    /net\.ipv4\.ip_forward must be 1/,
  ],
  [
    "no memory for fragments on any node",
    inNode("sysctls", (text) => text.replace(/^ipv4\/ipfrag_high_thresh:.*$/m, "ipv4/ipfrag_high_thresh:0")),
    "kernel",
    "sysctl-changed",
    /no memory for fragments/,
  ],
  [
    "a CNI plugin that was replaced",
    ({ nodes }) => {
      nodes.find(({ node }) => node === WORKER)!.plugin = "1234 17";
    },
    "cni",
    "cni-foreign",
    /the CNI plugin is another program than on the other nodes/,
  ],
  [
    "a kubelet that gives pods another name server",
    ({ nodes }) => {
      nodes.find(({ node }) => node === WORKER)!.clusterDns = "10.96.0.99";
    },
    "cni",
    "dns-config",
    /new pods will ask 10.96.0.99 instead of cluster DNS/,
  ],
  [
    "small segments",
    inNode("links", (text) => text.replace(/("ifname":"eth0".*?"gso_max_size":)\d+/, "$12000"), WORKER),
    "devices",
    "mtu-mismatch",
    /large segments are cut or dropped/,
  ],
  [
    "a small TTL on all nodes",
    inNode("sysctls", (text) => text.replace(/(ip_default_ttl:)\d+/, "$18")),
    "kernel",
    "sysctl-changed",
    /packets live for too few hops/,
  ],
  [
    "a pod's default route with an attribute",
    inPod(WORKER, (text) => text.replace(/^(default via .*)$/m, "$1 rto_min lock 5s")),
    "pod-network",
    "route-foreign",
    /the pod has a route that Cilium did not write/,
  ],
  [
    "a foreign program at the sockets",
    inNode(
      "cgroups",
      (text) =>
        text.replace('"programs":[', '"programs":[{"id":1,"attach_type":"cgroup_inet4_connect","name":"deny"},'),
      WORKER,
    ),
    "programs",
    "program-foreign",
    /not Cilium's sees packets/,
  ],
  [
    "a program with the name of an older Cilium's",
    inNode(
      "network",
      (text) =>
        text.replace('"tc":[]', '"tc":[{"devname":"eth0","ifindex":1,"kind":"tcx/ingress","name":"handle_ingress"}]'),
      WORKER,
    ),
    "programs",
    "program-foreign",
    /not Cilium's sees packets/,
  ],
  [
    "a pod of another network",
    ({ traffic }) => {
      const pod = traffic!.pods[0]!;
      pod.output = pod.output!.replace(/inet 10\.0\.\d+\.\d+\/32/, "inet 10.77.0.2/24");
    },
    "pod-network",
    "address-missing",
    /not a \/32 of its node's pod network/,
  ],
];
