import { askAgent, CILIUM_NAMESPACE, listAgents } from "../../cluster/agents";
import { limited } from "../../cluster/limited";
import type { ClusterReader } from "../../cluster/read";
import { withPort } from "../../modes/ipFamily";
import { DEFAULT_KUBE_PROXY_MODE } from "../../modes/kubeProxy";
import { readingOf, type EndpointState } from "../evidence/api";
import { ASK_KUBE_PROXY, kubeProxyAnswer, kubeProxyModeIn } from "../evidence/kubeProxy";
import type { Evidence } from "../evidence/gather";
import { ipv6View } from "../evidence/ipv6View";
import { addressesOf, jsonOf, sectionOf, type NodeEvidence } from "../evidence/node";
import {
  byIpv6,
  deletingKubeProxyOn,
  fail,
  inconclusive,
  pass,
  skipped,
  warning,
  type Check,
  type Expectation,
  type Finding,
} from "./check";
import { isIpv6, portOf } from "./family";
import { eachNode } from "./nodes";
import { rulesOfIpvs, rulesOfNftables, type ProxyRules } from "./proxyRules";
import { wantedFrontends, type Wanted } from "./serviceMap";

/** Whether kube-proxy runs exactly where the mode has it. */
export const kubeProxyCheck: Check = {
  id: "kube-proxy",
  question: "Does kube-proxy run on every node or on none, as the mode expects?",
  needs: [],
  judge({ api }, { evidence, isExternal }) {
    if (!("value" in api.pods)) {
      return [
        inconclusive("cluster", api.pods.error, "kubectl -n kube-system get pods", { cause: "cluster-unreachable" }),
      ];
    }
    const pods = api.pods.value.filter(
      ({ namespace, labels, deleting }) =>
        namespace === "kube-system" && labels["k8s-app"] === "kube-proxy" && !deleting,
    );
    const ready = pods.filter((pod) => pod.ready);
    const seen = `${ready.length} kube-proxy pods are ready`;
    if (evidence.kubeProxy.pods === "none") {
      if (pods.length === 0) return [pass("cluster", "no kube-proxy pods")];
      return [
        fail(
          "cluster",
          `kube-proxy pods: ${pods.map(({ name }) => name).join(", ")}`,
          "kube-proxy runs beside Cilium's replacement, and both translate services",
          "kubectl -n kube-system delete daemonset kube-proxy; then on every node: iptables-save | grep -v KUBE | iptables-restore",
          { cause: "kube-proxy-running" },
        ),
      ];
    }
    const without = readingOf(api.nodes).filter(({ name }) => !ready.some(({ node }) => node === name));
    if (without.length === 0 && ready.length > 0) return [pass("cluster", seen)];
    const names = without.map(({ name }) => name);
    return [
      fail(
        "cluster",
        seen,
        `this mode needs a ready kube-proxy on every node; none on ${names.join(", ")}`,
        `kubectl -n kube-system get daemonset kube-proxy; kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide${isExternal ? "" : "; pulumi destroy and pulumi up create it again where its DaemonSet is gone"}`,
        { cause: "kube-proxy-missing", ...(names.length < readingOf(api.nodes).length ? { nodes: names } : {}) },
      ),
    ];
  },
};

/** Chains that kube-proxy alone makes. Cilium keeps chains of its own in every mode, and kubelet has KUBE-FIREWALL and its like. */
const CHAINS =
  /^:(KUBE-(?:SVC|SEP|SERVICES|EXTERNAL-SERVICES|NODEPORTS|EXT|NODE-PORT|LOAD-BALANCER|FORWARD|PROXY)\S*)/gm;

/** The tables that kube-proxy has in its mode nftables. */
const TABLES = /^table (?:ip|ip6|inet) kube-proxy\b/gm;

/** The device that holds the Services' addresses in the mode ipvs. */
const IPVS_DEVICE = "kube-ipvs0";

/** klog's errors and fatal errors. */
const COMPLAINT = /^(?:[EF]\d{4} .*|.*too many open files.*)$/gm;

/** What a node's kube-proxy tells beside its rules. */
export interface KubeProxyState {
  /** The last complaint in its log; most have none. */
  readonly complaint?: string | undefined;
  /** The mode in which it runs, as it says itself; undefined if it does not answer. */
  readonly mode?: string | undefined;
  /** The mode that its ConfigMap asks for; undefined where there is none of kubeadm's. */
  readonly configured?: string | undefined;
  /** The kernel's IPVS table; empty where there is none. */
  readonly ipvs?: string | undefined;
  /** Its table in nftables, where only its own pod could be asked. */
  readonly tables?: string | undefined;
}

