import { AGENT_CONTAINER, CILIUM_NAMESPACE, CONFIG_MAP } from "../../cluster/agents";
import type { RenderedAgent } from "../../modes/rendering";
import { concernsPackets } from "../../modes/datapathConfig";
import type { CauseId } from "../causes";
import type { Evidence } from "../evidence/gather";
import { readingOf, valueOf, type ConfigState, type NodeConfigState, type PodState } from "../evidence/api";
import { jsonOf, ownSettings, sectionOf, type NodeEvidence, type OwnSetting } from "../evidence/node";
import { fail, inconclusive, pass, warning, type Check, type Expectation, type Finding } from "./check";
import { flat, RESTART, shown } from "./config";
import { odd } from "./nodes";

/** Whether every node has a ready agent that runs with the configuration and is like the others. */
export const agentsCheck: Check = {
  id: "agents",
  question: "Does every node have a ready agent that runs with this configuration, and are all agents alike?",
  needs: ["nodes"],
  judge(evidence, expectation) {
    const { api, nodes } = evidence;
    const { nodeCount, isExternal } = expectation;
    const pods = readingOf(api.pods);
    const agents = pods.filter(
      ({ namespace, labels, deleting }) =>
        namespace === CILIUM_NAMESPACE && labels["k8s-app"] === "cilium" && !deleting,
    );
    const config = valueOf(api.config, undefined);
    const nodeConfigs = readingOf(api.nodeConfigs);
    const rendered = isExternal ? undefined : valueOf(api.rendered, null)?.agent;
    const overrides = nodes.map((node) => (config === undefined ? [] : overridesOn(node, config, nodeConfigs)));
    const known = { agents, pods, config, rendered };
    const findings = nodes.map((node, index) => judgeAgent(node, overrides[index]!, expectation, known));
    const pending =
      isExternal || config === undefined
        ? []
        : nodeConfigs.filter(
            ({ namespace, name, defaults }) =>
              namespace === CILIUM_NAMESPACE &&
              !overrides.flat().some(({ by }) => by === name) &&
              Object.entries(defaults).some(
                ([key, value]) => concernsPackets(key) && flat(config.data[key]) !== flat(value),
              ),
          );
    const missing = "value" in api.nodes ? (nodeCount ?? 0) - api.nodes.value.length : 0;
    return [
      ...findings,
      // report an override once, and not also as a difference between agents
      ...unlike(nodes, agents).filter(
        ({ nodes: [name] = [] }) =>
          !findings.some(({ cause, nodes: own }) => cause === "config-overridden" && own?.[0] === name),
      ),
      ...withoutEnvoy(evidence),
      ...pending.map(({ name, defaults }) =>
        fail(
          "cluster",
          Object.entries(defaults)
            .map(([key, value]) => `${key}: ${shown(value)}`)
            .join(", "),
          `CiliumNodeConfig ${name} overrides ${CONFIG_MAP} on the nodes that it selects, as soon as their agents restart`,
          `kubectl -n ${CILIUM_NAMESPACE} delete ciliumnodeconfig ${name}`,
          { cause: "config-overridden" },
        ),
      ),
      ...(nodes.length === 0
        ? [inconclusive("cluster", "no node could be asked", "kubectl get nodes", { cause: "cluster-unreachable" })]
        : []),
      ...(missing > 0
        ? [
            fail(
              "cluster",
              `${valueOf(api.nodes, []).length} nodes`,
              `the cluster must have ${nodeCount} nodes`,
              "kubectl get nodes -o wide",
              { cause: "node-not-ready" },
            ),
          ]
        : []),
    ];
  },
};

/** What an agent is compared with. */
interface Known {
  readonly agents: readonly PodState[];
  readonly pods: readonly PodState[];
  readonly config: ConfigState | undefined;
  /** What Helm rendered; undefined where nobody knows, or where it is the owner's choice. */
  readonly rendered: RenderedAgent | undefined;
}

