import type { KubeProxyMode } from "../../../modes/kubeProxy";
import { at } from "../../../modes/tree";
import { firstOf } from "../../checks/check";
import { jsonOf, sectionOf, type NodeEvidence } from "../../evidence/node";
import { isSameEverywhere } from "../../evidence/sameFlows";
import type { TrafficEvidence } from "../../evidence/traffic";
import { attachedByXdp, attachedToSockets } from "../../evidence/programs";
import { NODE_PORT, REPLACEMENT, isOn, replaces, servesNodePorts, type Config } from "./config";
import { Hidden, textAt, word, type Dimension } from "./dimension";
import { programsOut, told, type Link } from "./node";

/** Beside kube-proxy. */
const NODE_PORTS = "NodePorts by Cilium";

/** Chains of kube-proxy, in the mode that makes them. */
const KUBE_PROXY = [
  ["iptables", /^:KUBE-(?:SVC|SEP)-/m],
  ["ipvs", /^(?:\[\d+:\d+\] )?-A KUBE-SERVICES .*--match-set KUBE-/m],
] as const;

/** Whether kube-proxy answers to its health check; with a key of its own, Cilium does in its place. */
function hasKubeProxy(node: NodeEvidence, config: Config): boolean {
  const answer = sectionOf(node, "kubeProxy");
  return (
    !(answer instanceof Error) && answer.startsWith("HTTP/") && !config["kube-proxy-replacement-healthz-bind-address"]
  );
}

/** kube-proxy's table in its mode nftables. */
const KUBE_PROXY_TABLE = /^table (?:ip|ip6|inet) kube-proxy\b/m;

const tablesOf = ({ nftables }: NodeEvidence) =>
  nftables !== undefined && "value" in nftables ? nftables.value : undefined;

/** The modes of kube-proxy whose rules a node has: more than one where an earlier mode left some. */
export function kubeProxyRules(node: NodeEvidence): KubeProxyMode[] {
  const rules = told(sectionOf(node, "iptables"));
  const found = KUBE_PROXY.flatMap(([mode, pattern]) => (pattern.test(rules) ? [mode] : []));
  return KUBE_PROXY_TABLE.test(tablesOf(node) ?? "") ? [...found, "nftables"] : found;
}

function services(node: NodeEvidence, config: Config): string | Hidden {
  const [flavour] = kubeProxyRules(node);
  const tables = tablesOf(node);
  const isCilium =
    told(attachedToSockets(node)).some(({ name }) => /sock4_connect$/.test(name)) &&
    programsOut(node, "from").length > 0;
  // it may have rules of nftables
  const isSilent = flavour === undefined && !hasKubeProxy(node, config);
  if (!isCilium && isSilent && tables === undefined)
    return new Hidden("kube-proxy has no iptables rules, and nftables can only be read where nodes can be entered");
  const kubeProxy = isSilent ? [] : [flavour === undefined ? "kube-proxy" : `kube-proxy (${flavour})`];
  const isInPart = !replaces(config) && servesNodePorts(config) && programsOut(node, "from").length > 0;
  return [...(isCilium ? ["Cilium"] : []), ...kubeProxy, ...(isInPart ? [NODE_PORTS] : [])].join(" and ") || "none";
}

const SERVICES = {
  true: "Cilium",
  strict: "Cilium",
  probe: "Cilium",
  partial: "kube-proxy",
  false: "kube-proxy",
  disabled: "kube-proxy",
};

function servedBy(replacement: string | undefined, nodePort: string | undefined): string | undefined {
  const who = word(SERVICES, replacement);
  return who === "kube-proxy" && isOn(nodePort) ? `${who}, ${NODE_PORTS}` : who;
}