/** What the kube-proxy of each of some nodes tells. */
async function readKubeProxies(
  cluster: ClusterReader,
  nodes: ReadonlySet<string>,
  isExternal: boolean,
): Promise<ReadonlyMap<string, KubeProxyState>> {
  const pods = await cluster.pods(CILIUM_NAMESPACE, "k8s-app=kube-proxy");
  const looked = pods.filter(({ spec }) => nodes.has(spec?.nodeName ?? ""));
  if (looked.length === 0) return new Map();
  const [agents, configured] = await Promise.all([listAgents(cluster).catch(() => []), configuredMode(cluster)]);
  const each = await limited(looked, async ({ metadata, spec }): Promise<[string, KubeProxyState]> => {
    const node = spec?.nodeName ?? "";
    const agent = agents.find((one) => one.node === node);
    const [log, told] = await Promise.all([
      cluster.log(CILIUM_NAMESPACE, metadata!.name!, "kube-proxy", LOG_BYTES).catch(() => ""),
      agent === undefined ? new Error("no agent") : askAgent(cluster, agent, ["sh", "-c", ASK_KUBE_PROXY]),
    ]);
    const answer = told instanceof Error ? undefined : kubeProxyAnswer(told);
    // of this project's own nodes, it is common evidence
    const tables = isExternal && answer?.mode === "nftables" ? await ownTable(cluster, metadata!.name!) : undefined;
    return [
      node,
      {
        complaint: log.match(COMPLAINT)?.at(-1)?.trim(),
        ...answer,
        configured,
        tables,
      },
    ];
  });
  return new Map(each);
}

const LOG_BYTES = 200_000;

/** The mode that kubeadm's ConfigMap asks for; without one there, kube-proxy's default. */
async function configuredMode(cluster: ClusterReader): Promise<string | undefined> {
  const config = await cluster.configMap(CILIUM_NAMESPACE, "kube-proxy").catch(() => undefined);
  const text = config?.data?.["config.conf"];
  if (text === undefined) return undefined;
  return /^mode: *"?(\w+)/m.exec(text)?.[1] ?? DEFAULT_KUBE_PROXY_MODE;
}

/** kube-proxy's table as its own image's nft lists it; undefined where it has none. */
async function ownTable(cluster: ClusterReader, pod: string): Promise<string | undefined> {
  const command = ["nft", "-s", "list", "table", "ip", "kube-proxy"];
  const answer = await cluster.exec(CILIUM_NAMESPACE, pod, "kube-proxy", command, 8).catch(() => undefined);
  return answer?.exitCode === 0 ? answer.stdout : undefined;
}

