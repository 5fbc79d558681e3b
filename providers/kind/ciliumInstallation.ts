import type { ClusterWriter } from "../../cluster/write";
import { apiErrorLine } from "../../cluster/apiError";
import { asFailed, latestRecord, readRecord, type HelmRecord } from "../../cluster/helmRecord";
import type { CiliumConfig } from "../../modes/ciliumConfig";
import { upgradeProblem } from "../../modes/upgrade";
import { readLost } from "./lost";
import { MARKS } from "./mark";
import type { CiliumInstallationInputs, MarkData } from "./inputs";
import type { ResourceHandler } from "./provider";

export interface CiliumInstallationState extends CiliumInstallationInputs {
  /** Goes up whenever the release has to be installed over what is there; part of the release's description. */
  readonly repairs: number;
  /** The cluster did not answer when it was last looked at, so the engine has lost the release. */
  readonly lost: boolean;
}

/** What is needed of a cluster. */
export type InstallationCluster = Pick<ClusterWriter, "configMap" | "helmRecords" | "replaceSecret">;

const [NAMESPACE, RELEASE] = ["kube-system", "cilium"];

/** What is in a cluster. */
interface Found {
  readonly record: HelmRecord | undefined;
  readonly mark: MarkData | undefined;
  readonly config: Readonly<Record<string, string>> | undefined;
}

/**
 * The resource `kind:index:CiliumInstallation`. It stands before the Helm release and clears the way for it: where an
 * earlier run was killed in the middle, Helm refuses to go on; where somebody changed the release or `cilium-config`
 * by hand, the engine sees nothing to do. It refuses to touch a Cilium that somebody else installed, and steps between
 * versions that Cilium does not support.
 */
export function ciliumInstallationHandler(
  connect: (kubeconfig: string) => Promise<InstallationCluster>,
): ResourceHandler<CiliumInstallationInputs, CiliumInstallationState> {
  async function look(inputs: CiliumInstallationInputs): Promise<Found> {
    const cluster = await connect(inputs.kubeconfig);
    const [secrets, mark, config] = await Promise.all([
      cluster.helmRecords(NAMESPACE, RELEASE),
      cluster.configMap(MARKS.namespace, MARKS.cilium),
      cluster.configMap(NAMESPACE, "cilium-config"),
    ]);
    const latest = latestRecord(secrets);
    return {
      record: latest === undefined ? undefined : readRecord(latest),
      mark: mark?.data as MarkData | undefined,
      config: config?.data,
    };
  }

  /** Let Helm install over what is there. */
  async function clear({ kubeconfig }: CiliumInstallationInputs, why: string): Promise<void> {
    const cluster = await connect(kubeconfig);
    const latest = latestRecord(await cluster.helmRecords(NAMESPACE, RELEASE));
    if (latest !== undefined && readRecord(latest).status !== "failed") {
      await cluster.replaceSecret(NAMESPACE, asFailed(latest, why));
    }
  }

  return {
    async check(inputs, olds) {
      if (olds !== undefined && !inputs.ownCluster) {
        const failure = changeProblem(inputs, olds);
        if (failure !== undefined) return [failure];
      }
      if (olds?.clusterInstance === inputs.clusterInstance) {
        // what was asked for last may have failed to install
        const installed = await look(olds).then(
          ({ mark }) => mark?.version,
          () => undefined,
        );
        const reason = upgradeProblem(installed ?? olds.version, inputs.version);
        return reason === undefined ? [] : [{ property: "version", reason }];
      }
      // a cluster that is yet to be made has no kubeconfig
      const found = await look(inputs).catch(() => undefined);
      const reason = found === undefined ? undefined : foreignProblem(inputs, found);
      return reason === undefined ? [] : [{ property: "adopt", reason }];
    },

    async diff(olds, news, log) {
      const replaces = olds.clusterInstance === news.clusterInstance ? [] : ["clusterInstance"];
      const changed = INPUTS.some((key) => olds[key] !== news[key]);
      const found = replaces.length > 0 ? undefined : await look(news).catch(() => undefined);
      const problem = found === undefined ? undefined : troubleOf(olds, found);
      if (problem !== undefined) log.warn(`Cilium will be installed again: ${problem}.`);
      return { changes: changed || replaces.length > 0 || problem !== undefined, replaces };
    },

    async create(inputs) {
      const found = await look(inputs).catch((error: Error) => {
        throw new Error(`The cluster's Cilium could not be looked at: ${apiErrorLine(error)}`);
      });
      const reason = foreignProblem(inputs, found);
      if (reason !== undefined) throw new Error(reason);
      if (found.record !== undefined) await clear(inputs, `left to ${inputs.owner}`);
      return { id: inputs.clusterInstance, state: { ...inputs, repairs: 0, lost: false } };
    },

    read: (olds) => readLost(olds, look),

    async update(olds, news) {
      const found = await look(news).catch((error: Error) => {
        throw new Error(`The cluster's Cilium could not be looked at: ${apiErrorLine(error)}`);
      });
      if (found.mark !== undefined && found.mark.owner !== olds.owner) {
        throw new Error(`The cluster's Cilium is now that of stack ${found.mark.owner}; it was not touched`);
      }
      const problem = troubleOf(olds, found);
      if (problem !== undefined) await clear(news, problem);
      return { ...news, repairs: olds.repairs + (problem === undefined ? 0 : 1), lost: false };
    },

    async delete() {
      // goes with the release
    },
  };
}