/** The agent of one node: whether it runs and answers, and with which configuration. */
function judgeAgent(
  node: NodeEvidence,
  overridden: readonly Override[],
  { ciliumConfig, datapathConfig = {}, isExternal = false }: Expectation,
  { agents, pods, config, rendered }: Known,
): Finding {
  const at = { nodes: [node.node] };
  const pod = agents.find((each) => each.node === node.node);
  if (pod === undefined) {
    const remedy = `kubectl -n ${CILIUM_NAMESPACE} describe daemonset cilium; kubectl describe node ${node.node}`;
    return fail(node.node, "no agent", "no agent manages this node's datapath", remedy, {
      cause: "agent-missing",
      ...at,
    });
  }
  const container = pod.containers.find(({ name }) => name === AGENT_CONTAINER);
  if (container?.ready !== true) {
    const trouble = pod.containers.map((each) => each.trouble).find(Boolean) ?? "its readiness probe fails";
    const remedy = `kubectl -n ${CILIUM_NAMESPACE} describe pod ${pod.name}; kubectl -n ${CILIUM_NAMESPACE} logs ${pod.name} -c cilium-agent --tail=50`;
    return fail(node.node, `${pod.name} is not ready`, `the agent is not ready: ${trouble}`, remedy, {
      cause: "agent-not-ready",
      ...at,
    });
  }
  const [own, status] = [sectionOf(node, "config"), sectionOf(node, "status")];
  // its files can be read while the agent itself hangs
  if (own instanceof Error || status instanceof Error) {
    const { message } = own instanceof Error ? own : (status as Error);
    const { cause, reason, remedy } = SILENCES.find(({ sign }) => sign.test(message))!;
    return inconclusive(node.node, `${reason(node.node)}: ${message}`, remedy(node.node, pod.name), { cause, ...at });
  }
  if (config === undefined) return inconclusive(node.node, `${CONFIG_MAP} could not be read`, undefined, at);
  const mine = parseConfig(own);
  const differing = differingKeys(config.data, mine);
  if (overridden.length > 0) {
    const isDatapath = overridden.some(
      ({ key }) => key in ciliumConfig || key in datapathConfig || (!isExternal && concernsPackets(key)),
    );
    const say = isDatapath ? fail : warning;
    const names = [...new Set(overridden.map(({ by }) => by))];
    return say(
      node.node,
      overridden.map(({ key, value }) => `${key}: ${shown(value)}`).join(", "),
      `CiliumNodeConfig ${names.join(", ")} overrides ${CONFIG_MAP} on this node (${overridden.map(({ key }) => `${key}: ${shown(config.data[key])}`).join(", ")} elsewhere)`,
      `kubectl -n ${CILIUM_NAMESPACE} delete ciliumnodeconfig ${names.join(" ")}; ${RESTART}`,
      { cause: "config-overridden", ...at },
    );
  }
  // agents up to 1.12 see changes at once, and still run with what they read
  const isLive = pod.configuredAt === undefined;
  const stale = differing.length > 0 || !isLive ? differing : keysSince(container.startedAt, config);
  if (stale.length > 0) {
    const written = config.writers.find(({ keys }) => stale.some((key) => keys.includes(key)));
    return fail(
      node.node,
      stale
        .slice(0, 4)
        .map((key) => `${key}: ${shown(mine[key])}`)
        .join(", "),
      `${CONFIG_MAP} was changed${written === undefined ? "" : ` by ${written.manager} at ${written.time}`} after the agent read it (now ${stale
        .slice(0, 4)
        .map((key) => `${key}: ${shown(config.data[key])}`)
        .join(", ")}); agents read it only when they start`,
      RESTART,
      { cause: "agent-outdated", ...at },
    );
  }
  const image = container.wantedImage;
  if (rendered !== undefined && image !== rendered.image) {
    return fail(
      node.node,
      `${pod.name} runs ${image}`,
      `the agent's image is not the one that Helm rendered, ${rendered.image}`,
      "pulumi up --refresh installs the stack's own image again",
      { cause: "agent-differs", ...at },
    );
  }
  const other = [
    ...argumentsBeside(node, ciliumConfig, datapathConfig, rendered, container.variables),
    ...optionsBeside(node, datapathConfig),
    ...endpointsBeside(node),
  ];
  if (other.length > 0) {
    return fail(
      node.node,
      other.slice(0, 4).join("; "),
      `the agent does not run as ${CONFIG_MAP} says: arguments and runtime options come before it`,
      `kubectl -n ${CILIUM_NAMESPACE} get daemonset cilium -o yaml shows the arguments; ${RESTART}: options that were set at run time end with the agent`,
      { cause: "config-overridden", ...at },
    );
  }
  const labelled = labelledByHand(node, pods);
  if (labelled.length > 0) {
    return fail(
      node.node,
      labelled.map(({ endpoint, labels }) => `endpoint ${endpoint}: ${labels.join(", ")}`).join("; "),
      "endpoints have other labels than their pods, so that policies and other nodes take them for somebody else",
      `kubectl -n ${CILIUM_NAMESPACE} exec ${pod.name} -- cilium endpoint labels ${labelled[0]!.endpoint} -d <the label>; or delete the pod`,
      { cause: "config-overridden", ...at },
    );
  }
  return pass(node.node, `${pod.name} runs with ${Object.keys(mine).length} keys of ${CONFIG_MAP}`);
}

