import * as pulumi from "@pulumi/pulumi";
import type { ClusterInputs, ClusterNode } from "./cluster";
import type { NodeImagesInputs } from "./nodeImages";
import type { NodeSettingsInputs } from "./nodeSettings";

/** Every field plain or an output. */
type Inputs<T> = { readonly [K in keyof T]: pulumi.Input<T[K]> };

/** A kind cluster, prepared for Cilium. */
export class Cluster extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly nodes: pulumi.Output<readonly ClusterNode[]>;
  declare readonly endpoint: pulumi.Output<string>;
  declare readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: Inputs<ClusterInputs>, opts?: pulumi.CustomResourceOptions) {
    const outputs = {
      containers: undefined,
      status: undefined,
      nodes: undefined,
      endpoint: undefined,
      kubeconfig: undefined,
    };
    super(
      "kind:index:Cluster",
      name,
      { ...outputs, ...args },
      pulumi.mergeOptions(opts, { additionalSecretOutputs: ["kubeconfig"] }),
    );
  }
}

/** Images of this machine's Docker in a cluster's nodes. */
export class NodeImages extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<NodeImagesInputs>, opts?: pulumi.CustomResourceOptions) {
    super("kind:index:NodeImages", name, { loaded: undefined, ...args }, opts);
  }
}

/** What the nodes of a running cluster are told: registry mirrors, and where CoreDNS forwards to. */
export class NodeSettings extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<NodeSettingsInputs>, opts?: pulumi.CustomResourceOptions) {
    super("kind:index:NodeSettings", name, { dnsResolvers: undefined, inForce: undefined, ...args }, opts);
  }
}

/** A random id of the stack, by which its cluster is recognised. */
export class StackMark extends pulumi.CustomResource {
  constructor(name: string, opts?: pulumi.CustomResourceOptions) {
    super("kind:index:StackMark", name, {}, opts);
  }
}
