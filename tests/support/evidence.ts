import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import { expectedEvidence } from "../../modes/evidence";
import { at } from "../../modes/tree";
import { ciliumArgs } from "../../settings/ciliumArgs";
import type { Settings } from "../../settings/parse";
import { containersOf, inAgent, inNode, kubectl } from "./lab";

/** Hold a running cluster against its contract: every agent's status, `cilium-config`, kube-proxy and the nodes' routes. */
export function expectContract(settings: Settings): void {
  const cluster = settings.cluster.name;
  const args = ciliumArgs(settings);
  const { statusJson, statusRows, kubeProxy, nodeRoutes, tunnelDevice, serviceMap } = expectedEvidence(args);

  const expected = expectedCiliumConfig(args);
  const { data } = JSON.parse(
    kubectl(cluster, "-n", "kube-system", "get", "configmap", "cilium-config", "-o", "json"),
  ) as {
    data: Record<string, string>;
  };
  expect(Object.fromEntries(Object.keys(expected).map((key) => [key, data[key] ?? null]))).toEqual(expected);

  const agents = inAgent(cluster, "cilium", "status", "-o", "json").map((text) => JSON.parse(text) as unknown);
  expect(agents).toHaveLength(settings.cluster.workers + 1);
  for (const status of agents) {
    const found = Object.fromEntries(
      Object.keys(statusJson).map((path) => [path, String(at(status, path.split("."))).toLowerCase()]),
    );
    expect(found).toEqual(
      Object.fromEntries(Object.entries(statusJson).map(([path, word]) => [path, word.toLowerCase()])),
    );
  }
  for (const text of inAgent(cluster, "cilium", "status"))
    for (const row of statusRows) expect(text).toMatch(new RegExp(row, "m"));
  for (const text of inAgent(cluster, "cilium", "service", "list"))
    expect(/^\d+ +0\.0\.0\.0:\d+\S* +NodePort/m.test(text)).toBe(serviceMap.nodePort === "present");

  const proxies = kubectl(cluster, "-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-proxy", "-o", "name");
  const proxyCount = proxies.split("\n").filter(Boolean).length;
  expect(proxyCount).toBe(kubeProxy.pods === "none" ? 0 : agents.length);
  const inIptables = kubeProxy.chains === "present" && (kubeProxy.mode ?? "iptables") === "iptables";
  // agents run in their node's network
  for (const rules of inAgent(cluster, "iptables-save", "-t", "nat"))
    expect(/^:KUBE-(SVC|SEP|NODEPORTS)/m.test(rules)).toBe(inIptables);
  if (kubeProxy.mode === "nftables")
    for (const node of containersOf(cluster))
      expect(inNode(node, "nft", "list", "tables")).toMatch(/^table ip kube-proxy$/m);
  for (const routes of inAgent(cluster, "ip", "route")) {
    const remote = ROUTES[nodeRoutes];
    expect(routes.split("\n").filter((route) => remote.test(route))).toHaveLength(settings.cluster.workers);
  }
  for (const links of inAgent(cluster, "ip", "-o", "link"))
    expect(/ cilium_(vxlan|geneve)[@:]/.exec(links)?.[0].slice(1, -1) ?? "none").toBe(tunnelDevice);
}

/** A node's routes to the other nodes' pods; those by cilium_host alone have a tunnel's MTU. */
const ROUTES = {
  "via the other node dev eth0": /^10\.0\.\d+\.0\/24 via 172\.\d+\.\d+\.\d+ dev eth0/,
  "via cilium_host dev cilium_host": /^10\.0\.\d+\.0\/24 via 10\.0\.\d+\.\d+ dev cilium_host .*mtu 14\d\d/,
  "via the other node": /^10\.0\.\d+\.0\/24 via 172\./,
  "not Cilium's": /^10\.0\.\d+\.0\/24 via 172\./,
} as const;
