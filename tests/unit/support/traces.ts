import type { Hop, Station, Trace, TraceNode } from "../../../datapath/trace/result";
import { hopsOf, legOf, expectedHop, rewrite, traceNode } from "./traceParts";

const NET = "10.0.2.32";
const SERVER = "10.0.1.15";

const EBPF_REQUEST = hopsOf(
  [
    { at: "worker pod out", us: 0, from: NET, to: SERVER, ttl: 64 },
    { at: "worker veth in", us: 9, from: NET, to: SERVER, ttl: 64 },
    { at: "worker device out", us: 31, from: NET, to: SERVER, ttl: 63 },
    { at: "worker2 device in", us: 40, from: NET, to: SERVER, ttl: 63 },
    { at: "worker2 pod in", us: 58, from: NET, to: SERVER, ttl: 62 },
  ],
  "disabled",
);

const EBPF_REPLY = hopsOf(
  [
    { at: "worker2 pod out", us: 70, from: SERVER, to: NET, ttl: 64 },
    { at: "worker2 veth in", us: 76, from: SERVER, to: NET, ttl: 64 },
    { at: "worker2 device out", us: 90, from: SERVER, to: NET, ttl: 63 },
    { at: "worker device in", us: 97, from: SERVER, to: NET, ttl: 63 },
    { at: "worker pod in", us: 112, from: SERVER, to: NET, ttl: 62 },
  ],
  "disabled",
);

/** BPF host routing: the receiving pods' lxc interfaces are passed by. */
export const EBPF_PING: Trace = {
  cluster: "cilium-ebpf",
  mode: "ebpf",
  tunnel: "disabled",
  version: "1.18.2",
  scenario: "cross-node",
  title: "a pod pings a pod on another node",
  probe: { protocol: "ICMP", from: "net", to: SERVER, command: `ping -c 1 -W 2 ${SERVER}`, answered: true },
  nodes: [traceNode("worker", "disabled", false), traceNode("worker2", "disabled", false)],
  legs: [legOf("request", EBPF_REQUEST), legOf("reply", EBPF_REPLY)],
  lookups: [
    {
      node: "worker",
      table: "Cilium's connection tracking",
      line: `ICMP OUT ${NET}:0 -> ${SERVER}:82 expires=9710 Packets=1`,
    },
  ],
  verdict: "pass",
  reasons: [],
  startedAt: "2025-03-02T10:40:08.611Z",
};

const LEGACY_REQUEST = hopsOf(
  [
    { at: "worker pod out", us: 0, from: NET, to: SERVER, ttl: 64 },
    { at: "worker veth in", us: 11, from: NET, to: SERVER, ttl: 64 },
    { at: "worker device out", us: 48, from: NET, to: SERVER, ttl: 63 },
    { at: "worker2 device in", us: 60, from: NET, to: SERVER, ttl: 63 },
    { at: "worker2 veth out", us: 101, from: NET, to: SERVER, ttl: 62 },
    { at: "worker2 pod in", us: 108, from: NET, to: SERVER, ttl: 62 },
  ],
  "disabled",
);

const LEGACY_REPLY = hopsOf(
  [
    { at: "worker2 pod out", us: 121, from: SERVER, to: NET, ttl: 64 },
    { at: "worker2 veth in", us: 130, from: SERVER, to: NET, ttl: 64 },
    { at: "worker2 device out", us: 166, from: SERVER, to: NET, ttl: 63 },
    { at: "worker device in", us: 175, from: SERVER, to: NET, ttl: 63 },
    { at: "worker veth out", us: 214, from: SERVER, to: NET, ttl: 62 },
    { at: "worker pod in", us: 220, from: SERVER, to: NET, ttl: 62 },
  ],
  "disabled",
);

