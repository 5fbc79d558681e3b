import { AGENT_CONTAINER, CILIUM_NAMESPACE } from "../../cluster/agents";
import { parseConfig } from "../checks/agents";
import { derived, valueOf, type AgentTemplate, type NodeConfigState } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { agentVersion, jsonOf, ownSettings, sectionOf, type NodeEvidence } from "../evidence/node";
import type { Config } from "./dimensions/config";

/** One node, with its configuration and status read. */
export interface View {
  readonly evidence: NodeEvidence;
  readonly node: string;
  /** As Helm rendered it; undefined where nobody knows. */
  readonly requested?: Config | undefined;
  /** The ConfigMap as it is now; undefined where it could not be read. */
  readonly current?: Config | undefined;
  /** As the agent has it, with everything that overrides it on this node; undefined where it could not be asked. */
  readonly own?: Config | undefined;
  /** Its arguments and variables, which win over its files, by the key that they set. */
  readonly overrides: Config;
  /** The arguments that Helm gave it, by the key that they set. */
  readonly renderedArguments: Config;
  readonly status?: unknown;
  readonly version: string;
  /** As the agent's pod asks for it. */
  readonly image?: string | undefined;
  /** The same as Helm rendered it; undefined where nobody knows. */
  readonly renderedImage?: string | undefined;
  /** The agent's arguments, as its pod asks for them; undefined where nobody knows. */
  readonly args?: readonly string[] | undefined;
  /** What its DaemonSet asks for now; undefined where nobody knows. */
  readonly template?: AgentTemplate | undefined;
  readonly configuredAt?: string | undefined;
  /** Whether its files are the ConfigMap itself, and not a copy. */
  readonly isLive: boolean;
  readonly log: readonly string[];
  /** CiliumNodeConfigs that select the node. */
  readonly nodeConfigs: readonly NodeConfigState[];
  /** Values of the datapath that the user gave to Helm, by path. */
  readonly values: Readonly<Record<string, string>>;
}

/** The agents' pods by node. */
const agentPods = derived(
  ({ pods }) =>
    new Map(
      valueOf(pods, [])
        .filter(
          ({ namespace, labels, deleting }) =>
            namespace === CILIUM_NAMESPACE && labels["k8s-app"] === "cilium" && !deleting,
        )
        .map((pod) => [pod.node, pod]),
    ),
);

export function viewOf(node: NodeEvidence, { api }: Evidence, log: readonly string[]): View {
  const pod = agentPods(api).get(node.node);
  const container = pod?.containers.find(({ name }) => name === AGENT_CONTAINER);
  const rendered = valueOf(api.rendered, null);
  const status = jsonOf<object>(node, "status");
  const files = sectionOf(node, "config");
  const current = valueOf(api.config, undefined)?.data;
  const overrides = overridesIn(sectionOf(node, "arguments"));
  const own = files instanceof Error ? undefined : { ...parseConfig(files), ...overrides };
  return {
    overrides,
    renderedArguments: overridesIn(rendered?.agent?.args.join("\n") ?? ""),
    evidence: node,
    node: node.node,
    requested: rendered?.config,
    current,
    own: own !== undefined && Object.keys(own).length > Object.keys(overrides).length ? own : undefined,
    status: status instanceof Error ? undefined : status,
    version: agentVersion(node) ?? "",
    image: container?.wantedImage,
    renderedImage: rendered?.agent?.image,
    args: container?.args,
    template: api.template && valueOf(api.template, undefined),
    isLive: pod?.configuredAt === undefined,
    configuredAt: pod?.configuredAt ?? container?.startedAt,
    log,
    nodeConfigs: valueOf(api.nodeConfigs, []).filter(
      ({ namespace, nodes }) => namespace === CILIUM_NAMESPACE && (nodes?.includes(node.node) ?? true),
    ),
    values: rendered?.values ?? api.values ?? {},
  };
}

/** An agent's arguments and variables, by the key that they set: they win over its files, of which one says where these are. */
const overridesIn = (said: string | Error): Record<string, string> =>
  Object.fromEntries(
    ownSettings(said).flatMap(({ key, value }) => (key === "config-dir" ? [] : [[key, value] as const])),
  );
