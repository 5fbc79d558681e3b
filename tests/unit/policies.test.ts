import type { StackValidationPolicy, ResourceValidationPolicy } from "@pulumi/policy";
import { clusterNameLength, noOpenPorts, noUnpinnedImages, oneMode } from "../../policies/rules";

interface Seen {
  readonly type: string;
  readonly props: Record<string, unknown>;
}

const cluster = (props: Record<string, unknown>): Seen => ({ type: "kind:index:Cluster", props });
const installation = (version: string): Seen => ({ type: "kind:index:CiliumInstallation", props: { version } });
const release = (values: object): Seen => ({
  type: "kubernetes:helm.sh/v3:Release",
  props: { name: "cilium", values },
});

function ofStack({ validateStack }: StackValidationPolicy, ...resources: Seen[]): string[] {
  const reported: string[] = [];
  (validateStack as (args: object, report: (line: string) => void) => void)({ resources }, (line) =>
    reported.push(line),
  );
  return reported;
}

function ofResource({ validateResource }: ResourceValidationPolicy, seen: Seen, config: object = {}): string[] {
  const reported: string[] = [];
  const args = { ...seen, name: "r", getConfig: () => config };
  (validateResource as unknown as (args: object, report: (line: string) => void) => void)(args, (line) =>
    reported.push(line),
  );
  return reported;
}

describe("policies", () => {
  it.each([
    ["1.20.2", 32, 33],
    ["1.12.4", 49, 50],
  ])("cluster-name-length applies the limit of Cilium %s", (version, longest, tooLong) => {
    const named = (length: number) =>
      ofStack(clusterNameLength, cluster({ name: "c".repeat(length) }), installation(version));
    expect(named(longest)).toEqual([]);
    expect(named(tooLong)).toEqual([
      `the cluster's name ${"c".repeat(tooLong)} must have at most ${longest} characters with Cilium ${version} (got ${tooLong})`,
    ]);
  });

  it.each([
    ["nginx", false],
    ["nginx:latest", false],
    ["registry.example:5000/nginx", false],
    ["nginx:1.29", true],
    ["registry.example:5000/nginx:1.29", true],
    ["nginx@sha256:0123", true],
  ])("no-unpinned-images accepts %s: %s", (image, isPinned) => {
    const pod = { template: { spec: { initContainers: [{ image: "a:1" }], containers: [{ image }] } } };
    const reported = [
      ...ofResource(noUnpinnedImages, { type: "kubernetes:apps/v1:DaemonSet", props: { spec: pod } }),
      ...ofResource(noUnpinnedImages, { type: "kubernetes:core/v1:Pod", props: { spec: pod.template.spec } }),
      ...ofResource(noUnpinnedImages, cluster({ nodeImage: image, images: [] })),
      ...ofResource(noUnpinnedImages, { type: "kind:index:NodeImages", props: { images: [image] } }),
    ];
    const line = `${image} can change at any time; use a tag other than latest, or a digest`;
    expect(reported).toEqual(isPinned ? [] : Array(4).fill(line));
  });

  it("no-open-ports reports ports that other machines can reach, unless they are allowed", () => {
    const open = cluster({ portMappings: [{ hostPort: 80, listenAddress: "0.0.0.0" }, { hostPort: 81 }] });
    expect(ofResource(noOpenPorts, open)).toEqual([
      "port 80 listens on 0.0.0.0, which other machines can reach; set listenAddress to 127.0.0.1",
    ]);
    expect(ofResource(noOpenPorts, open, { openPorts: true })).toEqual([]);
    expect(ofResource(noOpenPorts, cluster({ portMappings: [{ listenAddress: "127.0.0.1" }] }))).toEqual([]);
  });

  it.each([
    ["1.20.2", "iptables", "false", false, true],
    ["1.20.2", "nftables", "false", false, true],
    ["1.20.2", "ipvs", "true", true, false],
    ["1.20.2", "none", "true", true, true],
    ["1.12.4", "none", "strict", false, true],
    ["1.12.4", "iptables", "probe", true, true],
    ["1.20.2", "none", "false", false, false],
    ["1.20.2", "iptables", "true", true, false],
    ["1.20.2", "iptables", "false", true, false],
  ])(
    "one-mode accepts Cilium %s, kube-proxy %s, replacement %s, masquerade %s: %s",
    (version, kubeProxyMode, word, masquerade, isOne) => {
      const values = { kubeProxyReplacement: word, bpf: { masquerade } };
      const reported = ofStack(oneMode, cluster({ kubeProxyMode }), installation(version), release(values));
      expect(reported).toEqual(
        isOne
          ? []
          : [
              `kubeProxyReplacement ${word} and bpf.masquerade ${masquerade}, in a cluster with kubeProxyMode ${kubeProxyMode}, match no routing mode`,
            ],
      );
    },
  );

  it.each<[string, string, object, boolean]>([
    ["none", "true", { masquerade: true, hostLegacyRouting: true }, true],
    ["none", "true", { masquerade: "true", hostLegacyRouting: "true" }, true],
    // these pass the host's stack anyway
    ["none", "true", { masquerade: false, hostLegacyRouting: true }, true],
    ["iptables", "probe", { masquerade: true, hostLegacyRouting: false }, true],
    ["iptables", "probe", { masquerade: true, hostLegacyRouting: true }, false],
  ])("one-mode accepts kube-proxy %s, replacement %s and bpf %j: %s", (kubeProxyMode, word, bpf, isOne) => {
    const version = word === "probe" ? "1.12.4" : "1.20.2";
    const values = { kubeProxyReplacement: word, bpf };
    expect(ofStack(oneMode, cluster({ kubeProxyMode }), installation(version), release(values))).toEqual(
      isOne
        ? []
        : [
            "kubeProxyReplacement probe and bpf.masquerade true with bpf.hostLegacyRouting, in a cluster with kubeProxyMode iptables, match no routing mode",
          ],
    );
  });
});