/** Whether the nodes have kube-proxy's rules exactly where it runs, in the place that its mode has for them. */
export const kubeProxyRulesCheck: Check<ReadonlyMap<string, KubeProxyState>> = {
  id: "kube-proxy-rules",
  question: "Do the nodes have kube-proxy's rules or none of them, as the mode expects?",
  needs: ["nodes"],
  timeoutSeconds: 10,
  read: (cluster, { isExternal }, nodes) =>
    readKubeProxies(cluster, nodes, isExternal === true || cluster.onNode === undefined),
  judge(evidence, expectation, states) {
    const { evidence: expected, nodePort, isExternal } = expectation;
    const clusterIps = wantedFrontends(evidence.api, expectation).filter(
      ({ type, frontend }) => type === "ClusterIP" && !isIpv6(frontend),
    );
    const ofIpv4 = eachNode(evidence, "iptables", (each, output): Finding => {
      const { node, nftables } = each;
      const at = { nodes: [node] };
      const state = states.get(node) ?? {};
      if (!output.includes("*nat")) return inconclusive(node, "iptables-save printed no nat table", undefined, at);
      const listed = nftables !== undefined && "value" in nftables ? nftables.value : undefined;
      // a node of an external cluster may have no nft, while kube-proxy's image has one
      const isSilent = isExternal === true && listed?.trim() === "";
      const tables = state.tables ?? (isSilent ? undefined : listed);
      const services = [...output.matchAll(CHAINS)].map(([, chain]) => chain!);
      const ofNftables = tables?.match(TABLES) ?? [];
      const ofNodePort =
        nodePort === undefined
          ? []
          : output.split("\n").filter((rule) => rule.includes(`--dport ${nodePort} `) && rule.includes("KUBE-"));
      const ofIpvs = hasDevice(each, IPVS_DEVICE) ? [IPVS_DEVICE] : [];
      const seen = `${services.length} kube-proxy chains, ${ofNodePort.length} rules for the NodePort${[...ofNftables, ...ofIpvs].map((one) => `, ${one}`).join("")}`;
      if (expected.kubeProxy.chains === "absent") {
        const left = [...services, ...ofNodePort, ...ofNftables, ...ofIpvs];
        if (left.length === 0) return pass(node, seen);
        return fail(
          node,
          `${seen}: ${left.slice(0, 3).join(", ")}`,
          "kube-proxy's rules are still on this node and may translate packets before Cilium sees them",
          removing(node, ofNftables, ofIpvs),
          { cause: "kube-proxy-leftover", ...at },
        );
      }
      const inIptables = services.some((chain) => chain.startsWith("KUBE-SVC"));
      const found = inIptables
        ? "iptables"
        : ofNftables.length > 0
          ? "nftables"
          : ofIpvs.length > 0
            ? "ipvs"
            : undefined;
      const wanted = expected.kubeProxy.mode ?? (isExternal ? undefined : DEFAULT_KUBE_PROXY_MODE);
      const proxyMode =
        wanted ??
        kubeProxyModeIn(state.configured ?? "") ??
        kubeProxyModeIn(state.mode ?? "") ??
        found ??
        DEFAULT_KUBE_PROXY_MODE;
      const toSet = `set mode: ${proxyMode} in the ConfigMap: kubectl -n kube-system edit configmap kube-proxy`;
      const { mode: reported = proxyMode, configured = proxyMode } = state;
      const passed = (what: string) =>
        configured === proxyMode
          ? pass(node, what)
          : warning(
              node,
              what,
              `kube-proxy's ConfigMap asks for mode ${configured}, which it takes when it restarts`,
              toSet,
              at,
            );
      if (reported !== proxyMode) {
        return fail(
          node,
          `kube-proxy runs in mode ${reported}`,
          wanted === undefined
            ? `its ConfigMap asks for ${proxyMode}, which it reads only when it starts`
            : `this stack asks for kube-proxy's mode ${proxyMode}; its ConfigMap asks for ${state.configured ?? "an unknown one"}`,
          `${toSet}; kubectl -n kube-system rollout restart daemonset kube-proxy`,
          { cause: "kube-proxy-mode", ...at },
        );
      }
      const others = [
        ...(proxyMode === "iptables"
          ? []
          : services.filter((chain) => proxyMode === "nftables" || /^KUBE-(?:SVC|SEP)/.test(chain))),
        ...(proxyMode === "nftables" || (proxyMode === "iptables" && !inIptables) ? [] : ofNftables),
        ...(proxyMode === "ipvs" ? [] : ofIpvs),
      ];
      if (others.length > 0) {
        const isTwo = proxyMode === "iptables" && ofNftables.length > 0;
        return fail(
          node,
          isTwo ? seen : `${seen}: ${others.slice(0, 3).join(", ")}`,
          isTwo
            ? "kube-proxy's rules are in iptables and in nftables at the same time: one set is left over, and nobody updates it"
            : `kube-proxy's mode is ${proxyMode}, and rules of another mode are left over, which nobody updates`,
          isTwo
            ? `on ${node}: nft delete ${ofNftables[0]!}, if kube-proxy's mode is iptables; kube-proxy writes its own again when it restarts`
            : removing(node, proxyMode === "nftables" ? [] : ofNftables, proxyMode === "ipvs" ? [] : ofIpvs),
          { cause: "kube-proxy-leftover", ...at },
        );
      }
      const health = sectionOf(each, "kubeProxy");
      if (typeof health === "string" && /silent| 5\d\d /.test(health)) {
        return fail(
          node,
          `${seen}; health check: ${health.trim()}`,
          "kube-proxy does not answer its own health check, so nobody updates its rules",
          deletingKubeProxyOn(node),
          { cause: "kube-proxy-missing", ...at },
        );
      }
      const missing = (what: string) =>
        fail(
          node,
          what,
          `kube-proxy has not written its rules on this node${state.complaint === undefined ? "" : `: ${state.complaint}`}`,
          `kubectl -n kube-system logs -l k8s-app=kube-proxy --prefix | grep ${node}; if it says "too many open files": sudo sysctl fs.inotify.max_user_instances=512`,
          { cause: "kube-proxy-missing", ...at },
        );
      const unread = (where: string) =>
        inconclusive(
          node,
          `kube-proxy has no rules in iptables; its rules in ${where} cannot be read here`,
          `kubectl -n kube-system logs -l k8s-app=kube-proxy`,
          at,
        );
      if (proxyMode !== "iptables") {
        const own =
          proxyMode === "nftables" ? rulesOfNftables(tables ?? "") : rulesOfIpvs(state.ipvs ?? "", nodeAddresses(each));
        const isUnread = proxyMode === "nftables" ? tables === undefined : state.ipvs === undefined;
        if (own === undefined) return isUnread ? unread(proxyMode === "ipvs" ? "IPVS" : proxyMode) : missing(seen);
        if (own.services.size === 0 || (nodePort !== undefined && !own.nodePorts.has(`${nodePort}/TCP`)))
          return missing(own.seen);
        return (
          misleading(
            node,
            strangeBackends(own, clusterIps),
            clusterIps.flatMap((port) =>
              lacking(port, own.services.get(`${port.frontend}/${port.protocol}`) ?? new Set<string>()),
            ),
          ) ?? passed(own.seen)
        );
      }
      const complete = inIptables && (nodePort === undefined || ofNodePort.length > 0);
      const wrong = misleading(
        node,
        strangeTargets(output, readingOf(evidence.api.endpoints)),
        complete ? missingTargets(output, clusterIps) : [],
      );
      if (wrong !== undefined) return wrong;
      if (complete) return passed(seen);
      return tables === undefined && isExternal === true && state.mode === undefined
        ? unread("nftables or IPVS")
        : missing(seen);
    });
    return [...ofIpv4, ...byIpv6(ipv6Rules(evidence, expectation))];
  },
};

