import {
  BPF_ROUTING,
  inAgent,
  kube,
  nodeConfig,
  RESTART_AGENT,
  WITH_KUBE_PROXY,
  WITHOUT_KUBE_PROXY,
  type Fault,
  type Script,
} from "./fault";

/** Agents that restarted reach each other again after this. */
const AFTER_RESTART = 25;

/** Change keys of cilium-config and restart every agent, so that the change is in force. */
export function inForce(...pairs: readonly (readonly [key: string, value: string])[]) {
  const words = pairs.flat().map((word) => `'${word}'`);
  return {
    config: pairs,
    inject: kube(`set_config ${words.join(" ")}; restart_agents`),
    undo: kube("reset_config; restart_agents"),
    probe: valueOf(pairs[0]![0]),
    settleSeconds: AFTER_RESTART,
  };
}

function valueOf(key: string): Script {
  return kube(
    `kubectl -n kube-system get configmap cilium-config -o jsonpath='{.data.${key.replaceAll(".", "\\.")}}'`,
  )[0]!;
}

/** Give one agent other values by a CiliumNodeConfig, and restart it. */
export function onOneNode(defaults: Parameters<typeof nodeConfig>[0]) {
  const object = nodeConfig(defaults);
  return {
    inject: [...object.inject, ...RESTART_AGENT],
    undo: [...object.undo, ...RESTART_AGENT],
    probe: object.probe,
    settleSeconds: AFTER_RESTART,
  };
}

/** Ask every agent something, one after the other. */
const onEveryAgent = (command: string) =>
  `for pod in $(kubectl -n kube-system get pods -l k8s-app=cilium -o name); do
  kubectl -n kube-system exec $pod -c cilium-agent -- sh -c 'cilium=cilium-dbg; command -v cilium-dbg >/dev/null || cilium=cilium; $cilium ${command}' </dev/null
done`;

/** Change the DaemonSet's agent container by a JSON patch, and bring only the chosen worker's agent to it. */
function oneAgent(patch: string) {
  const container = "/spec/template/spec/containers/0";
  return {
    inject: kube(`[ -e $kept/agent ] || kubectl -n kube-system get daemonset cilium -o json >$kept/agent
kubectl -n kube-system patch daemonset cilium --type=merge -p '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}' >/dev/null
kubectl -n kube-system patch daemonset cilium --type=json -p "${patch}" >/dev/null
sleep 2; restart_agents $node`),
    undo: kube(`[ -e $kept/agent ] || exit 0
patch=$(jq -c '[{op: "replace", path: "${container}", value: .spec.template.spec.containers[0]}]' $kept/agent)
kubectl -n kube-system patch daemonset cilium --type=json -p "$patch" >/dev/null
sleep 2; restart_agents $node
kubectl -n kube-system patch daemonset cilium --type=merge -p "$(jq -c '{spec: {updateStrategy: .spec.updateStrategy}}' $kept/agent)" >/dev/null
rm $kept/agent`),
    probe: kube(
      `kubectl -n kube-system get pods -l k8s-app=cilium --field-selector=spec.nodeName=$node -o jsonpath='{.items[0].spec.containers[0].args} {.items[0].spec.containers[0].image} {.items[0].spec.containers[0].env[*].name}'`,
    )[0]!,
    settleSeconds: AFTER_RESTART,
  };
}

const KUBE_PROXY_PODS = kube("kubectl -n kube-system get pods -l k8s-app=kube-proxy -o name | wc -l")[0]!;

