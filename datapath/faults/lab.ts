import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import { AGENT_SELECTOR, CILIUM_NAMESPACE } from "../../cluster/agents";
import { nodeAddress, nodeIpv6Address } from "../clusterFacts";
import type { ClusterReader, NodeExec } from "../../cluster/read";
import type { Place, Script } from "./fault";

/**
 * What a fault's scripts know of a cluster: shell variables, and their values. `node` is the worker on which faults are
 * injected, `peer` another one, `third` the control plane; of each its address, its pods' network and the address of the
 * workload's pod there; in a dual-stack cluster the same of IPv6, which is empty in others.
 */
export type LabFacts = Readonly<Record<Fact, string>>;

type Fact =
  | "node"
  | "node_address"
  | "node_pods"
  | "pod"
  | "pod_address"
  | "peer"
  | "peer_address"
  | "peer_pods"
  | "peer_pod"
  | "peer_pod_address"
  | "third"
  | "third_address"
  | "third_pods"
  | "third_pod_address"
  | "cluster_ip"
  | "node_port"
  | "dns_pod_address"
  | "node_ipv6"
  | "node_ipv6_pods"
  | "pod_ipv6"
  | "peer_ipv6"
  | "peer_ipv6_pods"
  | "peer_pod_ipv6"
  | "third_ipv6"
  | "cluster_ipv6";

/** A cluster whose faults can be injected: its nodes are containers of this machine. */
export interface Lab {
  readonly facts: LabFacts;
  /** Run a script in its place and return what it printed. @throws Error when it fails */
  run(script: Script): Promise<string>;
}

/** Choose the nodes and pods that faults are about. @throws Error when a node or a pod of the workload is missing */
export async function readLabFacts(cluster: ClusterReader): Promise<LabFacts> {
  const [nodes, pods, cidrs, service, dns] = await Promise.all([
    cluster.nodes(),
    cluster.pods(WORKLOAD.namespace, `app=${WORKLOAD.daemonSet}`),
    cluster.ciliumPodCidrs(),
    cluster.service(WORKLOAD.namespace, WORKLOAD.service),
    cluster.pods("kube-system", "k8s-app=kube-dns"),
  ]);
  const isControlPlane = (name: string) =>
    nodes.some(
      ({ metadata }) =>
        metadata!.name === name && metadata!.labels?.["node-role.kubernetes.io/control-plane"] !== undefined,
    );
  const names = nodes.map(({ metadata }) => metadata!.name!).sort();
  const workers = names.filter((name) => !isControlPlane(name));
  const third = names.find(isControlPlane);
  const [node, peer] = workers;
  if (node === undefined || peer === undefined || third === undefined)
    throw new Error(
      `A drill needs a control plane and two workers (got ${names.join(", ")}); set cluster.workers to 2 or more and run pulumi up`,
    );
  const of = (name: string) => {
    const status = nodes.find(({ metadata }) => metadata!.name === name)!.status;
    const address = nodeAddress(status);
    const pod = pods.find(({ spec, metadata }) => spec?.nodeName === name && metadata?.deletionTimestamp === undefined);
    const network = cidrs.get(name)?.find((cidr) => !cidr.includes(":"));
    const podAddress = pod?.status?.podIP;
    if (address === undefined || network === undefined || podAddress === undefined)
      throw new Error(`Node ${name} has no address, no pod network or no pod of the workload; run pulumi up --refresh`);
    const ipv6 = {
      address: nodeIpv6Address(status) ?? "",
      network: cidrs.get(name)?.find((cidr) => cidr.includes(":")) ?? "",
      podAddress: pod!.status?.podIPs?.find(({ ip }) => ip.includes(":"))?.ip ?? "",
    };
    return { address, network, pod: pod!.metadata!.name!, podAddress, ipv6 };
  };
  const [chosen, other, last] = [of(node), of(peer), of(third)];
  return {
    node,
    node_address: chosen.address,
    node_pods: chosen.network,
    pod: chosen.pod,
    pod_address: chosen.podAddress,
    peer,
    peer_address: other.address,
    peer_pods: other.network,
    peer_pod: other.pod,
    peer_pod_address: other.podAddress,
    third,
    third_address: last.address,
    third_pods: last.network,
    third_pod_address: last.podAddress,
    cluster_ip: service?.spec?.clusterIP ?? "",
    node_port: String(service?.spec?.ports?.[0]?.nodePort ?? ""),
    dns_pod_address: dns[0]?.status?.podIP ?? "",
    node_ipv6: chosen.ipv6.address,
    node_ipv6_pods: chosen.ipv6.network,
    pod_ipv6: chosen.ipv6.podAddress,
    peer_ipv6: other.ipv6.address,
    peer_ipv6_pods: other.ipv6.network,
    peer_pod_ipv6: other.ipv6.podAddress,
    third_ipv6: last.ipv6.address,
    cluster_ipv6: service?.spec?.clusterIPs?.find((address) => address.includes(":")) ?? "",
  };
}