/** What kube-proxy has of IPv6 in a dual-stack cluster, in iptables and nftables. In which mode it runs, and whether it does, IPv4 shows. */
function ipv6Rules(evidence: Evidence, expectation: Expectation): Finding[] {
  const view = ipv6View(evidence);
  if (view === undefined) return [];
  const { kubeProxy } = expectation.evidence;
  const clusterIps = wantedFrontends(view.api, expectation).filter(
    ({ type, frontend }) => type === "ClusterIP" && isIpv6(frontend),
  );
  return eachNode(view, "iptables", ({ node }, output): Finding => {
    const at = { nodes: [node] };
    const chains = [...output.matchAll(CHAINS)].map(([, chain]) => chain!);
    const seen = `${chains.length} kube-proxy chains in ip6tables`;
    if (kubeProxy.chains === "absent") {
      if (chains.length === 0) return pass(node, seen);
      return fail(
        node,
        `${seen}: ${chains.slice(0, 3).join(", ")}`,
        "kube-proxy's rules are still on this node and may translate packets before Cilium sees them",
        `on ${node}: ip6tables-save | grep -v KUBE | ip6tables-restore`,
        { cause: "kube-proxy-leftover", ...at },
      );
    }
    const missing = (what: string) =>
      fail(
        node,
        what,
        "kube-proxy has not written its rules of IPv6 on this node",
        `${deletingKubeProxyOn(node)}: kube-proxy writes its rules when it starts`,
        { cause: "kube-proxy-missing", ...at },
      );
    if (chains.some((chain) => chain.startsWith("KUBE-SVC")) || clusterIps.length === 0) {
      const endpoints = readingOf(view.api.endpoints);
      return (
        misleading(node, strangeTargets(output, endpoints), missingTargets(output, clusterIps)) ?? pass(node, seen)
      );
    }
    const nftables = evidence.nodes.find((each) => each.node === node)?.nftables;
    const own = nftables !== undefined && "value" in nftables ? rulesOfNftables(nftables.value, "ip6") : undefined;
    if (own !== undefined) {
      const lacks = clusterIps.flatMap((port) =>
        lacking(port, own.services.get(`${port.frontend}/${port.protocol}`) ?? new Set<string>()),
      );
      return misleading(node, strangeBackends(own, clusterIps), lacks) ?? pass(node, own.seen);
    }
    return (kubeProxy.mode ?? DEFAULT_KUBE_PROXY_MODE) === "iptables" && expectation.isExternal !== true
      ? missing(seen)
      : skipped(node, "kube-proxy's rules of IPv6 cannot be read in this mode");
  });
}

/** How to remove what a kube-proxy of another mode, or one that is gone, has left on a node. */
function removing(node: string, ofNftables: readonly string[], ofIpvs: readonly string[]): string {
  if (ofNftables.length > 0) return `on ${node}: nft delete ${ofNftables[0]!}`;
  return ofIpvs.length > 0
    ? `on ${node}: ip link delete ${IPVS_DEVICE}; ipvsadm --clear; iptables-save | grep -v KUBE | iptables-restore`
    : `on ${node}: iptables-save | grep -v KUBE | iptables-restore`;
}

function hasDevice(node: NodeEvidence, name: string): boolean {
  const links = jsonOf<readonly { readonly ifname: string }[]>(node, "links");
  return !(links instanceof Error) && links.some(({ ifname }) => ifname === name);
}