/** The same ping through the hosts' stacks. */
export const KUBEPROXY_PING: Trace = {
  ...EBPF_PING,
  cluster: "cilium-kubeproxy",
  mode: "kubeproxy",
  nodes: [traceNode("worker", "disabled", true), traceNode("worker2", "disabled", true)],
  legs: [legOf("request", LEGACY_REQUEST), legOf("reply", LEGACY_REPLY)],
};

/** The same ping with Cilium's services, and hosts' stacks still. */
export const REPLACEMENT_PING: Trace = { ...KUBEPROXY_PING, cluster: "cilium-replacement", mode: "replacement" };

const CLIENT = `${NET}:39204`;
const VIA = "172.18.0.3:61022";
const NODE_PORT = "172.18.0.3:30080";

/** kube-proxy's rules translate and masquerade on the node that was asked. */
export const KUBEPROXY_NODEPORT: Trace = {
  ...KUBEPROXY_PING,
  scenario: "nodeport-own",
  title: "a pod connects to a NodePort of its own node",
  probe: { protocol: "TCP", from: "net", to: NODE_PORT, command: `curl -s -m 5 http://${NODE_PORT}/`, answered: true },
  legs: [
    legOf(
      "request",
      hopsOf(
        [
          { at: "worker pod out", us: 0, from: CLIENT, to: NODE_PORT, ttl: 64 },
          { at: "worker veth in", us: 12, from: CLIENT, to: NODE_PORT, ttl: 64 },
          {
            at: "worker device out",
            us: 71,
            from: VIA,
            to: `${SERVER}:80`,
            ttl: 63,
            rewritten: [
              rewrite("destination", NODE_PORT, `${SERVER}:80`, "kernel"),
              rewrite("source", CLIENT, VIA, "kernel"),
            ],
          },
          { at: "worker2 device in", us: 83, from: VIA, to: `${SERVER}:80`, ttl: 63 },
          { at: "worker2 veth out", us: 118, from: VIA, to: `${SERVER}:80`, ttl: 62 },
          { at: "worker2 pod in", us: 124, from: VIA, to: `${SERVER}:80`, ttl: 62 },
        ],
        "disabled",
      ),
    ),
    legOf(
      "reply",
      hopsOf(
        [
          { at: "worker2 pod out", us: 139, from: `${SERVER}:80`, to: VIA, ttl: 64 },
          { at: "worker2 veth in", us: 147, from: `${SERVER}:80`, to: VIA, ttl: 64 },
          { at: "worker2 device out", us: 181, from: `${SERVER}:80`, to: VIA, ttl: 63 },
          { at: "worker device in", us: 190, from: `${SERVER}:80`, to: VIA, ttl: 63 },
          {
            at: "worker veth out",
            us: 240,
            from: NODE_PORT,
            to: CLIENT,
            ttl: 62,
            rewritten: [
              rewrite("source", `${SERVER}:80`, NODE_PORT, "kernel"),
              rewrite("destination", VIA, CLIENT, "kernel"),
            ],
          },
          { at: "worker pod in", us: 247, from: NODE_PORT, to: CLIENT, ttl: 62 },
        ],
        "disabled",
      ),
    ),
  ],
  lookups: [
    {
      node: "worker",
      table: "kernel's connection tracking",
      line: "tcp 6 SYN_RECV src=10.0.2.32 dst=172.18.0.3 sport=39204 dport=30080 src=10.0.1.15 dst=172.18.0.3 sport=80 dport=61022",
    },
  ],
};

const withPorts = (hops: readonly Hop[], source: string, destination: string): readonly Hop[] =>
  hops.map((hop) => ({ ...hop, source, destination }));

