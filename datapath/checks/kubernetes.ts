import { isDeepStrictEqual } from "node:util";
import { WORKLOAD, type WorkloadNames } from "../../modes/workload";
import { CILIUM_NAMESPACE } from "../../cluster/agents";
import {
  ciliumNodesByNode,
  nodesWithoutCiliumNode,
  OPERATOR_LEASE,
  readingOf,
  sharedByCiliumNodes,
  valueOf,
  type ApiEvidence,
  type CiliumNodeState,
  type NodeState,
  type PodState,
  type Reading,
  type ReplicaState,
  type StuckPod,
} from "../evidence/api";
import { jsonOf } from "../evidence/node";
import {
  deletingAgentOn,
  fail,
  firstOf,
  inconclusive,
  pass,
  skipped,
  warning,
  type Check,
  type Finding,
} from "./check";
import { eachNode, odd } from "./nodes";
import { isOnNode, renewal } from "./podNetwork";

/** Parts of the control plane without which a cluster goes on for a while, and what no longer happens. */
const CONTROLLERS: Readonly<Record<string, string>> = {
  "kube-controller-manager": "EndpointSlices are no longer updated, and nodes that are down still show Ready",
  "kube-scheduler": "new pods stay Pending",
};

/** What of the control plane does not run; in a managed cluster it runs elsewhere, and has no pods. */
function judgeControlPlane(api: ApiEvidence, isExternal: boolean): Finding[] {
  const { pods } = api;
  if ("error" in pods) return [inconclusive("cluster", pods.error, "kubectl -n kube-system get pods")];
  const judge = isExternal ? warning : fail;
  const own = valueOf(pods, []).filter(({ namespace }) => namespace === "kube-system");
  const runs = (component: string) =>
    own.some(
      ({ labels, running, containers }) =>
        labels["component"] === component && running && containers.every(({ trouble }) => trouble === undefined),
    );
  if (!runs("kube-apiserver")) return [];
  const without = isExternal ? [] : deposed(api).filter(({ component, byOther }) => byOther || runs(component));
  const down = Object.entries(CONTROLLERS).flatMap(([component, consequence]) =>
    // one that loses its lease ends, and waits for it when it starts again
    runs(component) || without.some((each) => each.component === component)
      ? []
      : [
          judge(
            "cluster",
            `${component} does not run`,
            `without ${component} ${consequence}`,
            `kubectl -n kube-system get pods -l component=${component}; on the control plane: ls /etc/kubernetes/manifests; crictl ps --all --name ${component}`,
            { cause: "control-plane-down" },
          ),
        ],
  );
  return [...down, ...without.map(judgeLease)];
}

/** A leader renews its lease every two seconds, and others take one over that was not renewed for 15. */
const LEASE_SECONDS = 60;

/** A part of the control plane whose instances run, and none of which works. */
interface Deposed {
  readonly component: string;
  /** Whether the lease is held by none of its instances. */
  readonly byOther: boolean;
  /** Who holds the lease instead, and since when. */
  readonly seen: string;
}

/** Parts of the control plane that run and do not work: somebody else holds their lease, or nobody renews it. */
export function deposed({ pods, leases = { value: [] } }: Pick<ApiEvidence, "pods" | "leases">): Deposed[] {
  return valueOf(leases, []).flatMap(({ name, holder, behindSeconds }): Deposed[] => {
    const own = valueOf(pods, []).filter(({ labels, running }) => labels["component"] === name && running);
    // whoever holds it calls itself like its node
    const isOwn = own.some(({ node }) => holder?.startsWith(`${node}_`));
    if (own.length === 0 || holder === null || (isOwn && behindSeconds < LEASE_SECONDS)) return [];
    const who = isOwn ? `, renewed ${behindSeconds} s ago` : "";
    return [{ component: name, byOther: !isOwn, seen: `the lease ${name} is held by ${holder}${who}` }];
  });
}

/** The command that lets another instance lead. */
export const takeLease = (component: string) =>
  `kubectl -n kube-system delete lease ${component}: an instance that works takes it within seconds`;

