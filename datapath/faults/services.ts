import { deletedEntry, kube, manifest, patched, WITHOUT_KUBE_PROXY, type Fault } from "./fault";

const PORTS = "{.spec.ports[*].nodePort} {.spec.ports[*].targetPort} {.spec.ports[*].protocol}";
const port = (name: string, protocol: string, target = 80, node = "$node_port") =>
  `{"name":"${name}","protocol":"${protocol}","port":80,"targetPort":${target},"nodePort":${node}}`;
const ports = (...list: string[]) => `{"spec":{"ports":[${list.join(",")}]}}`;
const AS_BEFORE = ports(port("cni", "TCP"), port("udp", "UDP"));

/** Change the workload's Service, and change it back. */
const service = (patch: string, back: string, shown: string) =>
  patched("service/serversvc", "nettool", patch, back, shown);

/** The key of a frontend in Cilium's service map: address, port, slot, protocol, scope. */
const frontend = (address: string, number: string, slot: number, protocol = "06") =>
  `$(address_bytes ${address}) $(port_bytes ${number}) ${slot.toString(16).padStart(2, "0")} 00 ${protocol} 00 00 00`;

/** The slices that Kubernetes makes from the workload's pods. */
const OWN_SLICES =
  "kubernetes.io/service-name=serversvc,endpointslice.kubernetes.io/managed-by=endpointslice-controller.k8s.io";

/** A second EndpointSlice of a Service, with one endpoint where nothing answers. */
export const foreignSlice = (
  namespace: string,
  owner: string,
  portList: string,
  address: string,
  family: "IPv4" | "IPv6" = "IPv4",
) =>
  manifest(
    "endpointslice/drill",
    `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: drill, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${owner}, endpointslice.kubernetes.io/managed-by: drill}}
addressType: ${family}
ports: [${portList}]
endpoints: [{addresses: ["${address}"], conditions: {ready: true}}]`,
    namespace,
  );

/** Take an endpoint out of the slice of a family. Nobody corrects a slice that has no selector. */
export function incompleteSlice(family: "IPv4" | "IPv6") {
  const ofFamily = `jsonpath='{.items[?(@.addressType=="${family}")]`;
  return {
    // without a selector a slice is mirrored from the Endpoints object, as long as there is one
    inject: kube(`kubectl -n nettool patch service serversvc --type=merge -p '{"spec":{"selector":null}}' >/dev/null
kubectl -n nettool delete endpoints serversvc --ignore-not-found >/dev/null 2>&1; sleep 2
slice=$(kubectl -n nettool get endpointslices -l ${OWN_SLICES} -o ${ofFamily}.metadata.name}')
kubectl -n nettool patch endpointslice $slice --type=json -p '[{"op":"remove","path":"/endpoints/0"}]' >/dev/null; sleep 1`),
    undo: kube(
      `kubectl -n nettool patch service serversvc --type=merge -p '{"spec":{"selector":{"app":"nettool"}}}' >/dev/null
kubectl -n nettool delete endpointslices -l kubernetes.io/service-name=serversvc >/dev/null; sleep 3`,
    ),
    probe: kube(
      `kubectl -n nettool get endpointslices -l ${OWN_SLICES} -o ${ofFamily}.endpoints[*].addresses[0]}' | wc -w`,
    )[0]!,
  };
}

