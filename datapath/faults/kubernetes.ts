import {
  inAgent,
  inPod,
  ip6tablesRule,
  iptablesRule,
  kube,
  manifest,
  nodeConfig,
  onNode,
  RESTART_AGENT,
  WITH_KUBE_PROXY,
  type Fault,
} from "./fault";

const NODE_READY = kube(`kubectl get node $node -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'`)[0]!;
const WAIT_FOR_NODE = kube("kubectl wait --for=condition=Ready node/$node --timeout=90s >/dev/null");
const AGENT_PODS = kube(
  "kubectl -n kube-system get pods -l k8s-app=cilium --field-selector=spec.nodeName=$node --no-headers | awk '{ print $2 }'",
)[0]!;
/** Until the node controller notices a silent kubelet. */
const NOT_READY_SECONDS = 100;

/** The kubelet runs what lies there. */
const CONTROLLER_MANAGER = "/etc/kubernetes/manifests/kube-controller-manager.yaml";

/** Drop what a node sends to API servers; kind's kubelets reach theirs by IPv6 where Docker's network has it. */
const API_RULES = [iptablesRule, ip6tablesRule].map((rule) => rule("OUTPUT", "-p tcp --dport 6443 -j DROP"));

/** What Kubernetes itself says about nodes and pods. */
export const KUBERNETES_FAULTS: readonly Fault[] = [
  {
    name: "kubelet-stopped",
    class: "kubernetes",
    title: "The kubelet of one worker is stopped.",
    teaches:
      "The node becomes NotReady after 40 to 50 s. Traffic keeps flowing, but kubectl exec, logs and probes fail there, and its pods leave their Services later.",
    expect: ["node-not-ready"],
    inject: onNode("systemctl stop kubelet"),
    undo: [...onNode("systemctl start kubelet"), ...WAIT_FOR_NODE],
    probe: NODE_READY,
    effectSeconds: NOT_READY_SECONDS,
  },
  {
    name: "node-cut-off-from-api-server",
    class: "kubernetes",
    title: "One worker cannot reach the API server.",
    teaches:
      "The kubelet stops reporting and the node becomes NotReady. The agent keeps its last state, so old Services answer and new ones do not.",
    expect: ["node-not-ready", "netfilter-foreign"],
    inject: API_RULES.flatMap(({ inject }) => inject),
    undo: [...API_RULES.flatMap(({ undo }) => undo), ...WAIT_FOR_NODE],
    probe: NODE_READY,
    effectSeconds: NOT_READY_SECONDS,
  },
  {
    name: "api-server-unreachable",
    class: "kubernetes",
    title: "The API server drops every connection that comes from another machine.",
    teaches:
      "kubectl times out, and so does everything that reads the cluster. The datapath goes on with what it knows, which is no proof that it is right.",
    expect: ["cluster-unreachable", "node-not-ready", "agent-silent"],
    inject: kube("iptables -w 5 -I INPUT ! -i lo -p tcp --dport 6443 -j DROP"),
    undo: kube(
      "while iptables -w 5 -D INPUT ! -i lo -p tcp --dport 6443 -j DROP 2>/dev/null; do :; done; kubectl wait --for=condition=Ready node --all --timeout=120s >/dev/null",
    ),
    probe: kube("iptables -w 5 -C INPUT ! -i lo -p tcp --dport 6443 -j DROP 2>&1 && echo present")[0]!,
  },
  {
    name: "agent-frozen",
    class: "kubernetes",
    title: "The agent of one worker is stopped with SIGSTOP.",
    teaches:
      "The pod still shows Running and ready for minutes. Programs and maps stay, but nothing updates them, and cilium-dbg hangs.",
    expect: ["agent-silent", "agent-not-ready"],
    inject: onNode("pkill -STOP -x cilium-agent"),
    undo: onNode("pkill -CONT -x cilium-agent || true"),
    probe: onNode("ps -o stat= -C cilium-agent | cut -c1 | sort -u | grep -c T || true")[0]!,
  },
  {
    name: "agent-not-scheduled",
    class: "kubernetes",
    title: "One worker lost its label kubernetes.io/os, so no agent is scheduled there.",
    teaches:
      "The DaemonSet counts one node less and reports itself complete. Pods on the node keep the datapath of the agent that left.",
    expect: ["agent-missing", "kube-proxy-missing"],
    // the kubelet restores its own labels
    inject: kube(
      `touch $kept/label.loop
nohup sh -c "while [ -e $kept/label.loop ]; do kubectl label node $node kubernetes.io/os=none --overwrite; sleep 1; done" >/dev/null 2>&1 &
kubectl -n kube-system wait --for=delete pod -l k8s-app=cilium --field-selector=spec.nodeName=$node --timeout=60s >/dev/null
sleep 3`,
    ),
    undo: kube(
      "rm -f $kept/label.loop; sleep 2; kubectl label node $node kubernetes.io/os=linux --overwrite >/dev/null; sleep 2; agents_ready",
    ),
    probe: AGENT_PODS,
  },
  {
    name: "agent-daemonset-deleted",
    class: "kubernetes",
    title: "The agents' DaemonSet was deleted, and its pods were left.",
    teaches: "Every agent runs and is ready. One that ends, or a node that is new, never gets another.",
    expect: ["object-missing"],
    inject: kube(
      `[ -e $kept/daemonset ] || kubectl -n kube-system get daemonset cilium -o json | jq -c 'del(.status, .metadata.uid, .metadata.resourceVersion, .metadata.creationTimestamp, .metadata.generation, .metadata.managedFields)' >$kept/daemonset; kubectl -n kube-system delete daemonset cilium --cascade=orphan >/dev/null`,
    ),
    undo: kube(
      "[ ! -e $kept/daemonset ] || { kubectl -n kube-system get daemonset cilium >/dev/null 2>&1 || kubectl create -f $kept/daemonset >/dev/null; agents_ready; rm $kept/daemonset; }",
    ),
    probe: kube("kubectl -n kube-system get daemonset cilium -o name --ignore-not-found")[0]!,
  },
  {
    name: "agent-permissions-deleted",
    class: "kubernetes",
    title: "The ClusterRoleBinding of Cilium's agents was deleted.",
    teaches:
      "Watches that are open go on, so the datapath works. Whatever an agent asks anew is forbidden, so the next agent does not start.",
    expect: ["permission-missing"],
    inject: kube(
      `[ -e $kept/binding ] || kubectl get clusterrolebinding cilium -o json | jq -c 'del(.metadata.uid, .metadata.resourceVersion, .metadata.creationTimestamp, .metadata.managedFields)' >$kept/binding; kubectl delete clusterrolebinding cilium >/dev/null`,
    ),
    undo: kube(
      "[ ! -e $kept/binding ] || { kubectl get clusterrolebinding cilium >/dev/null 2>&1 || kubectl create -f $kept/binding >/dev/null; rm $kept/binding; }",
    ),
    probe: kube("kubectl get clusterrolebinding cilium -o name --ignore-not-found")[0]!,
  },
  {
    name: "agent-crashing",
    class: "kubernetes",
    title: "A CiliumNodeConfig gives one agent a value with which it cannot start.",
    teaches: "The agent restarts again and again (CrashLoopBackOff). The node runs on what the last agent left.",
    expect: ["agent-not-ready", "config-overridden", "agent-missing"],
    inject: [
      ...nodeConfig({ "enable-ipv4": "false" }).inject,
      ...kube(
        "delete_agents $node; for second in $(seq 60); do kubectl -n kube-system get pods -l k8s-app=cilium --field-selector=spec.nodeName=$node --no-headers | grep -qE 'Error|CrashLoopBackOff' && exit; sleep 1; done; exit 1",
      ),
    ],
    undo: [...nodeConfig({ "enable-ipv4": "false" }).undo, ...RESTART_AGENT],
    probe: AGENT_PODS,
  },
  {
    name: "controller-manager-stopped",
    class: "kubernetes",
    title: "kube-controller-manager does not run.",
    teaches:
      "Nothing breaks at once. EndpointSlices no longer follow the pods, so Services lead to pods that are gone, and a node that is lost stays Ready.",
    expect: ["control-plane-down"],
    inject: kube(`[ ! -e ${CONTROLLER_MANAGER} ] || mv ${CONTROLLER_MANAGER} $kept/`),
    undo: kube(
      `[ ! -e $kept/kube-controller-manager.yaml ] || mv $kept/kube-controller-manager.yaml ${CONTROLLER_MANAGER}`,
    ),
    probe: kube("kubectl -n kube-system get pods -l component=kube-controller-manager -o name")[0]!,
    effectSeconds: 60,
  },
  {
    name: "controller-lease-taken",
    class: "kubernetes",
    title: "The lease of kube-controller-manager is held by an instance that does not exist.",
    teaches:
      "Its pod runs and waits for the lease. EndpointSlices no longer follow the pods, and a Deployment gets no ReplicaSet.",
    expect: ["lease-taken", "control-plane-down"],
    inject: kube(
      `kubectl -n kube-system patch lease kube-controller-manager --type=merge -p "{\\"spec\\":{\\"holderIdentity\\":\\"nobody\\",\\"leaseDurationSeconds\\":3600,\\"renewTime\\":\\"$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)\\"}}" >/dev/null; sleep 15`,
    ),
    undo: kube(
      "kubectl -n kube-system get lease kube-controller-manager -o jsonpath='{.spec.holderIdentity}' | grep -qx nobody || exit 0; kubectl -n kube-system delete lease kube-controller-manager >/dev/null; sleep 10",
    ),
    probe: kube(
      "kubectl -n kube-system get lease kube-controller-manager -o jsonpath='{.spec.holderIdentity}' | grep -cx nobody || true",
    )[0]!,
  },
  {
    name: "webhook-without-service",
    class: "kubernetes",
    title:
      "An admission webhook of a Service that does not exist must agree to every EndpointSlice and CiliumEndpoint.",
    teaches: "Objects that are there stay. No EndpointSlice follows its pods, and new pods are unknown to other nodes.",
    expect: ["webhook-unreachable"],
    ...manifest(
      "validatingwebhookconfiguration/drill",
      `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: drill}
webhooks:
  - name: drill.example.com
    failurePolicy: Fail
    sideEffects: None
    admissionReviewVersions: [v1]
    timeoutSeconds: 2
    clientConfig: {service: {namespace: nettool, name: nobody}}
    rules:
      - {apiGroups: [discovery.k8s.io], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [endpointslices]}
      - {apiGroups: [cilium.io], apiVersions: ["*"], operations: [CREATE], resources: [ciliumendpoints, ciliumidentities]}`,
    ),
  },
  {
    name: "operator-scaled-down",
    class: "kubernetes",
    title: "Cilium's operator has no replicas.",
    teaches:
      "Nothing breaks at once. New nodes get no pod network, and stale endpoints and identities are never removed.",
    expect: ["operator-down"],
    inject: kube(
      "[ -e $kept/replicas ] || kubectl -n kube-system get deployment cilium-operator -o jsonpath='{.spec.replicas}' >$kept/replicas; kubectl -n kube-system scale deployment cilium-operator --replicas=0 >/dev/null",
    ),
    undo: kube(
      "[ ! -e $kept/replicas ] || { kubectl -n kube-system scale deployment cilium-operator --replicas=$(cat $kept/replicas) >/dev/null; kubectl -n kube-system rollout status deployment cilium-operator --timeout=90s >/dev/null; rm $kept/replicas; }",
    ),
    probe: kube("kubectl -n kube-system get deployment cilium-operator -o jsonpath='{.spec.replicas}'")[0]!,
  },
  {
    name: "addresses-exhausted",
    class: "kubernetes",
    title: "One worker has no pod address left.",
    teaches:
      "Pods that run are not affected. The next one stays in ContainerCreating, also where few pods run: addresses leak.",
    expect: ["addresses-exhausted"],
    inject: onNode(
      'for leak in $(seq 300); do curl -s -o /dev/null --unix-socket /var/run/cilium/cilium.sock -X POST "http://localhost/v1/ipam?family=ipv4&owner=drill/leak$leak"; done',
    ),
    undo: RESTART_AGENT,
    probe: inAgent(
      "$cilium status | grep -oE '^IPAM: +IPv4: [0-9]+/[0-9]+' | awk '{ split($3, of, \"/\"); print of[1] == of[2] }'",
    )[0]!,
  },
  {
    name: "operator-lease-taken",
    class: "kubernetes",
    title: "The lease of Cilium's operators is held by an operator that does not exist.",
    teaches: "All operators are Ready and wait for the lease. Nothing breaks until a node or an identity is new.",
    expect: ["operator-down"],
    inject: kube(
      `kubectl -n kube-system patch lease cilium-operator-resource-lock --type=merge -p "{\\"spec\\":{\\"holderIdentity\\":\\"nobody\\",\\"leaseDurationSeconds\\":86400,\\"renewTime\\":\\"$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)\\"}}" >/dev/null`,
    ),
    undo: kube(
      "kubectl -n kube-system get lease cilium-operator-resource-lock -o jsonpath='{.spec.holderIdentity}' | grep -qx nobody || exit 0; kubectl -n kube-system delete lease cilium-operator-resource-lock >/dev/null; sleep 20",
    ),
    probe: kube(
      "kubectl -n kube-system get lease cilium-operator-resource-lock -o jsonpath='{.spec.holderIdentity}' | grep -cx nobody || true",
    )[0]!,
  },
  {
    name: "server-not-ready",
    class: "kubernetes",
    title: "The server in the workload's pod on one worker hangs.",
    teaches:
      "The readiness probe fails and the pod leaves the Service. Requests still succeed, since the other backends answer them.",
    expect: ["probe-failing", "endpoints-incomplete"],
    // every process of the pod but its first
    inject: inPod("kill -STOP -1"),
    undo: inPod("kill -CONT -1"),
    probe: kube(`kubectl -n nettool get pod $pod -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'`)[0]!,
  },
  {
    name: "endpoint-object-deleted",
    class: "kubernetes",
    title: "The CiliumEndpoint of one pod is deleted again and again.",
    teaches:
      "Other nodes no longer know the pod's identity and treat it as outside the cluster: policies that name it stop matching.",
    expect: ["pod-without-endpoint", "ipcache-stale"],
    inject: kube(
      'touch $kept/endpoint.loop; nohup sh -c "while [ -e $kept/endpoint.loop ]; do kubectl --kubeconfig=$KUBECONFIG -n nettool delete ciliumendpoint $pod --ignore-not-found; sleep 0.5; done" >/dev/null 2>&1 & sleep 3',
    ),
    undo: [...kube("rm -f $kept/endpoint.loop; sleep 2"), ...RESTART_AGENT],
    probe: kube(
      "[ -e $kept/endpoint.loop ] && echo deleted || kubectl -n nettool get ciliumendpoint $pod -o name --ignore-not-found",
    )[0]!,
    settleSeconds: 5,
  },
  {
    name: "endpoint-disconnected",
    class: "kubernetes",
    title: "One agent has removed the endpoint of a running pod.",
    teaches:
      "The pod shows Running while its interface has no programs and no entry in the agent's maps: no packet reaches it.",
    expect: ["pod-without-endpoint", "endpoint-map-stale", "program-missing", "device-missing"],
    inject: inAgent("$cilium endpoint disconnect $(endpoint) >/dev/null"),
    undo: kube(
      "kubectl -n nettool delete pod $pod --ignore-not-found >/dev/null; kubectl -n nettool rollout status daemonset nettool --timeout=60s >/dev/null",
    ),
    probe: inAgent('$cilium endpoint list -o json | grep -c \'"state": "ready"\'')[0]!,
  },
  {
    name: "cni-plugin-missing",
    class: "kubernetes",
    title: "One worker's kubelet has no program cilium-cni.",
    teaches: "Pods that run are not affected. The next one stays in ContainerCreating.",
    expect: ["cni-foreign"],
    inject: onNode("[ ! -e /opt/cni/bin/cilium-cni ] || mv /opt/cni/bin/cilium-cni /opt/cni/bin/cilium-cni.drill"),
    undo: onNode("[ ! -e /opt/cni/bin/cilium-cni.drill ] || mv /opt/cni/bin/cilium-cni.drill /opt/cni/bin/cilium-cni"),
    probe: onNode("ls /opt/cni/bin | grep -c drill || true")[0]!,
  },
  {
    name: "kube-proxy-frozen",
    class: "kubernetes",
    title: "kube-proxy of one worker is stopped with SIGSTOP.",
    teaches: "Its pod stays Ready, and its rules stay as they are while Services and pods change.",
    expect: ["kube-proxy-missing"],
    modes: WITH_KUBE_PROXY,
    inject: onNode("pkill -STOP -x kube-proxy"),
    undo: onNode("pkill -CONT -x kube-proxy || true"),
    probe: onNode("ps -o stat= -C kube-proxy | cut -c1")[0]!,
  },
  {
    name: "cni-plugin-replaced",
    class: "kubernetes",
    title: "One worker's program cilium-cni is a script that fails.",
    teaches: "Pods that run are not affected. The next one stays in ContainerCreating.",
    expect: ["cni-foreign"],
    inject: onNode(
      "[ -e /opt/cni/bin/cilium-cni.drill ] || cp -p /opt/cni/bin/cilium-cni /opt/cni/bin/cilium-cni.drill; printf '#!/bin/sh\\nexit 1\\n' >/opt/cni/bin/cilium-cni.new; chmod +x /opt/cni/bin/cilium-cni.new; mv /opt/cni/bin/cilium-cni.new /opt/cni/bin/cilium-cni",
    ),
    undo: onNode(
      "rm -f /opt/cni/bin/cilium-cni.new; [ ! -e /opt/cni/bin/cilium-cni.drill ] || mv /opt/cni/bin/cilium-cni.drill /opt/cni/bin/cilium-cni",
    ),
    probe: onNode("wc -c </opt/cni/bin/cilium-cni")[0]!,
  },
  {
    name: "kubelet-dns-wrong",
    class: "kubernetes",
    title: "One worker's kubelet gives new pods another name server.",
    teaches: "Pods that run keep their resolv.conf. Names fail in every pod that starts from now on.",
    expect: ["dns-config"],
    inject: onNode(
      "[ -e $kept/kubelet ] || cp /var/lib/kubelet/config.yaml $kept/kubelet; sed '/^clusterDNS:/,/^clusterDomain:/ s/^- .*/- 10.255.255.254/' $kept/kubelet >/var/lib/kubelet/config.yaml; systemctl restart kubelet; sleep 5",
    ),
    undo: onNode(
      "[ ! -e $kept/kubelet ] || { cp $kept/kubelet /var/lib/kubelet/config.yaml; systemctl restart kubelet; sleep 5; rm $kept/kubelet; }",
    ),
    settleSeconds: 25,
    probe: onNode("grep -A1 '^clusterDNS:' /var/lib/kubelet/config.yaml")[0]!,
  },
];
