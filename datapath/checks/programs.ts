import { has, type Since } from "../../modes/ciliumVersion";
import { MODE_CONTRACTS } from "../../modes/contract";
import { isKernelAtLeast } from "../../modes/kernels";
import { readingOf, valueOf, type ApiEvidence } from "../evidence/api";
import {
  addressesOf,
  agentVersion,
  CGROUP_ROOT,
  deviceOf,
  endpointsOf,
  jsonOf,
  ownSettings,
  sectionOf,
  type NodeEvidence,
} from "../evidence/node";
import {
  attachedOn,
  classOf,
  hasNames,
  isOwnXdp,
  programsOfCgroups,
  waysOfAttachment,
  type Attached,
  type CgroupProgram,
} from "../evidence/programs";
import { parseConfig } from "./agents";
import { fail, inconclusive, pass, warning, type Check, type Finding } from "./check";
import { eachNode } from "./nodes";

/** Hooks of sockets without which services are not translated where programs connect, send and receive. */
const SOCKET_HOOKS = ["connect", "sendmsg", "recvmsg"];
/** The first Linux with the hook `getpeername`; agents do without it on older ones. */
const GETPEERNAME = "5.8";
/** Agents attach a program to sockets that are closed. */
const SOCK_RELEASE: Since = ["1.18.0"];

/** Attach types at which sockets' addresses are translated, or their packets dropped. */
const OF_SOCKETS = /connect|sendmsg|recvmsg|getpeername|getsockname|bind|inet_(?:ingress|egress)/;
/** Cgroups of pods, and kind's cgroup around them: a program there sees the packets of all pods. */
const OF_PODS = /kubepods|\/kubelet(?:\.slice)?$/;
/**
 * Names of Cilium's programs in any version. Legacy tc names an object and its section (`bpf_host.o:[from-host]`), and of a
 * pinned program only the pin (`…:[*fsobj]`), which may be anybody's (lib/bpf_legacy.c of iproute2).
 */
const OF_CILIUM = /^(?:cil_|cilium|from|to|handle|tail|__send_drop|bpf_\w+\.o:)|:\[\*fsobj\]$/;

/** Key of `cilium-config` that turns the socket load balancer on where kube-proxy runs. */
const SOCKET_LB = "bpf-lb-sock";

