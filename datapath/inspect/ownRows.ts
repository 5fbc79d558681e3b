import { contains } from "../../modes/cidr";
import { isKernelAtLeast, KERNEL_FEATURES, oldestKernelFor } from "../../modes/kernels";
import { firstOf } from "../checks/check";
import { isFull, mapPressures, pressureText } from "../checks/datapathMaps";
import { foreignPrograms, missingHooks } from "../checks/programs";
import { ciliumNodesByNode, valueOf, type ApiEvidence, type CiliumNodeState } from "../evidence/api";
import { kubeProxyAnswer } from "../evidence/kubeProxy";
import { jsonOf, sectionOf } from "../evidence/node";
import { attachedOn, hasNames } from "../evidence/programs";
import { masqueradingOf, networkOf, replaces } from "./dimensions/config";
import { kubeProxyRules } from "./dimensions/services";
import type { NodeRow } from "./inspection";
import type { View } from "./view";

/** A row that compares more than one value, and so judges each node itself. */
export interface OwnRow {
  readonly id: string;
  readonly title: string;
  /** Lines of long outputs that show the value. Default: all. */
  readonly shows?: RegExp;
  readonly judge: (view: View, api: ApiEvidence) => NodeRow;
}

/** Whether every hook that the configuration needs has Cilium's program. */
function programs(view: View, api: ApiEvidence): NodeRow {
  const { node, evidence, own, current } = view;
  const config = own ?? current;
  const attached = attachedOn(evidence);
  const unseen = { node, verdict: "not observable" } as const;
  if (attached instanceof Error) return { ...unseen, reason: attached.message };
  if (config === undefined) return { ...unseen, reason: "the configuration is not known" };
  // its programs are attached in pairs, which no cluster here could show
  if (attached.some(({ kind }) => kind.startsWith("netkit")))
    return { ...unseen, reason: "programs of netkit devices are not compared" };
  const network = networkOf(config);
  const missing = missingHooks(evidence, attached, api, {
    servesNodePorts: replaces(config),
    masqueradesInBpf: masqueradingOf(config) === "BPF",
    tunnelDevice: network === "native" ? "none" : `cilium_${network}`,
    hasEndpointRoutes: config["enable-endpoint-routes"] === "true",
    config,
  });
  // another row has those of XDP
  const others = hasNames(attached) ? foreignPrograms(attached).filter(({ kind }) => !kind.startsWith("xdp")) : [];
  const names = [...new Set(others.map(({ name, device }) => `${name || "a program"} on ${device}`))];
  const beside = names.length === 0 ? "" : `, beside ${firstOf(names, 2)}`;
  if (missing.length === 0) return { node, observed: `complete${beside}`, verdict: "in force" };
  const reason = `no program at ${firstOf(missing, 4)}${beside}; the agent attaches its programs when it starts: delete its pod on the node`;
  return { node, observed: `${missing.length} missing`, verdict: "contradiction", reason };
}

/** Undefined for what is no JSON: one node's answer must not end the inspection. */
function pressuresIn(metrics: string) {
  try {
    return mapPressures(metrics);
  } catch {
    return undefined;
  }
}

/** Entries of the endpoint map, which has the node's own pods, in other nodes' pod networks. */
function othersEndpoints({ node, evidence, own: config, current = {} }: View, api: ApiEvidence): string[] {
  // another plugin chooses pods' addresses
  const { ipam, "cni-chaining-mode": chaining = "none" } = config ?? current;
  if (ipam === "delegated-plugin" || !["none", "portmap"].includes(chaining)) return [];
  const map = jsonOf<Readonly<Record<string, readonly string[]>>>(evidence, "endpointMap");
  if (map instanceof Error) return [];
  const nodes = ciliumNodesByNode(api).with;
  const own = nodes.find(({ name }) => name === node);
  return Object.entries(map).flatMap(([key, values]) => {
    const address = /^(\d+(?:\.\d+){3}):/.exec(key)?.[1];
    if (address === undefined || values.join(" ").includes("localhost")) return [];
    const isIn = ({ podCidrs }: CiliumNodeState) => podCidrs.some((cidr) => contains(cidr, `${address}/32`));
    // a large cluster has many nodes, and nearly all entries are the node's own
    const owner = own !== undefined && isIn(own) ? undefined : nodes.find(isIn);
    return owner === undefined ? [] : [`${address} of ${owner.name}`];
  });
}

