import { verificationText } from "../../cli/verificationText";
import { valueOf } from "../../datapath/evidence/api";
import { addressesOn, OUTSIDE_ADDRESS } from "../../datapath/evidence/node";
import {
  bad,
  both,
  failing,
  inConfig,
  inCounters,
  inNode,
  inPod,
  inTable,
  judged,
  PASSED,
  PURE,
  RECORDED_PODS,
  recordedEvidence,
  recordedExpectation,
  type Change,
} from "./support/evidence";

const WORKER = "cmlead-worker";
const { own: OWN, ownNetwork: OWN_NETWORK, peer: PEER, peerNetwork: PEER_NETWORK, peerNode: PEER_NODE } = RECORDED_PODS;
const SKIPPING = "[9:540] -A POSTROUTING -s 10.0.2.0/24 -p tcp -m tcp --dport 443 -j ACCEPT";
const QUEUE = "qdisc fq 8001: dev eth0 root refcnt 2 limit 10000p flow_limit 100p";
/** Column of that counter in `/proc/net/snmp`. */
const FORW_DATAGRAMS = 6; // the first word is "Ip:"
const EXTERNAL = { ...recordedExpectation(), isExternal: true };

/** A pod's answer with more rules, and more lines in /etc/hosts. */
const withMore = (output: string, rules: string, hosts: string) =>
  output.replace("32766:", `${rules}32766:`).replace("127.0.0.1\tlocalhost\n", `127.0.0.1\tlocalhost\n${hosts}`);

/** A pod's answer with one more filter, rule or queue. */
const withFilter = (line: string) => (output: string) => {
  const parts = output.split("---\n");
  parts[6] += `${line}\n`;
  return parts.join("---\n");
};

/** What every pod says of further queries to cluster DNS. */
const queried =
  (said: { tcp?: string[]; outside?: string; again?: number[][] }): Change =>
  ({ traffic }) => {
    traffic!.queries = traffic!.pods.map(({ pod, node }) => ({ pod, node, again: [], tcp: [], ...said }));
  };

/** What the nodes' resolvers answer. */
const resolving =
  (value: string): Change =>
  ({ nodes }) => {
    for (const node of nodes) node.sections.resolvers = { value };
  };

/** The worker's server answers no probe, and has left its Service. */
const unready: Change = ({ api }) => {
  const server = valueOf(api.pods, []).find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!;
  server.ready = false;
  for (const { addresses } of valueOf(api.endpoints, [])) {
    const index = addresses.indexOf(server.address);
    if (index >= 0) (addresses as string[]).splice(index, 1);
  }
};

