import * as pulumi from "@pulumi/pulumi";
import type { NodeFacts } from "../../datapath/facts";
import {
  TOKENS,
  type CiliumInstallationInputs,
  type CiliumReadinessInputs,
  type ClusterInputs,
  type ClusterNode,
  type NodeImagesInputs,
  type NodeSettingsInputs,
  type OwnershipRecordInputs,
  type StackIdentityInputs,
  type WorkloadNamespaceInputs,
  type WorkloadReadinessInputs,
} from "./inputs";

/** Every field, and every element of a list, plain or an output. */
type Inputs<T> = {
  readonly [K in keyof T]: pulumi.Input<T[K] extends readonly (infer E)[] ? readonly pulumi.Input<E>[] : T[K]>;
};

/** Options of a resource whose kubeconfig is secret. */
const withSecretKubeconfig = (opts?: pulumi.CustomResourceOptions) =>
  pulumi.mergeOptions(opts, { additionalSecretOutputs: ["kubeconfig"] });

/** Prepares a cluster for Cilium's Helm release, and refuses to take over another owner's Cilium. */
export class CiliumInstallation extends pulumi.CustomResource {
  /** How often the release had to be installed again. */
  declare readonly repairs: pulumi.Output<number>;

  constructor(name: string, args: Inputs<CiliumInstallationInputs>, opts?: pulumi.CustomResourceOptions) {
    const outputs = { repairs: undefined, lost: undefined };
    super(TOKENS.ciliumInstallation, name, { ...outputs, ...args }, withSecretKubeconfig(opts));
  }
}

/** Waits until Cilium is ready on all nodes. */
export class CiliumReadiness extends pulumi.CustomResource {
  /** Nodes as Cilium sees them. */
  declare readonly nodes: pulumi.Output<readonly NodeFacts[]>;

  constructor(name: string, args: Inputs<CiliumReadinessInputs>, opts?: pulumi.CustomResourceOptions) {
    super(TOKENS.ciliumReadiness, name, { nodes: undefined, ...args }, withSecretKubeconfig(opts));
  }
}

/** A kind cluster that is ready for Cilium. */
export class Cluster extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly nodes: pulumi.Output<readonly ClusterNode[]>;
  declare readonly endpoint: pulumi.Output<string>;
  declare readonly kubeconfig: pulumi.Output<string>;
  /** How often its nodes were restarted, or had other addresses. */
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
    super(TOKENS.cluster, name, { ...outputs, ...args }, withSecretKubeconfig(opts));
  }
}

/** Images of this machine's Docker, loaded into a kind cluster's nodes. */
export class NodeImages extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<NodeImagesInputs>, opts?: pulumi.CustomResourceOptions) {
    super(TOKENS.nodeImages, name, { loaded: undefined, ...args }, opts);
  }
}

/** Registry mirrors of a running cluster's nodes, and the resolvers that CoreDNS forwards to. */
export class NodeSettings extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<NodeSettingsInputs>, opts?: pulumi.CustomResourceOptions) {
    super(TOKENS.nodeSettings, name, { dnsResolvers: undefined, inForce: undefined, ...args }, opts);
  }
}

/** A random id of the stack that identifies its cluster. */
export class StackIdentity extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<StackIdentityInputs>, opts?: pulumi.CustomResourceOptions) {
    super(TOKENS.stackIdentity, name, { ...args }, opts);
  }
}

/** A ConfigMap in the cluster that records which objects the stack owns. */
export class OwnershipRecord extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<OwnershipRecordInputs>, opts?: pulumi.CustomResourceOptions) {
    super(TOKENS.ownershipRecord, name, { ...args }, withSecretKubeconfig(opts));
  }
}

/** Removes objects that the engine does not know from the workload's namespace. */
export class WorkloadNamespace extends pulumi.CustomResource {
  /** How often the workload had to be recreated. */
  declare readonly generation: pulumi.Output<number>;

  constructor(name: string, args: Inputs<WorkloadNamespaceInputs>, opts?: pulumi.CustomResourceOptions) {
    const outputs = { generation: undefined, lost: undefined };
    super(TOKENS.workloadNamespace, name, { ...outputs, ...args }, withSecretKubeconfig(opts));
  }
}

/** Waits until the workload's pods are ready. */
export class WorkloadReadiness extends pulumi.CustomResource {
  constructor(name: string, args: Inputs<WorkloadReadinessInputs>, opts?: pulumi.CustomResourceOptions) {
    super(TOKENS.workloadReadiness, name, { ...args }, withSecretKubeconfig(opts));
  }
}
