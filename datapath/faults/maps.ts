import { deletedEntry, inAgent, kube, RESTART_AGENT, type Fault } from "./fault";

const IPCACHE = (address: string) =>
  inAgent(`$cilium bpf ipcache get ${address} 2>&1 | grep -o 'identity=[0-9]*' || echo none`)[0]!;

/** The policy map of the pod's endpoint. */
const POLICY_MAP = "map=$(ls -d /sys/fs/bpf/tc/globals/cilium_policy*_$(printf '%05d' $(endpoint)))";

const NOBODY = "10.255.255.254";

/** Give backends of TCP port 80 another address in the agent's backend map. */
const replaceBackend = (from: string, to: string) => `map=/sys/fs/bpf/tc/globals/cilium_lb4_backends_v3
wanted=$(address_bytes ${from}); other=$(address_bytes ${to})
bpftool -j map dump pinned $map | tr -d '"' | sed 's/0x//g; s/},{key/\\n{key/g' | sed -n 's/.*key:\\[\\([^]]*\\)\\],value:\\[\\([^]]*\\)\\].*/\\1;\\2/p' | tr , ' ' |
  while IFS=';' read -r key value; do
    case $value in "$wanted 00 50 06"*) bpftool map update pinned $map key hex $key value hex $other \${value#"$wanted"} ;; esac
  done`;

/** Number of the workload's Service, in network byte order. */
const SERVICE_ID =
  "$(printf '%04x' $($cilium bpf lb list | sed -n 's|^'$cluster_ip':80\\(/TCP\\)\\{0,1\\} (0) .*0.0.0.0:0 (\\([0-9]*\\)).*|\\2|p') | sed 's/../& /g')";