function judgeLease({ component, seen }: Deposed): Finding {
  return fail(
    "cluster",
    seen,
    `${component} runs, but no instance that works holds its lease: ${CONTROLLERS[component]}`,
    `${takeLease(component)}; if nobody does: kubectl -n kube-system delete pod -l component=${component}`,
    { cause: "lease-taken" },
  );
}

/** Whether Kubernetes itself calls the nodes healthy. */
export const nodesCheck: Check = {
  id: "nodes",
  question:
    "Is every node Ready and under no pressure, does it have a CiliumNode of its own, and the pod network of Kubernetes with ipam kubernetes, and does the control plane run?",
  needs: [],
  judge({ api }, { isExternal = false, ciliumConfig }) {
    if (!("value" in api.nodes)) {
      return [inconclusive("cluster", api.nodes.error, "kubectl get nodes", { cause: "cluster-unreachable" })];
    }
    const nodes = api.nodes.value.map(({ name, ready, trouble, unschedulable }): Finding => {
      if (ready && trouble === "" && unschedulable && !isExternal) {
        return warning(
          name,
          "Ready, SchedulingDisabled",
          "the node is cordoned, so no new pods run there",
          `kubectl uncordon ${name}`,
          { nodes: [name] },
        );
      }
      if (ready && trouble === "") return pass(name, "Ready");
      return fail(
        name,
        ready ? "Ready, under pressure" : "NotReady",
        /Kubelet stopped posting|NodeStatusUnknown/.test(trouble)
          ? `the kubelet does not report to the API server: it is stopped, or the node does not reach the API server (${trouble})`
          : trouble,
        `kubectl describe node ${name}; on the node: systemctl status kubelet; journalctl -u kubelet --lines=50`,
        { cause: "node-not-ready", nodes: [name] },
      );
    });
    const networks = ciliumConfig["ipam"] === "kubernetes" ? judgePodCidrs(api.nodes.value, api.ciliumNodes) : [];
    return [...nodes, ...networks, ...judgeCiliumNodes(api, isExternal), ...judgeControlPlane(api, isExternal)];
  },
};

/** Nodes of Kubernetes and of Cilium, of which every agent keeps its own. */
function judgeCiliumNodes(api: ApiEvidence, isExternal: boolean): Finding[] {
  const missing = nodesWithoutCiliumNode(api).map(({ name }) =>
    fail(
      name,
      `no CiliumNode ${name}`,
      "the node's CiliumNode was deleted: other nodes do not know its pods' network and have no route to it",
      `${deletingAgentOn(name)}: the agent writes the CiliumNode when it starts`,
      { cause: "cilium-node-missing", nodes: [name] },
    ),
  );
  const strange = ciliumNodesByNode(api).without.map(({ name }) => name);
  const shared = sharedByCiliumNodes(api);
  const clashing = shared.map(([what, names]) => {
    const foreign = names.filter((name) => strange.includes(name));
    const others = foreign.length > 0 ? foreign : names.slice(1);
    // with a cloud's addresses, nodes may come back under another name
    const isCertain = !isExternal || (foreign.length > 0 && what.includes("/"));
    return (isCertain ? fail : warning)(
      "cluster",
      `CiliumNodes ${names.join(" and ")} have ${what}`,
      foreign.length > 0
        ? `CiliumNode ${foreign.join(", ")} has no Node, and agents send packets for ${what} to it`
        : `two nodes have ${what}, and agents send packets for it to one of them`,
      `kubectl delete ciliumnode ${others.join(" ")}${foreign.length > 0 ? "" : `; then ${deletingAgentOn(others[0]!)}: the agent writes the CiliumNode when it starts`}`,
      { cause: "cilium-node-foreign" },
    );
  });
  const alone = isExternal ? [] : strange.filter((name) => !shared.some(([, names]) => names.includes(name)));
  const leftOver = alone.map((name) =>
    warning(
      "cluster",
      `CiliumNode ${name}`,
      `CiliumNode ${name} has no Node: agents keep addresses and routes of a node that does not exist`,
      `kubectl delete ciliumnode ${name}`,
      { cause: "cilium-node-foreign" },
    ),
  );
  return [...missing, ...clashing, ...leftOver];
}

