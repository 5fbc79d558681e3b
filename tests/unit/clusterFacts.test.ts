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

  it("contain the pods' networks of Kubernetes and of an installed Cilium, and the services' network", () => {
    const spec = {
      containers: [{ name: "a", command: ["kube-apiserver", "--service-cluster-ip-range=fd00::/112,10.96.0.0/12"] }],
    };
    const withPods = (podCIDRs: string[]): V1Node => ({ ...node("w1", {}, "172.18.0.3"), spec: { podCIDRs } });
    const facts = factsOf({
      ...EVIDENCE,
      nodes: [withPods(["10.244.1.0/24", "fd00:1::/64"]), { ...node("w2", {}), spec: { podCIDR: "10.244.2.0/24" } }],
      systemPods: [{ metadata: { name: "kube-apiserver-cp" }, spec }],
      ciliumConfig: {
        ipam: "cluster-pool",
        "cluster-pool-ipv4-cidr": "10.0.0.0/8",
        "cluster-pool-ipv4-mask-size": "25",
      },
      ciliumPodCidrs: ["10.0.1.0/25"],
    });
    expect(facts.nodes.map(({ podCidrs }) => podCidrs)).toEqual([["10.244.1.0/24"], ["10.244.2.0/24"]]);
    expect(facts.serviceCidr).toBe("10.96.0.0/12");
    expect(facts.cilium).toEqual({
      ipam: "cluster-pool",
      podCidr: "10.0.0.0/8",
      podCidrMaskSize: 25,
      nodePodCidrs: ["10.0.1.0/25"],
    });
    const kubernetes = factsOf({ ...EVIDENCE, ciliumConfig: { ipam: "kubernetes", "cluster-pool-ipv4-cidr": null } });
    expect(kubernetes.cilium).toEqual({ ipam: "kubernetes", nodePodCidrs: [] });
    const dual = factsOf({ ...EVIDENCE, ciliumConfig: { ipam: "kubernetes", "enable-ipv6": "true" } });
    expect(dual.cilium).toMatchObject({ hasIpv6: true });
  });

  it("have no API server if the service kubernetes has no IPv4 endpoint", () => {
    const [six] = EVIDENCE.apiServers;
    expect(factsOf({ ...EVIDENCE, apiServers: [six!] }).apiServer).toBeUndefined();
    expect(factsOf({ ...EVIDENCE, apiServers: [] }).apiServer).toBeUndefined();
  });
});
