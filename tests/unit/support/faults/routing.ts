import { valueOf, type CiliumNodeState } from "../../../../datapath/evidence/api";
import { OUTSIDE_ADDRESS } from "../../../../datapath/evidence/node";
import { both, failing, inCounters, inNode, type Change } from "../evidence";
import { WORKER, OWN, PEER, PEER_NETWORK, PEER_NODE, type RecordedFault } from "./fault";

/** Column of that counter in `/proc/net/snmp`. */
const FORW_DATAGRAMS = 6;

/** A CiliumNode without a Node, as a removed node leaves it. */
export const addedCiliumNode =
  (network: string, address = "172.18.0.99"): Change =>
  ({ api }) => {
    const all = valueOf(api.ciliumNodes, []) as CiliumNodeState[];
    all.push({ name: "old-node-7", address, podCidrs: [network], healthAddress: "", routerAddress: "10.200.9.245" });
  };

/** Faults of the ways that packets take. */
export const ROUTING_FAULTS: readonly RecordedFault[] = [
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
    "a node whose CiliumNode was deleted",
    both(
      ({ api }) => {
        const all = valueOf(api.ciliumNodes, []);
        all.splice(
          all.findIndex(({ name }) => name === "cmlead-worker2"),
          1,
        );
      },
      ...[WORKER, "cmlead-control-plane"].flatMap((node) => [
        inNode("routes", (text) => text.replace(new RegExp(`^${PEER_NETWORK} via.*\n`, "m"), ""), node),
        inNode("ipcache", (text) => text.replace(`"${PEER_NODE}/32"`, '"172.18.0.0/15"'), node),
        inNode("ipcache", (text) => text.replace('"10.0.1.161/32"', '"10.0.1.160/31"'), node),
      ]),
    ),
    "nodes",
    "cilium-node-missing",
    /no CiliumNode cmlead-worker2/,
  ],
  [
    "a CiliumNode without a Node, with another node's pod network",
    both(
      addedCiliumNode(PEER_NETWORK),
      inNode("routes", (text) => text.replace(` via ${PEER_NODE} `, " via 172.18.0.99 "), WORKER),
      inNode(
        "ipcache",
        (text) =>
          text
            .replace("{", '{"172.18.0.99/32": ["identity=6 encryptkey=0 tunnelendpoint=0.0.0.0"],')
            .replaceAll("tunnelendpoint=172.18.0.3", "tunnelendpoint=172.18.0.99"),
        WORKER,
      ),
    ),
    "nodes",
    "cilium-node-foreign",
    /CiliumNodes cmlead-worker2 and old-node-7 have 10\.0\.1\.0\/24/,
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
    "pings between pods of which some are lost",
    ({ traffic }) => {
      traffic!.pods.find(({ node }) => node === WORKER)!.pinged!.lost = "8% packet loss";
    },
    "packet-path",
    "packet-loss",
    /on cmlead-\S+: 8% packet loss/,
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
    "a policy of IPsec",
    inNode("xfrm", () => "src 0.0.0.0/0 dst 10.0.2.0/24 \n\tdir out action block priority 0 \n", WORKER),
    "routes",
    "rule-foreign",
    /an IPsec policy that is not Cilium's/,
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
];