/** Whether agents use the pod networks that Kubernetes gave their nodes, which `ipam.mode: kubernetes` promises. */
function judgePodCidrs(nodes: readonly NodeState[], ciliumNodes: Reading<readonly CiliumNodeState[]>): Finding[] {
  const known = valueOf(ciliumNodes, []);
  return nodes.flatMap(({ name, podCidrs = [] }): Finding[] => {
    const at = { nodes: [name] };
    if (podCidrs.length === 0) {
      return [
        fail(
          name,
          "no spec.podCIDRs",
          "with ipam kubernetes, pods get their addresses from the node's spec.podCIDRs",
          "start kube-controller-manager with --allocate-node-cidrs=true and --cluster-cidr",
          { cause: "node-not-ready", ...at },
        ),
      ];
    }
    const used = known.find((each) => each.name === name)?.podCidrs;
    if (used === undefined || isDeepStrictEqual([...used].sort(), [...podCidrs].sort())) return [];
    return [
      fail(
        name,
        `spec.podCIDRs ${podCidrs.join(", ")}, CiliumNode ${used.join(", ") || "none"}`,
        "the agent does not use the pod network that Kubernetes gave its node",
        deletingAgentOn(name),
        { cause: "agent-outdated", ...at },
      ),
    ];
  });
}

/** Whether the kubelet gives new pods to Cilium: where several plugins are installed, the first by name gets them. */
export const cniCheck: Check = {
  id: "cni",
  question: "Does every node give its new pods to Cilium?",
  needs: ["nodes"],
  judge(evidence, { isExternal }) {
    const ours = isExternal ? [] : evidence.nodes;
    const plugins = odd(ours, ({ plugin }) => plugin);
    const loopbacks = odd(ours, ({ loopbackPlugin }) => loopbackPlugin);
    const resolvers = odd(ours, ({ resolvConf }) => resolvConf);
    const dns = valueOf(evidence.api.services, []).find(
      ({ namespace, name }) => namespace === CILIUM_NAMESPACE && name === "kube-dns",
    )?.clusterIp;
    return eachNode(evidence, "cni", (own, output): Finding => {
      const { node, missingPlugins = [], clusterDns, clusterDomain } = own;
      const plugin = plugins.find((each) => each.node === node);
      if (plugin !== undefined) {
        return fail(
          node,
          `/opt/cni/bin/cilium-cni: checksum and size ${plugin.own}`,
          `the CNI plugin is another program than on ${plugin.isTie ? "the other node" : "the other nodes"} (${plugin.most}); pods that run are not affected`,
          `${deletingAgentOn(node)}: the agent installs its plugin when it starts`,
          { cause: "cni-foreign", nodes: [node] },
        );
      }
      const loopback = loopbacks.find((each) => each.node === node);
      if (loopback !== undefined) {
        return fail(
          node,
          `/opt/cni/bin/loopback: checksum and size ${loopback.own}`,
          `the plugin for pods' loopbacks is another program than on ${loopback.isTie ? "the other node" : "the other nodes"} (${loopback.most}): new pods may not start; pods that run are not affected`,
          `copy /opt/cni/bin/loopback of another node to ${node}, and make it executable`,
          { cause: "cni-foreign", nodes: [node] },
        );
      }
      const resolver = resolvers.find((each) => each.node === node);
      if (resolver !== undefined) {
        return fail(
          node,
          `/etc/resolv.conf: ${resolver.own}`,
          `the node asks other name servers than ${resolver.isTie ? "the other node" : "the other nodes"} (${resolver.most}): agent and kubelet may not find the API server or registries when they connect again`,
          `on ${node}: write /etc/resolv.conf as on the other nodes`,
          { cause: "node-resolver", nodes: [node] },
        );
      }
      if (!isExternal && clusterDomain !== undefined && clusterDomain !== "cluster.local") {
        return fail(
          node,
          `the kubelet's clusterDomain is ${clusterDomain}`,
          `new pods will search names in ${clusterDomain} instead of cluster.local; pods that run are not affected`,
          `on ${node}: set clusterDomain in /var/lib/kubelet/config.yaml to cluster.local; systemctl restart kubelet`,
          { cause: "dns-config", nodes: [node] },
        );
      }
      const isOther = clusterDns !== undefined && dns !== undefined && clusterDns !== dns;
      if (!isExternal && isOther && !isOnNode(clusterDns, node, evidence.nodes)) {
        return fail(
          node,
          `the kubelet's clusterDNS is ${clusterDns}`,
          `new pods will ask ${clusterDns} instead of cluster DNS, ${dns}; pods that run are not affected`,
          `on ${node}: set clusterDNS in /var/lib/kubelet/config.yaml to ${dns}; systemctl restart kubelet`,
          { cause: "dns-config", nodes: [node] },
        );
      }
      if (missingPlugins.length > 0) {
        return fail(
          node,
          `no program ${missingPlugins.map((name) => `/opt/cni/bin/${name}`).join(", ")}`,
          "the kubelet cannot call the CNI plugin, so new pods do not start; pods that run are not affected",
          `${deletingAgentOn(node)}: the agent installs its plugin when it starts`,
          { cause: "cni-foreign", nodes: [node] },
        );
      }
      if (!/^mounted$/m.test(output)) return skipped(node, "the agent does not see the node's CNI configuration");
      const [, file, mentions] = /^(.+\.(?:conf|conflist|json)):(\d+)$/m.exec(output) ?? [];
      if (file === undefined) {
        return fail(
          node,
          "no CNI configuration",
          "no file in /etc/cni/net.d tells the kubelet to give pods to Cilium, so new pods do not start",
          `${deletingAgentOn(node)}: the agent writes it when it starts`,
          { cause: "cni-foreign", nodes: [node] },
        );
      }
      const used = jsonOf<{ readonly ipam?: { readonly status?: string } }>(own, "status");
      const ipam = used instanceof Error ? undefined : used.ipam?.status;
      const [, allocated, all] = /IPv4: (\d+)\/(\d+) allocated/.exec(ipam ?? "") ?? [];
      if (allocated !== undefined && allocated === all) {
        return fail(
          node,
          `${allocated} of ${all} addresses allocated`,
          "the node has no address for a new pod, so new pods do not start; pods that run are not affected",
          `kubectl get pods -A -o wide --field-selector spec.nodeName=${node}; if these are fewer, addresses have leaked: ${deletingAgentOn(node)}`,
          { cause: "addresses-exhausted", nodes: [node] },
        );
      }
      if (mentions !== "0") return pass(node, `${file} is Cilium's`);
      // another file of an external cluster may call Cilium's plugin by a name of its own
      return (isExternal ? warning : fail)(
        node,
        `the kubelet uses ${file}, which does not mention Cilium`,
        "new pods get their network from another plugin, and Cilium does not know them; pods that run are not affected",
        `on ${node}: mv /etc/cni/net.d/${file} /etc/cni/; then restart the pods that it gave a network; the Helm value cni.exclusive: true lets the agent do so`,
        { cause: "cni-foreign", nodes: [node] },
      );
    });
  },
};

