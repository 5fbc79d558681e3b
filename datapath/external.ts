import semver from "semver";
import type { CiliumValuesArgs } from "../modes/ciliumValues";
import { isOlderThanKnown, OLDEST_CILIUM } from "../modes/ciliumVersion";
import { modeConfig, tunnelOf } from "../modes/ciliumConfig";
import type { RoutingMode, Tunnel } from "../modes/contract";
import { expectedEvidence, onAnyDevice } from "../modes/evidence";
import { WORKLOAD } from "../modes/workload";
import { askAgents, CILIUM_NAMESPACE, CONFIG_MAP } from "../cluster/agents";
import type { Expectation } from "./checks/check";
import type { ClusterReader } from "../cluster/read";
import { valueOf } from "./evidence/api";
import type { Evidence } from "./evidence/gather";
import { agentVersion } from "./evidence/node";

/**
 * What to expect of an external cluster: the mode's contract for the Cilium version and the networks found there.
 * @param tunnel default: as the cluster is configured
 * @throws Error if Cilium is missing, or older than the oldest supported version
 */
export async function externalExpectation(
  cluster: ClusterReader,
  mode: RoutingMode,
  tunnel: Tunnel | undefined,
): Promise<Expectation> {
  const [configMap, version, nodes, service, servers] = await Promise.all([
    cluster.configMap(CILIUM_NAMESPACE, CONFIG_MAP),
    runningVersion(cluster),
    cluster.nodes(),
    cluster.service(WORKLOAD.namespace, WORKLOAD.service),
    cluster.pods(WORKLOAD.namespace, `app=${WORKLOAD.daemonSet}`),
  ]);
  return expectationFrom(
    {
      config: configMap?.data,
      version,
      nodeCount: nodes.length,
      nodePort: servers.length === 0 ? undefined : service?.spec?.ports?.[0]?.nodePort,
    },
    mode,
    tunnel,
  );
}

/** The same of a cluster whose evidence was kept, and which gets no traffic. @throws Error */
export function keptExpectation({ api, nodes }: Evidence, mode: RoutingMode, tunnel: Tunnel | undefined): Expectation {
  const version = nodes.flatMap((node) => agentVersion(node) ?? []).sort(semver.compare)[0];
  if (version === undefined) throw new Error("The evidence has no agent's status, which tells Cilium's version");
  const nodeCount = valueOf(api.nodes, undefined)?.length;
  return expectationFrom({ config: valueOf(api.config, undefined)?.data, version, nodeCount }, mode, tunnel);
}

/** What is known of an external cluster. */
interface ExternalFacts extends Pick<Expectation, "nodeCount" | "nodePort"> {
  /** `cilium-config`; undefined where there is none. */
  readonly config: Readonly<Record<string, string>> | undefined;
  /** The oldest version of its agents. */
  readonly version: string;
}

/** The same of a cluster of which these facts are known. @throws Error */
function expectationFrom(
  { config: data, version, nodeCount, nodePort }: ExternalFacts,
  mode: RoutingMode,
  tunnel: Tunnel | undefined,
): Expectation {
  if (data === undefined)
    throw new Error(`The ConfigMap cilium-config is missing in ${CILIUM_NAMESPACE}; is Cilium installed?`);
  if (isOlderThanKnown(version))
    throw new Error(`The cluster runs Cilium ${version}; the oldest supported version is ${OLDEST_CILIUM}`);
  const args: Pick<
    CiliumValuesArgs,
    "mode" | "tunnel" | "version" | "nativeRoutingCIDR" | "autoDirectNodeRoutes" | "ipv6"
  > = {
    mode,
    tunnel: tunnel ?? tunnelOf(data),
    version,
    nativeRoutingCIDR: data["ipv4-native-routing-cidr"] ?? "",
    autoDirectNodeRoutes: data["auto-direct-node-routes"] === "true",
    ...(data["enable-ipv6"] === "true" && data["enable-ipv6-masquerade"] !== "false" ? { ipv6: ipv6In(data) } : {}),
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
    nodeCount,
    nodePort,
  };
}

/** The networks of the second family, as far as a `cilium-config` has them. */
const ipv6In = (data: Readonly<Record<string, string>>) => ({
  podCidr: data["cluster-pool-ipv6-cidr"] ?? "",
  nativeRoutingCIDR: data["ipv6-native-routing-cidr"] ?? "",
});

/** The oldest version that the cluster's agents report. */
async function runningVersion(cluster: ClusterReader): Promise<string> {
  const answers = await askAgents(cluster, "cilium", "version");
  const versions = answers.flatMap(({ output }) =>
    typeof output === "string" ? (/^(?:Daemon|Client): (\d+\.\d+\.\d+\S*)/m.exec(output)?.[1] ?? []) : [],
  );
  const version = versions.sort(semver.compare)[0];
  if (version === undefined) {
    const reason = answers.map(({ output }) => (output instanceof Error ? output.message : "")).find(Boolean);
    throw new Error(`No agent in ${CILIUM_NAMESPACE} reports its version${reason === undefined ? "" : `: ${reason}`}`);
  }
  return version;
}
