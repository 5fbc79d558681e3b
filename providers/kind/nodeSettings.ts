import { isDeepStrictEqual } from "node:util";
import { controlPlaneName } from "../../modes/ciliumValues";
import { listNodes } from "../../host/docker";
import { networkFailures } from "./networks";
import {
  coreDnsForwardsTo,
  hasRegistryMirrors,
  resolversFor,
  setCoreDnsForward,
  writeRegistryMirrors,
  type Log,
} from "./nodeSetup";
import type { NodeSettingsInputs } from "./inputs";
import type { ResourceHandler } from "./provider";

export interface NodeSettingsState extends NodeSettingsInputs {
  /** Resolvers that CoreDNS forwards to; none: the node's own. */
  readonly dnsResolvers: readonly string[];
  /** Whether nodes and CoreDNS still are as they were told. */
  readonly inForce: boolean;
}

/**
 * The resource `kind:index:NodeSettings`. Apart from the cluster, so that changing them leaves the cluster's outputs
 * known, and a preview shows nothing else as changed.
 */
export const nodeSettingsHandler: ResourceHandler<NodeSettingsInputs, NodeSettingsState> = {
  check({ nativeRoutingCIDR: cidr }) {
    const why = "pod traffic to that network would leave unmasqueraded, and replies could not find back";
    // without Docker, the cluster's creation says what is missing
    return networkFailures([{ property: "nativeRoutingCIDR", setting: "cilium.nativeRoutingCIDR", cidr, why }]).catch(
      () => [],
    );
  },
  async diff(olds, news) {
    const changed = (Object.keys(news) as (keyof NodeSettingsInputs)[]).filter(
      (key) => !isDeepStrictEqual(olds[key], news[key]),
    );
    return {
      changes: changed.length > 0 || !olds.inForce,
      replaces: changed.filter((key) => key === "clusterName" || key === "clusterInstance"),
    };
  },
  async create(inputs, log) {
    return { id: `${inputs.clusterName}/settings`, state: await tell(inputs, [], log) };
  },
  async read(olds) {
    const nodes = (await listNodes(olds.clusterName)).filter(({ running }) => running);
    if (nodes.length === 0) return undefined;
    const inForce = await Promise.all([
      hasRegistryMirrors(nodes, olds.registryMirrors),
      coreDnsForwardsTo(controlPlaneName(olds.clusterName), olds.dnsResolvers),
    ]).catch(() => [false]); // a cluster that does not answer is told again when it does
    return { ...olds, inForce: inForce.every(Boolean) };
  },
  async update(olds, news, log) {
    return tell(news, Object.keys(olds.registryMirrors), log);
  },
  async delete() {
    // nodes go with what they were told
  },
};

async function tell(
  inputs: NodeSettingsInputs,
  previousMirrors: readonly string[],
  log: Log,
): Promise<NodeSettingsState> {
  const nodes = await listNodes(inputs.clusterName);
  const dnsResolvers = await resolversFor(inputs.dnsForward, inputs.nativeRoutingCIDR, log);
  await Promise.all([
    writeRegistryMirrors(nodes, inputs.registryMirrors, previousMirrors),
    setCoreDnsForward(controlPlaneName(inputs.clusterName), dnsResolvers),
  ]);
  return { ...inputs, dnsResolvers, inForce: true };
}