/** Whether every hook that the mode needs has Cilium's program, and nobody else's. */
export const programsCheck: Check = {
  id: "programs",
  question: "Is Cilium's program attached to every hook that the mode needs, and no other program?",
  needs: ["nodes"],
  judge(evidence, expectation) {
    const { datapathConfig = {}, isExternal } = expectation;
    const { masquerading, serviceMap, tunnelDevice, attachment } = expectation.evidence;
    const needs = {
      servesNodePorts: serviceMap.nodePort === "present",
      masqueradesInBpf: masquerading === "BPF",
      tunnelDevice,
    };
    // the other keys are the mode's, and another check compares them
    const chosen = (node: NodeEvidence) =>
      Object.fromEntries(Object.entries(configOf(node, evidence.api)).filter(([key]) => !(key in datapathConfig)));
    const all = new Map(evidence.nodes.map((node) => [node.node, attachedOn(node)] as const));
    const usual = usualHooks(all);
    return eachNode(evidence, "network", (node): Finding => {
      const at = { nodes: [node.node] };
      const attached = all.get(node.node)!;
      if (attached instanceof Error) return inconclusive(node.node, attached.message, undefined, at);
      const seen = `${attached.filter(({ where }) => where === "cgroup").length} socket hooks, ${attached.filter(({ where }) => where !== "cgroup").length} on devices`;
      const config = chosen(node);
      const acceleration = config["bpf-lb-acceleration"] ?? config["node-port-acceleration"] ?? "disabled";
      const missing = [
        ...missingHooks(node, attached, evidence.api, { ...needs, config, hasXdp: acceleration === "native" }),
        ...missingUsual(attached, usual),
      ];
      const agent = `kubectl -n kube-system delete pod ${node.agent}: the agent attaches its programs when it starts`;
      if (missing.length > 0) {
        const unique = [...new Set(missing)];
        return fail(
          node.node,
          `${seen}; missing ${unique.slice(0, 4).join(", ")}`,
          `Cilium's program is not attached: ${unique.slice(0, 4).map(effectOf).join("; ")}`,
          agent,
          { cause: "program-missing", ...at },
        );
      }
      const ways = attachment === undefined ? [] : attachmentOf(node);
      if (ways.some((way) => way !== attachment)) {
        return fail(
          node.node,
          `${seen}, attached by ${ways.join(" and ")}`,
          attachment === "tcx"
            ? "bpf.enableTCX is true, and Cilium's programs are attached by legacy tc: the kernel has no TCX (Linux 6.6 or newer has it), or filters of an earlier attachment are left"
            : "bpf.enableTCX is false, and Cilium's programs are attached by TCX",
          agent,
          { cause: "mode-fallback", ...at },
        );
      }
      // where it was not asked for, it sees packets before the mode's programs do
      const foreign = [...foreignPrograms(attached), ...(acceleration === "disabled" ? attached.filter(isOwnXdp) : [])];
      const translating = attached.find(({ where, name }) => where === "cgroup" && /sock4_connect$/.test(name));
      const { kubeProxyReplacement } = MODE_CONTRACTS[expectation.mode].switches;
      // where the user has not asked for the socket load balancer beside kube-proxy
      if (kubeProxyReplacement === false && translating !== undefined && SOCKET_LB in datapathConfig) {
        return fail(
          node.node,
          `${seen}; ${translating.name} on ${translating.device}`,
          "Cilium's socket load balancer translates Services before kube-proxy sees them",
          `kubectl -n kube-system get configmap cilium-config -o yaml, and the arguments of daemonset cilium: ${SOCKET_LB} must not be true`,
          { cause: "mode-fallback", ...at },
        );
      }
      const filters = foreignFilters(node);
      if (foreign.length + filters.length > 0) {
        const shown = [
          ...foreign.map(({ device, kind, name }) => `${name || "a program"} on ${device} (${kind})`),
          ...filters,
        ];
        return (isExternal ? warning : fail)(
          node.node,
          shown.slice(0, 3).join("; "),
          "a program or filter that is not Cilium's sees packets before or after Cilium does",
          `on ${node.node}: bpftool net show; ${foreign.length > 0 ? detaching(foreign[0]!) : filterRemoval(filters[0]!)}`,
          { cause: "program-foreign", ...at },
        );
      }
      const inPods = ofPods(node);
      if (inPods.length > 0) {
        const [{ cgroup, id, attach_type: kind }] = inPods as [CgroupProgram];
        return (isExternal ? warning : fail)(
          node.node,
          inPods.map((each) => `${each.name || "a program"} (${each.attach_type})`).join(", "),
          "a cgroup of pods has a program that is not Cilium's, which sees the pods' connections or packets",
          `in the agent of ${node.node}: bpftool cgroup detach ${cgroup} ${kind} id ${id}`,
          { cause: "program-foreign", ...at },
        );
      }
      return pass(node.node, seen);
    });
  },
};

/** How a node's programs are attached to devices; none where it did not tell. */
function attachmentOf(node: NodeEvidence) {
  const [network, tcx] = [sectionOf(node, "network"), sectionOf(node, "tcx")];
  return network instanceof Error || tcx instanceof Error ? [] : waysOfAttachment(network, tcx);
}

/** Programs that see packets or connections, and are not Cilium's. */
export function foreignPrograms(attached: readonly Attached[]): Attached[] {
  // since 1.12 all names begin with cil_, a prefix that other programs do not use
  const isNew = attached.some(({ name, where }) => where !== "cgroup" && name.startsWith("cil_"));
  const isOwn = (each: Attached) =>
    (isNew ? /^(?:cil_|tail_|__send_drop)/ : OF_CILIUM).test(each.name) || isOwnXdp(each);
  return attached.filter((each) =>
    each.where === "cgroup" ? OF_SOCKETS.test(each.kind) && !/^(?:cil_)?sock[46]_/.test(each.name) : !isOwn(each),
  );
}

/** The command that takes a filter away, which is listed as its device and direction. */
function filterRemoval(filter: string): string {
  const [device, way] = filter.split(" ");
  const where = `dev ${device}${way === "root" ? "" : ` ${way}`}`;
  return `tc filter show ${where}, then tc filter del ${where} pref <its pref>`;
}

/** The command that takes a program away, and nothing of Cilium's beside it. */
function detaching({ device, kind }: Attached): string {
  if (kind.startsWith("xdp")) return `ip link set dev ${device} xdp off`;
  const way = /egress/.test(kind) ? "egress" : "ingress";
  return kind.startsWith("tcx")
    ? `bpftool net detach tcx_${way} dev ${device}`
    : device === "cgroup"
      ? `bpftool cgroup show ${CGROUP_ROOT}, then bpftool cgroup detach ${CGROUP_ROOT} ${kind} id <its id>`
      : `tc filter show dev ${device} ${way}, then tc filter del dev ${device} ${way} pref <its pref>`;
}

