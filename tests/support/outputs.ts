import type { StackOutputs } from "../../outputs";

/** Of a stack that is up, and verified. */
export const OUTPUTS: StackOutputs = {
  schemaVersion: 1,
  mode: "ebpf",
  clusterName: "c1",
  clusterIdentifier: "5f4a",
  kubeconfig: "k",
  apiEndpoint: "https://127.0.0.1:1",
  nodes: [
    {
      name: "c1-control-plane",
      role: "control-plane",
      address: "172.18.0.2",
      podCidrs: ["10.0.0.0/24"],
      agentPod: "cilium-a",
    },
  ],
  cilium: {
    version: "1.20.2",
    tunnel: "disabled",
    kubeProxyReplacement: true,
    bpfMasquerade: true,
    nativeRoutingCIDR: "10.0.0.0/8",
    podCidr: "10.0.0.0/16",
  },
  verification: {
    verdict: "pass",
    proof: "proven",
    causes: [],
    verifiedAt: "2026-11-26T05:40:00.000Z",
    revision: 1,
    counts: { pass: 1 },
    seconds: 4.2,
    checks: { config: "pass: cluster: 12 keys as asked for" },
  },
  datapath: {
    ...{
      mode: "ebpf",
      differences: [],
      network: "native",
      services: "Cilium",
      hostRouting: "BPF",
      masquerading: "BPF",
    },
    deviations: [{ title: "MTU", verdict: "drift", reason: "c1-worker has 1280", nodes: ["c1-worker"] }],
  },
  nodePortUrls: ["http://172.18.0.2:32000"],
  workload: { namespace: "nettool", daemonSet: "nettool", service: "serversvc", clientPod: "net" },
};
