import * as command from "@pulumi/command";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { fittingCluster } from "../datapath/clusterFit";
import type { ClusterFacts } from "../datapath/facts";
import type { RoutingMode } from "../modes/contract";
import { StackIdentity } from "../providers/kind/resources";
import { packageFile } from "../host/packageFile";
import { ownerOf, withDefaults, type TargetCluster, type TargetClusterArgs } from "./targetCluster";

/**
 * Look at a cluster that exists, in every preview too.
 * @param kubeconfig its text, whose current context is the cluster
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

/** What a cluster that exists is told. */
export interface ExistingClusterArgs extends TargetClusterArgs {
  /** The kubeconfig's text, whose current context is the cluster; secret in the state. */
  readonly kubeconfig: string;
  /** What {@link inspectCluster} found by it. */
  readonly facts: ClusterFacts;
}

/**
 * A cluster that was there before the stack, and stays after it.
 * @throws pulumi.RunError when there is no such mode, or naming everything by which the cluster does not fit
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
    const { kubeconfig, facts } = args;
    const choice = withDefaults(name, args);
    this.mode = choice.mode;
    this.clusterName = choice.clusterName;
    this.podCidr = choice.podCidr;
    this.nativeRoutingCIDR = choice.nativeRoutingCIDR;
    const { nodeCount, apiServer } = fitting(this, facts);
    this.nodeCount = nodeCount;
    this.apiServer = apiServer;
    this.owner = ownerOf(new StackIdentity(`${name}-mark`, { onNodes: false }, { parent: this }));
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