/** Why an agent does not answer, by what the API server or its node's kubelet says; the last fits everything. */
const SILENCES: readonly {
  readonly sign: RegExp;
  readonly cause: CauseId;
  reason(node: string): string;
  remedy(node: string, pod: string): string;
}[] = [
  {
    sign: /\b(?:containerd|crio|cri-dockerd|docker)\.sock\b/,
    cause: "runtime-down",
    reason: (node) => `the container runtime of ${node} does not answer its kubelet`,
    remedy: (node) =>
      `on ${node}: systemctl restart containerd (or crio); systemctl status containerd; journalctl -u containerd --lines=50`,
  },
  {
    sign: /pod does not exist/,
    cause: "agent-silent",
    reason: (node) =>
      `the kubelet that answers for ${node} does not know the agent's pod: it has just restarted, or another node has the address of ${node}`,
    remedy: (node) =>
      `on ${node}: journalctl -u kubelet --lines=50; on the other nodes: ip -4 addr | grep -F "inet <address of ${node} in kubectl get nodes -o wide>/"`,
  },
  {
    sign: /:10250\b.*(?:timeout|no route|refused|unreachable|reset)/,
    cause: "node-unreachable",
    reason: (node) => `the API server does not reach the kubelet of ${node}`,
    remedy: (node) =>
      `kubectl describe node ${node}; on ${node}: ip -4 addr; ip -4 route; iptables-save | grep 10250; systemctl status kubelet`,
  },
  {
    sign: /^/,
    cause: "agent-silent",
    reason: () => "the agent does not answer",
    remedy: (_node, pod) => `kubectl -n ${CILIUM_NAMESPACE} delete pod ${pod}`,
  },
];

/** Nodes without the Envoy that rules of layer 7 need, where it runs outside the agent. */
function withoutEnvoy({ api, nodes }: Evidence): Finding[] {
  if (valueOf(api.config, undefined)?.data["external-envoy-proxy"] !== "true") return [];
  const envoys = readingOf(api.pods).filter(
    ({ namespace, labels, ready }) => namespace === CILIUM_NAMESPACE && labels["k8s-app"] === "cilium-envoy" && ready,
  );
  const without = nodes.filter(({ node }) => !envoys.some((pod) => pod.node === node)).map(({ node }) => node);
  if (without.length === 0) return [];
  return [
    warning(
      "cluster",
      `no ready Envoy on ${without.join(", ")}`,
      "policies of layer 7, Ingress and Gateway API do not work there; the mode's datapath does not need it",
      `kubectl -n ${CILIUM_NAMESPACE} describe pods -l k8s-app=cilium-envoy; kubectl -n ${CILIUM_NAMESPACE} get daemonset cilium-envoy`,
    ),
  ];
}

/** What an agent printed of its configuration, by key. */
export function parseConfig(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const at = line.indexOf("=");
      // what the agent itself notes of its sources
      return at < 1 || line.startsWith("config-sources") ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
}

/** Keys with another value, or none, in one of two configurations. */
export const differingKeys = (
  one: Readonly<Record<string, string | undefined>>,
  other: Readonly<Record<string, string | undefined>>,
) => Object.keys({ ...one, ...other }).filter((key) => flat(one[key]) !== flat(other[key]));

/** A key with which an agent runs because a CiliumNodeConfig has it, and the ConfigMap has another value. */
interface Override {
  readonly key: string;
  readonly value: string | undefined;
  /** The CiliumNodeConfig's name. */
  readonly by: string;
}