/** Whether the operator is there, which gives nodes their pod networks. */
export const operatorCheck: Check = {
  id: "operator",
  question: "Is Cilium's operator available?",
  needs: [],
  judge({ api: { operator, operatorLease, pods, rendered } }, { isExternal }) {
    const image = valueOf(rendered, null)?.operatorImage;
    const other = valueOf(pods, []).find(
      ({ namespace, labels, running, deleting, containers }) =>
        namespace === CILIUM_NAMESPACE &&
        labels["io.cilium/app"] === "operator" &&
        running &&
        !deleting &&
        containers.some(({ name, wantedImage }) => name === "cilium-operator" && wantedImage !== image),
    );
    if (!isExternal && image !== undefined && other !== undefined) {
      return [
        fail(
          "cluster",
          `${other.name} runs ${other.containers.map(({ wantedImage }) => wantedImage).join(", ")}`,
          `the operator's image is not the one that Helm rendered, ${image}`,
          "pulumi up --refresh installs the stack's own image again",
          { cause: "agent-differs" },
        ),
      ];
    }
    const remedy = `kubectl -n ${CILIUM_NAMESPACE} describe pods -l io.cilium/app=operator; kubectl -n ${CILIUM_NAMESPACE} get deployment cilium-operator`;
    const replicas = judgeReplicas(operator, remedy, {
      none: "without an operator new nodes get no pod network and identities are not collected",
      cause: "operator-down",
    });
    if (replicas.verdict === "fail") return [replicas];
    if (!isExternal && "error" in operatorLease) {
      const seeLease = `kubectl -n ${CILIUM_NAMESPACE} get lease ${OPERATOR_LEASE}`;
      return [inconclusive("cluster", operatorLease.error, seeLease, { cause: "cluster-unreachable" })];
    }
    const leader = valueOf(operatorLease, null);
    const operators = valueOf(pods, []).filter(
      ({ namespace, labels, ready, deleting }) =>
        namespace === CILIUM_NAMESPACE && labels["io.cilium/app"] === "operator" && ready && !deleting,
    );
    // a pod in its node's network calls itself like the node
    const leads = operators.some(({ name, node }) => [name, node].some((own) => leader?.startsWith(`${own}-`)));
    if (!isExternal && leader !== null && operators.length > 0 && !leads) {
      return [
        fail(
          "cluster",
          `the lease ${OPERATOR_LEASE} is held by ${leader}`,
          "no operator that runs holds the operators' lease, so that none of them works: new nodes get no pod network",
          `kubectl -n ${CILIUM_NAMESPACE} delete lease ${OPERATOR_LEASE}: an operator takes it within a minute`,
          { cause: "operator-down" },
        ),
      ];
    }
    return [replicas];
  },
};