/** Services, their backends, and what agents made of them. */
export const SERVICE_FAULTS: readonly Fault[] = [
  {
    name: "selector-matches-nothing",
    class: "services",
    title: "The workload's Service selects no pod.",
    teaches: "The ClusterIP and the NodePort exist and refuse every connection: a label was renamed.",
    expect: ["service-changed", "endpoints-incomplete"],
    ...service(
      `{"spec":{"selector":{"app":"nobody"}}}`,
      `{"spec":{"selector":{"app":"nettool"}}}`,
      "{.spec.selector.app}",
    ),
  },
  {
    name: "selector-matches-some",
    class: "services",
    title: "The workload's Service selects two of three pods.",
    teaches: "Everything answers, and one pod never gets a request.",
    expect: ["service-changed", "endpoints-incomplete"],
    inject: kube(
      `kubectl -n nettool label pod $peer_pod drill=yes --overwrite >/dev/null; kubectl -n nettool patch service serversvc --type=merge -p '{"spec":{"selector":{"drill":"yes"}}}' >/dev/null; sleep 1`,
    ),
    undo: kube(
      `kubectl -n nettool patch service serversvc --type=merge -p '{"spec":{"selector":{"drill":null}}}' >/dev/null; kubectl -n nettool label pod $peer_pod drill- >/dev/null; sleep 1`,
    ),
    probe: kube("kubectl -n nettool get service serversvc -o jsonpath='{.spec.selector}'")[0]!,
  },
  {
    name: "endpoint-slice-incomplete",
    class: "services",
    title: "One pod is missing from the Service's EndpointSlice.",
    teaches:
      "Pods and Service look right, and one backend gets no request. Nobody corrects a slice that has no selector.",
    expect: ["endpoints-incomplete", "service-changed"],
    ...incompleteSlice("IPv4"),
  },
  {
    name: "endpoint-slice-foreign",
    class: "services",
    title: "Another EndpointSlice adds a backend that does not exist.",
    teaches: "One in four connections to the Service times out.",
    expect: ["endpoints-incomplete", "service-changed", "service-map-stale"],
    ...foreignSlice(
      "nettool",
      "serversvc",
      "{name: cni, port: 80, protocol: TCP}, {name: udp, port: 80, protocol: UDP}",
      "$(echo $node_pods | sed 's|[0-9]*/.*|250|')",
    ),
  },
  {
    name: "node-port-changed",
    class: "services",
    title: "The Service has another NodePort than the stack asks for.",
    teaches: "Clients and firewalls know the old number, which refuses connections now.",
    expect: ["service-changed"],
    ...service(ports(port("cni", "TCP", 80, "32767"), port("udp", "UDP", 80, "32767")), AS_BEFORE, PORTS),
  },
  {
    name: "target-port-wrong",
    class: "services",
    title: "The Service sends requests to port 81 of its pods.",
    teaches: "The Service has three ready backends, and every connection is refused.",
    expect: ["service-changed"],
    ...service(ports(port("cni", "TCP", 81), port("udp", "UDP", 81)), AS_BEFORE, PORTS),
  },
  {
    name: "udp-port-missing",
    class: "services",
    title: "The Service lost its UDP port.",
    teaches: "HTTP answers and UDP does not, since nothing translates it.",
    expect: ["service-changed"],
    ...service(ports(port("cni", "TCP")), AS_BEFORE, PORTS),
  },
  {
    name: "external-traffic-local",
    class: "services",
    title:
      "The Service answers from outside only by pods of the node that receives the request (externalTrafficPolicy Local).",
    teaches: "Clients keep their address. A node without a backend answers nobody, which shows after the next rollout.",
    expect: ["service-changed"],
    ...service(
      `{"spec":{"externalTrafficPolicy":"Local"}}`,
      `{"spec":{"externalTrafficPolicy":"Cluster"}}`,
      "{.spec.externalTrafficPolicy}",
    ),
  },
  {
    name: "internal-traffic-local",
    class: "services",
    title: "The ClusterIP is answered by pods of the client's own node only (internalTrafficPolicy Local).",
    teaches: "Each pod reaches one backend only, and nothing is balanced across nodes.",
    expect: ["service-changed", "endpoints-incomplete"],
    ...service(
      `{"spec":{"internalTrafficPolicy":"Local"}}`,
      `{"spec":{"internalTrafficPolicy":"Cluster"}}`,
      "{.spec.internalTrafficPolicy}",
    ),
  },
  {
    name: "node-port-taken",
    class: "services",
    title: "Another Service takes the port of one worker's Hubble (externalIPs).",
    teaches: "Whoever asks that node for Hubble gets a pod's answer. Nothing in the node or the workload has changed.",
    expect: ["service-changed"],
    modes: WITHOUT_KUBE_PROXY,
    ...manifest(
      "service/drill",
      `apiVersion: v1
kind: Service
metadata: {name: drill, namespace: default}
spec: {ports: [{port: 4244, targetPort: 80, protocol: TCP}], externalIPs: ["$node_address"]}`,
      "default",
    ),
  },
  {
    name: "session-affinity",
    class: "services",
    title: "The Service binds each client to one backend (sessionAffinity ClientIP).",
    teaches: "A client never reaches the other backends for three hours: load is not balanced.",
    expect: ["service-changed", "endpoints-incomplete"],
    ...service(
      `{"spec":{"sessionAffinity":"ClientIP"}}`,
      `{"spec":{"sessionAffinity":"None","sessionAffinityConfig":null}}`,
      "{.spec.sessionAffinity}",
    ),
  },
  {
    name: "backend-slot-missing",
    class: "services",
    title: "One backend of the ClusterIP is missing from one agent's service map.",
    teaches: "Pods on that node lose one in three connections to the Service.",
    expect: ["service-map-stale", "endpoints-incomplete"],
    ...deletedEntry("cilium_lb4_services_v2", frontend("$cluster_ip", "80", 2)),
  },
  {
    name: "cluster-ip-missing",
    class: "services",
    title: "The ClusterIP is missing from one agent's service map.",
    teaches: "Pods on that node cannot reach the Service; on all others it answers.",
    expect: ["service-map-stale"],
    ...deletedEntry("cilium_lb4_services_v2", frontend("$cluster_ip", "80", 0)),
  },
  {
    name: "node-port-missing",
    class: "services",
    title: "The NodePort of one worker's address is missing from its service map.",
    teaches: "The NodePort answers on all nodes but one.",
    expect: ["service-map-stale"],
    modes: WITHOUT_KUBE_PROXY,
    ...deletedEntry("cilium_lb4_services_v2", frontend("$node_address", "$node_port", 0)),
  },
  {
    name: "udp-node-port-missing",
    class: "services",
    title: "The NodePort for UDP is missing from one worker's service map.",
    teaches: "The same number answers TCP, so that a look at the port shows nothing.",
    expect: ["service-map-stale"],
    modes: WITHOUT_KUBE_PROXY,
    ...deletedEntry("cilium_lb4_services_v2", frontend("$node_address", "$node_port", 0, "11")),
  },
  {
    name: "api-server-endpoint-foreign",
    class: "services",
    title: "Another EndpointSlice gives the API server's Service a second endpoint, where nothing answers.",
    teaches: "Every second connection of controllers and operators to the API server times out.",
    expect: ["endpoints-incomplete"],
    ...foreignSlice("default", "kubernetes", "{name: https, port: 6443, protocol: TCP}", "172.31.255.254"),
  },
  {
    name: "api-server-service-unserved",
    class: "services",
    title: "The API server's Service has the label of another proxy.",
    teaches: "Cilium and kube-proxy leave it to that proxy, which does not exist: pods no longer reach the API server.",
    expect: ["service-changed"],
    inject: kube(
      "kubectl -n default label service kubernetes service.kubernetes.io/service-proxy-name=nobody --overwrite >/dev/null; sleep 2",
    ),
    undo: kube(
      "kubectl -n default label service kubernetes service.kubernetes.io/service-proxy-name- >/dev/null; sleep 2",
    ),
    probe: kube("kubectl -n default get service kubernetes -o jsonpath='{.metadata.labels}'")[0]!,
  },
  {
    name: "api-server-service-pinned",
    class: "services",
    title: "The API server's Service has an annotation by which only one node serves it, and there is no such node.",
    teaches:
      "Pods no longer reach the API server by its ClusterIP. Nodes and agents use its own address and do not notice.",
    expect: ["service-changed"],
    inject: kube(
      "kubectl -n default annotate service kubernetes service.cilium.io/node=nowhere --overwrite >/dev/null; sleep 2",
    ),
    undo: kube("kubectl -n default annotate service kubernetes service.cilium.io/node- >/dev/null; sleep 2"),
    probe: kube("kubectl -n default get service kubernetes -o jsonpath='{.metadata.annotations}'")[0]!,
  },
  {
    name: "dns-endpoint-foreign",
    class: "services",
    title: "Another EndpointSlice makes a pod of the workload an endpoint of cluster DNS.",
    teaches: "A part of all lookups is lost. The C library asks again, so that names only resolve more slowly.",
    expect: ["endpoints-incomplete"],
    ...foreignSlice(
      "kube-system",
      "kube-dns",
      "{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}",
      "$pod_address",
    ),
  },
  {
    name: "udp-target-port-wrong",
    class: "services",
    title: "The Service's UDP port leads to a port at which no server listens.",
    teaches: "TCP works. Each datagram is answered by an ICMP error that says port unreachable.",
    expect: ["service-changed"],
    ...service(ports(port("cni", "TCP"), port("udp", "UDP", 81)), AS_BEFORE, PORTS),
  },
  {
    name: "pod-address-taken",
    class: "services",
    title: "A Service has the address of a pod as its external IP, and another pod as its endpoint.",
    teaches: "Another pod answers at the pod's own address. Nothing fails: only who answers is wrong.",
    expect: ["service-changed"],
    modes: WITHOUT_KUBE_PROXY,
    inject: kube(`kubectl apply -f - >/dev/null <<X
apiVersion: v1
kind: Service
metadata: {name: drill, namespace: nettool}
spec: {ports: [{port: 80}], externalIPs: [$pod_address]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: drill, namespace: nettool, labels: {kubernetes.io/service-name: drill, endpointslice.kubernetes.io/managed-by: drill}}
addressType: IPv4
ports: [{port: 80, protocol: TCP}]
endpoints: [{addresses: ["$peer_pod_address"], conditions: {ready: true}}]
X
sleep 2`),
    undo: kube("kubectl -n nettool delete service/drill endpointslice/drill --ignore-not-found >/dev/null; sleep 2"),
    probe: kube("kubectl -n nettool get service drill -o name --ignore-not-found")[0]!,
  },
];