describe("a fault in recorded evidence", () => {
  const faults: [string, Change, string, string, RegExp][] = [
    [
      "a node that is NotReady",
      ({ api }) => {
        const node = valueOf(api.nodes, [])[1]! as { ready: boolean; trouble: string };
        Object.assign(node, { ready: false, trouble: "NodeStatusUnknown: Kubelet stopped posting node status." });
      },
      "nodes",
      "node-not-ready",
      /the kubelet does not report to the API server/,
    ],
    [
      "a mode's key that was changed",
      inConfig("enable-bpf-masquerade", "false"),
      "config",
      "config-changed",
      /expected enable-bpf-masquerade: "true"/,
    ],
    [
      "a key beside the mode's that is not as Helm rendered it",
      both(
        ({ api }) => {
          const rendered = valueOf(api.rendered, null)!;
          api.rendered = { value: { ...rendered, config: { ...valueOf(api.config, undefined)!.data } } };
        },
        inConfig("bpf-ct-global-tcp-max", "1024"),
      ),
      "config",
      "config-changed",
      /expected bpf-ct-global-tcp-max: \(not set\)/,
    ],
    [
      "socket LB in the host namespace only",
      inConfig("bpf-lb-sock-hostns-only", "true"),
      "config",
      "config-changed",
      /expected bpf-lb-sock-hostns-only: "false"/,
    ],
    [
      "a CiliumNodeConfig that overrides one node",
      both(
        inNode("config", (text) => `${text}\nbpf-lb-sock-hostns-only=true\n`, WORKER),
        ({ api }) => {
          api.nodeConfigs = {
            value: [{ namespace: "kube-system", name: "odd", defaults: { "bpf-lb-sock-hostns-only": "true" } }],
          };
        },
      ),
      "agents",
      "config-overridden",
      /CiliumNodeConfig odd overrides cilium-config on this node/,
    ],
    [
      "an agent that read an older configuration",
      inNode("config", (text) => text.replace(/^debug=.*$/m, "debug=maybe"), WORKER),
      "agents",
      "agent-outdated",
      /agents read it only when they start/,
    ],
    [
      "an agent with other arguments",
      inNode("arguments", (text) => `${text}\n--labels=k8s:app\n`, WORKER),
      "agents",
      "config-overridden",
      /argument --labels=k8s:app/,
    ],
    [
      "BPF host routing that fell back",
      inNode("status", (text) => text.replace(/("intra-host-routing-mode": )"BPF"/, '$1"Legacy"'), WORKER),
      "status",
      "mode-fallback",
      /expected Routing Host BPF/,
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
      "a foreign program",
      inNode("tcx", (text) => `${text}{"devname":"eth0","kind":"tcx/ingress","name":"dropper"}\n`, WORKER),
      "programs",
      "program-foreign",
      /not Cilium's/,
    ],
    [
      "a runtime option that was changed on one node",
      inNode("options", (text) => text.replace(/(PolicyAuditMode\s*: )Disabled/, "$1Enabled"), WORKER),
      "agents",
      "config-overridden",
      /option PolicyAuditMode: Enabled/,
    ],
    [
      "an argument that all agents have",
      inNode("arguments", (text) => `${text}\n--bpf-lb-sock-hostns-only=true\n`),
      "agents",
      "config-overridden",
      /argument --bpf-lb-sock-hostns-only=true/,
    ],
    [
      "a variable in the environment of all agents",
      inNode("arguments", (text) => `${text}\nCILIUM_MTU=1400\n`),
      "agents",
      "config-overridden",
      /variable CILIUM_MTU=1400/,
    ],
    [
      "endpoints whose policies only warn",
      inNode(
        "endpoints",
        (text) => text.replaceAll('"PolicyAuditMode": "Disabled"', '"PolicyAuditMode": "Enabled"'),
        WORKER,
      ),
      "agents",
      "config-overridden",
      /has PolicyAuditMode: Enabled, its agent Disabled/,
    ],
    [
      "fragments that nobody tracks",
      inConfig("enable-ipv4-fragment-tracking", "false"),
      "config",
      "config-changed",
      /expected enable-ipv4-fragment-tracking: "true"/,
    ],
    [
      "half of all addresses routed to another node",
      ({ nodes }) => {
        const { lookups } = nodes.find(({ node }) => node === WORKER)!;
        lookups[OUTSIDE_ADDRESS] = lookups[OUTSIDE_ADDRESS]!.replace(/via \S+/, `via ${PEER_NODE}`);
      },
      "routes",
      "route-foreign",
      /take another way than the default route, via 172\.18\.0\.1/,
    ],
    [
      "a rule of a cloud's interface, where there is none",
      inNode("rules", (text) => `${text}\n110:\tfrom 10.0.2.0/24 to 198.51.100.0/24 lookup 99\n`, WORKER),
      "routes",
      "rule-foreign",
      /neither the kernel's nor Cilium's/,
    ],
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
      "a chain that only kube-proxy makes",
      inNode("iptables", (text) => text.replace(/^\*filter\n/m, "$&:KUBE-FORWARD - [0:0]\n"), WORKER),
      "kube-proxy-rules",
      "kube-proxy-leftover",
      /KUBE-FORWARD/,
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
      "outside addresses that count as the node",
      inNode(
        "ipcache",
        (text) => text.replace("{", '{"198.51.100.0/24": ["identity=1 encryptkey=0 tunnelendpoint=0.0.0.0"],'),
        WORKER,
      ),
      "datapath-maps",
      "ipcache-stale",
      /198\.51\.100\.0\/24 has the identity of the node itself/,
    ],
    [
      "a map that is full",
      inCounters("before", "metrics", WORKER, (text) => text.replace(/("map_name": "lxc"[^]*?"value": )\S+/, "$10.99")),
      "datapath-maps",
      "map-full",
      /lxc is 99 % full/,
    ],
    [
      "a missing default route",
      inNode("routes", (text) => text.replace(/^default .*\n/m, ""), WORKER),
      "routes",
      "route-missing",
      /no way out of this node/,
    ],
    [
      "a route with an MTU of its own",
      inNode("routes", (text) => text.replace(new RegExp(`^(${PEER_NETWORK} via .*)$`, "m"), "$1 mtu 1280"), WORKER),
      "routes",
      "mtu-mismatch",
      /an MTU of 1280, which Cilium did not set/,
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
      "a node missing in the ipcache",
      inNode("ipcache", (text) => text.replace(`"${PEER_NODE}/32"`, '"172.18.9.9/32"'), WORKER),
      "datapath-maps",
      "ipcache-stale",
      /another identity, or are sent to another node/,
    ],
    [
      "programs that miss a tail call",
      ({ after }) => {
        const drops = JSON.stringify([{ labels: { reason: "Missed tail call", direction: "EGRESS" }, value: 50 }]);
        for (const node of after) node.sections.metrics = { value: drops };
      },
      "drops",
      "program-missing",
      /a part of Cilium's programs is missing/,
    ],
    [
      "no UDP port of the workload's service in the BPF map",
      inNode("lb", (text) => text.replaceAll(/^.*80\/UDP.*\n/gm, ""), WORKER),
      "service-map",
      "service-map-stale",
      /BPF service map differs/,
    ],
    [
      "a missing route",
      inNode("routes", (text) => text.replace(new RegExp(`^${PEER_NETWORK} via.*\n`, "m"), ""), WORKER),
      "routes",
      "route-missing",
      /the route to the pods of cmlead-worker2 must be/,
    ],
    [
      "a more specific route",
      inNode("routes", (text) => `${PEER} via 172.18.0.99 dev eth0 \n${text}`, WORKER),
      "routes",
      "route-foreign",
      /a route that Cilium did not write/,
    ],
    [
      "a blackhole",
      inNode("routes", (text) => `blackhole ${PEER} \n${text}`, WORKER),
      "routes",
      "route-foreign",
      /throws packets for 10\.[\d.]+ away/,
    ],
    [
      "a foreign routing rule",
      inNode("rules", (text) => `${text}100:\tfrom all to ${PEER} lookup 77\n`, WORKER),
      "routes",
      "rule-foreign",
      /neither the kernel's nor Cilium's/,
    ],
    [
      "a wrong neighbor entry",
      inNode(
        "neighbors",
        (text) => text.replace(new RegExp(`^(${PEER_NODE} dev eth0 lladdr )\\S+`, "m"), "$102:00:00:00:00:01"),
        WORKER,
      ),
      "routes",
      "neighbor-wrong",
      /another link-layer address/,
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
      "a chain that kube-proxy left",
      inNode("iptables", (text) => text.replace(/^:DOCKER_OUTPUT/m, ":KUBE-SVC-X - [0:0]\n:DOCKER_OUTPUT"), WORKER),
      "kube-proxy-rules",
      "kube-proxy-leftover",
      /still on this node/,
    ],
    [
      "a pod missing from the EndpointSlice",
      ({ api }) => {
        if ("value" in api.endpoints)
          for (const each of api.endpoints.value) if (each.service === "serversvc") (each.addresses as string[]).pop();
      },
      "service",
      "endpoints-incomplete",
      /is ready and missing/,
    ],
    [
      "an emptied selector",
      ({ api }) => {
        if ("value" in api.services)
          for (const each of api.services.value) if (each.name === "serversvc") each.selector = { app: "nobody" };
      },
      "service",
      "service-changed",
      /selector \{"app":"nobody"\}, expected \{"app":"nettool"\}/,
    ],
    [
      "a backend missing in the agent's list",
      inNode("services", (text) => text.replace(/^.*3 => 10\.0\.\d+\.\d+:80\/TCP.*\n/m, ""), WORKER),
      "service-map",
      "service-map-stale",
      /differ from the API server's/,
    ],
    [
      "a backend missing in the BPF map",
      inNode(
        "lb",
        (text) =>
          text
            .replace(/^10\.96\.\d+\.\d+:80\/TCP \(3\).*\n/m, "")
            .replace(/^(10\.96\.\d+\.\d+:80)\/UDP \(3\).*\n/m, ""),
        WORKER,
      ),
      "service-map",
      "service-map-stale",
      /BPF service map differs/,
    ],
    [
      "an unknown address in the ipcache",
      inNode("ipcache", (text) => text.replace(`"${PEER}/32"`, '"10.9.9.9/32"'), WORKER),
      "datapath-maps",
      "ipcache-stale",
      /another identity, or are sent to another node/,
    ],
    [
      "a pod missing in the endpoint map",
      inNode("endpointMap", (text) => text.replace(`"${OWN}:0"`, '"10.9.9.9:0"'), WORKER),
      "datapath-maps",
      "endpoint-map-stale",
      /not delivered/,
    ],
    [
      "a pod without a CiliumEndpoint",
      ({ api }) => {
        if ("value" in api.ciliumEndpoints)
          api.ciliumEndpoints.value = api.ciliumEndpoints.value.filter(({ name }) => name !== "net");
      },
      "workload",
      "pod-without-endpoint",
      /Cilium does not know nettool\/net/,
    ],
    [
      "a workload on the host network",
      ({ api }) => {
        if ("value" in api.pods)
          for (const pod of api.pods.value) if (pod.labels["app"] === "nettool") pod.hostNetwork = true;
      },
      "workload",
      "workload-not-ready",
      /say nothing about pods/,
    ],
    [
      "a workload pod that does not start",
      ({ api }) => {
        if (!("value" in api.pods)) return;
        const pod = api.pods.value.find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!;
        pod.ready = pod.running = false;
      },
      "workload",
      "workload-not-ready",
      /it does not run/,
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
      "another hardware address for the gateway on one node",
      inNode("neighbors", (text) => text.replace(/^(172\.18\.0\.1 .*lladdr )\S+/m, "$102:00:00:00:00:99"), WORKER),
      "routes",
      "neighbor-wrong",
      /another link-layer address than on other nodes, 02:42/,
    ],
    [
      "a network outside that only one node is connected to",
      inNode(
        "routes",
        (text) => `172.17.0.0/16 dev corp0 proto kernel scope link src 172.17.0.9 linkdown\n${text}`,
        WORKER,
      ),
      "routes",
      "network-overlap",
      /only this node is connected to 172\.17\.0\.0\/16, by corp0/,
    ],
    [
      "a CiliumEndpoint with another pod's identity",
      both(
        ({ api }) => {
          const own = valueOf(api.ciliumEndpoints, []).find(({ address }) => address === OWN)!;
          own.identity = 49901;
        },
        inNode("ipcache", (text) => text.replace(new RegExp(`("${OWN}/32":\\s*\\[\\s*"identity=)\\d+`), "$149901")),
      ),
      "datapath-maps",
      "endpoint-identity",
      /identity 49901, its agent has 55/,
    ],
    [
      "an ipcache without the node itself",
      inNode("ipcache", (text) => text.replace(/"172\.18\.0\.2\/32"/, '"172.18.0.2/31"'), WORKER),
      "datapath-maps",
      "ipcache-stale",
      /the node cmlead-worker \(172\.18\.0\.2\) is missing/,
    ],
    [
      "an ipcache without another node's health endpoint",
      inNode("ipcache", (text) => text.replace('"10.0.1.166/32"', '"10.0.1.166/31"'), WORKER),
      "datapath-maps",
      "ipcache-stale",
      /10\.0\.1\.166\/32 is missing, which other nodes have/,
    ],
    [
      "cluster DNS that does not answer by TCP",
      queried({ tcp: ["NOERROR", "none"] }),
      "dns",
      "dns-tcp",
      /1 of 2 queries by TCP: NOERROR, none/,
    ],
    [
      "names outside that cluster DNS does not resolve, and nodes do",
      both(queried({ outside: "none" }), resolving("172.18.0.2  4d 4f 81 83\n")),
      "dns",
      "dns-outside",
      /a name outside the cluster: no answer/,
    ],
    [
      "an IPv6 address for a Service that has none",
      ({ api, traffic }) => {
        const service = valueOf(api.services, []).find(({ name }) => name === "serversvc")!;
        service.clusterIps = [service.clusterIp];
        for (const each of traffic!.resolutions) if (each.name.startsWith("serversvc")) each.address = "fd00::bad";
      },
      "dns",
      "dns-config",
      /serversvc\S+ is fd00::bad/,
    ],
    [
      "datagrams to the Service that one backend never gets",
      ({ traffic }) => {
        const silent = traffic!.pods.find(({ server, node }) => server && node === WORKER)!.pod;
        const own = traffic!.probes.filter(({ flow, shape }) => flow === "pod-to-cluster-ip" && shape === "udp/small");
        const other = traffic!.pods.find(({ server, node }) => server && node !== WORKER)!.pod;
        for (const probe of own) probe.tries = Array.from({ length: 30 }, () => ({ ...probe.tries[0]!, pod: other }));
        expect(own.length).toBeGreaterThan(0);
        expect(silent).not.toBe(other);
      },
      "services",
      "service-map-stale",
      /never answers? through serversvc by UDP, in 30 tries/,
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
      "a Service that takes a port of a node",
      ({ api }) => {
        const services = valueOf(api.services, []) as { name: string; externalAddresses?: string[] }[];
        const node = valueOf(api.nodes, []).find(({ name }) => name === WORKER)!;
        const [own] = services.filter(({ name }) => name === "serversvc");
        const ports = [{ protocol: "TCP", port: 4244, targetPort: "80" }];
        services.push({ ...own!, ...{ ports, selector: {} }, name: "hijack", externalAddresses: [node.address] });
      },
      "service",
      "service-changed",
      /hijack takes 172\.18\.0\.\d+:4244 from Hubble of the node/,
    ],
    [
      "a node without an address for another pod",
      inNode("status", (text) => text.replace(/IPv4: \d+\/254 allocated/, "IPv4: 254/254 allocated"), WORKER),
      "cni",
      "addresses-exhausted",
      /no address for a new pod/,
    ],
    [
      "pings between pods of which some are lost",
      ({ traffic }) => {
        traffic!.pods.find(({ node }) => node === WORKER)!.pinged!.lost = "8% packet loss";
      },
      "packet-path",
      "packet-loss",
      /on cmlead-\S+: 8% packet loss/,
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
      "an operators' lease that nobody of them holds",
      (evidence) => {
        (evidence.api as { operatorLease: unknown }).operatorLease = { value: "nobody" };
      },
      "operator",
      "operator-down",
      /held by nobody/,
    ],
    [
      "a CiliumEndpoint with another pod's address",
      ({ api }) => {
        if (!("value" in api.ciliumEndpoints)) return;
        const all = api.ciliumEndpoints.value;
        all.push({ ...all.find(({ name }) => name === "net")!, name: "copy" });
      },
      "workload",
      "endpoint-foreign",
      /nettool\/copy has the address of the pod nettool\/net/,
    ],
    [
      "cluster DNS for its own nodes only",
      ({ api }) => {
        valueOf(api.services, []).find(({ name }) => name === "kube-dns")!.internalTrafficPolicy = "Local";
      },
      "service",
      "service-changed",
      /nodes without an endpoint of kube-system\/kube-dns/,
    ],
    [
      "a path through a third node",
      ({ traffic }) => {
        for (const probe of traffic!.probes)
          if (probe.flow === "pod-to-pod" && probe.from.node === WORKER && probe.to.node === "cmlead-worker2")
            for (const each of probe.tries) if (each.ttl !== undefined) each.ttl = 61;
      },
      "hops",
      "detour",
      /packets take a detour/,
    ],
    [
      "large packets that are lost",
      failing(
        ({ shape, from }: { shape: string; from: { node?: string | undefined } }) =>
          shape === "icmp/full" && from.node === WORKER,
      ),
      "packet-size",
      "large-packets",
      /no answer within 4 s/,
    ],
    [
      "unconnected UDP that is lost",
      failing(
        ({ shape, from }: { shape: string; from: { node?: string | undefined } }) =>
          shape === "udp-unconnected/small" && from.node === WORKER,
      ),
      "services",
      "packet-loss",
      /udp-unconnected\/small/,
    ],
    [
      "one try of thirty that fails",
      ({ traffic }) => {
        const probe = traffic!.probes.find(({ flow, shape }) => flow === "pod-to-node-port" && shape === "tcp/small")!;
        probe.tries[0]!.failure = "connection refused";
      },
      "services",
      "packet-loss",
      /1 of \d+ tries: connection refused/,
    ],
    [
      "a client's address that is rewritten",
      ({ traffic }) => {
        for (const probe of traffic!.probes)
          if (probe.flow === "pod-to-pod" && probe.from.node === WORKER)
            for (const each of probe.tries) if (each.client) each.client = "172.18.0.8";
      },
      "source-address",
      "source-address",
      /saw 172\.18\.0\.8, expected the client's own address/,
    ],
    [
      "names that do not resolve",
      ({ traffic }) => {
        for (const each of traffic!.resolutions) each.answered = false;
      },
      "dns",
      "dns-down",
      /cluster DNS at 10\.96\.0\.10 gives no answer/,
    ],
    [
      "no CoreDNS",
      ({ api }) => {
        api.coreDns = { value: { wanted: 2, ready: 0 } };
      },
      "coredns",
      "dns-down",
      /no CoreDNS pod answers/,
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
      "a node that answers no ARP requests, so that its agent cannot be asked either",
      both(
        ...[WORKER, "cmlead-control-plane"].flatMap((node) => [
          inNode(
            "neighbors",
            (text) => text.replace(new RegExp(`^${PEER_NODE} .*$`, "m"), `${PEER_NODE} dev eth0 FAILED`),
            node,
          ),
          inNode("health", (text) => text.replace(/^[45]\n/gm, ""), node),
        ]),
        ({ nodes }) => {
          const peer = nodes.find(({ node }) => node === "cmlead-worker2")!;
          Object.assign(peer, {
            sections: {},
            lookups: {},
            error: "cilium-x on cmlead-worker2 does not answer within 45 s",
          });
        },
      ),
      "routes",
      "node-unreachable",
      /cmlead-worker2 \(172\.18\.0\.\d+\) does not answer ARP requests/,
    ],
    [
      "another network plugin that comes first",
      inNode("cni", (text) => text.replace("mounted\n", "mounted\n00-bridge.conflist:0\n"), WORKER),
      "cni",
      "cni-foreign",
      /new pods get their network from another plugin/,
    ],
    [
      "a policy of IPsec",
      inNode("xfrm", () => "src 0.0.0.0/0 dst 10.0.2.0/24 \n\tdir out action block priority 0 \n", WORKER),
      "routes",
      "rule-foreign",
      /an IPsec policy that is not Cilium's/,
    ],
    [
      "a control plane without a controller manager",
      ({ api }) => {
        if ("value" in api.pods)
          api.pods.value = api.pods.value.filter(({ labels }) => labels["component"] !== "kube-controller-manager");
      },
      "nodes",
      "control-plane-down",
      /without kube-controller-manager EndpointSlices are no longer updated/,
    ],
    [
      "no forwarding on any node",
      inNode("sysctls", (text) => text.replace("ipv4/ip_forward:1", "ipv4/ip_forward:0")),
      "kernel",
      "sysctl-changed",
      /net\.ipv4\.ip_forward must be 1/,
    ],
    [
      "health endpoints that one node does not reach",
      inNode("health", () => "0\n2\n4\n", WORKER),
      "health",
      "packet-loss",
      /no answer from the health endpoint of cmlead-control-plane/,
    ],
    [
      "packets between pods that pass one host's IP stack",
      inCounters("between", "snmp", WORKER, (text) =>
        text.replace(/^(Ip: \d.*)$/m, (line) =>
          line
            .split(" ")
            .map((value, column) => (column === FORW_DATAGRAMS ? Number(value) + 200 : value))
            .join(" "),
        ),
      ),
      "packet-path",
      "detour",
      /in this mode BPF passes packets around the host's stack/,
    ],
    [
      "pods' packets that leave one node with the pods' addresses",
      inCounters("after", "nat", WORKER, () => ""),
      "masquerading",
      "source-address",
      /this mode masquerades by BPF, and nobody does/,
    ],
    [
      "iptables that masquerades beside BPF",
      inCounters("after", "iptables", WORKER, (text) =>
        text.replace(/^\*nat$/m, "*nat\n[0:0] -A CILIUM_POST_nat -s 10.0.1.0/24 -j MASQUERADE"),
      ),
      "masquerading",
      "source-address",
      /BPF and iptables does/,
    ],
    [
      "a flow that Hubble saw dropped",
      ({ after }) => {
        for (const { node, sections } of after) {
          const verdict = node === WORKER ? "DROPPED" : "FORWARDED";
          sections.hubble = { value: JSON.stringify({ flow: { verdict, IP: { source: OWN, destination: PEER } } }) };
        }
      },
      "hubble",
      "packet-loss",
      /packets of the probe were dropped, or none was forwarded/,
    ],
    [
      "an operator that is wanted no more, and still runs",
      ({ api }) => {
        api.operator = { value: { wanted: 0, ready: 2 } };
      },
      "operator",
      "operator-down",
      /new nodes get no pod network/,
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
            const others =
              node === WORKER ? [] : nodes.map((_, index) => `add cilium_node_set_v4 172.18.0.${index + 2}`);
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
      "no memory for fragments on any node",
      inNode("sysctls", (text) => text.replace(/^ipv4\/ipfrag_high_thresh:.*$/m, "ipv4/ipfrag_high_thresh:0")),
      "kernel",
      "sysctl-changed",
      /no memory for fragments/,
    ],
    [
      "a frontend that no Service has",
      inNode(
        "lb",
        (text) =>
          `${text}\n203.0.113.9:443/TCP (1)     ${OWN}:80/TCP (10) (1)\n203.0.113.9:443/TCP (0)     0.0.0.0:0 (10) (0) [ClusterIP]\n`,
        WORKER,
      ),
      "service-map",
      "service-map-stale",
      /frontends that no Service has \(1\)/,
    ],
    [
      "a Service without its reverse translation",
      ({ nodes }) => {
        for (const { node, sections } of nodes) {
          const ids = node === WORKER ? [1, 2, 3] : Array.from({ length: 60 }, (_, index) => index + 1);
          sections.revnat = {
            value: `ID   BACKEND ADDRESS (REVNAT_ID) (SLOT)\n${ids.map((id) => `${id}    10.96.0.1:443`).join("\n")}\n`,
          };
        }
      },
      "service-map",
      "service-map-stale",
      /replies from these Services are not translated back/,
    ],
    [
      "a revision that somebody installed with Helm",
      ({ api }) => Object.assign(valueOf(api.rendered, null)!, { description: "Upgrade complete" }),
      "config",
      "config-changed",
      /somebody other than pulumi up installed this revision/,
    ],
    [
      "an argument that all agents have and Helm did not render",
      inNode("arguments", (text) => `${text}\n--bpf-ct-timeout-regular-tcp=10s`),
      "agents",
      "config-overridden",
      /argument --bpf-ct-timeout-regular-tcp=10s/,
    ],
    [
      "a variable that all agents have and Helm did not render",
      both(
        inNode("arguments", (text) => `${text}\nCILIUM_BPF_LB_MAP_MAX=100`),
        ({ api }) => {
          for (const { containers } of valueOf(api.pods, []))
            for (const each of containers) each.variables = [...(each.variables ?? []), "CILIUM_BPF_LB_MAP_MAX"];
        },
      ),
      "agents",
      "config-overridden",
      /variable CILIUM_BPF_LB_MAP_MAX=100/,
    ],
    [
      "another image on all nodes",
      ({ api }) => {
        for (const { containers } of valueOf(api.pods, []))
          for (const each of containers) if (each.name === "cilium-agent") each.wantedImage = "lab/cilium:v1.20.0";
      },
      "agents",
      "agent-differs",
      /the agent's image is not the one that Helm rendered/,
    ],
    [
      "an operator of another image",
      ({ api }) => {
        for (const { containers } of valueOf(api.pods, []))
          for (const each of containers) if (each.name === "cilium-operator") each.wantedImage = "lab/operator:v1.20.0";
      },
      "operator",
      "agent-differs",
      /the operator's image is not the one that Helm rendered/,
    ],
    [
      "a CiliumNodeConfig that no agent has read",
      ({ api }) => {
        api.nodeConfigs = {
          value: [{ namespace: "kube-system", name: "later", defaults: { "bpf-lb-sock-hostns-only": "true" } }],
        };
      },
      "agents",
      "config-overridden",
      /CiliumNodeConfig later overrides cilium-config on the nodes that it selects/,
    ],
    [
      "labels of an endpoint that its pod does not have",
      inNode(
        "endpoints",
        (text) => {
          const endpoints = JSON.parse(text) as {
            status: { labels: { realized: object }; networking: { addressing: { ipv4?: string }[] } };
          }[];
          const { status } = endpoints.find((each) => each.status.networking.addressing[0]?.ipv4 === OWN)!;
          status.labels.realized = { user: ["k8s:x=1"] };
          return JSON.stringify(endpoints);
        },
        WORKER,
      ),
      "agents",
      "config-overridden",
      /have other labels than their pods/,
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
      "a route to an outside network",
      inNode("routes", (text) => `203.0.113.0/24 via 172.18.255.254 dev eth0\n${text}`, WORKER),
      "routes",
      "route-foreign",
      /sends packets for 203.0.113.0\/24 another way/,
    ],
    [
      "an outside network that the node takes for its own",
      inNode("routes", (text) => `${text}\nlocal 203.0.113.0/24 dev lo table local scope host`, WORKER),
      "routes",
      "route-foreign",
      /takes packets for 203.0.113.0\/24 for its own/,
    ],
    [
      "a route to other pods with an attribute",
      inNode(
        "routes",
        (text) => text.replace(` via ${PEER_NODE} dev eth0`, ` via ${PEER_NODE} dev eth0 advmss 100`),
        WORKER,
      ),
      "routes",
      "route-foreign",
      /the route has attributes that Cilium did not set/,
    ],
    [
      "a route to other pods with a source address",
      inNode(
        "routes",
        (text) =>
          text.replace(` via ${PEER_NODE} dev eth0 proto kernel`, ` via ${PEER_NODE} dev eth0 proto kernel src ${OWN}`),
        WORKER,
      ),
      "routes",
      "route-foreign",
      /the route has attributes that Cilium did not set/,
    ],
    [
      "a second route to other pods",
      inNode("routes", (text) => `${text}\n${PEER_NETWORK} via ${PEER_NODE} dev eth0 metric 5`, WORKER),
      "routes",
      "route-foreign",
      /there are two routes to/,
    ],
    [
      "a pod's default route with an attribute",
      inPod(WORKER, (text) => text.replace(/^(default via .*)$/m, "$1 rto_min lock 5s")),
      "pod-network",
      "route-foreign",
      /the pod has a route that Cilium did not write/,
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
      "BPF maps that nobody can write",
      inNode("frozen", (text) => `${text}cilium_lxc\n`, WORKER),
      "datapath-maps",
      "endpoint-map-stale",
      /can no longer write changes/,
    ],
    [
      "an endpoint map with another hardware address",
      inNode(
        "endpointMap",
        (text) => text.replace(new RegExp(`("${OWN}:0": \\[\\s+"[^"]* mac=)\\S+`), "$102:00:00:00:00:01"),
        WORKER,
      ),
      "datapath-maps",
      "endpoint-map-stale",
      /differs from what the agent believes of its endpoints/,
    ],
    [
      "an outside address in the endpoint map",
      inNode("endpointMap", (text) => text.replace("{", '{\n  "203.0.113.7:0": ["(localhost)"],'), WORKER),
      "datapath-maps",
      "endpoint-map-stale",
      /203.0.113.7 is no endpoint of this node/,
    ],
    [
      "an identity that differs from the other nodes'",
      ({ nodes }) => {
        for (const { node, sections } of nodes) {
          const ipcache = sections.ipcache as { value: string };
          const identity = node === WORKER ? 6 : 2;
          ipcache.value = ipcache.value.replace(
            "{",
            `{"203.0.113.0/24": ["identity=${identity} tunnelendpoint=0.0.0.0"],`,
          );
        }
      },
      "datapath-maps",
      "ipcache-stale",
      /203.0.113.0\/24 has identity 6 by 0.0.0.0, and on other nodes identity 2/,
    ],
    [
      "an outside network with the identity of nodes",
      inNode(
        "ipcache",
        (text) => text.replace("{", '{"203.0.113.0/24": ["identity=6 encryptkey=0 tunnelendpoint=0.0.0.0"],'),
        WORKER,
      ),
      "datapath-maps",
      "ipcache-stale",
      /203.0.113.0\/24 has the identity of nodes/,
    ],
    [
      "a reverse translation of another Service",
      inNode("revnat", (text) => text.replace(/^(\d+\s+)10\.96\.0\.1:443/m, "$110.96.0.10:53"), WORKER),
      "service-map",
      "service-map-stale",
      /not translated back to their address/,
    ],
    [
      "a frontend of the agent that no Service has",
      inNode(
        "services",
        (text) => `${text}\n99   203.0.113.7:80/TCP   ClusterIP   1 => ${OWN}:80/TCP (active)\n`,
        WORKER,
      ),
      "service-map",
      "service-map-stale",
      /frontends that no Service has/,
    ],
    [
      "a second endpoint of the API server's Service",
      ({ api }) => {
        valueOf(api.endpoints, undefined)!.push({
          namespace: "default",
          service: "kubernetes",
          protocol: "TCP",
          port: 6443,
          addresses: ["172.31.255.254"],
        });
      },
      "service",
      "endpoints-incomplete",
      /an endpoint at which no API server runs/,
    ],
    [
      "an API server's Service that no proxy serves",
      ({ api }) => {
        const service = valueOf(api.services, []).find(({ name }) => name === "kubernetes")!;
        service.proxyName = "nobody";
      },
      "service",
      "service-changed",
      /neither Cilium nor kube-proxy serves default\/kubernetes/,
    ],
    [
      "names that have other addresses",
      ({ traffic }) => {
        for (const each of traffic!.resolutions) each.address = "203.0.113.9";
      },
      "dns",
      "dns-config",
      /answers with addresses that its Services do not have/,
    ],
    [
      "a node with the identity of the world",
      inNode(
        "ipcache",
        (text) => text.replace(new RegExp(`("${PEER_NODE}/32": \\[\\s+")identity=\\d+`), "$1identity=2"),
        WORKER,
      ),
      "datapath-maps",
      "ipcache-stale",
      /has the identity of the world/,
    ],
    [
      "an address with a pod's identity that no pod has",
      inNode(
        "ipcache",
        (text) =>
          text.replace(
            "{",
            '{\n  "198.51.100.0/24": ["identity=37471 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"],',
          ),
        WORKER,
      ),
      "datapath-maps",
      "ipcache-stale",
      /has a pod's identity, and no pod has this address/,
    ],
    [
      "a pod that the endpoint map sends to another device",
      inNode(
        "endpointMap",
        (text) => text.replace(new RegExp(`("${OWN}:0": \\[\\s+"[^"]* ifindex=)\\d+`), "$12"),
        WORKER,
      ),
      "datapath-maps",
      "endpoint-map-stale",
      /to a device that is not theirs/,
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
      "cluster DNS without TCP",
      ({ api }) => {
        const dns = valueOf(api.services, []).find(({ name }) => name === "kube-dns")!;
        Object.assign(dns, { ports: dns.ports.filter(({ protocol, port }) => protocol !== "TCP" || port !== 53) });
      },
      "dns",
      "dns-down",
      /no port 53 for TCP/,
    ],
    [
      "pods that search another domain",
      inPod(WORKER, (text) => text.replaceAll("svc.cluster.local", "svc.x.local")),
      "dns",
      "dns-config",
      /differs from the other pods'|short names of Services do not resolve/,
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
      "a default route with a small MTU",
      inNode("routes", (text) => text.replace(/^default .*$/m, (line) => `${line.trim()} mtu 576`), WORKER),
      "routes",
      "mtu-mismatch",
      /the default route has an MTU of 576/,
    ],
    [
      "a network outside that is thrown away",
      inNode("routes", (text) => `blackhole 192.168.0.0/16\n${text}`, WORKER),
      "routes",
      "route-foreign",
      /a blackhole route throws packets for 192.168.0.0\/16 away/,
    ],
    [
      "no operator",
      ({ api }) => {
        api.operator = { value: { wanted: 2, ready: 0 } };
      },
      "operator",
      "operator-down",
      /new nodes get no pod network/,
    ],
    [
      "kube-proxy beside Cilium",
      ({ api }) => {
        if ("value" in api.pods) {
          const [pod] = api.pods.value;
          api.pods.value.push({
            ...pod!,
            namespace: "kube-system",
            name: "kube-proxy-x",
            labels: { "k8s-app": "kube-proxy" },
            hostNetwork: true,
          });
        }
      },
      "kube-proxy",
      "kube-proxy-running",
      /both translate services/,
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
    [
      "a system Service that one node alone would serve",
      ({ api }) => {
        valueOf(api.services, [])
          .find(({ name }) => name === "kubernetes")!
          .selective.push("service.cilium.io/node");
      },
      "service",
      "service-changed",
      /edit service kubernetes: remove service\.cilium\.io\/node.*not every node serves default\/kubernetes/,
    ],
    [
      "a foreign EndpointSlice with another Service's pod",
      ({ api }) => {
        if (!("value" in api.endpoints)) return;
        const own = api.endpoints.value;
        for (const each of own) each.slice = `${each.service}-x`;
        const foreign = {
          namespace: "kube-system",
          service: "kube-dns",
          port: 53,
          addresses: [PEER],
          slice: "foreign",
        };
        for (const protocol of ["UDP", "TCP"]) own.push({ ...foreign, protocol });
      },
      "service",
      "endpoints-incomplete",
      /delete endpointslices foreign: the controller.*no ready pod of the Service has this address/,
    ],
    [
      "a lease of kube-controller-manager that somebody else holds, which explains EndpointSlices that stay behind",
      both(unready, ({ api }) => {
        valueOf(api.pods, []).find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!.ready = true;
        api.leases = { value: [{ name: "kube-controller-manager", holder: "ghost", behindSeconds: 0 }] };
        // it ended when it lost the lease
        const own = valueOf(api.pods, []).find(({ labels }) => labels["component"] === "kube-controller-manager")!;
        own.containers[0]!.trouble = "CrashLoopBackOff";
      }),
      "nodes",
      "lease-taken",
      /EndpointSlices are no longer updated.*the lease kube-controller-manager is held by ghost.*"check":"service"/,
    ],
    [
      "a lease of kube-scheduler that nobody renews",
      ({ api }) => {
        const { node } = valueOf(api.pods, []).find(({ labels }) => labels["component"] === "kube-scheduler")!;
        api.leases = { value: [{ name: "kube-scheduler", holder: `${node}_0c1d`, behindSeconds: 90 }] };
      },
      "nodes",
      "lease-taken",
      /new pods stay Pending.*renewed 90 s ago/,
    ],
    [
      "a Service at the address of a pod",
      ({ api }) => {
        const dns = valueOf(api.services, []).find(({ name }) => name === "kube-dns")!;
        dns.externalAddresses = [PEER];
      },
      "service",
      "service-changed",
      /takes the address of the pod nettool\/nettool-\w+: its own endpoints answer/,
    ],
    [
      "another target port for UDP",
      ({ api }) => {
        const service = valueOf(api.services, []).find(({ name }) => name === "serversvc")!;
        service.ports.find(({ protocol }) => protocol === "UDP")!.targetPort = "81";
      },
      "service",
      "service-changed",
      /target port 81\/UDP, expected 80/,
    ],
    [
      "a Service that publishes pods that are not ready",
      ({ api }) => {
        valueOf(api.services, []).find(({ name }) => name === "serversvc")!.publishesNotReady = true;
      },
      "service",
      "service-changed",
      /publishNotReadyAddresses true, expected false/,
    ],
    [
      "a CiliumEndpoint with another pod's identity, which other nodes believe",
      (evidence) => {
        const named = (name: string) =>
          valueOf(evidence.api.ciliumEndpoints, []).find((each) => each.name.startsWith(`${name}-`))!;
        const [own, other] = [named("nettool"), named("coredns")];
        const said = new RegExp(`("${own.address.replaceAll(".", "\\.")}/32":\\s*\\[\\s*"identity=)${own.identity}`);
        for (const { sections } of evidence.nodes) {
          const reading = sections.ipcache as { value: string };
          expect(reading.value).toMatch(said);
          reading.value = reading.value.replace(said, `$1${other.identity}`);
        }
        own.identity = other.identity;
      },
      "datapath-maps",
      "endpoint-identity",
      /nettool-\w+: identity 49901, its agent has 55321/,
    ],
    [
      "a node that no longer knows itself",
      inNode("ipcache", (text) => text.replace(/,?\s*"172\.18\.0\.2\/32": ?\[[^\]]*\]/, ""), WORKER),
      "datapath-maps",
      "ipcache-stale",
      /the node cmlead-worker \(172\.18\.0\.2\) is missing/,
    ],
    [
      "a node that lost the router's address of another",
      inNode(
        "ipcache",
        (text) => {
          const router = /"(10\.0\.1\.\d+\/32)":\s*\[\s*"identity=6/.exec(text)![1]!;
          return text.replace(new RegExp(`"${router}":\\s*\\[[^\\]]*\\],`), "");
        },
        WORKER,
      ),
      "datapath-maps",
      "ipcache-stale",
      /10\.0\.1\.\d+\/32 is missing, which other nodes have/,
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
  it.each(faults)("finds %s in the right check, and names the cause first", (_fault, change, check, cause, reason) => {
    const evidence = recordedEvidence(change);
    const { results, causes } = judged(evidence);
    expect(bad(results)).toContain(check);
    expect(causes[0]).toMatchObject({ cause });
    expect(JSON.stringify(causes).replaceAll('\\"', '"')).toMatch(reason);
    const text = verificationText("x", { ...PASSED, verdict: "fail", proof: "not in force", results, causes });
    expect(text).toMatch(/^x \(mode ebpf\): NOT IN FORCE \(/m);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(300);
    // another check or pulumi up is no remedy there
    const found = PURE.filter(({ id }) => bad(results).includes(id));
    for (const { remedy } of judged(evidence, EXTERNAL, found).causes)
      expect(remedy ?? "").not.toMatch(/pulumi up|the checks? /);
  });

  it("has a fault for every check that judges the common evidence", () => {
    const without = [
      "features",
      "controllers",
      "host-ports",
      "pod-to-pod",
      "pod-to-node",
      "node-ports",
      "from-outside",
      "way-out",
      "drops",
    ];
    const covered = new Set(faults.map(([, , check]) => check));
    expect(PURE.map(({ id }) => id).filter((id) => !covered.has(id) && !without.includes(id))).toEqual([]);
  });

  it("folds a failing readiness probe under what keeps the node from its pod, and not a pod that does not start", () => {
    const down = inNode(
      "links",
      (text) => text.replace(/("ifname":"cilium_host","flags":\[)[^\]]*/, '$1"BROADCAST"'),
      WORKER,
    );
    const { causes } = judged(recordedEvidence(both(unready, down)));
    expect(causes.map(({ cause }) => cause)).not.toContain("probe-failing");
    expect(causes[0]!.symptoms.map(({ check }) => check)).toContain("workload");
    const stopped: Change = (evidence) => {
      down(evidence);
      const server = valueOf(evidence.api.pods, []).find(
        ({ labels, node }) => labels["app"] === "nettool" && node === WORKER,
      )!;
      server.ready = server.running = false;
    };
    expect(judged(recordedEvidence(stopped)).causes.map(({ cause }) => cause)).toEqual(
      expect.arrayContaining(["device-down", "workload-not-ready"]),
    );
  });

  it("does not mind names outside that the nodes do not resolve either", () => {
    for (const said of ["172.18.0.2 silent\n", "172.18.0.2  4d 4f 81 82\n"]) {
      const change = both(queried({ outside: "SERVFAIL", tcp: ["NOERROR"] }), resolving(said));
      expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
    }
  });

  it("warns of lookups that take long again and again, unless the machine is busy", () => {
    for (const [slowest, verdict] of [
      [40, "warning"],
      [400, "pass"],
    ] as const) {
      const late: Change = ({ traffic }) => void (traffic!.slowest = slowest);
      const change = both(
        queried({
          again: [
            [1900, 20],
            [1800, 1900],
          ],
        }),
        late,
      );
      expect(judged(recordedEvidence(change)).results.find(({ id }) => id === "dns")!.verdict).toBe(verdict);
    }
  });

  it("takes a pod's own names in /etc/hosts for no change", () => {
    const pod = recordedEvidence().traffic!.pods.find(({ node }) => node === WORKER)!.pod;
    const change = inPod(WORKER, (output) => withMore(output, "", `fd00:10::7\t${pod}\n`));
    expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
  });

  it("takes the operators' own lease, and one that is waited for, for no cause", () => {
    const held =
      (holder: string | null): Change =>
      (evidence) => {
        (evidence.api as { operatorLease: unknown }).operatorLease = { value: holder };
      };
    const operator = valueOf(recordedEvidence().api.pods, []).find(
      ({ labels }) => labels["io.cilium/app"] === "operator",
    )!;
    for (const holder of [null, `${operator.node}-5qz8xnvj2d`]) {
      expect(bad(judged(recordedEvidence(held(holder))).results)).toEqual([]);
    }
  });

  it("takes leases that their own nodes renew for no cause", () => {
    const change: Change = ({ api }) => {
      const { node } = valueOf(api.pods, []).find(({ labels }) => labels["component"] === "kube-scheduler")!;
      const held = (name: string) => ({ name, holder: `${node}_0c1d`, behindSeconds: 12 });
      api.leases = { value: [held("kube-scheduler"), held("kube-controller-manager")] };
    };
    expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
  });

  it("never advises to delete EndpointSlices while nobody writes them, and still names a changed Service", () => {
    const change: Change = ({ api }) => {
      unready({ api } as Parameters<Change>[0]);
      const services = valueOf(api.services, []);
      services.find(({ name }) => name === "kube-dns")!.externalAddresses = [PEER];
      valueOf(api.pods, []).find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!.ready = true;
      api.leases = { value: [{ name: "kube-controller-manager", holder: "ghost", behindSeconds: 0 }] };
    };
    const { results, causes } = judged(recordedEvidence(change));
    expect(JSON.stringify(results)).not.toMatch(/delete endpointslices/);
    expect(causes.map(({ cause }) => cause)).toEqual(["lease-taken", "service-changed"]);
  });

  it("tells a server whose probe fails from one that does not start", () => {
    const { findings } = judged(recordedEvidence(unready)).results.find(({ id }) => id === "workload")!;
    expect(findings).toContainEqual(expect.objectContaining({ cause: "probe-failing", nodes: [WORKER] }));
  });

  it("knows Cilium's programs by the names that legacy tc gives them, and no others", () => {
    const named = (name: string) =>
      both(
        inNode("tcx", () => ""),
        inNode("network", () =>
          JSON.stringify([{ xdp: [], tc: [{ devname: "cilium_host", ifindex: 4, kind: "clsact/ingress", name }] }]),
        ),
      );
    for (const name of ["bpf_host.o:[from-host]", "pin-566:[*fsobj]"])
      expect(bad(judged(recordedEvidence(named(name))).results)).not.toContain("programs");
    const { causes } = judged(recordedEvidence(named("foreign.o:[drop]")));
    expect(causes.map(({ cause }) => cause)).toContain("program-foreign");
  });

  it("takes variables of Cilium's image for no change, and those of the pod's template for one", () => {
    const variable = "\nCILIUM_DISABLE_ENVOY_BUILD=true\n";
    const declared = (variables: string[]): Change =>
      both(
        inNode("arguments", (text) => text + variable),
        ({ api }) => {
          for (const { containers } of valueOf(api.pods, []))
            for (const each of containers) if (each.name === "cilium-agent") each.variables = variables;
        },
      );
    expect(bad(judged(recordedEvidence(declared([]))).results)).toEqual([]);
    expect(bad(judged(recordedEvidence(declared(["CILIUM_DISABLE_ENVOY_BUILD"]))).results)).toContain("agents");
  });

  it("expects the asked node's address on cilium_host at backends behind a tunnel, and on its device elsewhere", () => {
    const evidence = recordedEvidence() as Parameters<Change>[0];
    const nodes = valueOf(evidence.api.nodes, []);
    const routerOf = (address: string) => {
      const node = evidence.nodes.find((each) => each.node === nodes.find((known) => known.address === address)!.name)!;
      return addressesOn(node, "cilium_host")[0]!;
    };
    const sources = (mode: "disabled" | "vxlan") => {
      const { results } = judged(evidence, recordedExpectation("ebpf", { tunnel: mode }));
      return results.find(({ id }) => id === "source-address")!;
    };
    expect(sources("disabled").verdict).toBe("pass");
    expect(sources("vxlan").verdict).toBe("fail");
    const tries = evidence
      .traffic!.probes.filter(({ flow }) => flow === "outside-to-node-port")
      .flatMap((probe) => probe.tries.map((each) => ({ each, asked: probe.to.address })));
    const translated = tries.filter(({ each, asked }) => each.client === asked);
    expect(translated.length).toBeGreaterThan(5);
    for (const { each, asked } of translated) each.client = routerOf(asked);
    expect(sources("vxlan").verdict).toBe("pass");
    expect(sources("disabled")).toMatchObject({ verdict: "fail" });
  });
});
