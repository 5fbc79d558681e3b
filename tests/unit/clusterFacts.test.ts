import type { V1Node } from "@kubernetes/client-node";
import type { ClusterOverview } from "../../cluster/read";
import { factsOf } from "../../datapath/clusterFacts";

const node = (name: string, labels: Record<string, string>, ...addresses: string[]): V1Node => ({
  metadata: { name, labels },
  status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
});

const EVIDENCE: ClusterOverview = {
  identity: "5f4a",
  endpoint: "https://127.0.0.1:6443",
  nodes: [
    node("w10", {}, "172.18.0.12"),
    node("w9", {}, "fc00::9", "172.18.0.11"),
    node("cp", { "node-role.kubernetes.io/control-plane": "" }, "172.18.0.2"),
    node("six", {}, "fc00::6"),
  ],
  systemPods: [{ metadata: { name: "etcd-cp", labels: { component: "etcd" } } }],
  daemonSets: [{ metadata: { namespace: "kube-system", name: "cilium" } }],
  apiServers: [
    { addressType: "IPv6", endpoints: [{ addresses: ["fc00::2"] }], ports: [{ port: 6443 }] },
    { addressType: "IPv4", endpoints: [{ addresses: ["172.18.0.2"] }], ports: [{ port: 6443 }] },
  ],
  serviceAddress: "10.96.0.1",
};

describe("the facts of an external cluster", () => {
  it("contain its nodes with their IPv4 addresses, and the API server's address", () => {
    expect(factsOf(EVIDENCE)).toEqual({
      identity: "5f4a",
      endpoint: "https://127.0.0.1:6443",
      apiServer: { host: "172.18.0.2", port: 6443 },
      nodes: [
        { name: "cp", role: "control-plane", address: "172.18.0.2" },
        { name: "six", role: "worker", address: "" },
        { name: "w9", role: "worker", address: "172.18.0.11" },
        { name: "w10", role: "worker", address: "172.18.0.12" },
      ],
      kubeProxy: false,
      otherNetwork: undefined,
      serviceAddress: "10.96.0.1",
    });
  });

  it.each([
    ["kubeadm's label", { name: "p", labels: { "k8s-app": "kube-proxy" } }],
    ["the label of other installers", { name: "p", labels: { component: "kube-proxy" } }],
    ["a static pod's name", { name: "kube-proxy-node-1" }],
  ])("recognize kube-proxy by %s", (_by, metadata) => {
    expect(factsOf({ ...EVIDENCE, systemPods: [{ metadata }] }).kubeProxy).toBe(true);
  });

  it.each(["kindnet", "calico-node", "kube-flannel-ds", "kube-flannel-ds-amd64", "rke2-canal"])(
    "recognize the network plugin %s by its DaemonSet",
    (name) => {
      const daemonSets = [{ metadata: { namespace: "kube-system", name } }];
      expect(factsOf({ ...EVIDENCE, daemonSets }).otherNetwork).toBe(`kube-system/${name}`);
    },
  );

  it("have no API server if the service kubernetes has no IPv4 endpoint", () => {
    const [six] = EVIDENCE.apiServers;
    expect(factsOf({ ...EVIDENCE, apiServers: [six!] }).apiServer).toBeUndefined();
    expect(factsOf({ ...EVIDENCE, apiServers: [] }).apiServer).toBeUndefined();
  });
});
