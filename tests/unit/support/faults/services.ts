import { valueOf } from "../../../../datapath/evidence/api";
import { both, failing, inNode, inPod } from "../evidence";
import { WORKER, PEER, queried, resolving, type RecordedFault } from "./fault";

/** Faults of Services, DNS and health. */
export const SERVICE_FAULTS: readonly RecordedFault[] = [
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
    "a pod whose HostPort is the workload's NodePort",
    both(
      inNode("services", (text) => text.replace(/(0\.0\.0\.0:32000\/TCP +)NodePort/, "$1HostPort"), WORKER),
      ({ api }) => {
        if ("error" in api.pods || "error" in api.ciliumEndpoints) return;
        const [pods, endpoints] = [api.pods.value, api.ciliumEndpoints.value];
        const pod = pods.find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!;
        const own = { namespace: "shop", name: "cart", address: "10.0.1.99" };
        pods.push({ ...pod, ...own, labels: {}, hostPorts: [32000] });
        endpoints.push({ ...endpoints[0]!, ...own });
      },
    ),
    "service-map",
    "host-port-taken",
    /delete pod cart.*the pod shop\/cart takes the port 32000 of cmlead-worker, which is the NodePort of the Service nettool\/serversvc/,
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
    "a CiliumEndpoint without a pod, with the gateway's address",
    ({ api }) => {
      const all = valueOf(api.ciliumEndpoints, []) as { name: string; address: string }[];
      all.push({ ...all.find(({ name }) => name === "net")!, name: "copy", address: "172.18.0.1" });
    },
    "workload",
    "endpoint-foreign",
    /delete ciliumendpoint copy".*CiliumEndpoint nettool\/copy belongs to no pod/,
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
    "health endpoints that one node does not reach",
    inNode("health", () => "0\n2\n4\n", WORKER),
    "health",
    "packet-loss",
    /no answer from the health endpoint of cmlead-control-plane/,
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
];
