import * as pulumi from "@pulumi/pulumi";
import type {
  CiliumInstallationInputs,
  ClusterInputs,
  ClusterNode,
  MarkInputs,
  NodeImagesInputs,
  NodeSettingsInputs,
  StackMarkInputs,
  WorkloadGroundInputs,
} from "./inputs";

/** Every field plain or an output, and every element of a list. */
type Inputs<T> = {
  readonly [K in keyof T]: pulumi.Input<T[K] extends readonly (infer E)[] ? readonly pulumi.Input<E>[] : T[K]>;
};

/** What clears the way for Cilium's Helm release in a cluster, and refuses to take over another's. */
export class CiliumInstallation extends pulumi.CustomResource {
  /** How often the release had to be installed over what was there. */
  declare readonly repairs: pulumi.Output<number>;

  constructor(name: string, args: Inputs<CiliumInstallationInputs>, opts?: pulumi.CustomResourceOptions) {
    super(
      "kind:index:CiliumInstallation",
      name,
      { repairs: undefined, lost: undefined, ...args },
      pulumi.mergeOptions(opts, { additionalSecretOutputs: ["kubeconfig"] }),
    );
  }
}

/** A kind cluster, prepared for Cilium. */
export class Cluster extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly nodes: pulumi.Output<readonly ClusterNode[]>;
  declare readonly endpoint: pulumi.Output<string>;
  declare readonly kubeconfig: pulumi.Output<string>;
  /** How often its nodes were started again, or found with other addresses. */
  declare readonly restarts: pulumi.Output<number>;

  constructor(name: string, args: Inputs<ClusterInputs>, opts?: pulumi.CustomResourceOptions) {
    const outputs = {
      containers: undefined,
      status: undefined,
      nodes: undefined,
      endpoint: undefined,
      kubeconfig: undefined,
      restarts: undefined,
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
  constructor(name: string, args: Inputs<StackMarkInputs>, opts?: pulumi.CustomResourceOptions) {
    super("kind:index:StackMark", name, { ...args }, opts);
  }
}

/** A ConfigMap that says in the cluster what of a stack the engine has recorded. */
export class Mark extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<MarkInputs>, opts?: pulumi.CustomResourceOptions) {
    const secret = { additionalSecretOutputs: ["kubeconfig"] };
    super("kind:index:Mark", name, { ...args }, pulumi.mergeOptions(opts, secret));
  }
}

/** What clears the workload's namespace of what the engine does not know of. */
export class WorkloadGround extends pulumi.CustomResource {
  /** How often the workload had to be made again. */
  declare readonly generation: pulumi.Output<number>;

  constructor(name: string, args: Inputs<WorkloadGroundInputs>, opts?: pulumi.CustomResourceOptions) {
    const secret = { additionalSecretOutputs: ["kubeconfig"] };
    const outputs = { generation: undefined, lost: undefined };
    super("kind:index:WorkloadGround", name, { ...outputs, ...args }, pulumi.mergeOptions(opts, secret));
  }
}
