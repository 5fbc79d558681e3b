import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource";
import { Release } from "@pulumi/kubernetes/helm/v3/release";
import * as pulumi from "@pulumi/pulumi";
import { expectedCiliumConfig } from "../modes/ciliumConfig";
import { ciliumValuesArgs, type CiliumChoice } from "../modes/ciliumArgs";
import { describeRevision, ciliumValues, type CiliumValuesArgs } from "../modes/ciliumValues";
import { TUNNELS } from "../modes/contract";
import { choiceProblems, chosenWords } from "../modes/datapathChoice";
import { DEFAULTS } from "../modes/defaults";
import { loadedImages } from "../modes/images";
import { identityOf as objectIdentity, isNeededFirst, type KubernetesObject } from "../modes/manifests";
import type { NodeFacts } from "../datapath/facts";
import { OWNERSHIP_RECORDS } from "../modes/ownershipRecords";
import { CiliumInstallation, CiliumReadiness, NodeImages, OwnershipRecord } from "../providers/kind/resources";
import { checkChoice } from "./arguments";
import { chartProblem, isChartPath } from "./chartSource";
import { ProgramError } from "./programError";
import { identityOf, inCluster, type TargetCluster } from "./targetCluster";

/**
 * Arguments of Cilium. All except `repository` must be known in previews, since the expected configuration is derived
 * from them.
 */
export interface CiliumArgs extends CiliumChoice {
  /** Cluster to install Cilium in, which decides the routing mode and the pods' networks. */
  readonly cluster: TargetCluster;
  /** Chart name in `repository`, an `oci://` reference, or the path of a chart's folder or .tgz. Default: `cilium`. */
  readonly chart?: string | undefined;
  /** URL of the Helm repository of `chart`; ignored for paths and `oci://`. Default: https://helm.cilium.io. */
  readonly repository?: pulumi.Input<string> | undefined;
  /**
   * Objects to create before the chart's: definitions of kinds that the values need, or Secrets. A Secret's data are secret
   * in the state. Default: none.
   */
  readonly manifests?: readonly KubernetesObject[] | undefined;
  /**
   * Take over a Cilium that another owner installed in an external cluster; deleting this component leaves it there.
   * Default: false.
   */
  readonly adopt?: boolean | undefined;
}

/** Timeout until Cilium is ready, of which the first pull of the images is the longest part. */
const TIMEOUT_SECONDS = 600;

/**
 * Cilium's Helm release in the routing mode of the cluster. Its outputs resolve when all agents and the operator run with
 * these values, all nodes are Ready and CoreDNS is available. The run fails if that takes longer than 10 minutes.
 *
 * @example
 * ```ts
 * const cilium = new Cilium("cilium", { cluster, version: "1.20.2", values: { l7Proxy: false } });
 * ```
 * @throws pulumi.RunError for an unknown tunnel, for a choice that mode or version cannot have, or for a chart's path that
 * does not exist
 */
export class Cilium extends pulumi.ComponentResource {
  /** Nodes as Cilium sees them; resolves when Cilium is ready. */
  readonly nodes: pulumi.Output<readonly NodeFacts[]>;
  /** For `dependsOn`: the stack may change Cilium in this cluster. */
  readonly installation: pulumi.Resource;
  /** For `dependsOn`: Helm has installed Cilium, whose agents may still start. */
  readonly release: Release;
  /** For `dependsOn`: pods have a network. */
  readonly ready: pulumi.Resource;
  /** Revision of the Helm release, which increases with every change of version or values. */
  readonly revision: pulumi.Output<number>;
  /** Inputs of the Helm values and of the expected configuration. */
  readonly valuesArgs: CiliumValuesArgs;

