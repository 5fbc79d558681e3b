import { limited } from "../../cluster/limited";
import type { ClusterReader } from "../../cluster/read";
import { readingOf, type EndpointState } from "../evidence/api";
import { deletingKubeProxyOn, fail, inconclusive, pass, type Check, type Finding } from "./check";
import { eachNode } from "./nodes";
import { wantedFrontends, type Wanted } from "./serviceMap";
import { sectionOf } from "../evidence/node";

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

/** klog's errors and fatal errors. */
const COMPLAINT = /^(?:[EF]\d{4} .*|.*too many open files.*)$/gm;

/** The last complaint of each node's kube-proxy; of most there is none. */
async function readComplaints(
  cluster: ClusterReader,
  nodes: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const pods = await cluster.pods("kube-system", "k8s-app=kube-proxy");
  const looked = pods.filter(({ spec }) => nodes.has(spec?.nodeName ?? ""));
  const each = await limited(looked, async ({ metadata, spec }) => {
    const log = await cluster.log("kube-system", metadata!.name!, "kube-proxy", LOG_BYTES).catch(() => "");
    return [spec?.nodeName ?? "", log.match(COMPLAINT)?.at(-1)?.trim()] as const;
  });
  return new Map(each.flatMap(([node, line]) => (line === undefined ? [] : [[node, line]])));
}

const LOG_BYTES = 200_000;

/** Whether the nodes have kube-proxy's rules exactly where it runs. */
export const kubeProxyRulesCheck: Check<ReadonlyMap<string, string>> = {
  id: "kube-proxy-rules",
  question: "Do the nodes have kube-proxy's rules or none of them, as the mode expects?",
  needs: ["nodes"],
  timeoutSeconds: 10,
  read: (cluster, _, nodes) => readComplaints(cluster, nodes),
  judge(evidence, expectation, complaints) {
    const { evidence: expected, nodePort } = expectation;
    const clusterIps = () => wantedFrontends(evidence.api, expectation).filter(({ type }) => type === "ClusterIP");
    return eachNode(evidence, "iptables", (each, output): Finding => {
      const { node, nftables } = each;
      const at = { nodes: [node] };
      if (!output.includes("*nat")) return inconclusive(node, "iptables-save printed no nat table", undefined, at);
      const tables = nftables === undefined || !("value" in nftables) ? "" : nftables.value;
      const services = [...output.matchAll(CHAINS)].map(([, chain]) => chain!);
      const ofNftables = tables.match(TABLES) ?? [];
      const ofNodePort =
        nodePort === undefined
          ? []
          : output.split("\n").filter((rule) => rule.includes(`--dport ${nodePort} `) && rule.includes("KUBE-"));
      const seen = `${services.length} kube-proxy chains, ${ofNodePort.length} rules for the NodePort${ofNftables.length > 0 ? `, ${ofNftables.join(", ")}` : ""}`;
      if (expected.kubeProxy.chains === "absent") {
        const left = [...services, ...ofNodePort, ...ofNftables];
        if (left.length === 0) return pass(node, seen);
        return fail(
          node,
          `${seen}: ${left.slice(0, 3).join(", ")}`,
          "kube-proxy's rules are still on this node and may translate packets before Cilium sees them",
          ofNftables.length > 0
            ? `on ${node}: nft delete ${ofNftables[0]!}`
            : `on ${node}: iptables-save | grep -v KUBE | iptables-restore`,
          { cause: "kube-proxy-leftover", ...at },
        );
      }
      const complete =
        services.some((chain) => chain.startsWith("KUBE-SVC")) && (nodePort === undefined || ofNodePort.length > 0);
      if (complete && ofNftables.length > 0) {
        return fail(
          node,
          seen,
          "kube-proxy's rules are in iptables and in nftables at the same time: one set is left over, and nobody updates it",
          `on ${node}: nft delete ${ofNftables[0]!}, if kube-proxy's mode is iptables; kube-proxy writes its own again when it restarts`,
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
      const strange = strangeTargets(output, readingOf(evidence.api.endpoints));
      if (strange.length > 0) {
        return fail(
          node,
          strange.slice(0, 3).join(", "),
          "kube-proxy's rules send packets to addresses that are no endpoints of their Service",
          `${deletingKubeProxyOn(node)}: kube-proxy writes its rules when it starts`,
          { cause: "service-map-stale", ...at },
        );
      }
      const incomplete = complete ? missingTargets(output, clusterIps()) : [];
      if (incomplete.length > 0) {
        return fail(
          node,
          incomplete.slice(0, 3).join("; "),
          `kube-proxy's rules do not lead to all endpoints of ${incomplete.length} ports of Services`,
          `${deletingKubeProxyOn(node)}: kube-proxy writes its rules when it starts`,
          { cause: "service-map-stale", ...at },
        );
      }
      if (complete || ofNftables.length > 0) return pass(node, seen);
      if (nftables === undefined) {
        return inconclusive(
          node,
          "kube-proxy has no rules in iptables; its rules in nftables or IPVS cannot be read here",
          `kubectl -n kube-system logs -l k8s-app=kube-proxy`,
          at,
        );
      }
      const complaint = complaints.get(node);
      return fail(
        node,
        seen,
        `kube-proxy has not written its rules on this node${complaint === undefined ? "" : `: ${complaint}`}`,
        `kubectl -n kube-system logs -l k8s-app=kube-proxy --prefix | grep ${node}; if it says "too many open files": sudo sysctl fs.inotify.max_user_instances=512`,
        { cause: "kube-proxy-missing", ...at },
      );
    });
  },
};

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
      /-d (\S+)\/32 -p (\w+) .*--dport (\d+) .*-j (KUBE-SVC-\S+)/.exec(rule) ?? [];
    const key = `${address}:${port}/${protocol?.toUpperCase()}`;
    if (chain !== undefined) starts.set(key, [...(starts.get(key) ?? []), chain]);
  }
  return wanted.flatMap(({ name, frontend, protocol, backends }) => {
    const reached = new Set(
      (starts.get(`${frontend}/${protocol}`) ?? [])
        .flatMap((chain) => targets(chain, /-j (KUBE-SEP-\S+)/))
        .flatMap((chain) => targets(chain, /-j DNAT .*--to-destination (\S+)/)),
    );
    const missing = [...backends].filter((each) => !reached.has(each));
    return missing.length === 0 ? [] : [`${name}:${frontend.split(":")[1]} lacks ${missing.join(", ")}`];
  });
}

/** A rule that translates to one backend: `--comment "namespace/service:port"`, the port's name only where it has one. */
const TO_BACKEND =
  /-A (KUBE-SEP-\S+) .*--comment "?([\w.-]+\/[\w.-]+?)(?::[\w.-]+)?"? .*-j DNAT --to-destination (\d+\.\d+\.\d+\.\d+):(\d+)/gm;

/** Targets of kube-proxy's rules that no EndpointSlice of their Service has. */
function strangeTargets(output: string, endpoints: readonly EndpointState[]): string[] {
  return [...output.matchAll(TO_BACKEND)].flatMap(([, chain, service, address, port]) => {
    // in large clusters kube-proxy leaves chains that no rule leads to
    if (!output.includes(`-j ${chain}`)) return [];
    const own = endpoints.filter((each) => `${each.namespace}/${each.service}` === service);
    // a Service that was deleted a moment ago, or whose only pods terminate and still serve
    if (own.every(({ addresses }) => addresses.length === 0)) return [];
    const isKnown = own.some((each) => each.addresses.includes(address!) && String(each.port) === port);
    return isKnown ? [] : [`${service} to ${address}:${port}`];
  });
}