/** Programs on cgroups of pods; those that decide on devices are the container runtime's. */
function ofPods(node: NodeEvidence): CgroupProgram[] {
  const programs = programsOfCgroups(node);
  // attachedOn has told that they could not be read
  if (programs instanceof Error) return [];
  return programs.filter(({ cgroup, attach_type: kind }) => OF_PODS.test(cgroup) && !/device/.test(kind));
}

/** What decides which hooks a node needs. */
export interface HookNeeds {
  /** Whether Cilium serves NodePorts. */
  readonly servesNodePorts: boolean;
  readonly masqueradesInBpf: boolean;
  /** `none` for native routing. */
  readonly tunnelDevice: string;
  /** Whether packets to pods take a route to the pod's device, and not a program's redirection. Default: false. */
  readonly hasEndpointRoutes?: boolean;
  /** Whether an XDP program serves requests from outside. Default: false. */
  readonly hasXdp?: boolean;
  /** What decides which sockets' hooks it needs, besides. */
  readonly config: Config;
}

type Config = Readonly<Record<string, string | undefined>>;

/** The agent's configuration as it has it, or else the ConfigMap's. */
function configOf(node: NodeEvidence, api: ApiEvidence): Config {
  const own = sectionOf(node, "config");
  const files = own instanceof Error ? valueOf(api.config, undefined)?.data : parseConfig(own);
  return {
    ...files,
    ...Object.fromEntries(ownSettings(sectionOf(node, "arguments")).map(({ key, value }) => [key, value])),
  };
}

/**
 * The programs that an agent attaches to the cgroup of all sockets: pkg/socketlb, and up to 1.13 bpf/init.sh, of Cilium.
 * @param hasIpv6 whether the kernel has IPv6: its sockets may ask IPv4 addresses, as Java's do
 */
function socketHooks(
  { servesNodePorts, config }: HookNeeds,
  kernel: string,
  version: string,
  hasIpv6: boolean,
): string[] {
  const isBesideKubeProxy = config[SOCKET_LB] === "true" && config["kube-proxy-replacement"] !== "disabled";
  if (!servesNodePorts && !isBesideKubeProxy) return [];
  const hooks = [
    ...SOCKET_HOOKS,
    ...(isKernelAtLeast(kernel, GETPEERNAME) ? ["getpeername"] : []),
    ...(servesNodePorts && config["node-port-bind-protection"] !== "false" ? ["post_bind"] : []),
  ];
  const families = [
    ...(config["enable-ipv4"] === "false" ? [] : ["sock4"]),
    ...(hasIpv6 || config["enable-ipv6"] === "true" ? ["sock6"] : []),
  ];
  return [
    ...families.flatMap((family) => hooks.map((hook) => `${family}_${hook}`)),
    ...(version !== "" && has(SOCK_RELEASE, version) ? ["sock_release"] : []),
  ];
}

/** Hooks that a node has no program at: those that it needs, whatever the other nodes have. */
export function missingHooks(
  node: NodeEvidence,
  attached: readonly Attached[],
  api: ApiEvidence,
  needs: HookNeeds,
): string[] {
  const { servesNodePorts, masqueradesInBpf, tunnelDevice, hasEndpointRoutes = false, hasXdp = false } = needs;
  // the kernel keeps 15 characters of a name
  const short = (name: string) =>
    name
      .replace(/^bpf_xdp/, "cil_xdp")
      .replace(/^(?!cil_)/, "cil_")
      .replaceAll("-", "_")
      .slice(0, 15);
  // legacy tc adds the device: cil_to_host-cilium_host
  const has = (device: string, name: string) =>
    attached.some((each) => each.device === device && short(each.name.replace(`-${device}`, "")) === short(name));
  const links = jsonOf<{ readonly ifname: string; readonly ifindex?: number }[]>(node, "links");
  // others belong to pods that are being created
  const known = new Set(endpointsOf(node).flatMap((endpoint) => deviceOf(endpoint) ?? []));
  const isKnown = (index: number | undefined) => known.size === 0 || index === undefined || known.has(index);
  const names =
    links instanceof Error ? [] : links.flatMap(({ ifname, ifindex }) => (isKnown(ifindex) ? [ifname] : []));
  const { address = "", kernel = "" } = readingOf(api.nodes).find(({ name }) => name === node.node) ?? {};
  const out = addressesOf(node)?.get(address)?.[0];
  const want: [string, string][] = [
    ...names
      .filter((name) => /^lxc(?!_health)/.test(name))
      .flatMap((name) =>
        ["from_container", ...(hasEndpointRoutes ? ["to_container"] : [])].map((hook): [string, string] => [
          name,
          hook,
        ]),
      ),
    ["cilium_net", "to_host"],
    ["cilium_host", "to_host"],
    ["cilium_host", "from_host"],
    ...(out !== undefined && (servesNodePorts || masqueradesInBpf)
      ? ([
          [out, "from_netdev"],
          [out, "to_netdev"],
        ] as [string, string][])
      : []),
    ...(out !== undefined && servesNodePorts && hasXdp ? ([[out, "xdp_entry"]] as [string, string][]) : []),
    ...(tunnelDevice === "none"
      ? []
      : ([
          [tunnelDevice, "from_overlay"],
          [tunnelDevice, "to_overlay"],
        ] as [string, string][])),
    ...socketHooks(
      needs,
      kernel,
      agentVersion(node) ?? "",
      attached.some(({ name }) => /sock6_/.test(name)),
    ).map((name): [string, string] => ["cgroup", name]),
  ];
  return hasNames(attached)
    ? want.filter(([device, name]) => !has(device, name)).map(([device, name]) => `cil_${name} on ${device}`)
    : [];
}

