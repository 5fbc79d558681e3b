import { hostsToml, kindConfig } from "../../modes/kindConfig";

describe("kindConfig", () => {
  const config = kindConfig({
    name: "c1",
    nodeImage: "img",
    workers: 2,
    kubeProxyMode: "none",
    podCidr: "10.0.0.0/16",
    serviceCidr: "10.96.0.0/16",
    mounts: [
      { hostPath: "/h", containerPath: "/c" },
      { hostPath: "/r", containerPath: "/d", readOnly: true },
    ],
    portMappings: [
      { node: "worker-2", containerPort: 80, hostPort: 8080, listenAddress: "127.0.0.1", protocol: "TCP" },
    ],
  });

  it("has no CNI, the mode's kube-proxy, all mounts on all nodes, and port mappings on their node", () => {
    const node = (role: string, extraPortMappings: object[] = []) => ({
      role,
      image: "img",
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
      },
      nodes: [
        node("control-plane"),
        node("worker"),
        node("worker", [{ containerPort: 80, hostPort: 8080, listenAddress: "127.0.0.1", protocol: "TCP" }]),
      ],
    });
  });

  it("configures certs.d in every version of containerd's configuration", () => {
    const patches = config["containerdConfigPatches"] as string[];
    expect(patches.map((patch) => /^version = (\d)/.exec(patch)?.[1])).toEqual(["2", "3", "4"]);
    for (const patch of patches) expect(patch).toContain('config_path = "/etc/containerd/certs.d"');
  });

  it("hostsToml directs pulls to the mirrors in their order, then to the registry", () => {
    expect(hostsToml("docker.io", { endpoints: ["https://a.example", "http://b.example:5000"], insecure: true })).toBe(
      `server = "https://registry-1.docker.io"

[host."https://a.example"]
  capabilities = ["pull", "resolve"]
  skip_verify = true

[host."http://b.example:5000"]
  capabilities = ["pull", "resolve"]
  skip_verify = true
`,
    );
    expect(hostsToml("harbor.example", { endpoints: ["https://m"], insecure: false })).toBe(
      'server = "https://harbor.example"\n\n[host."https://m"]\n  capabilities = ["pull", "resolve"]\n',
    );
  });
});