function judgeReplicas(
  reading: Reading<ReplicaState>,
  remedy: string,
  { none, cause }: { readonly none: string; readonly cause: "operator-down" | "dns-down" },
): Finding {
  if (!("value" in reading)) return inconclusive("cluster", reading.error, remedy);
  const { wanted, ready } = reading.value;
  const seen = `${ready} of ${wanted} available`;
  // during a rollout there are more than are wanted; with none wanted, those that are left go
  if (ready >= wanted && wanted > 0) return pass("cluster", seen);
  // two refuse to share a node, so the second is missing where there is one, and while nodes are replaced
  if (ready > 0 && wanted > 0) return warning("cluster", seen, "fewer replicas run than the Deployment wants", remedy);
  return fail("cluster", seen, none, remedy, { cause });
}

/** What `cilium status -o json` tells of the agent's background work, as far as it is needed. */
interface Controllers {
  readonly controllers?: readonly {
    readonly name: string;
    readonly status?: { readonly "consecutive-failure-count"?: number; readonly "last-failure-msg"?: string };
  }[];
}

/** Whether something that agents do again and again fails at present. */
export const controllersCheck: Check = {
  id: "controllers",
  question: "Do all of the agents' controllers succeed?",
  needs: ["nodes"],
  judge: (evidence) =>
    eachNode(evidence, "status", ({ node }, output): Finding => {
      let controllers: Controllers["controllers"];
      try {
        ({ controllers } = JSON.parse(output) as Controllers);
      } catch {
        return inconclusive(node, `the status is not JSON: ${output.slice(0, 80)}`, undefined, { nodes: [node] });
      }
      if (controllers === undefined || controllers.length === 0) {
        return inconclusive(node, "the agent lists no controllers", undefined, { nodes: [node] });
      }
      const failing = controllers.filter(({ status }) => (status?.["consecutive-failure-count"] ?? 0) > 0);
      const seen = `${controllers.length - failing.length} of ${controllers.length} succeed`;
      if (failing.length === 0) return pass(node, seen);
      const words = failing.map(({ name, status }) => `${name}: ${status?.["last-failure-msg"] ?? "no message"}`);
      const remedy = `kubectl -n ${CILIUM_NAMESPACE} exec ds/cilium -- cilium status --all-controllers; the agent retries by itself`;
      return warning(node, seen, words.join("; "), remedy, { nodes: [node] });
    }),
};