/** Hooks by kind of device that most nodes have. */
function usualHooks(all: ReadonlyMap<string, Attached[] | Error>): ReadonlySet<string> {
  const sets = [...all.values()].flatMap((each) => (each instanceof Error ? [] : [new Set(each.map(keyOf))]));
  const keys = new Set(sets.flatMap((each) => [...each]));
  const enough = sets.length < 3 ? sets.length : (2 * sets.length) / 3;
  return new Set([...keys].filter((key) => sets.filter((each) => each.has(key)).length >= enough));
}

const keyOf = ({ where, kind, name }: Attached) => `${name} on ${where} (${kind})`;

/** Hooks that most nodes have, and each device of a kind that the node has lacks. */
function missingUsual(attached: readonly Attached[], usual: ReadonlySet<string>): string[] {
  const devices = new Map<string, Set<string>>();
  for (const each of attached) devices.set(each.device, (devices.get(each.device) ?? new Set()).add(keyOf(each)));
  const whole = new Set(attached.map(keyOf));
  const perDevice = [...devices].flatMap(([device, own]) => {
    const kinds = [...usual].filter((key) => key.includes(` on ${classOf(device)} (`));
    return kinds
      .filter((key) => !own.has(key))
      .map((key) => key.replace(` on ${classOf(device)} (`, ` on ${device} (`));
  });
  return [...perDevice, ...[...usual].filter((key) => !whole.has(key))];
}

function effectOf(hook: string): string {
  const words: readonly [RegExp, string][] = [
    [/sock4_connect/, "TCP and connected UDP to services is not translated in sockets"],
    [/sock4_(?:sendmsg|recvmsg)/, "unconnected UDP to services gets no answer"],
    [/sock4_getpeername/, "programs see a backend instead of the service as their peer"],
    [/sock4_post_bind/, "programs on the node can bind NodePorts"],
    [/sock_release/, "entries of closed sockets stay in the map of replies"],
    [/from_netdev/, "packets that arrive at the node bypass Cilium: services, NodePorts and masquerading fail"],
    [/to_netdev/, "packets that leave the node are not masqueraded, and NodePort replies are not rewritten"],
    [/from_container/, "packets from this pod bypass Cilium"],
    [/to_container/, "packets to this pod bypass Cilium"],
    [/(?:from|to)_host/, "packets between the node and its pods bypass Cilium"],
    [/overlay/, "packets in the tunnel bypass Cilium"],
    [/xdp_entry/, "XDP does not serve requests from outside"],
  ];
  const effect = words.find(([pattern]) => pattern.test(hook))?.[1];
  return effect === undefined ? hook : `${hook}: ${effect}`;
}

function foreignFilters(node: NodeEvidence): string[] {
  const reading = node.sections.filters;
  if (reading === undefined || !("value" in reading)) return [];
  const lines = reading.value.split("\n").filter((line) => /^(?:eth|lxc|cilium_)/.test(line));
  return [
    ...new Set(
      lines.map(
        (line) =>
          line.split(" ").slice(0, 2).join(" ") +
          ": tc filter " +
          (/protocol \S+ pref \d+ (\w+)/.exec(line)?.[1] ?? ""),
      ),
    ),
  ];
}
