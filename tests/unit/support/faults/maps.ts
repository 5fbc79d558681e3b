import { valueOf } from "../../../../datapath/evidence/api";
import { both, inCounters, inNode } from "../evidence";
import { WORKER, OWN, PEER, PEER_NODE, type RecordedFault } from "./fault";

/** Faults of BPF maps. */
export const MAP_FAULTS: readonly RecordedFault[] = [
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
    "a node missing in the ipcache",
    inNode("ipcache", (text) => text.replace(`"${PEER_NODE}/32"`, '"172.18.9.9/32"'), WORKER),
    "datapath-maps",
    "ipcache-stale",
    /another identity, or are sent to another node/,
  ],
  [
    "no UDP port of the workload's service in the BPF map",
    inNode("lb", (text) => text.replaceAll(/^.*80\/UDP.*\n/gm, ""), WORKER),
    "service-map",
    "service-map-stale",
    /BPF service map differs/,
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
        text.replace(/^10\.96\.\d+\.\d+:80\/TCP \(3\).*\n/m, "").replace(/^(10\.96\.\d+\.\d+:80)\/UDP \(3\).*\n/m, ""),
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
];
