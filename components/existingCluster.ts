import * as command from "@pulumi/command";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { fittingCluster } from "../datapath/clusterFit";
import type { ClusterFacts } from "../datapath/facts";
import type { RoutingMode } from "../modes/contract";
import { defaultClusterName } from "../modes/clusterName";
import { DEFAULTS } from "../modes/defaults";
import { StackMark } from "../providers/kind/resources";
import { packageFile } from "./packageFile";
import { ownerOf, type TargetCluster } from "./targetCluster";

/**
 * Look at a cluster that exists, in every preview too.
 * @throws Error when it does not answer
 */
export async function inspectCluster(kubeconfig: string): Promise<ClusterFacts> {
  const environment = { CILIUM_MODES_KUBECONFIG: kubeconfig };
  const { stdout } = await command.local
    .run({ command: `node ${packageFile("cli", "cilium-modes.mjs")} inspect-cluster`, environment, logging: "none" })
    .catch(({ message }: Error) => {
      throw new Error(/The cluster at .*|The kubeconfig .*/.exec(message)?.[0] ?? message);
    });
  return JSON.parse(stdout) as ClusterFacts;
}

export interface ExistingClusterArgs {
  readonly mode: RoutingMode;
  readonly kubeconfig: string;
  /** What {@link inspectCluster} found by it. */
  readonly facts: ClusterFacts;
  /** Cilium's name of the cluster. Default: `<project>-<stack>`. */
  readonly clusterName?: string | undefined;
  /** Where Cilium takes the nodes' /24 from. Default: 10.0.0.0/16. */
  readonly podCidr?: string | undefined;
  /** Networks that pods reach without masquerading, in native routing. Default: 10.0.0.0/8. */
  readonly nativeRoutingCIDR?: string | undefined;
}

/**
 * A cluster that was there before the stack, and stays after it.
 * @throws pulumi.RunError naming everything by which the cluster does not fit
 */
export class ExistingCluster extends pulumi.ComponentResource implements TargetCluster {
  readonly isKind = false;
  readonly mode: RoutingMode;
  readonly clusterName: string;
  readonly nodeCount: number;
  readonly apiServer: TargetCluster["apiServer"];
  readonly podCidr: string;
  readonly nativeRoutingCIDR: string;
  readonly lifetime = undefined;
  readonly settled = [];
  readonly instance: TargetCluster["instance"];
  readonly condition: TargetCluster["condition"];
  readonly provider: KubernetesProvider;
  readonly nodes: TargetCluster["nodes"];
  readonly endpoint: TargetCluster["endpoint"];
  readonly kubeconfig: TargetCluster["kubeconfig"];
  readonly owner: TargetCluster["owner"];

  constructor(name: string, args: ExistingClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:ExistingCluster", name, {}, opts);
    const { mode, kubeconfig, facts } = args;
    this.mode = mode;
    this.clusterName = args.clusterName ?? defaultClusterName(pulumi.getProject(), pulumi.getStack());
    this.podCidr = args.podCidr ?? DEFAULTS.cluster.podCidr;
    this.nativeRoutingCIDR = args.nativeRoutingCIDR ?? DEFAULTS.cilium.nativeRoutingCIDR;
    const { nodeCount, apiServer } = fitting(this, facts);
    this.nodeCount = nodeCount;
    this.apiServer = apiServer;
    this.owner = ownerOf(new StackMark(`${name}-mark`, { onNodes: false }, { parent: this }));
    this.kubeconfig = pulumi.secret(kubeconfig);
    this.instance = pulumi.output(facts.identity);
    this.condition = pulumi.output(`${facts.identity} nodes ${facts.nodes.map((node) => node.name).join(" ")}`);
    this.nodes = pulumi.output([...facts.nodes]);
    this.endpoint = pulumi.output(facts.endpoint);
    this.provider = new KubernetesProvider(
      `${name}-kubernetes`,
      // a cluster out of reach for a moment loses nothing of the stack
      { kubeconfig: this.kubeconfig, clusterIdentifier: facts.identity },
      { parent: this },
    );
    this.registerOutputs({ nodes: this.nodes, endpoint: this.endpoint, kubeconfig: this.kubeconfig });
  }
}

function fitting(cluster: ExistingCluster, facts: ClusterFacts) {
  try {
    return fittingCluster(cluster, facts);
  } catch (error) {
    throw new pulumi.RunError((error as Error).message);
  }
}