/** The node's addresses at which NodePorts answer: those of the Services are on a device of their own. */
const nodeAddresses = (node: NodeEvidence) =>
  [...(addressesOf(node) ?? [])].flatMap(([address, devices]) => (devices.includes(IPVS_DEVICE) ? [] : [address]));

/** Rules that lead elsewhere, or not to all endpoints; undefined if there are none. */
function misleading(node: string, strange: readonly string[], incomplete: readonly string[]): Finding | undefined {
  const remedy = `${deletingKubeProxyOn(node)}: kube-proxy writes its rules when it starts`;
  const more = { cause: "service-map-stale", nodes: [node] } as const;
  if (strange.length > 0) {
    const reason = "kube-proxy's rules send packets to addresses that are no endpoints of their Service";
    return fail(node, strange.slice(0, 3).join(", "), reason, remedy, more);
  }
  if (incomplete.length === 0) return undefined;
  const reason = `kube-proxy's rules do not lead to all endpoints of ${incomplete.length} ports of Services`;
  return fail(node, incomplete.slice(0, 3).join("; "), reason, remedy, more);
}

/** Backends of ports of Services that no endpoint of theirs is. */
const strangeBackends = ({ services }: ProxyRules, wanted: readonly Wanted[]): string[] =>
  wanted.flatMap(({ name, frontend, protocol, backends }) =>
    [...(services.get(`${frontend}/${protocol}`) ?? [])]
      .filter((backend) => !backends.has(backend))
      .map((backend) => `${name} to ${backend}`),
  );

/** What a Service's port lacks of its endpoints. */
function lacking({ name, frontend, backends }: Wanted, reached: ReadonlySet<string>): string[] {
  const missing = [...backends].filter((each) => !reached.has(each));
  return missing.length === 0 ? [] : [`${name}:${portOf(frontend)} lacks ${missing.join(", ")}`];
}

/** Ports of Services from whose ClusterIP kube-proxy's rules do not lead to all endpoints. */
function missingTargets(output: string, wanted: readonly Wanted[]): string[] {
  const byChain = new Map<string, string[]>();
  for (const [, chain, rule] of output.matchAll(/-A (KUBE-\S+) (.*)/g))
    byChain.set(chain!, [...(byChain.get(chain!) ?? []), rule!]);
  const targets = (chain: string, target: RegExp) =>
    (byChain.get(chain) ?? []).flatMap((rule) => target.exec(rule)?.[1] ?? []);
  const starts = new Map<string, string[]>();
  for (const rule of byChain.get("KUBE-SERVICES") ?? []) {
    const [, address, protocol, port, chain] =
      /-d (\S+)\/(?:32|128) -p (\w+) .*--dport (\d+) .*-j (KUBE-SVC-\S+)/.exec(rule) ?? [];
    if (chain === undefined) continue;
    const key = `${withPort(address!, port!)}/${protocol!.toUpperCase()}`;
    starts.set(key, [...(starts.get(key) ?? []), chain]);
  }
  return wanted.flatMap((port) =>
    lacking(
      port,
      new Set(
        (starts.get(`${port.frontend}/${port.protocol}`) ?? [])
          .flatMap((chain) => targets(chain, /-j (KUBE-SEP-\S+)/))
          .flatMap((chain) => targets(chain, /-j DNAT .*--to-destination (\S+)/)),
      ),
    ),
  );
}

/** A rule that translates to one backend: `--comment "namespace/service:port"`, the port's name only where it has one. */
const TO_BACKEND =
  /-A (KUBE-SEP-\S+) .*--comment "?([\w.-]+\/[\w.-]+?)(?::[\w.-]+)?"? .*-j DNAT --to-destination ([\d.]+|\[[\da-f:]+\]):(\d+)/gm;

/** Targets of kube-proxy's rules that no EndpointSlice of their Service has. */
function strangeTargets(output: string, endpoints: readonly EndpointState[]): string[] {
  return [...output.matchAll(TO_BACKEND)].flatMap(([, chain, service, address, port]) => {
    // in large clusters kube-proxy leaves chains that no rule leads to
    if (!output.includes(`-j ${chain}`)) return [];
    const own = endpoints.filter((each) => `${each.namespace}/${each.service}` === service);
    // a Service that was deleted a moment ago, or whose only pods terminate and still serve
    if (own.every(({ addresses }) => addresses.length === 0)) return [];
    const target = `${address}:${port}`;
    const isKnown = own.some((each) => each.addresses.some((one) => withPort(one, each.port) === target));
    return isKnown ? [] : [`${service} to ${target}`];
  });
}
