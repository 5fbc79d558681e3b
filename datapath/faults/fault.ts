import type { RoutingMode } from "../../modes/contract";
import type { KubeProxyMode } from "../../modes/kubeProxy";
import type { CauseId, FaultClass } from "../causes";

/**
 * Where a fault's script runs: on the chosen worker (`node`), on the other one (`peer`), on every node, on the control
 * plane with kubectl (`kube`), in the chosen worker's agent (`agent`), or in the workload's pod on that worker (`pod`).
 */
export type Place = "node" | "peer" | "every-node" | "kube" | "agent" | "pod";

/** A POSIX shell script and where it runs; `lab.ts` has the variables and functions that it may use. */
export interface Script {
  readonly at: Place;
  readonly run: string;
}

/** One thing that can go wrong in a cluster, how to make it go wrong, and how to undo that. */
export interface Fault {
  /** In kebab-case. */
  readonly name: string;
  readonly class: FaultClass;
  /** What is broken, in one sentence. */
  readonly title: string;
  /** What a user sees, and why it happens. */
  readonly teaches: string;
  /** Any of these causes explains the fault. */
  readonly expect: readonly CauseId[];
  /** Modes in which the fault breaks something. Default: all. */
  readonly modes?: readonly RoutingMode[];
  /** Whether it needs a tunnel (`true`) or native routing (`false`). Default: neither. */
  readonly tunnel?: boolean;
  /** Families that the cluster needs. Default: any. */
  readonly ipFamily?: "dual";
  /** Mode of kube-proxy whose rules it breaks. Default: any. */
  readonly kubeProxy?: KubeProxyMode;
  /** Keys of `cilium-config` that it sets, with their values: a stack that asks for these has no fault. Default: none. */
  readonly config?: readonly (readonly [key: string, value: string])[];
  /** Run in this order. */
  readonly inject: readonly Script[];
  /** Run in this order; repeating them does no harm. */
  readonly undo: readonly Script[];
  /** Prints something else while the fault is in force, and nothing that changes by itself. */
  readonly probe: Script;
  /** How long the fault may take until it is in force, in seconds. Default: 20 */
  readonly effectSeconds?: number;
  /** How long a verification may retry during the fault, in seconds: agents that restarted need a while. Default: 5 */
  readonly settleSeconds?: number;
}

const at = (place: Place) => (run: string) => [{ at: place, run }];

export const onNode = at("node");
export const onEveryNode = at("every-node");
export const kube = at("kube");
export const inAgent = at("agent");
export const inPod = at("pod");

/** The stacks' modes in which Cilium replaces kube-proxy. */
export const WITHOUT_KUBE_PROXY = ["replacement", "ebpf"] as const;
/** The stacks' modes in which packets pass the hosts' IP stack. */
export const THROUGH_HOST = ["kubeproxy", "replacement"] as const;
export const WITH_KUBE_PROXY = ["kubeproxy"] as const;
export const BPF_ROUTING = ["ebpf"] as const;

/** Start a new agent on the chosen worker: it attaches programs, fills maps and writes rules again. */
export const RESTART_AGENT = kube("restart_agents $node");

/** Inject, undo and probe a rule of iptables on the chosen worker: `chain` and `rule` as after `-I`. */
export function iptablesRule(chain: string, rule: string, table = "filter") {
  return ruleBy("iptables", table, chain, rule);
}

/** The same for IPv6. */
export function ip6tablesRule(chain: string, rule: string, table = "filter") {
  return ruleBy("ip6tables", table, chain, rule);
}

/** The same in the network namespace of the workload's pod on the chosen worker. */
export function podRule(chain: string, rule: string) {
  return ruleBy("in_pod iptables", "filter", chain, rule);
}

/** The same by another program of the same usage. */
export function ruleBy(program: string, table: string, chain: string, rule: string) {
  const command = (action: string) => `${program} -w 5 -t ${table} ${action} ${chain} ${rule}`;
  return {
    inject: onNode(command("-I")),
    undo: onNode(`while ${command("-C")} 2>/dev/null; do ${command("-D")}; done`),
    probe: onNode(`${command("-C")} 2>&1 && echo present`)[0]!,
  };
}

