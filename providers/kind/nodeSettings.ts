import { isDeepStrictEqual } from "node:util";
import { listNodes } from "../../host/docker";
import { networkConflicts } from "../../host/networks";
import { RESOLVER_REMEDY, resolversFor } from "../../host/resolvers";
import { controlPlaneName } from "../../modes/ciliumValues";
import { networkPair } from "../../modes/ipFamily";
import type { NodeSettingsInputs } from "./inputs";
import {
  coreDnsForwardsTo,
  hasRegistryMirrors,
  setCoreDnsForward,
  warnOfMachine,
  writeRegistryMirrors,
} from "./nodeSetup";
import { checkFailure, type Log, type ResourceHandler } from "./handler";

export interface NodeSettingsState extends NodeSettingsInputs {
  /** Resolvers that CoreDNS forwards to; empty: the node's own. */
  readonly dnsResolvers: readonly string[];
  /** Whether nodes and CoreDNS still have these settings. */
  readonly inForce: boolean;
}

/**
 * The resource `kind:index:NodeSettings`. It is separate from the cluster, so that a change of these settings leaves
 * the cluster's outputs known, and a preview shows nothing else as changed.
 */
export const nodeSettingsHandler: ResourceHandler<NodeSettingsInputs, NodeSettingsState> = {
  async check({ nativeRoutingCIDR }) {
    // without Docker, the creation of the cluster reports what is missing
    const conflicts = await networkConflicts({ nativeRoutingCIDR }).catch(() => []);
    return conflicts.map(checkFailure);
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
    return { id: `${inputs.clusterName}/settings`, state: await apply(inputs, [], log) };
  },
  async read(olds) {
    const nodes = (await listNodes(olds.clusterName)).filter(({ running }) => running);
    if (nodes.length === 0) return undefined;
    const inForce = await Promise.all([
      hasRegistryMirrors(nodes, olds.registryMirrors),
      coreDnsForwardsTo(controlPlaneName(olds.clusterName), olds.dnsResolvers),
    ]).catch(() => [false]); // a cluster that does not respond gets its settings again once it does
    return { ...olds, inForce: inForce.every(Boolean) };
  },
  async update(olds, news, log) {
    return apply(news, Object.keys(olds.registryMirrors), log);
  },
  async delete() {
    // removed with the nodes
  },
};

async function apply(
  inputs: NodeSettingsInputs,
  previousMirrors: readonly string[],
  log: Log,
): Promise<NodeSettingsState> {
  const nodes = await listNodes(inputs.clusterName);
  // resolvers are asked by IPv4 in every cluster
  const { addresses, problem } = await resolversFor(inputs.dnsForward, networkPair(inputs.nativeRoutingCIDR).ipv4);
  if (problem !== undefined) {
    warnOfMachine(
      log,
      `Pods may not resolve names outside the cluster with BPF host routing: ${problem}. To fix it: ${RESOLVER_REMEDY}.`,
    );
  }
  await Promise.all([
    writeRegistryMirrors(nodes, inputs.registryMirrors, previousMirrors),
    setCoreDnsForward(controlPlaneName(inputs.clusterName), addresses),
  ]);
  return { ...inputs, dnsResolvers: addresses, inForce: true };
}