  constructor(name: string, args: CiliumArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:Cilium", name, {}, opts);
    const { cluster, adopt = false } = args;
    const options = inCluster(cluster, this);
    const valuesArgs = ciliumValuesArgs(cluster, args);
    checkChoice(name, "tunnel", valuesArgs.tunnel, TUNNELS);
    checkDatapath(name, valuesArgs);
    const chart = chartSource(name, args, valuesArgs.version);
    this.valuesArgs = valuesArgs;
    const images = args.images?.load
      ? [
          new NodeImages(
            `${name}-images`,
            {
              clusterName: cluster.clusterName,
              clusterInstance: cluster.instance,
              images: args.images.names ?? loadedImages(valuesArgs),
            },
            options,
          ),
        ]
      : [];
    const installation = new CiliumInstallation(
      `${name}-installation`,
      {
        ...identityOf(cluster),
        version: valuesArgs.version,
        adopt,
        ownCluster: cluster.isKind,
        podCidr: cluster.podCidr,
        ipam: cluster.ipam ?? "cluster-pool",
        ...(valuesArgs.datapathMode === undefined ? {} : { datapathMode: valuesArgs.datapathMode }),
      },
      options,
    );
    this.installation = installation;
    const before = createManifests(name, args.manifests ?? [], [...cluster.settled, installation], {
      ...options,
      provider: cluster.provider,
      // they may have been there before, and others may need them
      retainOnDelete: !cluster.isKind,
    });
    const release = new Release(
      `${name}-release`,
      {
        // fixed, since the chart's resources and all guides of Cilium expect this name
        name: "cilium",
        namespace: "kube-system",
        ...chart,
        values: ciliumValues(valuesArgs),
        // CiliumReadiness waits instead: it can be interrupted, reports what is missing, and leaves no pending release
        skipAwait: true,
        // a failed revision must not block the name
        replace: true,
        // identifies the stack's own revisions
        description: pulumi
          .all([cluster.owner, installation.repairs])
          .apply(([owner, repairs]) => describeRevision(owner, repairs)),
      },
      {
        ...options,
        provider: cluster.provider,
        dependsOn: [...cluster.settled, installation, ...images, ...before],
        retainOnDelete: adopt,
      },
    );
    this.release = release;
    this.revision = release.status.revision;
    const record = new OwnershipRecord(
      // the name of a resource is part of its URN, so it stays
      `${name}-mark`,
      {
        ...identityOf(cluster),
        name: OWNERSHIP_RECORDS.cilium,
        generation: pulumi.interpolate`${installation.repairs}`,
        config: JSON.stringify(expectedCiliumConfig(valuesArgs)),
        version: valuesArgs.version,
      },
      { ...options, dependsOn: release },
    );
    const ready = new CiliumReadiness(
      `${name}-ready`,
      {
        ...identityOf(cluster),
        nodeCount: cluster.nodeCount,
        ...(cluster.ipv6 === undefined ? {} : { isDual: true }),
        timeoutSeconds: TIMEOUT_SECONDS,
        cause: pulumi.interpolate`${cluster.condition} revision ${this.revision}`,
      },
      { ...options, dependsOn: record },
    );
    this.ready = ready;
    this.nodes = ready.nodes;
    this.registerOutputs({ nodes: this.nodes, revision: this.revision });
  }
}

/** A definition counts once the API server serves its kind. Pods, and what waits for them, cannot be ready before Cilium. */
const WAITING = {
  definition: { "pulumi.com/waitFor": "condition=Established" },
  other: { "pulumi.com/skipAwait": "true" },
};

/** `kubectl apply` keeps a copy of the object in it, also of a Secret's data. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** An object of another version of its kind is the same object, and must not be deleted as the old one. */
const VERSIONS = ["v1", "v2", "v1beta1", "v1beta2", "v1beta3", "v1alpha1", "v1alpha2", "v1alpha3", "v2alpha1"];

const secret = (value: unknown) => (value === undefined ? undefined : pulumi.secret(value));

/** Create objects, namespaces and definitions of kinds before the others. */
function createManifests(
  name: string,
  objects: readonly KubernetesObject[],
  dependsOn: readonly pulumi.Resource[],
  options: pulumi.CustomResourceOptions,
): CustomResource[] {
  const create = (object: KubernetesObject, definitions: readonly pulumi.Resource[]) => {
    const { apiVersion, kind, metadata, data, stringData } = object;
    const { [LAST_APPLIED]: _copy, ...annotations } = metadata.annotations ?? {};
    const waiting = kind === "CustomResourceDefinition" ? WAITING.definition : WAITING.other;
    const group = apiVersion.split("/").slice(0, -1);
    const aliases = VERSIONS.map((version) => ({ type: `kubernetes:${[...group, version].join("/")}:${kind}` }));
    return new CustomResource(
      `${name}-manifest ${objectIdentity(object)}`,
      {
        ...object,
        metadata: { ...metadata, annotations: { ...waiting, ...annotations } },
        ...(kind === "Secret" ? { data: secret(data), stringData: secret(stringData) } : {}),
      },
      {
        ...options,
        aliases: aliases.filter(({ type }) => type !== `kubernetes:${apiVersion}:${kind}`),
        dependsOn: [...dependsOn, ...definitions],
        ...(kind === "Secret" ? { additionalSecretOutputs: ["data", "stringData"] } : {}),
      },
    );
  };
  const first = objects.filter(isNeededFirst).map((object) => create(object, []));
  const others = objects.filter((object) => !isNeededFirst(object));
  return [...first, ...others.map((object) => create(object, first))];
}

/** Check choices, which programs in other languages make in any words. @throws pulumi.RunError */
function checkDatapath(component: string, args: CiliumValuesArgs): void {
  for (const { argument, value, words } of chosenWords(args)) checkChoice(component, argument, value, words);
  const [problem] = choiceProblems(args, args);
  if (problem !== undefined) throw new ProgramError(`${component}: ${problem.key} ${problem.rule}`);
}

/** Arguments of the Helm release for the chart. @throws pulumi.RunError for a path that does not exist */
function chartSource(
  name: string,
  { chart = DEFAULTS.cilium.chart, repository = DEFAULTS.cilium.repository }: CiliumArgs,
  version: string,
) {
  const problem = chartProblem(chart);
  if (problem !== undefined) throw new ProgramError(`${name}: chart ${problem}; nothing was changed`);
  if (isChartPath(chart)) return { chart };
  if (chart.startsWith("oci://")) return { chart, version };
  return { chart, version, repositoryOpts: { repo: repository } };
}