/** Whether the pods that send the probes run, on every node, and Cilium knows them. */
export const workloadCheck: Check = {
  id: "workload",
  question:
    "Does every node have a ready workload pod, does every pod get its network, and does Cilium have an endpoint for every pod?",
  needs: [],
  judge({ api, nodes }, { workload = WORKLOAD, nodePort, isExternal }) {
    if (!("value" in api.pods)) {
      return [inconclusive("cluster", api.pods.error, "kubectl get pods -A", { cause: "cluster-unreachable" })];
    }
    const pods = api.pods.value;
    const looked = nodes.length > 0 ? nodes.map(({ node }) => node) : valueOf(api.nodes, []).map(({ name }) => name);
    const findings: Finding[] = [];
    if (nodePort !== undefined) findings.push(...looked.map((node) => judgeServer(pods, node, workload)));
    findings.push(...judgeStuck(valueOf(api.stuckPods ?? { value: [] }, []), isExternal));
    findings.push(...judgeEndpoints(api, isExternal));
    return findings;
  },
};

function judgeServer(pods: readonly PodState[], node: string, { namespace, daemonSet }: WorkloadNames): Finding {
  const own = pods.filter(
    (pod) => pod.namespace === namespace && pod.labels["app"] === daemonSet && pod.node === node && !pod.deleting,
  );
  const remedy = `kubectl -n ${namespace} describe daemonset ${daemonSet}; kubectl -n ${namespace} get pods -o wide`;
  const at = { cause: "workload-not-ready", nodes: [node] } as const;
  if (own.length === 0)
    return fail(
      node,
      "no workload pod",
      `no pod of DaemonSet ${daemonSet} runs here to send and answer probes`,
      remedy,
      at,
    );
  const bad = own.filter(({ ready, running }) => !ready || !running);
  if (bad.length > 0) {
    const trouble = bad.flatMap(({ containers }) => containers.flatMap((container) => container.trouble ?? []))[0];
    const [why, cause] =
      trouble !== undefined
        ? [trouble, at.cause]
        : bad.some(({ running }) => !running)
          ? ["it does not run", at.cause]
          : // whatever keeps the node's packets from its pod is the cause
            ["its readiness probe fails", "probe-failing" as const];
    return fail(
      node,
      `${bad[0]!.name} is not ready`,
      `the workload pod is not ready: ${why}`,
      `kubectl -n ${namespace} describe pod ${bad[0]!.name}`,
      { ...at, cause },
    );
  }
  if (own.some(({ hostNetwork }) => hostNetwork)) {
    return fail(
      node,
      `${own[0]!.name} uses the host network`,
      "probes from the host network say nothing about pods",
      remedy,
      at,
    );
  }
  return pass(node, `${own[0]!.name} is ready`);
}

/** Whether Cilium's plugin gives a pod no network, and not another one's. */
export const isCiliums = ({ said }: StuckPod): boolean => said === "" || /cilium/i.test(said);

/** Pods that their nodes do not give a network, by node. */
function judgeStuck(stuck: readonly StuckPod[], isExternal: boolean | undefined): Finding[] {
  return [...new Set(stuck.map(({ node }) => node))].map((node) => {
    const own = stuck.filter((each) => each.node === node);
    const [first] = own as [StuckPod];
    const said = own.map((each) => each.said).find((each) => each !== "");
    // the kubelet repeats the runtime's words before those of the plugin
    const why = said === undefined ? "" : `: ${said.replace(/^.*failed \(add\): /s, "").slice(-120)}`;
    const isCertain = own.some(isCiliums) && !(isExternal && said === undefined);
    return (isCertain ? fail : warning)(
      node,
      firstOf(
        own.map((each) => `${each.namespace}/${each.name} without a network for ${each.seconds} s`),
        2,
      ),
      `pods do not start on ${node}: the CNI plugin or the agent gives them no network${why}`,
      `kubectl -n ${first.namespace} describe pod ${first.name}; kubectl -n ${CILIUM_NAMESPACE} logs -l k8s-app=cilium -c cilium-agent --tail=50; if only this node's agent fails: ${deletingAgentOn(node)}`,
      { cause: "pod-without-network", nodes: [node] },
    );
  });
}

type Endpoints = readonly { readonly namespace: string; readonly name: string; readonly address: string }[];

/** Running pods that have an address of Cilium's. */
export const podsOfCilium = (pods: readonly PodState[]) =>
  pods.filter(({ hostNetwork, running, deleting, address }) => !hostNetwork && running && !deleting && address !== "");