function xdp(node: NodeEvidence): string {
  // bpftool does not tell their names
  const own = told(attachedByXdp(node));
  const modes = [...new Set(own.map(({ kind }) => (/generic|skb/.test(kind) ? "generic" : "native")))];
  if (modes.length === 0) return "disabled";
  const links = jsonOf<readonly Link[]>(node, "links");
  const names = links instanceof Error ? [] : links.flatMap((link) => link.xdp?.prog?.name ?? []);
  // Cilium's own program, and others on devices that it does not have
  const foreign = names.some((name) => /^(?:cil_|bpf_xdp)/.test(name)) ? [] : [...new Set(names)];
  return modes.sort().join(" and ") + (foreign.length === 0 ? "" : ` (${firstOf(foreign, 2)})`);
}

function socketLb(node: NodeEvidence): string {
  const hooks = told(attachedToSockets(node)).map(({ name }) => name);
  const needed = ["sock4_connect", "sock4_sendmsg", "sock4_recvmsg"];
  const found = needed.filter((hook) => hooks.some((name) => name.endsWith(hook)));
  if (found.length === 0) return "off";
  return found.length === needed.length
    ? "on"
    : `on without ${needed.filter((hook) => !found.includes(hook)).join(", ")}`;
}

function devicesWithPrograms(node: NodeEvidence): string {
  const devices = programsOut(node, "from")
    .map(({ device }) => device)
    .filter((device) => device !== "cilium_wg0");
  return [...new Set(devices)].sort().join(" ") || "none";
}

/** Whether patterns of devices, or their names, are those of the right side. */
function selects(left: string, right: string): boolean {
  if (left === right) return true;
  const patterns = left.split(/[ ,]+/).filter(Boolean);
  return right
    .split(" ")
    .every((device) =>
      patterns.some((each) => (each.endsWith("+") ? device.startsWith(each.slice(0, -1)) : each === device)),
    );
}

