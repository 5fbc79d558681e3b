import * as pulumi from "@pulumi/pulumi";
import { Cilium, type CiliumArgs } from "../components/cilium";
import { KindCluster, type KindClusterArgs } from "../components/kindCluster";
import { NettoolWorkload, type NettoolWorkloadArgs } from "../components/nettoolWorkload";
import { Verification, type VerificationArgs } from "../components/verification";
import { packageSchema } from "./schema";

/** Inputs as the engine passes them. Components are passed as their URNs. */
type Inputs = Readonly<Record<string, unknown>>;

/** A component's constructor, and the outputs that other programs see. */
interface Kind {
  make(name: string, args: Inputs, opts: pulumi.ComponentResourceOptions): pulumi.ComponentResource;
  outputs(component: pulumi.ComponentResource): pulumi.Inputs;
}

const kind = <C extends pulumi.ComponentResource, A>(
  make: new (name: string, args: A, opts?: pulumi.ComponentResourceOptions) => C,
  outputs: (component: C) => pulumi.Inputs,
): Kind => ({
  make: (name, args, opts) => new make(name, args as A, opts),
  outputs: (component) => outputs(component as C),
});

const KINDS: Readonly<Record<string, Kind>> = {
  "cilium-modes:index:KindCluster": kind<KindCluster, KindClusterArgs>(KindCluster, (cluster) => ({
    clusterName: cluster.clusterName,
    clusterIdentifier: cluster.instance,
    kubeconfig: pulumi.secret(cluster.kubeconfig),
    endpoint: cluster.endpoint,
    nodes: cluster.nodes,
  })),
  "cilium-modes:index:Cilium": kind<Cilium, CiliumArgs>(Cilium, (cilium) => ({
    nodes: cilium.nodes,
    revision: cilium.revision,
  })),
  "cilium-modes:index:NettoolWorkload": kind<NettoolWorkload, NettoolWorkloadArgs>(NettoolWorkload, (workload) => ({
    image: workload.image,
    nodePort: workload.nodePort,
  })),
  "cilium-modes:index:Verification": kind<Verification, VerificationArgs>(Verification, (verification) => ({
    summary: verification.summary,
  })),
};

/** An output's value, also of an unknown one, for which `apply` would never be called. */
function valueOf<T>(output: unknown): Promise<T> {
  return (output as { promise(): Promise<T> }).promise();
}

/** The provider that creates the components for programs in other languages. */
export function componentProvider(version: string): pulumi.provider.Provider {
  // a program's components refer to each other, and this process creates all of them
  const created = new Map<string, pulumi.ComponentResource>();
  return {
    version,
    schema: JSON.stringify(packageSchema(version)),
    async construct(name, type, inputs, options): Promise<pulumi.provider.ConstructResult> {
      const kind = KINDS[type];
      if (kind === undefined)
        throw new Error(`cilium-modes has no component ${type}; it has ${Object.keys(KINDS).join(", ")}`);
      const known = await valueOf<Inputs>(pulumi.output(inputs));
      const args = Object.fromEntries(
        Object.entries(known).map(([key, value]) => [key, (typeof value === "string" && created.get(value)) || value]),
      );
      const component = kind.make(name, args, options);
      created.set(await valueOf(component.urn), component);
      return { urn: component.urn, state: kind.outputs(component) };
    },
  };
}