/** The socket already has the backend's address, so no packet carries the ClusterIP. */
export const REPLACEMENT_CLUSTERIP: Trace = {
  ...REPLACEMENT_PING,
  scenario: "clusterip",
  title: "a pod connects to a service's ClusterIP",
  probe: {
    protocol: "TCP",
    from: "net",
    to: "10.96.0.1:80",
    command: "curl -s -m 5 http://10.96.0.1:80/",
    answered: true,
  },
  legs: [
    legOf(
      "request",
      withPorts(LEGACY_REQUEST, CLIENT, `${SERVER}:80`).map((hop, index) =>
        index === 0
          ? { ...hop, rewritten: [rewrite("destination", "10.96.0.1:80", `${SERVER}:80`, "socket LB")] }
          : hop,
      ),
    ),
    legOf("reply", withPorts(LEGACY_REPLY, `${SERVER}:80`, CLIENT)),
  ],
  lookups: [{ node: "worker", table: "service map", line: `10.96.0.1:80 (1) -> ${SERVER}:80` }],
};

const OUTER = { source: "172.18.0.3", destination: "172.18.0.2" };
const OUTER_BACK = { source: "172.18.0.2", destination: "172.18.0.3" };

/** Between the nodes the packet is inside another. */
export const VXLAN_PING: Trace = {
  ...EBPF_PING,
  cluster: "cilium-vxlan",
  tunnel: "vxlan",
  nodes: [traceNode("worker", "vxlan", undefined), traceNode("worker2", "vxlan", false)],
  legs: [
    legOf(
      "request",
      hopsOf(
        [
          { at: "worker pod out", us: 0, from: NET, to: SERVER, ttl: 64 },
          { at: "worker veth in", us: 8, from: NET, to: SERVER, ttl: 64 },
          { at: "worker tunnel out", us: 21, from: NET, to: SERVER, ttl: 63 },
          { at: "worker device out", us: 30, from: NET, to: SERVER, ttl: 63, tunnel: OUTER },
          { at: "worker2 device in", us: 39, from: NET, to: SERVER, ttl: 63, tunnel: OUTER },
          { at: "worker2 tunnel in", us: 47, from: NET, to: SERVER, ttl: 63 },
          { at: "worker2 pod in", us: 60, from: NET, to: SERVER, ttl: 62 },
        ],
        "vxlan",
      ),
    ),
    legOf(
      "reply",
      hopsOf(
        [
          { at: "worker2 pod out", us: 74, from: SERVER, to: NET, ttl: 64 },
          { at: "worker2 veth in", us: 80, from: SERVER, to: NET, ttl: 64 },
          { at: "worker2 tunnel out", us: 92, from: SERVER, to: NET, ttl: 63 },
          { at: "worker2 device out", us: 99, from: SERVER, to: NET, ttl: 63, tunnel: OUTER_BACK },
          { at: "worker device in", us: 108, from: SERVER, to: NET, ttl: 63, tunnel: OUTER_BACK },
          { at: "worker tunnel in", us: 115, from: SERVER, to: NET, ttl: 63 },
          { at: "worker pod in", us: 129, from: SERVER, to: NET, ttl: 62 },
        ],
        "vxlan",
      ),
    ),
  ],
};

const STRAY: Station = { node: "worker2", interface: "cilium_host", role: "cilium_host" };

/** The other node takes the packet through its stack, and there it ends. */
export const BROKEN: Trace = {
  ...EBPF_PING,
  probe: { ...EBPF_PING.probe, answered: false },
  nodes: [traceNode("worker", "disabled", false), traceNode("worker2", "disabled", true)],
  legs: [
    {
      name: "request",
      hops: [
        ...EBPF_REQUEST.slice(0, 4),
        { ...EBPF_REQUEST[3]!, station: STRAY, direction: "out", microseconds: 66, ttl: 62 },
      ],
      promised: EBPF_REQUEST.map(expectedHop),
      differences: [
        "unexpectedly seen leaving cilium_host of worker2; expected eth0 of server-xtzwx",
        "eth0 of server-xtzwx on worker2 did not see it come in",
      ],
    },
  ],
  lookups: [],
  verdict: "fail",
  reasons: ["worker2 routes through its host's stack; see `cilium-dbg status --verbose` there, line Host Routing"],
};

