import * as command from "@pulumi/command";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { fittingCluster } from "../datapath/clusterFit";
import type { ClusterFacts } from "../datapath/facts";
import { packageFile } from "../host/packageFile";
import type { RoutingMode } from "../modes/contract";
import { StackIdentity } from "../providers/kind/resources";
import { knownValue } from "./arguments";
import { ProgramError } from "./programError";
import { ownerOf, withDefaults, type TargetCluster, type TargetClusterArgs } from "./targetCluster";

const Facts = z.object({
  identity: z.string(),
  endpoint: z.string(),
  apiServer: z.object({ host: z.string(), port: z.number() }).optional(),
  nodes: z.array(
    z.object({
      name: z.string(),
      role: z.enum(["control-plane", "worker"]),
      address: z.string(),
      podCidrs: z.array(z.string()).optional(),
    }),
  ),
  kubeProxy: z.boolean(),
  otherNetwork: z.string().optional(),
  serviceAddress: z.string(),
  serviceCidr: z.string().optional(),
  cilium: z
    .object({
      ipam: z.string(),
      podCidr: z.string().optional(),
      podCidrMaskSize: z.number().optional(),
      nodePodCidrs: z.array(z.string()),
      hasIpv6: z.boolean().optional(),
    })
    .optional(),
});

/** Output of `inspect-cluster`: the cluster, or why it could not be read. */
const Inspection = z.union([z.object({ facts: Facts }), z.object({ problem: z.string() })]);

/**
 * Read the properties of an external cluster that the components depend on. It runs in every preview.
 * @param kubeconfig content of a kubeconfig, whose current context is the cluster; an output must be known in previews
 * @throws pulumi.RunError if the cluster does not respond or refuses the request, or if the kubeconfig is not known yet
 */
export async function inspectCluster(kubeconfig: pulumi.Input<string>): Promise<ClusterFacts> {
  const environment = { CILIUM_MODES_KUBECONFIG: await knownValue("kubeconfig", kubeconfig) };
  const { stdout } = await command.local.run({
    command: `node ${packageFile("cli", "cilium-modes.mjs")} inspect-cluster`,
    environment,
    logging: "none",
  });
  const inspection = Inspection.parse(JSON.parse(stdout));
  if ("problem" in inspection) throw new ProgramError(inspection.problem);
  const { apiServer, otherNetwork, ...facts } = inspection.facts;
  return { ...facts, apiServer, otherNetwork };
}

/** Arguments of an external cluster. */
export interface ExistingClusterArgs extends TargetClusterArgs {
  /** Content of a kubeconfig, whose current context is the cluster. The state keeps it as a secret. */
  readonly kubeconfig: pulumi.Input<string>;
  /** Result of {@link inspectCluster} for this kubeconfig. Must be known in previews. */
  readonly facts: ClusterFacts;
}

/**
 * An external cluster: it exists before the stack, and is not deleted with it.
 *
 * @example
 * ```ts
 * const kubeconfig = readFileSync("kubeconfig.yaml", "utf8");
 * const facts = await inspectCluster(kubeconfig);
 * const cluster = new ExistingCluster("cluster", { mode: "ebpf", kubeconfig, facts });
 * ```
 * @throws pulumi.RunError for an unknown mode or ipam, or naming everything that prevents Cilium in this cluster
 */
export class ExistingCluster extends pulumi.ComponentResource implements TargetCluster {
  readonly isKind = false;
  readonly mode: RoutingMode;
  readonly clusterName: string;
  readonly nodeCount: number;
  readonly apiServer: TargetCluster["apiServer"];
  readonly ipam: TargetCluster["ipam"];
  readonly podCidr: string;
  readonly podCidrMaskSize: TargetCluster["podCidrMaskSize"];
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
    this.nativeRoutingCIDR = choice.nativeRoutingCIDR;
    const { nodeCount, apiServer, ipam, podCidr, podCidrMaskSize } = fitting(args, facts);
    this.nodeCount = nodeCount;
    this.apiServer = apiServer;
    this.ipam = ipam;
    this.podCidr = podCidr;
    this.podCidrMaskSize = podCidrMaskSize;
    // the name of a resource is part of its URN, so it stays
    this.owner = ownerOf(new StackIdentity(`${name}-mark`, { onNodes: false }, { parent: this }));
    this.kubeconfig = pulumi.secret(kubeconfig);
    this.instance = pulumi.output(facts.identity);
    this.condition = pulumi.output(`${facts.identity} nodes ${facts.nodes.map((node) => node.name).join(" ")}`);
    this.nodes = pulumi.output([...facts.nodes]);
    this.endpoint = pulumi.output(facts.endpoint);
    this.provider = new KubernetesProvider(
      `${name}-kubernetes`,
      // without deleteUnreachable: a cluster that is briefly unreachable keeps its resources in the state
      { kubeconfig: this.kubeconfig, clusterIdentifier: facts.identity },
      { parent: this },
    );
    this.registerOutputs({ nodes: this.nodes, endpoint: this.endpoint, kubeconfig: this.kubeconfig });
  }
}

function fitting(wanted: TargetClusterArgs, facts: ClusterFacts) {
  try {
    return fittingCluster(wanted, facts);
  } catch (error) {
    throw new ProgramError((error as Error).message);
  }
}