/** Why the release has to be installed over what is there; undefined when there is no reason. */
function troubleOf(olds: CiliumInstallationState, { record, mark, config }: Found): string | undefined {
  if (olds.lost) return "its cluster did not answer a refresh, by which the Helm release was lost";
  if (record === undefined) return undefined; // the engine's refresh sees that
  if (record.status.startsWith("pending-")) return "an earlier run was interrupted in the middle of it";
  if (mark?.owner !== olds.owner || mark.generation !== String(olds.repairs))
    return "an earlier run was interrupted before it was recorded";
  if (!record.description.startsWith(olds.owner)) {
    return `revision ${record.revision} of its Helm release is not this stack's ("${record.description}")`;
  }
  const changed = Object.entries(JSON.parse(mark.config ?? "{}") as CiliumConfig)
    .filter(([key, value]) => (config?.[key] ?? null) !== value)
    .map(([key]) => key);
  return changed.length === 0
    ? undefined
    : `cilium-config is not as this stack has recorded it in ${changed.join(", ")}`;
}

/** Another version is for `check` alone: as a change it would make all that depends on this unknown in a preview. */
const INPUTS = ["kubeconfig", "owner", "adopt"] as const;

/** What a stack may not change of a cluster that exists. */
function changeProblem(inputs: CiliumInstallationInputs, olds: CiliumInstallationInputs) {
  if (olds.clusterInstance !== inputs.clusterInstance) {
    const reason =
      "The stack is in another cluster than the one that its settings name now; nothing was changed. Set cluster.context to that cluster's, or run pulumi destroy with it first";
    return { property: "clusterInstance", reason };
  }
  if (olds.podCidr !== inputs.podCidr) {
    const reason = `The pods of a cluster that exists keep their network ${olds.podCidr}; run pulumi destroy first for another`;
    return { property: "podCidr", reason };
  }
  if (olds.adopt && !inputs.adopt) {
    const reason =
      "This stack has taken over a Cilium that was there before; without cilium.adopt: true, destroy would uninstall it";
    return { property: "adopt", reason };
  }
  return undefined;
}

/** Why this Cilium is not the stack's to install over. */
function foreignProblem(inputs: CiliumInstallationInputs, { mark, record, config }: Found): string | undefined {
  const { owner, adopt, version, podCidr } = inputs;
  const isOwn = mark?.owner === owner || (record?.description.startsWith(owner) ?? false);
  if (config === undefined || isOwn) return undefined;
  if (adopt) {
    const [ipam, pool] = [config["ipam"], config["cluster-pool-ipv4-cidr"]];
    if (ipam === "cluster-pool" && pool === podCidr) return undefined;
    return `The cluster's Cilium gives pods addresses by ipam ${ipam} of ${pool ?? "no pool"}, and running pods would lose theirs with cluster-pool of ${podCidr}; nothing was changed. Set cluster.podCidr to its pool, or remove it first: helm -n ${NAMESPACE} uninstall cilium`;
  }
  const who = mark === undefined ? "that this stack did not install" : `of stack ${mark.owner}`;
  return (
    `The cluster has a Cilium ${who}; nothing was changed. Set cilium.adopt: true to let this stack configure it as ` +
    `${version} in its own mode, or remove it first: helm -n ${NAMESPACE} uninstall cilium`
  );
}
