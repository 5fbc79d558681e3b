import { inAgent, manifest, WITHOUT_KUBE_PROXY, type Fault } from "./fault";

/** A CiliumNetworkPolicy for the workload's servers. @param spec in YAML, beside the selector */
export const ciliumPolicy = (spec: string) =>
  manifest(
    "ciliumnetworkpolicy/drill",
    `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: drill, namespace: nettool}
spec:
  endpointSelector: {matchLabels: {app: nettool}}
${spec}`,
  );

const kubernetes = (spec: string) =>
  manifest(
    "networkpolicy/drill",
    `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: drill, namespace: nettool}
spec:
${spec}`,
  );

/** Policies that deny what a verification asks for. */
export const POLICY_FAULTS: readonly Fault[] = [
  {
    name: "policy-without-world",
    class: "policy",
    title: "A CiliumNetworkPolicy lets the cluster in and nobody else.",
    teaches: "NodePorts answer nodes and pods, and drop clients from outside: the entity world is missing.",
    expect: ["policy-drop"],
    modes: WITHOUT_KUBE_PROXY,
    ...ciliumPolicy("  ingress: [{fromEntities: [cluster]}]"),
  },
  {
    name: "policy-map-denies",
    class: "policy",
    title: "The BPF policy map of one pod denies a port, and no policy does.",
    teaches: "kubectl shows no policy and the agent knows of none. Only the map does what it says.",
    expect: ["policy-map-stale"],
    inject: inAgent("$cilium bpf policy add --deny $(endpoint) ingress 1 8080/TCP >/dev/null"),
    undo: inAgent("$cilium bpf policy delete $(endpoint) ingress 1 8080/TCP >/dev/null 2>&1 || true"),
    probe: inAgent("$cilium bpf policy get $(endpoint) -n | grep -c ^Deny || true")[0]!,
  },
  {
    name: "policy-denies-ingress",
    class: "policy",
    title: "A NetworkPolicy denies all ingress of the workload's servers.",
    teaches: "No server answers. Drops say policy denied, and hubble names the policy.",
    expect: ["policy-drop"],
    ...kubernetes("  podSelector: {matchLabels: {app: nettool}}\n  policyTypes: [Ingress]"),
  },
  {
    name: "policy-denies-egress",
    class: "policy",
    title: "A NetworkPolicy denies all egress in the workload's namespace.",
    teaches: "Pods answer and ask nobody: DNS fails first, so that it looks like a DNS problem.",
    expect: ["policy-drop"],
    ...kubernetes("  podSelector: {}\n  policyTypes: [Egress]"),
  },
  {
    name: "policy-tcp-only",
    class: "policy",
    title: "A CiliumNetworkPolicy allows TCP port 80 and nothing else.",
    teaches: "HTTP works; pings and UDP are dropped, although they come from the same pods.",
    expect: ["policy-drop"],
    ...ciliumPolicy(`  ingress: [{fromEntities: [all], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]`),
  },
  {
    name: "policy-denies-remote-nodes",
    class: "policy",
    title: "A cluster-wide policy denies connections from other nodes.",
    teaches: "A NodePort answers where its backend is, and fails where another node has to forward.",
    expect: ["policy-drop"],
    ...manifest(
      "ciliumclusterwidenetworkpolicy/drill",
      `apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: drill}
spec:
  endpointSelector: {matchLabels: {app: nettool}}
  ingress: [{fromEntities: [all]}]
  ingressDeny: [{fromEntities: [remote-node]}]`,
    ),
  },
  {
    name: "policy-denies-dns",
    class: "policy",
    title: "A CiliumNetworkPolicy denies the workload's pods port 53.",
    teaches: "Addresses work and names do not.",
    expect: ["policy-drop", "dns-down"],
    ...ciliumPolicy(
      `  egress: [{toEntities: [all]}]\n  egressDeny: [{toEntities: [all], toPorts: [{ports: [{port: "53", protocol: ANY}]}]}]`,
    ),
  },
  {
    name: "policy-denies-way-out",
    class: "policy",
    title: "A CiliumNetworkPolicy keeps the workload's pods inside the cluster.",
    teaches: "Everything in the cluster answers, and nothing outside is reached: masquerading looks broken.",
    expect: ["policy-drop"],
    ...ciliumPolicy("  egress: [{toEntities: [all]}]\n  egressDeny: [{toEntities: [world]}]"),
  },
  {
    name: "policy-for-one-pod",
    class: "policy",
    title: "A CiliumNetworkPolicy lets servers answer the client pod only.",
    teaches: "The pod that people test with gets answers, and no other does.",
    expect: ["policy-drop"],
    ...ciliumPolicy("  ingress: [{fromEndpoints: [{matchLabels: {run: net}}]}]"),
  },
  {
    name: "endpoint-only-audits",
    class: "policy",
    title: "The policies of one pod only report what they would deny (PolicyAuditMode).",
    teaches: "A left-over of a debugging session: kubectl shows the policies, and this pod's are not enforced.",
    expect: ["config-overridden"],
    inject: inAgent("$cilium endpoint config $(endpoint) PolicyAuditMode=Enabled >/dev/null"),
    undo: inAgent("$cilium endpoint config $(endpoint) PolicyAuditMode=Disabled >/dev/null"),
    probe: inAgent("$cilium endpoint config $(endpoint) | grep PolicyAuditMode")[0]!,
  },
];
