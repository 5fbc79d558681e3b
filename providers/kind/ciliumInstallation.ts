import type { ClusterWriter } from "../../cluster/write";
import { apiErrorLine } from "../../cluster/apiError";
import { asFailed, latestRecord, readRecord, type HelmRecord } from "../../cluster/helmRecord";
import type { CiliumConfig } from "../../modes/ciliumConfig";
import { IPAM_MODES, isIpamMode } from "../../modes/ipam";
import { upgradeProblem } from "../../modes/releases";
import { readLost } from "./contentLoss";
import type { CiliumInstallationInputs, OwnershipData } from "./inputs";
import { OWNERSHIP_RECORDS } from "../../modes/ownershipRecords";
import type { ResourceHandler } from "./handler";

export interface CiliumInstallationState extends CiliumInstallationInputs {
  /** Increases whenever the release has to be installed again; part of the release's description. */
  readonly repairs: number;
  /** The cluster did not respond to a refresh, so the engine has dropped the release from the state. */
  readonly lost: boolean;
}

/** The part of a cluster that this resource needs. */
export type InstallationCluster = Pick<ClusterWriter, "configMap" | "helmRecords" | "replaceSecret">;

const [NAMESPACE, RELEASE] = ["kube-system", "cilium"];

/** The Cilium that a cluster has. */
interface Installed {
  readonly record: HelmRecord | undefined;
  readonly ownership: OwnershipData | undefined;
  readonly config: Readonly<Record<string, string>> | undefined;
}

/**
 * The resource `kind:index:CiliumInstallation`. It precedes the Helm release and prepares the cluster for it: Helm
 * refuses to continue an installation that was killed, and the engine does not notice a release or a `cilium-config`
 * that was changed by hand. It refuses to change a Cilium that another owner installed, and upgrades that Cilium does
 * not support.
 */
export function ciliumInstallationHandler(
  connect: (kubeconfig: string) => Promise<InstallationCluster>,
): ResourceHandler<CiliumInstallationInputs, CiliumInstallationState> {
  async function read(inputs: CiliumInstallationInputs): Promise<Installed> {
    const cluster = await connect(inputs.kubeconfig);
    const [secrets, ownership, config] = await Promise.all([
      cluster.helmRecords(NAMESPACE, RELEASE),
      cluster.configMap(OWNERSHIP_RECORDS.namespace, OWNERSHIP_RECORDS.cilium),
      cluster.configMap(NAMESPACE, "cilium-config"),
    ]);
    const latest = latestRecord(secrets);
    return {
      record: latest === undefined ? undefined : readRecord(latest),
      ownership: ownership?.data as OwnershipData | undefined,
      config: config?.data,
    };
  }

  function readOrExplain(inputs: CiliumInstallationInputs): Promise<Installed> {
    return read(inputs).catch((error: Error) => {
      throw new Error(`The cluster's Cilium could not be read: ${apiErrorLine(error)}`);
    });
  }

  /** Set the latest revision to failed, so that Helm installs or upgrades over it. */
  async function failLatest({ kubeconfig }: CiliumInstallationInputs, why: string): Promise<void> {
    const cluster = await connect(kubeconfig);
    const latest = latestRecord(await cluster.helmRecords(NAMESPACE, RELEASE));
    if (latest !== undefined && readRecord(latest).status !== "failed") {
      await cluster.replaceSecret(NAMESPACE, asFailed(latest, why));
    }
  }

  return {
    async check(inputs, olds) {
      const failure = olds === undefined ? undefined : changeProblem(inputs, olds);
      if (failure !== undefined) return [failure];
      if (olds?.clusterInstance === inputs.clusterInstance) {
        // the version in the state may have failed to install
        const installed = await read(olds).then(
          ({ ownership }) => ownership?.version,
          () => undefined,
        );
        const reason = upgradeProblem(installed ?? olds.version, inputs.version);
        return reason === undefined ? [] : [{ property: "version", reason }];
      }
      // a cluster that is not created yet has no kubeconfig
      const found = await read(inputs).catch(() => undefined);
      const reason = found === undefined ? undefined : ownerProblem(inputs, found);
      return reason === undefined ? [] : [{ property: "adopt", reason }];
    },

    async diff(olds, news, log) {
      const replaces = olds.clusterInstance === news.clusterInstance ? [] : ["clusterInstance"];
      const changed = INPUTS.some((key) => olds[key] !== news[key]);
      const found = replaces.length > 0 ? undefined : await read(news).catch(() => undefined);
      const reason = found === undefined ? undefined : repairReason(olds, found);
      if (reason !== undefined) log.warn(`Cilium will be installed again: ${reason}.`);
      return { changes: changed || replaces.length > 0 || reason !== undefined, replaces };
    },

    async create(inputs) {
      const found = await readOrExplain(inputs);
      const reason = ownerProblem(inputs, found);
      if (reason !== undefined) throw new Error(reason);
      if (found.record !== undefined) await failLatest(inputs, `released to ${inputs.owner}`);
      return { id: inputs.clusterInstance, state: { ...inputs, repairs: 0, lost: false } };
    },

    read: (olds) => readLost(olds, read),

    async update(olds, news) {
      const found = await readOrExplain(news);
      if (found.ownership !== undefined && found.ownership.owner !== olds.owner) {
        throw new Error(`The cluster's Cilium now belongs to stack ${found.ownership.owner}; it was not changed`);
      }
      const reason = repairReason(olds, found);
      if (reason !== undefined) await failLatest(news, reason);
      return { ...news, repairs: olds.repairs + (reason === undefined ? 0 : 1), lost: false };
    },

    async delete() {
      // removed with the release
    },
  };
}