/** Set a kernel parameter and restore the value that it had, in the place's network namespace. */
export function kernelParameter(where: typeof onNode, name: string, value: string) {
  const file = `/proc/sys/${name}`;
  return {
    inject: where(`[ -e $kept/parameter ] || cat ${file} >$kept/parameter; echo ${value} >${file}`),
    undo: where(`[ ! -e $kept/parameter ] || { cat $kept/parameter >${file}; rm $kept/parameter; }`),
    probe: where(`cat ${file}`)[0]!,
  };
}

/** Keep a device's IPv6 addresses and routes, which go when it is down, has no IPv6, or an MTU below 1,280; in a dual-stack cluster. */
export const saveIpv6 = (device: string) => `[ -z "$node_ipv6" ] || [ -e $kept/routes6 ] || {
ip -6 -o address show dev ${device} scope global | awk '{ print $4 }' >$kept/addresses6
ip -6 route show dev ${device} | grep -v '^fe80' | sed 's/ pref [a-z]*//' >$kept/routes6
}`;

/** Give a device back what {@link saveIpv6} kept. */
export const restoreIpv6 = (device: string) => `[ ! -e $kept/routes6 ] || {
for address in $(cat $kept/addresses6); do ip -6 address replace $address dev ${device} nodad; done
for round in 1 2; do while read -r route; do ip -6 route replace $route dev ${device} 2>/dev/null || true; done <$kept/routes6; done
rm $kept/routes6 $kept/addresses6
}`;

/** Apply a manifest, in which shell variables are expanded, and delete the object that it makes. */
export function manifest(object: string, yaml: string, namespace = "nettool") {
  const document = yaml.trim();
  return {
    inject: kube(`kubectl apply -f - >/dev/null <<X\n${document}\nX\nsleep 2`),
    undo: kube(`kubectl -n ${namespace} delete ${object} --ignore-not-found >/dev/null; sleep 2`),
    probe: kube(`kubectl -n ${namespace} get ${object} -o name --ignore-not-found`)[0]!,
  };
}

/** Patch an object, and patch it back. */
export function patched(object: string, namespace: string, patch: string, back: string, shown: string) {
  const command = (text: string) =>
    kube(`kubectl -n ${namespace} patch ${object} --type=merge -p "${escaped(text)}" >/dev/null; sleep 1`);
  return {
    inject: command(patch),
    undo: command(back),
    probe: kube(`kubectl -n ${namespace} get ${object} -o jsonpath='${shown}'`)[0]!,
  };
}

/** JSON in double quotes of a shell, where variables are still expanded. */
const escaped = (json: string) => json.replaceAll('"', '\\"');

/** Give the chosen worker's agent other values than all others; it reads them when it starts. */
export function nodeConfig(defaults: Readonly<Record<string, string>>) {
  return manifest(
    "ciliumnodeconfig/drill",
    `apiVersion: cilium.io/v2
kind: CiliumNodeConfig
metadata: {name: drill, namespace: kube-system}
spec:
  nodeSelector: {matchLabels: {kubernetes.io/hostname: $node}}
  defaults: {${Object.entries(defaults)
    .map(([key, value]) => `${key}: "${value}"`)
    .join(", ")}}`,
    "kube-system",
  );
}

/** Delete an entry of a BPF map on the chosen worker, and write it again. */
export function deletedEntry(map: string, key: string) {
  const entry = `pinned /sys/fs/bpf/tc/globals/${map} key hex ${key}`;
  return {
    inject: inAgent(`if [ ! -e $kept/value ]; then
  bpftool -j map lookup ${entry} | sed 's/.*"value":\\["\\([^]]*\\)"\\].*/\\1/; s/","/ /g' >$kept/read
  [ -s $kept/read ] && mv $kept/read $kept/value
fi
bpftool map delete ${entry}`),
    undo: inAgent(`[ ! -e $kept/value ] || { bpftool map update ${entry} value $(cat $kept/value); rm $kept/value; }`),
    probe: inAgent(`bpftool -j map lookup ${entry} 2>/dev/null | grep -o '"value":\\[[^]]*' || true`)[0]!,
  };
}