/** How full the BPF maps are, and whether that of endpoints has other nodes' pods. */
function maps(view: View, api: ApiEvidence): NodeRow {
  const { node, evidence } = view;
  const others = othersEndpoints(view, api);
  if (others.length > 0) {
    const reason = `the endpoint map has ${firstOf(others, 3)}: packets for it do not leave this node; the agent fills the map when it starts: delete its pod on the node`;
    return { node, observed: "another node's pod", verdict: "contradiction", reason };
  }
  const metrics = sectionOf(evidence, "pressure");
  const unread = { node, verdict: "not observable" } as const;
  if (metrics instanceof Error) {
    const isAsked = evidence.sections.pressure !== undefined;
    return { ...unread, reason: evidence.error ?? (isAsked ? metrics.message : "the agent's metrics were not read") };
  }
  const pressures = pressuresIn(metrics);
  if (pressures === undefined) return { ...unread, reason: "the agent's metrics are not JSON" };
  if (pressures.length === 0) return { ...unread, reason: "agents count the entries of no map" };
  const [, value] = pressures.reduce((most, each) => (each[1] > most[1] ? each : most));
  const full = pressures.filter(isFull);
  // in steps, so that most nodes say the same
  const step = [0.1, 0.25, 0.5, 0.75, 0.95].find((each) => value <= each) ?? 1;
  const row = { node, reported: `at most ${step * 100} % full` };
  if (full.length === 0) return { ...row, verdict: "in force" };
  const reason = `${full.map(pressureText).join(", ")}; further entries are refused: give Helm a larger bpf.*Max value`;
  return { ...row, verdict: "contradiction", reason };
}

/** The kernel, and what of the configuration it is too old for. */
function kernel(view: View, api: ApiEvidence): NodeRow {
  const { node, own, current, version } = view;
  const kernel = valueOf(api.nodes, []).find(({ name }) => name === node)?.kernel;
  const row = { node, reported: kernel };
  const config = own ?? current;
  if (kernel === undefined || config === undefined)
    return { ...row, verdict: "not observable", reason: "the node's kernel or configuration is not known" };
  const oldest = version === "" ? undefined : oldestKernelFor(version);
  if (oldest !== undefined && !isKernelAtLeast(kernel, oldest)) {
    const reason = `Cilium ${version} needs Linux ${oldest} or newer; Red Hat backports what it needs to older ones`;
    return { ...row, configured: `${oldest} or newer`, verdict: "not observable", reason };
  }
  const missing = KERNEL_FEATURES.filter(
    ({ since, isConfigured }) =>
      since !== undefined && isConfigured?.(config) === true && !isKernelAtLeast(kernel, since),
  );
  const configured = missing[0]?.since === undefined ? undefined : `${missing[0].since} or newer`;
  if (missing.length === 0) return { ...row, verdict: "in force" };
  const reason = missing.map(({ title, since }) => `${title} needs Linux ${since} or newer`).join("; ");
  return { ...row, configured, verdict: "fallback", reason: `${reason}, unless the distribution has backported it` };
}

/** How kube-proxy translates Services, where it runs. */
function kubeProxy({ node, evidence }: View): NodeRow {
  const told = sectionOf(evidence, "proxyMode");
  const reported = told instanceof Error ? undefined : kubeProxyAnswer(told).mode;
  const listed = sectionOf(evidence, "iptables");
  if (listed instanceof Error) return { node, reported, verdict: "not observable", reason: listed.message };
  const rules = kubeProxyRules(evidence);
  const observed = rules.join(" and ") || undefined;
  const row = { node, reported, observed };
  if (rules.length > 1) {
    const reason = "kube-proxy has one mode, and rules of another are left over: nobody updates them";
    return { ...row, verdict: "contradiction", reason };
  }
  if (reported === undefined || observed === undefined || reported === observed) {
    if (reported === undefined || observed !== undefined) return { ...row, verdict: "in force" };
    const reason = `no rules of mode ${reported} can be seen here`;
    return { ...row, verdict: "not observable", reason };
  }
  const reason = `kube-proxy reports mode ${reported}, and its rules are in ${observed}`;
  return { ...row, verdict: "contradiction", reason };
}

/** The row of kube-proxy, which only clusters with one have. */
export const KUBE_PROXY_ROW = "kube-proxy";

/** Rows beside the dimensions. */
export const OWN_ROWS: readonly OwnRow[] = [
  { id: "programs", title: "Programs", shows: /cil_|from_|to_|sock[46]_/, judge: programs },
  { id: "maps", title: "BPF maps", shows: /map_name|value/, judge: maps },
  {
    id: KUBE_PROXY_ROW,
    title: "kube-proxy",
    shows: /^(?:iptables|nftables|ipvs)$|^:KUBE-(?:SVC|SEP)|--match-set KUBE|kube-proxy/,
    judge: kubeProxy,
  },
  { id: "kernel", title: "Kernel", judge: kernel },
];