function overridesOn(node: NodeEvidence, { data }: ConfigState, nodeConfigs: readonly NodeConfigState[]): Override[] {
  const own = sectionOf(node, "config");
  if (own instanceof Error) return [];
  const mine = parseConfig(own);
  return differingKeys(data, mine).flatMap((key) => {
    const by = nodeConfigs.find(({ defaults }) => key in defaults && flat(defaults[key]) === flat(mine[key]));
    return by === undefined ? [] : [{ key, value: mine[key], by: by.name }];
  });
}

/** Keys that were written after an agent started. */
function keysSince(started: string | undefined, { writers: [written] }: ConfigState): readonly string[] {
  return started !== undefined && written !== undefined && started < written.time ? written.keys : [];
}

/** Variables by which Kubernetes tells each pod of the Services that were there when it started. */
const OF_KUBERNETES = /^\w+_(?:SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_\w+)$/;

/**
 * Arguments of an agent, and variables of its environment, that set what the ConfigMap should.
 * @param rendered what the agent may have; undefined where nobody knows
 * @param variables those that its pod's template sets; undefined where nobody knows
 */
function argumentsBeside(
  node: NodeEvidence,
  ciliumConfig: Readonly<Record<string, string | null>>,
  datapathConfig: Readonly<Record<string, readonly string[]>>,
  rendered: RenderedAgent | undefined,
  variables: readonly string[] | undefined,
): string[] {
  const isRendered = ({ said, variable, value }: OwnSetting) => {
    if (rendered === undefined) return true;
    const isRenderedAs = (words: readonly string[]) => words.every((word) => rendered.args.includes(word));
    if (variable === undefined) return isRenderedAs([said]) || isRenderedAs(said.split(" "));
    // the image has variables too, and Kubernetes adds some
    if (variables !== undefined && !variables.includes(`CILIUM_${variable}`)) return true;
    const known = rendered.variables[`CILIUM_${variable}`];
    const isOfService = OF_KUBERNETES.test(variable) || /^(?:tcp|udp|sctp):\/\//.test(value);
    return known === null || known === value || isOfService;
  };
  return ownSettings(sectionOf(node, "arguments")).flatMap((own) => {
    const { key, value, variable, said } = own;
    const allowed = key in ciliumConfig ? [ciliumConfig[key]] : datapathConfig[key];
    const isAllowed = allowed === undefined || allowed.includes(value);
    return isAllowed && isRendered(own) ? [] : [`${variable === undefined ? "argument" : "variable"} ${said}`];
  });
}

/** Options that can be changed at run time, and decide which packets policies let pass. */
const OPTIONS: Readonly<Record<string, { readonly key: string; readonly usual: string }>> = {
  PolicyEnforcement: { key: "enable-policy", usual: "default" },
  PolicyAuditMode: { key: "policy-audit-mode", usual: "Disabled" },
  SourceIPVerification: { key: "enable-source-ip-verification", usual: "Enabled" },
};

/** What `cilium config` prints, as far as it is needed. */
const optionsOf = (node: NodeEvidence): ReadonlyMap<string, string> =>
  new Map(
    [...(text(sectionOf(node, "options")) ?? "").matchAll(/^(\w+) +: (\S+)$/gm)].map(([, name, value]) => [
      name!,
      value!,
    ]),
  );

/** Runtime options of an agent that its configuration does not have. */
function optionsBeside(node: NodeEvidence, datapathConfig: Readonly<Record<string, readonly string[]>>): string[] {
  const options = optionsOf(node);
  return Object.entries(OPTIONS).flatMap(([name, { key, usual }]) => {
    const own = options.get(name);
    // a key that the user sets is compared where it is written
    return own === undefined || !(key in datapathConfig) || own === usual ? [] : [`option ${name}: ${own}`];
  });
}

/** What `cilium endpoint list -o json` prints of an endpoint's options. */
interface EndpointOptions {
  readonly id: number;
  readonly status?: {
    readonly "external-identifiers"?: { readonly "k8s-pod-name"?: string; readonly "pod-name"?: string };
    readonly realized?: { readonly options?: Readonly<Record<string, string>> };
    readonly networking?: { readonly addressing?: readonly { readonly ipv4?: string }[] };
    readonly labels?: {
      readonly realized?: { readonly user?: readonly string[] };
      readonly disabled?: readonly string[];
    };
  };
}

