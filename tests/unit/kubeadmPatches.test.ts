import { kubeadmPatchProblems } from "../../modes/kubeadmPatches";

const NONE = { hasNodeLabels: false, hasFeatureGates: false, apiServerAddress: "127.0.0.1", shownAddress: "127.0.0.1" };
const ALL = { ...NONE, hasNodeLabels: true, hasFeatureGates: true };

const patch = (kind: string, content: object) => JSON.stringify({ kind, ...content });
const kubelet = (kubeletExtraArgs: unknown) => patch("InitConfiguration", { nodeRegistration: { kubeletExtraArgs } });
const labels = kubelet({ "node-labels": "ingress-ready=true" });
const apiServer = (content: object) => patch("ClusterConfiguration", { apiServer: content });
const gates = apiServer({ extraArgs: [{ name: "feature-gates", value: "AllAlpha=true" }] });

describe("kubeadmPatchProblems", () => {
  it.each([
    ["a kubelet's setting", "kind: KubeletConfiguration\nmaxPods: 60\n"],
    [
      "a kubelet's switches and texts as YAML 1.1 has them",
      'kind: KubeletConfiguration\nserializeImagePulls: no\npodPidsLimit: 1_000\nmaxPods:\nevictionHard: {memory.available: "100"}\nfeatureGates: {X: on}',
    ],
    ["an apiVersion", "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\netcd: {local: {dataDir: /x}}"],
    ["labels as kind's documentation has them", labels],
    ["arguments by name", apiServer({ extraArgs: { "audit-log-path": "/x" } })],
    ["a list of arguments", gates],
    ["names of the certificate that keep the address", apiServer({ certSANs: ["lab.example", "127.0.0.1"] })],
    ["a pool's neighbour", patch("ClusterConfiguration", { networking: {} })],
  ])("accepts %s", (_case, text) => {
    expect(kubeadmPatchProblems(text, NONE)).toEqual([]);
  });

  const KINDS =
    "must have a kind, one of ClusterConfiguration, InitConfiguration, JoinConfiguration, KubeletConfiguration, KubeProxyConfiguration: kind ignores other patches";
  const own = (path: string, kind: string, fix: string) =>
    `must not set ${path} of ${kind}, which kind or this project sets; ${fix}`;
  const ARGUMENTS = "nodeRegistration.kubeletExtraArgs";

  it.each<[string, string, string[]]>([
    ["text that is not YAML", "kind: [", [expect.stringMatching(/^is not YAML: .+/)]],
    [
      "two documents",
      "kind: KubeletConfiguration\n---\nkind: JoinConfiguration",
      ["must be one YAML document; make a patch of each"],
    ],
    ["no kind", "maxPods: 60", [KINDS]],
    ["a text", "KubeletConfiguration", [KINDS]],
    [
      "a kubelet's number as text",
      'kind: KubeletConfiguration\nmaxPods: "60"',
      ["must have a number without quotes in maxPods: the kubelet cannot read anything else there"],
    ],
    [
      "a kubelet's switches as text, and a text as number",
      patch("KubeletConfiguration", {
        registerNode: "true",
        featureGates: { X: 1 },
        evictionHard: { "nodefs.available": 10 },
      }),
      [
        "must have true or false without quotes in registerNode: the kubelet cannot read anything else there",
        "must have true or false without quotes in featureGates.X: the kubelet cannot read anything else there",
        "must have a text in quotes in evictionHard.nodefs.available: the kubelet cannot read anything else there",
      ],
    ],
    ["a misspelt kind", "kind: KubeletConfigration", [`${KINDS}; did you mean "KubeletConfiguration"?`]],
    [
      "the pods' and the services' network",
      patch("ClusterConfiguration", { networking: { podSubnet: "10.9.0.0/16", serviceSubnet: null } }),
      [
        own("networking.podSubnet", "ClusterConfiguration", "set cluster.podCidr"),
        own("networking.serviceSubnet", "ClusterConfiguration", "set cluster.serviceCidr"),
      ],
    ],
    [
      "a removed section",
      patch("ClusterConfiguration", { networking: null }),
      [own("networking", "ClusterConfiguration", "set only what is below it")],
    ],
    [
      "kube-proxy's mode",
      patch("KubeProxyConfiguration", { mode: "ipvs" }),
      [own("mode", "KubeProxyConfiguration", "set kubeProxy.mode")],
    ],
    [
      "a node's address",
      kubelet({ "node-ip": "1.2.3.4" }),
      [own(`${ARGUMENTS}.node-ip`, "InitConfiguration", "remove it")],
    ],
    [
      "a list in place of kind's",
      kubelet([{ name: "v", value: "4" }]),
      [own(ARGUMENTS, "InitConfiguration", "patch KubeletConfiguration instead")],
    ],
    [
      "a listed argument",
      patch("ClusterConfiguration", { controllerManager: { extraArgs: [{ name: "cluster-cidr", value: "x" }] } }),
      [own("controllerManager.extraArgs.cluster-cidr", "ClusterConfiguration", "set cluster.podCidr")],
    ],
    [
      "skipped phases",
      patch("InitConfiguration", { skipPhases: ["preflight"] }),
      [own("skipPhases", "InitConfiguration", "remove it")],
    ],
    [
      "labels beside cluster.nodeLabels",
      labels,
      [own(`${ARGUMENTS}.node-labels`, "InitConfiguration", "set cluster.nodeLabels")],
    ],
    [
      "feature gates beside cluster.featureGates",
      gates,
      [own("apiServer.extraArgs.feature-gates", "ClusterConfiguration", "set cluster.featureGates")],
    ],
    [
      "a version that kind never writes",
      "apiVersion: kubelet.config.k8s.io/v1alpha1\nkind: KubeletConfiguration\nmaxPods: 60",
      ["must have an apiVersion that kind writes, since it ignores other patches; remove apiVersion"],
    ],
    ["an unknown alias", "kind: KubeletConfiguration\nfoo: *nope", [expect.stringMatching(/^is not YAML: .*nope$/)]],
    [
      "names of the certificate without the address",
      apiServer({ certSANs: ["lab.example"] }),
      ["must list 127.0.0.1 in apiServer.certSANs, by which this machine reaches the API server; add it"],
    ],
  ])("refuses %s", (_case, text, problems) => {
    expect(kubeadmPatchProblems(text, ALL)).toEqual(problems);
  });
});
