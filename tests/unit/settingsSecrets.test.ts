import { problemsOf, type Config } from "./support/settings";

describe("a secret value", () => {
  it.each<[string, Config, string[]]>([
    ["a word", { tunnel: "s3cret" }, ["tunnel: must be one of disabled, vxlan, geneve, got a secret value"]],
    ["a misspelt word", { tunnel: "vxlna" }, ["tunnel: must be one of disabled, vxlan, geneve, got a secret value"]],
    ["a network", { "cluster.podCidr": "10.66.1.1/16" }, ["cluster.podCidr: has host bits set, got a secret value"]],
    [
      "a network that overlaps another",
      { "cluster.podCidr": "10.96.0.0/12" },
      [
        "cluster.podCidr: (a secret value) overlaps cluster.serviceCidr 10.96.0.0/16; a pod could get a service's address",
      ],
    ],
    [
      "a number that a label's node exceeds",
      { "cluster.workers": "2", "cluster.nodeLabels": '{"worker-9":{"a":"b"}}' },
      ["cluster.nodeLabels.worker-9: is a node that does not exist; the cluster has (a secret value) workers"],
    ],
    [
      "an address that a certificate lacks",
      {
        "cluster.apiServerAddress": "192.0.2.77",
        "cluster.kubeadmConfigPatches": '[{"kind":"ClusterConfiguration","apiServer":{"certSANs":["a"]}}]',
      },
      [
        "cluster.kubeadmConfigPatches.0: must list (a secret value) in apiServer.certSANs, by which this machine reaches the API server; add it",
      ],
    ],
    [
      "a name",
      { "cluster.name": "s3cret-".repeat(9) + "x" },
      [
        "cluster.name: must have at most 32 characters with Cilium 1.20.2, got (a secret value); set another name; the default is <project>-<stack>",
      ],
    ],
    [
      "part of a secret object",
      { cluster: '{"workers":77}' },
      ["cluster.workers: must be an integer from 0 to 20, got a secret value"],
    ],
    [
      "a key in an object",
      { "bpf.masquerade": "s3cret" },
      ["bpf.masquerade: must be true or false, got a secret value"],
    ],
    ["text that should be JSON", { cluster: "{s3cret" }, ["cluster: must be an object, got a secret value"]],
  ])("is not shown in a message about %s", (_case, config, lines) => {
    expect(problemsOf(config, Object.keys(config))).toEqual(lines.map((line) => `  - ${line}`));
  });

  it("is not shown in a message about a Helm value that contradicts it", () => {
    const values = '{"ipam":{"operator":{"clusterPoolIPv4PodCIDRList":["10.78.0.0/16"]}}}';
    expect(problemsOf({ "cluster.podCidr": "10.77.0.0/16", "cilium.values": values }, ["cluster.podCidr"])).toEqual([
      expect.stringContaining("is a secret value according to the setting cluster.podCidr, got a secret value"),
    ]);
  });

  it("is not shown where a mirror's credentials are in a text that is no JSON", () => {
    const text = '{"m":{"endpoints":[{"url":"https://m","authorization":"Basic S3CRET"';
    expect(problemsOf({ "cluster.registryMirrors": text })).toEqual([
      "  - cluster.registryMirrors: must be an object of registries; it is not valid JSON",
    ]);
  });

  it("does not hide other values", () => {
    expect(problemsOf({ "cluster.name": "ok", "cluster.workers": "77" }, ["cluster.name"])).toEqual([
      '  - cluster.workers: must be an integer from 0 to 20, got "77"',
    ]);
  });

  it("is not shown in a message about the object that contains it", () => {
    const config = { cilium: '{"images":[]}', "cilium.images.0": "s3cret" };
    expect(problemsOf(config, ["cilium.images.0"])).toEqual([
      "  - cilium.images: must be an object, got a secret value",
    ]);
  });
});