/** Entries of Cilium's maps that do not agree with the cluster. */
export const MAP_FAULTS: readonly Fault[] = [
  {
    name: "ipcache-entry-missing",
    class: "maps",
    title: "One agent's ipcache lacks a pod on another node.",
    teaches: "Its packets count as coming from outside the cluster: traffic flows until a policy decides by identity.",
    expect: ["ipcache-stale"],
    inject: inAgent("$cilium bpf ipcache delete $peer_pod_address/32 >/dev/null"),
    undo: RESTART_AGENT,
    probe: IPCACHE("$peer_pod_address"),
  },
  {
    name: "ipcache-identity-wrong",
    class: "maps",
    title: "One agent's ipcache gives a pod on another node the identity of the host.",
    teaches: "Policies that trust the host let this pod through.",
    expect: ["ipcache-stale"],
    inject: inAgent(
      "$cilium bpf ipcache update $peer_pod_address/32 --identity 1 --tunnelendpoint $peer_address >/dev/null",
    ),
    undo: RESTART_AGENT,
    probe: IPCACHE("$peer_pod_address"),
  },
  {
    name: "ipcache-node-missing",
    class: "maps",
    title: "One agent's ipcache lacks another node.",
    teaches: "The node counts as outside the cluster: host policies and NodePort replies are judged differently.",
    expect: ["ipcache-stale"],
    inject: inAgent("$cilium bpf ipcache delete $peer_address/32 >/dev/null"),
    undo: RESTART_AGENT,
    probe: IPCACHE("$peer_address"),
  },
  {
    name: "endpoint-map-entry-missing",
    class: "maps",
    title: "One pod is missing from its node's endpoint map.",
    teaches: "BPF does not know the pod's interface. Packets for it take the host's stack, or are lost.",
    expect: ["endpoint-map-stale"],
    // the address in 16 bytes, its family, and no cluster
    ...deletedEntry("cilium_lxc", `$(address_bytes $pod_address) ${"00 ".repeat(12)}01 00 00 00`),
  },
  {
    name: "policy-map-empty",
    class: "maps",
    title: "One pod's policy map is empty.",
    teaches: "The pod has no policy and still drops everything, with: policy denied.",
    expect: ["policy-drop", "endpoint-map-stale"],
    inject: inAgent(`${POLICY_MAP}
[ -e $kept/policy ] || bpftool -j map dump pinned $map | tr -d '"' | sed 's/},{key/\\n{key/g' | sed -n 's/.*key:\\[\\([^]]*\\)\\],value:\\[\\([^]]*\\)\\].*/key \\1 value \\2/p' | tr , ' ' >$kept/policy
while read -r entry; do bpftool map delete pinned $map \${entry%% value*}; done <$kept/policy`),
    undo: inAgent(`${POLICY_MAP}
[ -e $kept/policy ] || exit 0
while read -r entry; do bpftool map update pinned $map $entry; done <$kept/policy; rm $kept/policy`),
    probe: inAgent("$cilium bpf policy get $(endpoint) | grep -cE 'Allow' || true")[0]!,
  },
  {
    name: "backend-address-wrong",
    class: "maps",
    title: "One agent's backend map gives a backend an address that no pod has.",
    teaches: "One in three connections from that node's pods to the Service times out.",
    expect: ["service-map-stale", "endpoints-incomplete"],
    inject: inAgent(replaceBackend("$peer_pod_address", NOBODY)),
    undo: inAgent(replaceBackend(NOBODY, "$peer_pod_address")),
    probe: inAgent("$cilium bpf lb list --backends 2>/dev/null | grep -c 10.255.255.254 || true")[0]!,
  },
  {
    name: "ipcache-outsiders-are-host",
    class: "maps",
    title: "One agent's ipcache gives an outside network the identity of the host.",
    teaches: "Policies that trust the host let strangers through.",
    expect: ["ipcache-stale"],
    inject: inAgent("$cilium bpf ipcache update 198.51.100.0/24 --identity 1 --tunnelendpoint 0.0.0.0 >/dev/null"),
    undo: inAgent("$cilium bpf ipcache delete 198.51.100.0/24 >/dev/null 2>&1 || true"),
    probe: inAgent("$cilium bpf ipcache list | grep -c 198.51.100.0 || true")[0]!,
  },
  {
    name: "reverse-entry-missing",
    class: "maps",
    title: "One agent's map of reverse translations lacks the workload's Service.",
    teaches: "Replies arrive from the backend's address, and the client drops them.",
    expect: ["service-map-stale"],
    ...deletedEntry("cilium_lb4_reverse_nat", SERVICE_ID),
  },
  {
    name: "ipcache-node-is-world",
    class: "maps",
    title: "One agent's ipcache gives another node the identity of the world.",
    teaches: "Rules for remote-node and host do not match it, and policies drop its health probes.",
    expect: ["ipcache-stale"],
    inject: inAgent("$cilium bpf ipcache update $peer_address/32 --identity 2 --tunnelendpoint 0.0.0.0 >/dev/null"),
    undo: RESTART_AGENT,
    probe: IPCACHE("$peer_address"),
  },
  {
    name: "ipcache-outsiders-are-node",
    class: "maps",
    title: "One agent's ipcache gives an outside network the identity of remote nodes.",
    teaches: "Policies that let nodes in let these strangers in, and their packets are not masqueraded.",
    expect: ["ipcache-stale"],
    inject: inAgent("$cilium bpf ipcache update 198.51.100.0/24 --identity 6 --tunnelendpoint 0.0.0.0 >/dev/null"),
    undo: inAgent("$cilium bpf ipcache delete 198.51.100.0/24 >/dev/null 2>&1 || true"),
    probe: inAgent("$cilium bpf ipcache list | grep -c 198.51.100.0 || true")[0]!,
  },
  {
    name: "map-frozen",
    class: "maps",
    title: "One of the BPF maps of Services was frozen on one worker.",
    teaches: "It is read as before. The agent can no longer write changes into it, and says so in its log only.",
    expect: ["endpoint-map-stale"],
    inject: inAgent("bpftool map freeze pinned /sys/fs/bpf/tc/globals/cilium_lb4_source_range"),
    // nobody can thaw it, so the agent makes another one
    undo: [...inAgent("rm -f /sys/fs/bpf/tc/globals/cilium_lb4_source_range"), ...RESTART_AGENT],
    probe: inAgent(
      "bpftool map show pinned /sys/fs/bpf/tc/globals/cilium_lb4_source_range 2>/dev/null | grep -c frozen || true",
    )[0]!,
    settleSeconds: 25,
  },
  {
    name: "ipcache-own-node-missing",
    class: "maps",
    title: "One agent's ipcache lacks the node itself.",
    teaches: "The node's own pods take it for the world: policies that let the host in drop probes of the kubelet.",
    expect: ["ipcache-stale"],
    inject: inAgent("$cilium bpf ipcache delete $node_address/32 >/dev/null"),
    undo: RESTART_AGENT,
    probe: IPCACHE("$node_address"),
  },
  {
    name: "endpoint-object-identity",
    class: "maps",
    title: "The CiliumEndpoint of one pod says another identity than its agent gave it.",
    teaches: "Other nodes believe the object: they apply the policies for another pod to this one's packets.",
    expect: ["endpoint-identity"],
    inject: kube(
      `other=$(kubectl -n kube-system get ciliumendpoints -o jsonpath='{.items[0].status.identity.id}'); kubectl -n nettool patch ciliumendpoint $pod --type=merge -p "{\\"status\\":{\\"identity\\":{\\"id\\":$other}}}" >/dev/null; sleep 2`,
    ),
    undo: [...kube("kubectl -n nettool delete ciliumendpoint $pod --ignore-not-found >/dev/null"), ...RESTART_AGENT],
    probe: kube("kubectl -n nettool get ciliumendpoint $pod -o jsonpath='{.status.identity.id}'")[0]!,
  },
  {
    name: "policy-map-frozen",
    class: "maps",
    title: "The policy map of one pod was frozen.",
    teaches: "The pod keeps the rules that it has: no new policy takes effect, and the agent's log alone says so.",
    expect: ["endpoint-map-stale"],
    inject: inAgent(`${POLICY_MAP}; bpftool map freeze pinned $map`),
    // nobody can thaw it, so the agent makes another one
    undo: [...inAgent(`${POLICY_MAP}; rm -f $map`), ...RESTART_AGENT],
    probe: inAgent(`${POLICY_MAP}; bpftool map show pinned $map | grep -c frozen || true`)[0]!,
  },
];
