import { kindConfig } from "../../modes/kindConfig";

describe("kindConfig", () => {
  const config = kindConfig({
    name: "c1",
    nodeImage: "img",
    workers: 2,
    kubeProxyMode: "none",
    podCidr: "10.0.0.0/16",
    serviceCidr: "10.96.0.0/16",
    nodeLabels: { "worker-1": { "example.com/rack": "a" } },
    featureGates: { AllAlpha: false },
    kubeadmConfigPatches: ["kind: KubeletConfiguration"],
    apiServerAddress: "127.0.0.1",
    apiServerPort: 6443,
    mounts: [
      { hostPath: "/h", containerPath: "/c" },
      { hostPath: "/r", containerPath: "/d", readOnly: true },
    ],
    portMappings: [
      { node: "worker-2", containerPort: 80, hostPort: 8080, listenAddress: "127.0.0.1", protocol: "TCP" },
    ],
  });

  it("has no CNI, the mode's kube-proxy, all mounts on all nodes, and port mappings and labels on their node", () => {
    const node = (role: string, labels = {}, extraPortMappings: object[] = []) => ({
      role,
      image: "img",
      labels,
      extraMounts: [
        { hostPath: "/h", containerPath: "/c", readOnly: false },
        { hostPath: "/r", containerPath: "/d", readOnly: true },
      ],
      extraPortMappings,
    });
    expect({ ...config, containerdConfigPatches: undefined }).toEqual({
      kind: "Cluster",
      apiVersion: "kind.x-k8s.io/v1alpha4",
      name: "c1",
      networking: {
        disableDefaultCNI: true,
        kubeProxyMode: "none",
        podSubnet: "10.0.0.0/16",
        serviceSubnet: "10.96.0.0/16",
        apiServerAddress: "127.0.0.1",
        apiServerPort: 6443,
      },
      featureGates: { AllAlpha: false },
      kubeadmConfigPatches: ["kind: KubeletConfiguration"],
      nodes: [
        node("control-plane"),
        node("worker", { "example.com/rack": "a" }),
        node("worker", {}, [{ containerPort: 80, hostPort: 8080, listenAddress: "127.0.0.1", protocol: "TCP" }]),
      ],
    });
  });

  it("has both families where the cluster has them", () => {
    const networks = { podCidr: "10.0.0.0/16,fd00:10::/56", serviceCidr: "10.96.0.0/16,fd00:10:96::/112" };
    const given = { name: "c1", nodeImage: "img", workers: 0, kubeProxyMode: "none", ...networks };
    const others = { nodeLabels: {}, featureGates: {}, kubeadmConfigPatches: [], mounts: [], portMappings: [] };
    const args = { ...given, ...others, apiServerAddress: "127.0.0.1", apiServerPort: 0 };
    expect(kindConfig({ ...args, ipFamily: "dual" })["networking"]).toMatchObject({
      ipFamily: "dual",
      podSubnet: networks.podCidr,
      serviceSubnet: networks.serviceCidr,
    });
    expect(kindConfig({ ...args, ipFamily: "ipv4" })["networking"]).not.toHaveProperty("ipFamily");
  });

  it("configures certs.d in every version of containerd's configuration", () => {
    const patches = config["containerdConfigPatches"] as string[];
    expect(patches.map((patch) => /^version = (\d)/.exec(patch)?.[1])).toEqual(["2", "3", "4"]);
    for (const patch of patches) expect(patch).toContain('config_path = "/etc/containerd/certs.d"');
  });
});