/** Reach a lab by its nodes alone, so that a fault can be undone whatever became of the API server's address. */
export function labOf(facts: LabFacts, nodes: readonly string[], exec: NodeExec): Lab {
  const onNode = (node: string, place: Place, run: string) =>
    exec(node, ["sh", "-c", scriptOf({ ...facts, here: node }, place, run)]);
  const inContainer = (pod: string, container: string, namespace: string, place: Place, run: string) =>
    exec(facts.third, [
      "kubectl",
      "--kubeconfig=/etc/kubernetes/admin.conf",
      "--request-timeout=60s",
      ...["-n", namespace, "exec", pod, "-c", container, "--", "sh", "-c"],
      scriptOf({ ...facts, here: facts.node }, place, run),
    ]);
  return {
    facts,
    async run({ at, run }) {
      switch (at) {
        case "node":
          return onNode(facts.node, at, run);
        case "peer":
          return onNode(facts.peer, at, run);
        case "kube":
          return onNode(facts.third, at, run);
        case "every-node":
          return (await Promise.all(nodes.map((node) => onNode(node, at, run)))).join("");
        case "agent": {
          const agent = await onNode(
            facts.third,
            "kube",
            `kubectl -n ${CILIUM_NAMESPACE} get pods -l ${AGENT_SELECTOR} --field-selector=spec.nodeName=$node,status.phase=Running -o jsonpath='{.items[0].metadata.name}'`,
          );
          return inContainer(agent.trim(), "cilium-agent", CILIUM_NAMESPACE, at, run);
        }
        case "pod":
          return inContainer(facts.pod, WORKLOAD_CONTAINER, WORKLOAD.namespace, at, run);
      }
    },
  };
}

/** A whole script: variables, the functions of its place, and what is to be done. `$kept` is a folder for what was before. */
export function scriptOf(variables: Readonly<Record<string, string>>, place: Place, run: string): string {
  return [
    "set -eu",
    ...Object.entries(variables).map(([name, value]) => `${name}='${value}'`),
    PRELUDES[place],
    "mkdir -p $kept",
    run,
  ].join("\n");
}

/** Nodes and their agents see the same folder. */
const KEPT = "kept=/var/run/cilium/cilium-modes-drill";

const NODE_PRELUDE = `${KEPT}
# keep NAME COMMAND: repeat a command, since Cilium repairs what it does; unkeep NAME ends that
keep() {
  touch $kept/$1.loop
  nohup sh -c "while [ -e $kept/$1.loop ]; do $2; sleep 0.2; done" >/dev/null 2>&1 &
}
unkeep() { rm -f $kept/$1.loop; sleep 0.6; }
# in_pod COMMAND: run it in the network of the workload's pod on this node, with the node's tools
in_pod() {
  for namespace in /var/run/netns/*; do
    nsenter --net=$namespace ip -4 -o address show dev eth0 2>/dev/null | grep -q " $pod_address/" || continue
    nsenter --net=$namespace "$@"
    return
  done
  echo "no network namespace has the address $pod_address" >&2
  return 1
}
# the pod's interface on this node
lxc() {
  index=$(in_pod ip -o link show dev eth0 | sed 's/.*@if\\([0-9]*\\):.*/\\1/')
  ip -o link | sed -n "s/^$index: \\([^@:]*\\).*/\\1/p"
}`;

/** What each place offers its scripts. */
const PRELUDES: Readonly<Record<Place, string>> = {
  node: NODE_PRELUDE,
  peer: NODE_PRELUDE,
  "every-node": NODE_PRELUDE,
  kube: `${KEPT}
export KUBECONFIG=/etc/kubernetes/admin.conf
agents_ready() {
  nodes=$(kubectl get nodes --no-headers | wc -l)
  for second in $(seq 150); do
    [ "$(kubectl -n ${CILIUM_NAMESPACE} get pods -l ${AGENT_SELECTOR} --no-headers 2>/dev/null | grep -c ' 1/1 *Running')" = $nodes ] && return
    sleep 1
  done
  echo "not every node has a ready agent" >&2
  return 1
}
# delete_agents [NODE]: of one node, or all
delete_agents() {
  kubectl -n ${CILIUM_NAMESPACE} delete pod -l ${AGENT_SELECTOR} \${1:+--field-selector=spec.nodeName=$1} >/dev/null
}
restart_agents() { delete_agents "$@"; agents_ready; }
# set_config KEY VALUE …: change cilium-config, and keep what it held; reset_config restores that
set_config() {
  [ -e $kept/config ] || kubectl -n ${CILIUM_NAMESPACE} get configmap cilium-config -o json >$kept/config
  while [ $# -gt 0 ]; do
    kubectl -n ${CILIUM_NAMESPACE} patch configmap cilium-config --type=merge -p "{\\"data\\":{\\"$1\\":\\"$2\\"}}" >/dev/null
    shift 2
  done
}
reset_config() {
  [ -e $kept/config ] || return 0
  kubectl -n ${CILIUM_NAMESPACE} get configmap cilium-config -o json >$kept/config.now
  # keys that the fault added go too
  patch=$(jq -cn --slurpfile old $kept/config --slurpfile now $kept/config.now '{data: ((($now[0].data | map_values(null))) + $old[0].data)}')
  kubectl -n ${CILIUM_NAMESPACE} patch configmap cilium-config --type=merge -p "$patch" >/dev/null
  rm $kept/config $kept/config.now
}`,
  agent: `${KEPT}
cilium=$(command -v cilium-dbg || command -v cilium)
# the Cilium endpoint of the workload's pod on this node
endpoint() { $cilium endpoint get ipv4:$pod_address -o jsonpath='{[0].id}'; }
# hexadecimal bytes of an address and of a port, as keys of BPF maps have them
address_bytes() { printf '%02x %02x %02x %02x' $(echo $1 | tr . ' '); }
port_bytes() { printf '%02x %02x' $(($1 / 256)) $(($1 % 256)); }`,
  pod: `kept=/tmp/cilium-modes-drill`,
};