/** Two machines, whose clocks are 40 ms apart. */
export const TWO_CLOCKS: Trace = {
  ...EBPF_PING,
  nodes: [traceNode("worker", "disabled", false, "machine-1"), traceNode("worker2", "disabled", false, "machine-2")],
  legs: EBPF_PING.legs.map((leg) => ({
    ...leg,
    hops: leg.hops.map((hop) =>
      hop.station.node === "worker2" ? { ...hop, microseconds: hop.microseconds + 40_000 } : hop,
    ),
  })),
};

const OUTSIDE = "172.18.0.1:51200";
const [asked, asking] = KUBEPROXY_NODEPORT.nodes as [TraceNode, TraceNode];

/** From outside the cluster: the first interface is a node's device, and the packet leaves where it came in. */
export const HOST_NODEPORT: Trace = {
  ...KUBEPROXY_NODEPORT,
  scenario: "host-nodeport",
  title: "this machine, outside the cluster, connects to a node's NodePort",
  probe: { ...KUBEPROXY_NODEPORT.probe, from: "this machine" },
  nodes: [
    { ...asked, pods: [], stations: asked.stations.filter(({ role }) => role !== "pod" && role !== "veth") },
    asking,
  ],
  legs: [
    legOf(
      "request",
      hopsOf(
        [
          { at: "worker device in", us: 0, from: OUTSIDE, to: NODE_PORT, ttl: 64 },
          {
            at: "worker device out",
            us: 55,
            from: VIA,
            to: `${SERVER}:80`,
            ttl: 63,
            rewritten: [
              rewrite("destination", NODE_PORT, `${SERVER}:80`, "kernel"),
              rewrite("source", OUTSIDE, VIA, "kernel"),
            ],
          },
          { at: "worker2 device in", us: 66, from: VIA, to: `${SERVER}:80`, ttl: 63 },
          { at: "worker2 veth out", us: 99, from: VIA, to: `${SERVER}:80`, ttl: 62 },
          { at: "worker2 pod in", us: 104, from: VIA, to: `${SERVER}:80`, ttl: 62 },
        ],
        "disabled",
      ),
    ),
    legOf(
      "reply",
      hopsOf(
        [
          { at: "worker2 pod out", us: 118, from: `${SERVER}:80`, to: VIA, ttl: 64 },
          { at: "worker2 veth in", us: 125, from: `${SERVER}:80`, to: VIA, ttl: 64 },
          { at: "worker2 device out", us: 160, from: `${SERVER}:80`, to: VIA, ttl: 63 },
          { at: "worker device in", us: 170, from: `${SERVER}:80`, to: VIA, ttl: 63 },
          {
            at: "worker device out",
            us: 221,
            from: NODE_PORT,
            to: OUTSIDE,
            ttl: 62,
            rewritten: [
              rewrite("source", `${SERVER}:80`, NODE_PORT, "kernel"),
              rewrite("destination", VIA, OUTSIDE, "kernel"),
            ],
          },
        ],
        "disabled",
      ),
    ),
  ],
  lookups: [],
};

/** Nobody saw anything. */
export const UNSEEN: Trace = {
  ...BROKEN,
  legs: [
    { name: "request", hops: [], promised: EBPF_REQUEST.map(expectedHop), differences: ["it was not seen at all"] },
  ],
  verdict: "inconclusive",
  reasons: ["no capture saw the packet; is tcpdump in the image?"],
};

/** Each of them by name. */
export const SAMPLE_TRACES: Readonly<Record<string, Trace>> = {
  EBPF_PING,
  KUBEPROXY_PING,
  REPLACEMENT_PING,
  KUBEPROXY_NODEPORT,
  REPLACEMENT_CLUSTERIP,
  VXLAN_PING,
  BROKEN,
  TWO_CLOCKS,
  HOST_NODEPORT,
  UNSEEN,
};
