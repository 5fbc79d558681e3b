import semver from "semver";
import type { CiliumValuesArgs } from "../modes/ciliumValues";
import { isOlderThanKnown, OLDEST_CILIUM } from "../modes/ciliumVersion";
import { modeConfig, tunnelOf } from "../modes/ciliumConfig";
import type { RoutingMode, Tunnel } from "../modes/contract";
import { expectedEvidence, onAnyDevice } from "../modes/evidence";
import { WORKLOAD } from "../modes/workload";
import { askAgents, CILIUM_NAMESPACE } from "./agents";
import type { Expectation } from "./checks/check";
import type { ClusterReader } from "./cluster";

/**
 * What a cluster that no stack describes is held against: the mode's contract, for the version that runs there and with
 * the networks that it was given.
 * @param tunnel default: what the cluster is configured for
 * @throws Error when there is no Cilium, or one older than any whose rules are known
 */
export async function foreignExpectation(
  cluster: ClusterReader,
  mode: RoutingMode,
  tunnel: Tunnel | undefined,
): Promise<Expectation> {
  const [configMap, version, nodes, service, servers] = await Promise.all([
    cluster.configMap(CILIUM_NAMESPACE, "cilium-config"),
    runningVersion(cluster),
    cluster.nodes(),
    cluster.service(WORKLOAD.namespace, WORKLOAD.service),
    cluster.pods(WORKLOAD.namespace, `app=${WORKLOAD.daemonSet}`),
  ]);
  const data = configMap?.data;
  if (data === undefined)
    throw new Error(`There is no ConfigMap cilium-config in ${CILIUM_NAMESPACE}; is Cilium there?`);
  const args: Pick<CiliumValuesArgs, "mode" | "tunnel" | "version" | "nativeRoutingCIDR" | "autoDirectNodeRoutes"> = {
    mode,
    tunnel: tunnel ?? tunnelOf(data),
    version,
    nativeRoutingCIDR: data["ipv4-native-routing-cidr"] ?? "",
    autoDirectNodeRoutes: data["auto-direct-node-routes"] === "true",
  };
  const evidence = onAnyDevice(expectedEvidence(args));
  return {
    mode,
    isExternal: true,
    evidence: {
      ...evidence,
      masqueradingCidr: args.nativeRoutingCIDR === "" ? undefined : evidence.masqueradingCidr,
    },
    ciliumConfig: modeConfig(args),
    nodeCount: nodes.length,
    nodePort: servers.length === 0 ? undefined : service?.spec?.ports?.[0]?.nodePort,
  };
}

/** The version that the cluster's agents say they are. */
async function runningVersion(cluster: ClusterReader): Promise<string> {
  const answers = await askAgents(cluster, "cilium", "version");
  const versions = answers.flatMap(({ output }) =>
    typeof output === "string" ? (/^(?:Daemon|Client): (\d+\.\d+\.\d+\S*)/m.exec(output)?.[1] ?? []) : [],
  );
  const version = versions.sort(semver.compare)[0];
  if (version === undefined) {
    const reason = answers.map(({ output }) => (output instanceof Error ? output.message : "")).find(Boolean);
    throw new Error(`No agent in ${CILIUM_NAMESPACE} says its version${reason === undefined ? "" : `: ${reason}`}`);
  }
  if (isOlderThanKnown(version)) throw new Error(`Cilium ${version} runs there; ${OLDEST_CILIUM} is the oldest known`);
  return version;
}
