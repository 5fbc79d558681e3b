import * as command from "@pulumi/command";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterFacts } from "../datapath/clusterFacts";
import { StackMark } from "../providers/kind/resources";
import { ownerOf, type TargetCluster } from "./targetCluster";

/**
 * Look at a cluster that exists, in every preview too.
 * @throws Error when it does not answer
 */
export async function inspectCluster(kubeconfig: string): Promise<ClusterFacts> {
  const environment = { CILIUM_MODES_KUBECONFIG: kubeconfig };
  const { stdout } = await command.local
    .run({ command: "node cli/cilium-modes.mjs inspect-cluster", environment, logging: "none" })
    .catch(({ message }: Error) => {
      throw new Error(/The cluster at .*|The kubeconfig .*/.exec(message)?.[0] ?? message);
    });
  return JSON.parse(stdout) as ClusterFacts;
}

export interface ExistingClusterArgs {
  readonly kubeconfig: string;
  readonly facts: ClusterFacts;
}

/** A cluster that was there before the stack, and stays after it. */
export class ExistingCluster extends pulumi.ComponentResource implements TargetCluster {
  readonly isKind = false;
  readonly lifetime = undefined;
  readonly settled = [];
  readonly instance: TargetCluster["instance"];
  readonly condition: TargetCluster["condition"];
  readonly provider: KubernetesProvider;
  readonly nodes: TargetCluster["nodes"];
  readonly endpoint: TargetCluster["endpoint"];
  readonly kubeconfig: TargetCluster["kubeconfig"];
  readonly owner: TargetCluster["owner"];

  constructor(name: string, { kubeconfig, facts }: ExistingClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:ExistingCluster", name, {}, opts);
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