/** Agents, or kube-proxy, that do not run as the stack asks for. */
export const CONFIGURATION_FAULTS: readonly Fault[] = [
  {
    name: "socket-lb-host-only",
    class: "configuration",
    title: "The socket load balancer works in the host's namespace only (bpf-lb-sock-hostns-only).",
    teaches:
      "Services still answer pods, since BPF at their interfaces translates instead. The client's socket now sees the Service's address, and packets take another path.",
    expect: ["config-changed", "mode-fallback"],
    modes: WITHOUT_KUBE_PROXY,
    ...inForce(["bpf-lb-sock-hostns-only", "true"]),
  },
  {
    name: "socket-lb-host-only-on-one-node",
    class: "configuration",
    title: "A CiliumNodeConfig limits the socket load balancer of one agent to the host's namespace.",
    teaches: "cilium-config is right and all agents but one follow it. Pods on that node reach Services another way.",
    expect: ["config-overridden", "agent-differs", "mode-fallback"],
    modes: WITHOUT_KUBE_PROXY,
    ...onOneNode({ "bpf-lb-sock-hostns-only": "true" }),
  },
  {
    name: "legacy-routing-on-one-node",
    class: "configuration",
    title: "A CiliumNodeConfig makes one agent route through the host's IP stack.",
    teaches: "Everything answers. Packets of that node's pods pass iptables again, which costs CPU and latency.",
    expect: ["config-overridden", "agent-differs", "mode-fallback"],
    modes: BPF_ROUTING,
    ...onOneNode({ "enable-host-legacy-routing": "true" }),
  },
  {
    name: "masquerading-off-on-one-node",
    class: "configuration",
    title: "A CiliumNodeConfig turns masquerading off on one node.",
    teaches:
      "Pods on that node leave the cluster with their own address, so nothing outside can answer them. Inside the cluster all is well.",
    expect: ["config-overridden", "agent-differs", "mode-fallback"],
    // with BPF masquerading alone the agent refuses to start
    ...onOneNode({ "enable-ipv4-masquerade": "false", "enable-bpf-masquerade": "false" }),
  },
  {
    name: "policy-always-on-one-node",
    class: "configuration",
    title: "A CiliumNodeConfig makes one agent deny all traffic that no policy allows.",
    teaches: "Pods on that node answer nobody, although no policy exists. Drops there say policy denied.",
    expect: ["config-overridden", "agent-differs", "policy-drop"],
    ...onOneNode({ "enable-policy": "always" }),
  },
  {
    name: "legacy-host-routing",
    class: "configuration",
    title: "cilium-config turns BPF host routing off (enable-host-legacy-routing).",
    teaches: "Everything answers, but packets pass the hosts' IP stack and iptables: the mode's benefit is gone.",
    expect: ["config-changed", "mode-fallback"],
    modes: BPF_ROUTING,
    ...inForce(["enable-host-legacy-routing", "true"]),
  },
  {
    name: "bpf-masquerading-off",
    class: "configuration",
    title: "cilium-config turns BPF masquerading off.",
    teaches: "Agents masquerade with iptables, and with it fall back to Legacy host routing without a warning.",
    expect: ["config-changed", "mode-fallback"],
    modes: BPF_ROUTING,
    ...inForce(["enable-bpf-masquerade", "false"]),
  },
  {
    name: "bpf-masquerading-on",
    class: "configuration",
    title: "cilium-config turns BPF masquerading on where iptables is to masquerade.",
    teaches: "The agents also switch to BPF host routing: the cluster is silently in another mode.",
    expect: ["config-changed", "mode-fallback"],
    modes: ["replacement"],
    ...inForce(["enable-bpf-masquerade", "true"]),
  },
  {
    name: "masquerading-off",
    class: "configuration",
    title: "cilium-config turns masquerading off.",
    teaches: "Pods leave the cluster with their own address, and nothing outside can answer them.",
    expect: ["config-changed", "mode-fallback"],
    ...inForce(["enable-ipv4-masquerade", "false"], ["enable-bpf-masquerade", "false"]),
  },
  {
    name: "config-not-read",
    class: "configuration",
    title: "cilium-config was changed, and no agent has restarted since.",
    teaches:
      "kubectl shows the new value and the agents run with the old one, until some agent restarts at night and its node differs.",
    expect: ["config-changed", "agent-outdated"],
    inject: kube("set_config enable-ipv4-masquerade false"),
    undo: kube("reset_config"),
    probe: valueOf("enable-ipv4-masquerade"),
  },
  {
    name: "tunnel-on",
    class: "configuration",
    title: "cilium-config asks for VXLAN instead of native routing.",
    teaches: "Pods reach each other, in packets that are 50 bytes larger and that the network cannot read.",
    expect: ["config-changed", "mode-fallback", "route-missing"],
    tunnel: false,
    ...inForce(["routing-mode", "tunnel"], ["tunnel-protocol", "vxlan"], ["auto-direct-node-routes", "false"]),
  },
  {
    name: "kube-proxy-replacement-off",
    class: "configuration",
    title: "cilium-config turns the kube-proxy replacement off in a cluster without kube-proxy.",
    teaches: "NodePorts answer nobody, and nodes reach no ClusterIP. Pods still reach ClusterIPs by BPF.",
    expect: ["config-changed", "mode-fallback"],
    modes: WITHOUT_KUBE_PROXY,
    ...inForce(["kube-proxy-replacement", "false"], ["enable-bpf-masquerade", "false"]),
  },
  {
    name: "kube-proxy-replacement-on",
    class: "configuration",
    title: "cilium-config turns the kube-proxy replacement on beside a running kube-proxy.",
    teaches: "Cilium's BPF answers for Services first, and kube-proxy's rules stay behind it unused.",
    expect: ["config-changed", "mode-fallback", "kube-proxy-running"],
    modes: WITH_KUBE_PROXY,
    ...inForce(["kube-proxy-replacement", "true"]),
  },
  {
    name: "load-balancer-dsr",
    class: "configuration",
    title: "cilium-config asks for direct server return (bpf-lb-mode dsr).",
    teaches:
      "Servers see the client's own address and answer it directly: another path than the stack asks for, which some networks drop.",
    expect: ["config-changed", "mode-fallback"],
    modes: WITHOUT_KUBE_PROXY,
    ...inForce(["bpf-lb-mode", "dsr"]),
  },
  {
    name: "load-balancer-xdp",
    class: "configuration",
    title: "cilium-config asks for XDP acceleration of NodePorts.",
    teaches:
      "On kind's veth devices requests that need another node's backend are lost. The status says Native and nothing more.",
    expect: ["config-changed", "xdp-loses-packets", "mode-fallback"],
    modes: WITHOUT_KUBE_PROXY,
    ...inForce(["bpf-lb-acceleration", "native"]),
  },
  {
    name: "mtu-configured",
    class: "configuration",
    title: "cilium-config sets an MTU of 1280.",
    teaches: "Routes get the small MTU, so pods send smaller packets: slower, and never wrong enough to be noticed.",
    expect: ["config-changed", "mtu-mismatch"],
    ...inForce(["mtu", "1280"]),
  },
  {
    name: "direct-routes-off",
    class: "configuration",
    title: "cilium-config turns the direct routes between nodes off.",
    teaches: "Agents remove the routes to other nodes' pods; packets for them go to the default gateway and are lost.",
    expect: ["config-changed", "route-missing"],
    tunnel: false,
    ...inForce(["auto-direct-node-routes", "false"]),
  },
  {
    name: "native-routing-cidr-too-small",
    class: "configuration",
    title: "The native routing CIDR no longer contains the pods' network.",
    teaches: "Pods that connect to pods on other nodes are masqueraded: servers and policies see a node's address.",
    expect: ["config-changed", "source-address"],
    tunnel: false,
    ...inForce(["ipv4-native-routing-cidr", "10.255.0.0/24"]),
  },
  {
    name: "policy-always",
    class: "configuration",
    title: "cilium-config makes every agent deny what no policy allows (enable-policy always).",
    teaches: "No pod answers, although no policy exists.",
    expect: ["config-changed", "policy-drop"],
    ...inForce(["enable-policy", "always"]),
  },
  {
    name: "connection-maps-tiny",
    class: "configuration",
    title: "cilium-config limits the connection tracking map to 1,024 entries.",
    teaches: "Under load the oldest connections are forgotten, and break at random.",
    expect: ["config-changed", "map-full", "agent-differs"],
    ...inForce(
      ["bpf-map-dynamic-size-ratio", "0"],
      ["bpf-ct-global-tcp-max", "1024"],
      ["bpf-ct-global-any-max", "1024"],
    ),
  },
  {
    name: "maglev",
    class: "configuration",
    title: "cilium-config selects backends by Maglev hashing instead of at random.",
    teaches: "One client address always reaches the same backend through NodePorts: load is spread differently.",
    expect: ["config-changed", "mode-fallback"],
    modes: WITHOUT_KUBE_PROXY,
    ...inForce(["bpf-lb-algorithm", "maglev"]),
  },
  {
    name: "agent-environment-differs",
    class: "configuration",
    title: "One agent runs with an environment variable that overrides its configuration.",
    teaches:
      "cilium-config is the same for all, and new pods of one node have a smaller MTU: the environment of an agent wins over its files.",
    expect: ["template-changed", "agent-differs", "config-overridden", "agent-outdated", "mode-fallback"],
    ...oneAgent(
      `[{\\"op\\":\\"add\\",\\"path\\":\\"/spec/template/spec/containers/0/env/-\\",\\"value\\":{\\"name\\":\\"CILIUM_MTU\\",\\"value\\":\\"1400\\"}}]`,
    ),
  },
  {
    name: "agent-argument-differs",
    class: "configuration",
    title: "One agent was started with an additional argument that turns policies off.",
    teaches: "A left-over of a debugging session: an argument wins over cilium-config, on one node only.",
    expect: ["template-changed", "agent-differs", "config-overridden", "agent-outdated", "mode-fallback"],
    ...oneAgent(
      `[{\\"op\\":\\"add\\",\\"path\\":\\"/spec/template/spec/containers/0/args/-\\",\\"value\\":\\"--enable-policy=never\\"}]`,
    ),
  },
  {
    name: "kube-proxy-started",
    class: "configuration",
    title: "kube-proxy runs beside Cilium's replacement.",
    teaches:
      "Both translate Services. Which one wins depends on where a packet comes from, and rules grow with Services.",
    expect: ["kube-proxy-running", "kube-proxy-leftover"],
    modes: WITHOUT_KUBE_PROXY,
    inject: kube(`sed '/^kind: KubeProxyConfiguration/,/^---/d' /kind/kubeadm.conf >$kept/kube-proxy.conf
printf -- '---\\napiVersion: kubeproxy.config.k8s.io/v1alpha1\\nkind: KubeProxyConfiguration\\nmode: iptables\\nconntrack:\\n  maxPerCore: 0\\n' >>$kept/kube-proxy.conf
kubeadm init phase addon kube-proxy --config $kept/kube-proxy.conf >/dev/null
kubectl -n kube-system rollout status daemonset/kube-proxy --timeout=60s >/dev/null; sleep 3`),
    undo: [
      ...kube("kubectl -n kube-system delete daemonset kube-proxy --ignore-not-found --cascade=foreground >/dev/null"),
      {
        at: "every-node",
        run: "for table in nat filter mangle; do iptables-save -t $table | grep -v KUBE-[^K] | grep -v -e '-j KUBE-KUBELET' | iptables-restore -T $table || true; done; rm -f $kept/kube-proxy.conf",
      },
    ],
    probe: KUBE_PROXY_PODS,
  },
  {
    name: "kube-proxy-removed",
    class: "configuration",
    title: "kube-proxy runs on no node, in a cluster that needs it.",
    teaches: "Services answer as before, by the rules that it left; no new Service and no changed backend follows.",
    expect: ["kube-proxy-missing"],
    modes: WITH_KUBE_PROXY,
    inject: kube(
      `kubectl -n kube-system patch daemonset kube-proxy --type=merge -p '{"spec":{"template":{"spec":{"nodeSelector":{"drill":"none"}}}}}' >/dev/null; kubectl -n kube-system wait --for=delete pod -l k8s-app=kube-proxy --timeout=60s >/dev/null`,
    ),
    undo: kube(
      `kubectl -n kube-system patch daemonset kube-proxy --type=merge -p '{"spec":{"template":{"spec":{"nodeSelector":{"drill":null}}}}}' >/dev/null; kubectl -n kube-system rollout status daemonset kube-proxy --timeout=60s >/dev/null`,
    ),
    probe: KUBE_PROXY_PODS,
  },
  {
    name: "kube-proxy-missing-on-one-node",
    class: "configuration",
    title: "kube-proxy does not run on one node.",
    teaches: "That node's rules stay as they were: backends that moved since are asked in vain, from that node only.",
    expect: ["kube-proxy-missing"],
    modes: WITH_KUBE_PROXY,
    inject: kube(
      `kubectl label node $node drill=without --overwrite >/dev/null; kubectl -n kube-system patch daemonset kube-proxy --type=merge -p '{"spec":{"template":{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"drill","operator":"DoesNotExist"}]}]}}}}}}}' >/dev/null; kubectl -n kube-system rollout status daemonset kube-proxy --timeout=90s >/dev/null`,
    ),
    undo: kube(
      `kubectl label node $node drill- >/dev/null; kubectl -n kube-system patch daemonset kube-proxy --type=merge -p '{"spec":{"template":{"spec":{"affinity":null}}}}' >/dev/null; kubectl -n kube-system rollout status daemonset kube-proxy --timeout=90s >/dev/null`,
    ),
    probe: KUBE_PROXY_PODS,
  },
  {
    name: "configuration-changed-at-runtime",
    class: "configuration",
    title: "One agent's option was changed at runtime (cilium-dbg config PolicyEnforcement=always).",
    teaches: "Neither cilium-config nor the DaemonSet shows it, and it is gone with the agent's next restart.",
    expect: ["agent-differs", "policy-drop", "config-overridden"],
    inject: inAgent("$cilium config PolicyEnforcement=always >/dev/null; sleep 5"),
    undo: inAgent("$cilium config PolicyEnforcement=default >/dev/null; sleep 5"),
    probe: inAgent("$cilium config | grep PolicyEnforcement")[0]!,
  },
  {
    name: "fragments-untracked",
    class: "configuration",
    title: "cilium-config turns the tracking of fragments off (enable-ipv4-fragment-tracking).",
    teaches: "Only datagrams larger than a packet are lost, such as large DNS answers; everything else works.",
    expect: ["config-changed"],
    ...inForce(["enable-ipv4-fragment-tracking", "false"]),
  },
  {
    name: "policies-ignored-at-runtime",
    class: "configuration",
    title: "Every agent was told at run time to enforce no policies.",
    teaches: "cilium-config and the policies are as before, and nobody is denied anything until the agents restart.",
    expect: ["config-overridden"],
    inject: kube(onEveryAgent("config PolicyEnforcement=never")),
    undo: kube(onEveryAgent("config PolicyEnforcement=default")),
    probe: kube(onEveryAgent("config | grep PolicyEnforcement"))[0]!,
  },
  {
    name: "node-config-waits",
    class: "configuration",
    title: "A CiliumNodeConfig that no agent has read yet selects one worker.",
    teaches: "Everything works until that agent restarts, perhaps weeks later.",
    expect: ["config-overridden"],
    ...nodeConfig({ "bpf-lb-sock-hostns-only": "true" }),
  },
  {
    name: "agent-argument-waits",
    class: "configuration",
    title: "The agents' DaemonSet has another argument and the update strategy OnDelete.",
    teaches: "Agents run on as before. Each one leaves the mode when it starts again, perhaps weeks later.",
    expect: ["template-changed"],
    inject:
      kube(`[ -e $kept/template ] || kubectl -n kube-system get daemonset cilium -o json | jq -c '[{op: "replace", path: "/spec/template/spec/containers/0/args", value: .spec.template.spec.containers[0].args}, {op: "replace", path: "/spec/updateStrategy", value: .spec.updateStrategy}]' >$kept/template
kubectl -n kube-system patch daemonset cilium --type=json -p '[{"op":"replace","path":"/spec/updateStrategy","value":{"type":"OnDelete"}},{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--enable-bpf-masquerade=false"}]' >/dev/null`),
    undo: kube(
      `[ ! -e $kept/template ] || { kubectl -n kube-system patch daemonset cilium --type=json -p "$(cat $kept/template)" >/dev/null; rm $kept/template; }`,
    ),
    probe: kube("kubectl -n kube-system get daemonset cilium -o jsonpath='{.spec.updateStrategy.type}'")[0]!,
  },
  {
    name: "operator-argument",
    class: "configuration",
    title: "Cilium's operator has an argument that Helm did not render (another pool of pod addresses).",
    teaches: "cilium-config is untouched. The next node gets its pod network from another pool.",
    expect: ["template-changed"],
    inject:
      kube(`[ -e $kept/operator ] || kubectl -n kube-system get deployment cilium-operator -o json | jq -c '[{op: "replace", path: "/spec/template/spec/containers/0/args", value: .spec.template.spec.containers[0].args}]' >$kept/operator
kubectl -n kube-system patch deployment cilium-operator --type=json -p '[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--cluster-pool-ipv4-cidr=10.99.0.0/16"}]' >/dev/null
kubectl -n kube-system rollout status deployment cilium-operator --timeout=90s >/dev/null`),
    undo: kube(`[ -e $kept/operator ] || exit 0
kubectl -n kube-system patch deployment cilium-operator --type=json -p "$(cat $kept/operator)" >/dev/null
kubectl -n kube-system rollout status deployment cilium-operator --timeout=90s >/dev/null; rm $kept/operator`),
    probe: kube(
      "kubectl -n kube-system get deployment cilium-operator -o jsonpath='{.spec.template.spec.containers[0].args}'",
    )[0]!,
  },
  {
    name: "argument-of-all-agents",
    class: "configuration",
    title: "Every agent has an argument that Helm did not render (--bpf-ct-timeout-regular-tcp=10s).",
    teaches: "cilium-config is untouched and all agents are alike; idle connections break after ten seconds.",
    expect: ["template-changed", "config-overridden"],
    inject:
      kube(`[ -e $kept/args ] || kubectl -n kube-system get daemonset cilium -o json | jq -c '.spec.template.spec.containers[0].args' >$kept/args
kubectl -n kube-system patch daemonset cilium --type=json -p "$(jq -c '[{op: "replace", path: "/spec/template/spec/containers/0/args", value: (. + ["--bpf-ct-timeout-regular-tcp=10s"])}]' $kept/args)" >/dev/null
kubectl -n kube-system rollout status daemonset cilium --timeout=180s >/dev/null`),
    undo: kube(`[ -e $kept/args ] || exit 0
kubectl -n kube-system patch daemonset cilium --type=json -p "$(jq -c '[{op: "replace", path: "/spec/template/spec/containers/0/args", value: .}]' $kept/args)" >/dev/null
kubectl -n kube-system rollout status daemonset cilium --timeout=180s >/dev/null; rm $kept/args`),
    probe: kube(
      "kubectl -n kube-system get pods -l k8s-app=cilium -o jsonpath='{.items[*].spec.containers[0].args}'",
    )[0]!,
    settleSeconds: AFTER_RESTART,
  },
  {
    name: "endpoint-labels-by-hand",
    class: "configuration",
    title: "One pod's Cilium endpoint was given a label that the pod does not have.",
    teaches: "Its identity changes everywhere, and policies that select it by its labels no longer do as they say.",
    expect: ["config-overridden"],
    inject: inAgent("$cilium endpoint labels $(endpoint) -a drill=1 >/dev/null; sleep 3"),
    undo: inAgent("$cilium endpoint labels $(endpoint) -d drill=1 >/dev/null 2>&1 || true; sleep 3"),
    probe: inAgent("$cilium endpoint list | grep -c drill=1 || true")[0]!,
  },
];