/** Why the release has to be installed again; undefined if it does not. */
function repairReason(olds: CiliumInstallationState, { record, ownership, config }: Installed): string | undefined {
  if (olds.lost) return "its cluster did not respond to a refresh, which removed the Helm release from the state";
  if (record === undefined) return undefined; // the engine's refresh notices that
  if (record.status.startsWith("pending-")) return "an earlier run was interrupted while Helm installed it";
  if (ownership?.owner !== olds.owner || ownership.generation !== String(olds.repairs))
    return "an earlier run was interrupted before it was recorded";
  if (!record.description.startsWith(olds.owner)) {
    return `this stack did not create revision ${record.revision} of its Helm release ("${record.description}")`;
  }
  const changed = Object.entries(JSON.parse(ownership.config ?? "{}") as CiliumConfig)
    .filter(([key, value]) => (config?.[key] ?? null) !== value)
    .map(([key]) => key);
  return changed.length === 0 ? undefined : `cilium-config differs from this stack's record in ${changed.join(", ")}`;
}

/** Without the version, which only `check` looks at: as a change it would make everything that depends on this resource unknown in a preview. */
const INPUTS = ["kubeconfig", "owner", "adopt"] as const;

const ipamOf = ({ ipam = "cluster-pool" }: CiliumInstallationInputs) => ipam;

const deviceOf = ({ datapathMode = "veth" }: CiliumInstallationInputs) => datapathMode;

/** The change of a running cluster that a stack must not make; undefined if there is none. */
function changeProblem(inputs: CiliumInstallationInputs, olds: CiliumInstallationInputs) {
  if (olds.clusterInstance === inputs.clusterInstance && ipamOf(olds) !== ipamOf(inputs)) {
    const reason = `Running pods have addresses of ipam ${ipamOf(olds)} and would lose them; nothing was changed. To change cilium.ipam.mode, run pulumi destroy first`;
    return { property: "ipam", reason };
  }
  if (olds.clusterInstance === inputs.clusterInstance && deviceOf(olds) !== deviceOf(inputs)) {
    const reason = `Running pods have devices of bpf.datapathMode ${deviceOf(olds)}, with which agents of another mode do not start; nothing was changed. To change it, run pulumi destroy first`;
    return { property: "datapathMode", reason };
  }
  if (inputs.ownCluster) return undefined;
  if (olds.clusterInstance !== inputs.clusterInstance) {
    const reason =
      "The stack is in another cluster than the one in its settings; nothing was changed. Set cluster.context to that cluster, or run pulumi destroy with it first";
    return { property: "clusterInstance", reason };
  }
  // Kubernetes gives new nodes further networks
  if (olds.podCidr !== inputs.podCidr && ipamOf(inputs) === "cluster-pool") {
    const reason = `The pods of an external cluster keep their network ${olds.podCidr}; to change it, run pulumi destroy first`;
    return { property: "podCidr", reason };
  }
  if (olds.adopt && !inputs.adopt) {
    const reason = "This stack took over an existing Cilium; without cilium.adopt: true, destroy would uninstall it";
    return { property: "adopt", reason };
  }
  return undefined;
}

/** Why the stack must not install over this Cilium; undefined if it may. */
function ownerProblem(inputs: CiliumInstallationInputs, { ownership, record, config }: Installed): string | undefined {
  const { owner, adopt, version, podCidr } = inputs;
  const ipam = ipamOf(inputs);
  const isOwn = ownership?.owner === owner || (record?.description.startsWith(owner) ?? false);
  if (config === undefined || isOwn) return undefined;
  if (adopt) {
    const [own = "", pool] = [config["ipam"], config["cluster-pool-ipv4-cidr"]];
    if (own === ipam && (ipam === "kubernetes" || pool === podCidr)) return undefined;
    const others = ipam === "kubernetes" ? ipam : `${ipam} ${podCidr}`;
    const keep = isIpamMode(own)
      ? "Remove cilium.ipam.mode and cluster.podCidr from the settings to keep its own"
      : `This project supports ${IPAM_MODES.join(" and ")} only`;
    return `The cluster's Cilium assigns pod addresses with ipam ${own} from ${pool ?? "no pool"}, and running pods would lose their addresses with ${others}; nothing was changed. ${keep}, or remove that Cilium first: helm -n ${NAMESPACE} uninstall cilium`;
  }
  const who = ownership === undefined ? "that this stack did not install" : `of stack ${ownership.owner}`;
  return (
    `The cluster has a Cilium ${who}; nothing was changed. Set cilium.adopt: true to let this stack reconfigure it as ` +
    `${version} in its own mode, or remove it first: helm -n ${NAMESPACE} uninstall cilium`
  );
}
