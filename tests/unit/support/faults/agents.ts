import { valueOf } from "../../../../datapath/evidence/api";
import { both, inConfig, inNode } from "../evidence";
import { WORKER, OWN, PEER, unready, type RecordedFault } from "./fault";

/** Faults of nodes and of what runs on them. */
export const AGENT_FAULTS: readonly RecordedFault[] = [
  [
    "a node that is NotReady",
    ({ api }) => {
      const node = valueOf(api.nodes, [])[1]! as { ready: boolean; trouble: string };
      Object.assign(node, { ready: false, trouble: "NodeStatusUnknown: Kubelet stopped posting node status." });
    },
    "nodes",
    "node-not-ready",
    /the kubelet does not report to the API server/,
  ],
  [
    "a mode's key that was changed",
    inConfig("enable-bpf-masquerade", "false"),
    "config",
    "config-changed",
    /expected enable-bpf-masquerade: "true"/,
  ],
  [
    "a key beside the mode's that is not as Helm rendered it",
    both(
      ({ api }) => {
        const rendered = valueOf(api.rendered, null)!;
        api.rendered = { value: { ...rendered, config: { ...valueOf(api.config, undefined)!.data } } };
      },
      inConfig("bpf-ct-global-tcp-max", "1024"),
    ),
    "config",
    "config-changed",
    /expected bpf-ct-global-tcp-max: \(not set\)/,
  ],
  [
    "socket LB in the host namespace only",
    inConfig("bpf-lb-sock-hostns-only", "true"),
    "config",
    "config-changed",
    /expected bpf-lb-sock-hostns-only: "false"/,
  ],
  [
    "a CiliumNodeConfig that overrides one node",
    both(
      inNode("config", (text) => `${text}\nbpf-lb-sock-hostns-only=true\n`, WORKER),
      ({ api }) => {
        api.nodeConfigs = {
          value: [{ namespace: "kube-system", name: "odd", defaults: { "bpf-lb-sock-hostns-only": "true" } }],
        };
      },
    ),
    "agents",
    "config-overridden",
    /CiliumNodeConfig odd overrides cilium-config on this node/,
  ],
  [
    "an agent that read an older configuration",
    inNode("config", (text) => text.replace(/^debug=.*$/m, "debug=maybe"), WORKER),
    "agents",
    "agent-outdated",
    /agents read it only when they start/,
  ],
  [
    "an agent with other arguments",
    inNode("arguments", (text) => `${text}\n--labels=k8s:app\n`, WORKER),
    "agents",
    "config-overridden",
    /argument --labels=k8s:app/,
  ],
  [
    "BPF host routing that fell back",
    inNode("status", (text) => text.replace(/("intra-host-routing-mode": )"BPF"/, '$1"Legacy"'), WORKER),
    "status",
    "mode-fallback",
    /expected Routing Host BPF/,
  ],
  [
    "a runtime option that was changed on one node",
    inNode("options", (text) => text.replace(/(PolicyAuditMode\s*: )Disabled/, "$1Enabled"), WORKER),
    "agents",
    "config-overridden",
    /option PolicyAuditMode: Enabled/,
  ],
  [
    "an argument that all agents have",
    inNode("arguments", (text) => `${text}\n--bpf-lb-sock-hostns-only=true\n`),
    "agents",
    "config-overridden",
    /argument --bpf-lb-sock-hostns-only=true/,
  ],
  [
    "a variable in the environment of all agents",
    inNode("arguments", (text) => `${text}\nCILIUM_MTU=1400\n`),
    "agents",
    "config-overridden",
    /variable CILIUM_MTU=1400/,
  ],
  [
    "endpoints whose policies only warn",
    inNode(
      "endpoints",
      (text) => text.replaceAll('"PolicyAuditMode": "Disabled"', '"PolicyAuditMode": "Enabled"'),
      WORKER,
    ),
    "agents",
    "config-overridden",
    /has PolicyAuditMode: Enabled, its agent Disabled/,
  ],
  [
    "fragments that nobody tracks",
    inConfig("enable-ipv4-fragment-tracking", "false"),
    "config",
    "config-changed",
    /expected enable-ipv4-fragment-tracking: "true"/,
  ],
  [
    "a chain that only kube-proxy makes",
    inNode("iptables", (text) => text.replace(/^\*filter\n/m, "$&:KUBE-FORWARD - [0:0]\n"), WORKER),
    "kube-proxy-rules",
    "kube-proxy-leftover",
    /KUBE-FORWARD/,
  ],
  [
    "a chain that kube-proxy left",
    inNode("iptables", (text) => text.replace(/^:DOCKER_OUTPUT/m, ":KUBE-SVC-X - [0:0]\n:DOCKER_OUTPUT"), WORKER),
    "kube-proxy-rules",
    "kube-proxy-leftover",
    /still on this node/,
  ],
  [
    "an operators' lease that nobody of them holds",
    (evidence) => {
      (evidence.api as { operatorLease: unknown }).operatorLease = { value: "nobody" };
    },
    "operator",
    "operator-down",
    /held by nobody/,
  ],
  [
    "a control plane without a controller manager",
    ({ api }) => {
      if ("value" in api.pods)
        api.pods.value = api.pods.value.filter(({ labels }) => labels["component"] !== "kube-controller-manager");
    },
    "nodes",
    "control-plane-down",
    /without kube-controller-manager EndpointSlices are no longer updated/,
  ],
  [
    "a flow that Hubble saw dropped",
    ({ after }) => {
      for (const { node, sections } of after) {
        const verdict = node === WORKER ? "DROPPED" : "FORWARDED";
        sections.hubble = { value: JSON.stringify({ flow: { verdict, IP: { source: OWN, destination: PEER } } }) };
      }
    },
    "hubble",
    "packet-loss",
    /packets of the probe were dropped, or none was forwarded/,
  ],
  [
    "an operator that is wanted no more, and still runs",
    ({ api }) => {
      api.operator = { value: { wanted: 0, ready: 2 } };
    },
    "operator",
    "operator-down",
    /new nodes get no pod network/,
  ],
  [
    "a revision that somebody installed with Helm",
    ({ api }) => Object.assign(valueOf(api.rendered, null)!, { description: "Upgrade complete" }),
    "config",
    "config-changed",
    /somebody other than pulumi up installed this revision/,
  ],
  [
    "an argument that all agents have and Helm did not render",
    inNode("arguments", (text) => `${text}\n--bpf-ct-timeout-regular-tcp=10s`),
    "agents",
    "config-overridden",
    /argument --bpf-ct-timeout-regular-tcp=10s/,
  ],
  [
    "a variable that all agents have and Helm did not render",
    both(
      inNode("arguments", (text) => `${text}\nCILIUM_BPF_LB_MAP_MAX=100`),
      ({ api }) => {
        for (const { containers } of valueOf(api.pods, []))
          for (const each of containers) each.variables = [...(each.variables ?? []), "CILIUM_BPF_LB_MAP_MAX"];
      },
    ),
    "agents",
    "config-overridden",
    /variable CILIUM_BPF_LB_MAP_MAX=100/,
  ],
  [
    "another image on all nodes",
    ({ api }) => {
      for (const { containers } of valueOf(api.pods, []))
        for (const each of containers) if (each.name === "cilium-agent") each.wantedImage = "lab/cilium:v1.20.0";
    },
    "agents",
    "agent-differs",
    /the agent's image is not the one that Helm rendered/,
  ],
  [
    "an operator of another image",
    ({ api }) => {
      for (const { containers } of valueOf(api.pods, []))
        for (const each of containers) if (each.name === "cilium-operator") each.wantedImage = "lab/operator:v1.20.0";
    },
    "operator",
    "agent-differs",
    /the operator's image is not the one that Helm rendered/,
  ],
  [
    "a CiliumNodeConfig that no agent has read",
    ({ api }) => {
      api.nodeConfigs = {
        value: [{ namespace: "kube-system", name: "later", defaults: { "bpf-lb-sock-hostns-only": "true" } }],
      };
    },
    "agents",
    "config-overridden",
    /CiliumNodeConfig later overrides cilium-config on the nodes that it selects/,
  ],
  [
    "labels of an endpoint that its pod does not have",
    inNode(
      "endpoints",
      (text) => {
        const endpoints = JSON.parse(text) as {
          status: { labels: { realized: object }; networking: { addressing: { ipv4?: string }[] } };
        }[];
        const { status } = endpoints.find((each) => each.status.networking.addressing[0]?.ipv4 === OWN)!;
        status.labels.realized = { user: ["k8s:x=1"] };
        return JSON.stringify(endpoints);
      },
      WORKER,
    ),
    "agents",
    "config-overridden",
    /have other labels than their pods/,
  ],
  [
    "no operator",
    ({ api }) => {
      api.operator = { value: { wanted: 2, ready: 0 } };
    },
    "operator",
    "operator-down",
    /new nodes get no pod network/,
  ],
  [
    "kube-proxy beside Cilium",
    ({ api }) => {
      if ("value" in api.pods) {
        const [pod] = api.pods.value;
        api.pods.value.push({
          ...pod!,
          namespace: "kube-system",
          name: "kube-proxy-x",
          labels: { "k8s-app": "kube-proxy" },
          hostNetwork: true,
        });
      }
    },
    "kube-proxy",
    "kube-proxy-running",
    /both translate services/,
  ],
  [
    "a lease of kube-controller-manager that somebody else holds, which explains EndpointSlices that stay behind",
    both(unready, ({ api }) => {
      valueOf(api.pods, []).find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!.ready = true;
      api.leases = { value: [{ name: "kube-controller-manager", holder: "ghost", behindSeconds: 0 }] };
      // it ended when it lost the lease
      const own = valueOf(api.pods, []).find(({ labels }) => labels["component"] === "kube-controller-manager")!;
      own.containers[0]!.trouble = "CrashLoopBackOff";
    }),
    "nodes",
    "lease-taken",
    /EndpointSlices are no longer updated.*the lease kube-controller-manager is held by ghost.*"check":"service"/,
  ],
  [
    "a lease of kube-scheduler that nobody renews",
    ({ api }) => {
      const { node } = valueOf(api.pods, []).find(({ labels }) => labels["component"] === "kube-scheduler")!;
      api.leases = { value: [{ name: "kube-scheduler", holder: `${node}_0c1d`, behindSeconds: 90 }] };
    },
    "nodes",
    "lease-taken",
    /new pods stay Pending.*renewed 90 s ago/,
  ],
];