export const servicesDimension: Dimension = {
  id: "services",
  title: "Services",
  shows: /sock4_connect|from[_-]netdev|^:KUBE-(?:SVC|SEP)|--match-set KUBE|kube-proxy/,
  configured: (config) => servedBy(config[REPLACEMENT], config["enable-node-port"]),
  reported: (status) => servedBy(textAt(status, `${REPLACEMENT}.mode`), textAt(status, `${NODE_PORT}.enabled`)),
  observed: (node, _api, config) => services(node, config),
  isShown: (left, right, config) => {
    const parts = right.split(" and ").map((part) => part.replace(/ \(.*/, ""));
    const isShared =
      ["probe", "partial"].includes(config[REPLACEMENT] ?? "") ||
      isOn(config["bpf-lb-sock"]) ||
      isOn(config["enable-node-port"]);
    const wanted = left.split(", ");
    return wanted.every((part) => parts.includes(part)) && (parts.length === wanted.length || isShared);
  },
};

export const xdpDimension: Dimension = {
  id: "xdp",
  title: "XDP acceleration",
  shows: /"mode":|xdp/,
  configured: (config) => config["bpf-lb-acceleration"] ?? config["node-port-acceleration"] ?? "disabled",
  reported: (status, config) =>
    servesNodePorts(config) ? textAt(status, `${NODE_PORT}.acceleration`)?.toLowerCase() : undefined,
  observed: xdp,
  isSame: (left, right) =>
    left === right ||
    (left === "best-effort" && right === "native") ||
    (left === "testing-only" && right === "generic"),
  log: /XDP/i,
};

export const socketLbDimension: Dimension = {
  id: "socket-lb",
  title: "Socket LB",
  shows: /sock4_/,
  configured: (config) => {
    if (!replaces(config) && !isOn(config["bpf-lb-sock"])) return "off";
    return isOn(config["bpf-lb-sock-hostns-only"]) ? "host namespace" : "everywhere";
  },
  reported: (status, config) => {
    const enabled = textAt(status, `${REPLACEMENT}.features.socketLB.enabled`);
    if (enabled === undefined && at(status, `${REPLACEMENT}.features`.split(".")) === undefined) return undefined;
    if (!isOn(enabled)) return "off";
    const only = textAt(status, `${REPLACEMENT}.features.bpfSocketLBHostnsOnly`);
    // agents before 1.14 do not tell
    const isOld = /^v?1\.1[23]\./.test(textAt(status, "cilium.msg") ?? "");
    return isOn(only ?? (isOld ? config["bpf-lb-sock-hostns-only"] : undefined)) ? "host namespace" : "everywhere";
  },
  observed: socketLb,
  isSame: (left, right) => left === right || (right === "on" && left !== "off"),
};

/** Whose address servers on other nodes saw of a client outside that asked a node; undefined where none told. */
function modeSeen(traffic: TrafficEvidence | undefined, node: string): string | undefined {
  const nodeOf = new Map(traffic?.pods.map(({ pod, node: on }) => [pod, on]));
  const seen = (protocol: string) =>
    (traffic?.probes ?? [])
      .filter(
        ({ flow, to, shape }) => flow === "outside-to-node-port" && to.node === node && shape.startsWith(protocol),
      )
      .flatMap(({ from, tries }) =>
        tries.flatMap(({ client, pod }) =>
          client === undefined || pod === undefined || nodeOf.get(pod) === node ? [] : [client === from.address],
        ),
      );
  const [tcp, udp] = [seen("tcp"), seen("udp")];
  if (tcp.length === 0 || udp.length === 0) return undefined;
  if (!tcp.every(Boolean)) return "snat";
  return udp.every(Boolean) ? "dsr" : "hybrid";
}

export const lbModeDimension: Dimension = {
  id: "lb-mode",
  title: "Load balancer",
  configured: (config) =>
    servesNodePorts(config) ? (config["bpf-lb-mode"] ?? config["node-port-mode"] ?? "snat") : undefined,
  reported: (status, config) =>
    servesNodePorts(config) ? textAt(status, `${NODE_PORT}.mode`)?.toLowerCase() : undefined,
  observed: ({ node }, _api, config, { traffic }) => {
    const asked = config["bpf-lb-mode"] ?? config["node-port-mode"] ?? "snat";
    if (asked === "snat") return new Hidden("only a client outside the cluster shows it: cilium-modes verify, on kind");
    return (
      modeSeen(traffic, node) ??
      new Hidden(
        "only a client outside the cluster shows that servers see its own address and reply to it directly: cilium-modes verify, on kind",
      )
    );
  },
};

export const lbAlgorithmDimension: Dimension = {
  id: "lb-algorithm",
  title: "Backend choice",
  configured: (config) =>
    servesNodePorts(config) ? (config["bpf-lb-algorithm"] ?? config["node-port-algorithm"] ?? "random") : undefined,
  reported: (status, config) =>
    servesNodePorts(config) ? textAt(status, `${NODE_PORT}.algorithm`)?.toLowerCase() : undefined,
  observed: (_node, _api, config, { traffic }) => {
    if ((config["bpf-lb-algorithm"] ?? config["node-port-algorithm"]) !== "maglev")
      return new Hidden("only many connections from outside show it");
    const flows = traffic?.sameFlows ?? [];
    if (new Set(flows.map(({ node }) => node)).size < 2)
      return new Hidden(
        "only connections from outside, from one port through every node, show that they reach the same pod: cilium-modes verify, on kind",
      );
    return isSameEverywhere(flows) ? "maglev" : "random";
  },
};

export const devicesDimension: Dimension = {
  id: "devices",
  title: "Devices",
  shows: /from[_-]netdev/,
  configured: (config) => config["devices"]?.trim() || undefined,
  reported: (status) => {
    const list = at(status, [REPLACEMENT, "deviceList"]);
    return Array.isArray(list)
      ? (list as { name?: string }[])
          .map(({ name }) => name)
          .sort()
          .join(" ") || "none"
      : undefined;
  },
  observed: (node, _api, config) =>
    servesNodePorts(config) ? devicesWithPrograms(node) : new Hidden("Cilium serves no NodePorts, which need devices"),
  isSame: selects,
  isShown: (left, right) => left === right,
  isPerNode: true,
};