/** Running pods of whose address Cilium has no endpoint. */
export const podsWithoutEndpoint = (pods: readonly PodState[], endpoints: Endpoints): PodState[] =>
  podsOfCilium(pods).filter(
    ({ namespace, name, address }) =>
      !endpoints.some((each) => each.namespace === namespace && each.name === name && each.address === address),
  );

function judgeEndpoints(api: ApiEvidence, isExternal: boolean | undefined): Finding[] {
  const pods = readingOf(api.pods);
  const endpoints = readingOf(api.ciliumEndpoints);
  if (valueOf(api.config, undefined)?.data["disable-endpoint-crd"] === "true")
    return [skipped("cluster", "cilium-config turns CiliumEndpoint objects off")];
  const own = podsOfCilium(pods);
  const taken = endpoints.flatMap((each) => {
    const owner = own.find(({ address }) => address === each.address);
    const isOther = owner !== undefined && (owner.namespace !== each.namespace || owner.name !== each.name);
    return isOther ? [{ each, owner }] : [];
  });
  if (taken.length > 0) {
    const [{ each, owner }] = taken as [(typeof taken)[number]];
    return [
      fail(
        "cluster",
        taken.map((one) => `${one.each.namespace}/${one.each.name}: ${one.each.address}`).join(", "),
        `CiliumEndpoint ${each.namespace}/${each.name} has the address of the pod ${owner.namespace}/${owner.name}: nodes may give the address a wrong identity or node`,
        `kubectl -n ${each.namespace} delete ciliumendpoint ${each.name}; then kubectl -n ${CILIUM_NAMESPACE} rollout restart daemonset cilium, since agents forget the address with it`,
        { cause: "endpoint-foreign", nodes: [...new Set(taken.map((one) => one.owner.node))] },
      ),
    ];
  }
  // one of a pod that ends may outlive it for seconds
  const known = new Set(pods.map(({ namespace, name }) => `${namespace}/${name}`));
  // a virtual machine outside the cluster has an endpoint and a CiliumNode of one name (CiliumExternalWorkload)
  const machines = new Set(ciliumNodesByNode(api).without.map(({ name }) => name));
  const strays = endpoints
    .filter(
      ({ namespace, name, address }) => address !== "" && !known.has(`${namespace}/${name}`) && !machines.has(name),
    )
    .map(({ namespace, name, address }) =>
      (isExternal ? warning : fail)(
        "cluster",
        `${namespace}/${name}: ${address}`,
        `CiliumEndpoint ${namespace}/${name} belongs to no pod: nodes take ${address} for a pod, and apply its policies`,
        `kubectl -n ${namespace} delete ciliumendpoint ${name}`,
        { cause: "endpoint-foreign" },
      ),
    );
  const without = podsWithoutEndpoint(pods, endpoints);
  if (without.length === 0)
    return strays.length > 0 ? strays : [pass("cluster", `${own.length} pods have a CiliumEndpoint`)];
  const names = without.slice(0, 4).map(({ namespace, name }) => `${namespace}/${name}`);
  return [
    ...strays,
    fail(
      "cluster",
      `${without.length} of ${own.length} pods have no CiliumEndpoint of their address`,
      `Cilium does not know ${names.join(", ")}${without.length > names.length ? ", …" : ""}: other nodes treat packets from these pods as unknown`,
      renewal(without[0]!.namespace, without[0]!.name, isExternal),
      { cause: "pod-without-endpoint", nodes: [...new Set(without.map(({ node }) => node))] },
    ),
  ];
}

/** Whether cluster DNS runs. */
export const coreDnsCheck: Check = {
  id: "coredns",
  question: "Is CoreDNS available?",
  needs: [],
  judge({ api: { coreDns } }, { isExternal }) {
    // others call it differently, and whether names resolve is asked as well
    if (isExternal && "error" in coreDns && /not found/i.test(coreDns.error))
      return [skipped("cluster", "the cluster has no Deployment kube-system/coredns")];
    const remedy =
      "kubectl -n kube-system get deployment coredns; kubectl -n kube-system describe pods -l k8s-app=kube-dns";
    return [judgeReplicas(coreDns, remedy, { none: "no CoreDNS pod answers", cause: "dns-down" })];
  },
};
