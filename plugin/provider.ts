import * as pulumi from "@pulumi/pulumi";
import { Cilium, type CiliumArgs } from "../components/cilium";
import { KindCluster, type KindClusterArgs } from "../components/kindCluster";
import { NettoolWorkload, type NettoolWorkloadArgs } from "../components/nettoolWorkload";
import { Verification, type VerificationArgs } from "../components/verification";
import { argumentsOf, COMPONENT_NAMES, packageSchema, type ComponentName } from "./schema";

/** Inputs of a component from the engine, with URNs for other components. */
type Inputs = Readonly<Record<string, unknown>>;

/** A component's constructor and its outputs for other programs. */
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

const KINDS: Readonly<Record<ComponentName, Kind>> = {
  KindCluster: kind<KindCluster, KindClusterArgs>(KindCluster, (cluster) => ({
    clusterName: cluster.clusterName,
    clusterIdentifier: cluster.instance,
    kubeconfig: pulumi.secret(cluster.kubeconfig),
    endpoint: cluster.endpoint,
    nodes: cluster.nodes,
  })),
  Cilium: kind<Cilium, CiliumArgs>(Cilium, (cilium) => ({
    nodes: cilium.nodes,
    revision: cilium.revision,
  })),
  NettoolWorkload: kind<NettoolWorkload, NettoolWorkloadArgs>(NettoolWorkload, (workload) => ({
    image: workload.image,
    nodePort: workload.nodePort,
  })),
  Verification: kind<Verification, VerificationArgs>(Verification, (verification) => ({
    summary: verification.summary,
    datapath: verification.datapath,
  })),
};

/** The value of an output, even if it is unknown, for which `apply` never runs. */
function valueOf<T>(output: unknown): Promise<T> {
  return (output as { promise(): Promise<T> }).promise();
}

/** Creates the components for programs in other languages. */
export function componentProvider(version: string): pulumi.provider.Provider {
  // components of a program refer to each other, and this process creates all of them
  const made = new Map<string, pulumi.ComponentResource>();

  /** The value of an argument: plain if it must be known, otherwise an output. */
  async function argument(isPlain: boolean, value: unknown): Promise<unknown> {
    if (!isPlain) return pulumi.output(value);
    const known = await valueOf<unknown>(pulumi.output(value));
    return (typeof known === "string" && made.get(known)) || known;
  }

  return {
    version,
    schema: JSON.stringify(packageSchema(version)),
    async construct(name, type, inputs, options): Promise<pulumi.provider.ConstructResult> {
      const component = type.replace(/^cilium-modes:index:/, "") as ComponentName;
      const kind = Object.hasOwn(KINDS, component) ? KINDS[component] : undefined;
      if (kind === undefined) {
        const names = COMPONENT_NAMES.map((each) => `cilium-modes:index:${each}`).join(", ");
        throw new Error(`cilium-modes has no component ${type}; it has ${names}`);
      }
      const known = argumentsOf(component);
      const args = Object.entries(inputs).map(
        async ([key, value]) => [key, await argument(known[key]?.property["plain"] !== undefined, value)] as const,
      );
      const resource = kind.make(name, Object.fromEntries(await Promise.all(args)), options);
      made.set(await valueOf(resource.urn), resource);
      return { urn: resource.urn, state: kind.outputs(resource) };
    },
  };
}