/** Endpoints whose labels are not those of their pod. */
function labelledByHand(
  node: NodeEvidence,
  pods: readonly PodState[],
): { readonly endpoint: number; readonly labels: readonly string[] }[] {
  const endpoints = jsonOf<EndpointOptions[]>(node, "endpoints");
  if (endpoints instanceof Error) return [];
  return endpoints.flatMap(({ id, status }) => {
    const addresses = (status?.networking?.addressing ?? []).map(({ ipv4 }) => ipv4);
    const own = pods.find(
      ({ running, hostNetwork, address }) => running && !hostNetwork && addresses.includes(address),
    );
    if (own === undefined) return [];
    const isOfPod = (label: string) =>
      // what its namespace was given later counts as the user's
      label.startsWith("k8s:io.cilium.k8s.") ||
      Object.entries(own.labels).some(([key, value]) => label === `k8s:${key}=${value}`);
    const added = (status?.labels?.realized?.user ?? []).filter((label) => !isOfPod(label));
    const hidden = (status?.labels?.disabled ?? []).filter(isOfPod).map((label) => `not ${label}`);
    return added.length + hidden.length === 0 ? [] : [{ endpoint: id, labels: [...added, ...hidden] }];
  });
}

/** Endpoints that have another option than their agent. */
function endpointsBeside(node: NodeEvidence): string[] {
  const endpoints = jsonOf<EndpointOptions[]>(node, "endpoints");
  if (endpoints instanceof Error) return [];
  const options = optionsOf(node);
  return endpoints.flatMap(({ id, status }) => {
    const pod = status?.["external-identifiers"];
    return Object.keys(OPTIONS).flatMap((name) => {
      const [own, agents] = [status?.realized?.options?.[name], options.get(name)];
      if (own === undefined || agents === undefined || own === agents) return [];
      return [`endpoint ${pod?.["k8s-pod-name"] ?? pod?.["pod-name"] ?? id} has ${name}: ${own}, its agent ${agents}`];
    });
  });
}

interface AgentPod {
  readonly node: string;
  readonly containers: readonly { readonly name: string; readonly image: string; readonly imageId: string }[];
}

/** Agents that differ from most others in their image, version, arguments or environment. */
function unlike(nodes: readonly NodeEvidence[], pods: readonly AgentPod[]): Finding[] {
  const traits: Readonly<Record<string, (node: NodeEvidence) => string | undefined>> = {
    image: ({ node }) => {
      const own = pods.find((pod) => pod.node === node)?.containers.find(({ name }) => name === AGENT_CONTAINER);
      return own === undefined ? undefined : `${own.image} ${own.imageId}`;
    },
    "runtime options": (node) => text(sectionOf(node, "options"))?.trim(),
    version: (node) => /"cilium":\s*\{\s*"msg":\s*"(\S+)/.exec(text(sectionOf(node, "status")) ?? "")?.[1],
    "arguments and environment": (node) =>
      text(sectionOf(node, "arguments"))
        // Kubernetes tells each pod of the Services that were there when it started
        ?.replace(/^CILIUM_(?:K8S_(?:NAMESPACE|NODE)|\w+_SERVICE_(?:HOST|PORT)|\w+_PORT).*$/gm, "")
        .replace(/\n+/g, "\n")
        .trim(),
  };
  return Object.entries(traits).flatMap(([trait, of]) =>
    odd(nodes, of).map(({ node, own, most }) =>
      fail(
        node,
        `${trait}: ${difference(own, most)}`,
        `the agent's ${trait} differ from the other nodes' (${difference(most, own)})`,
        `kubectl -n ${CILIUM_NAMESPACE} get pods -l k8s-app=cilium -o yaml; ${RESTART}`,
        { cause: "agent-differs", nodes: [node] },
      ),
    ),
  );
}

/** The words of one text that the other lacks, or all of a short one. */
function difference(text: string, other: string): string {
  const words = text.split(/\s+/).filter((word) => !other.split(/\s+/).includes(word));
  return words.join(" ").slice(0, 160) || "nothing more";
}

const text = (said: string | Error) => (said instanceof Error ? undefined : said);
