import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { parseStackOutputs, type StackOutputs } from "./outputs";

/** What another stack's program relies on; what is left out may be anything. */
export interface Expected {
  /** The routing mode, or those that will do. */
  readonly mode?: StackOutputs["mode"] | readonly StackOutputs["mode"][] | undefined;
  /** Whether the stack's last verification must have proved the mode in force. Default: false. */
  readonly verified?: boolean | undefined;
}

/** A `cilium-modes` stack's outputs, of which only the kubeconfig is secret, and a provider for its cluster. */
export type Connection = { readonly [K in keyof StackOutputs]: pulumi.Output<StackOutputs[K]> } & {
  /**
   * For resources in the cluster. When the cluster was made again, they are made again; when it is gone, they are taken
   * out of the state as deleted.
   */
  readonly provider: KubernetesProvider;
};

/** What can be shown of a stack: all its outputs but the kubeconfig. */
export type OpenOutputs = Omit<StackOutputs, "kubeconfig">;

/**
 * The outputs of a `cilium-modes` stack, for the program of another one. Previews fail, too, when it is not as expected.
 * @param stack its name as StackReference takes it, such as `organization/cilium-modes/ebpf` with a file backend
 */
export function readStack(
  stack: string,
  expected: Expected = {},
  opts?: pulumi.CustomResourceOptions,
): pulumi.Output<OpenOutputs> {
  return withoutKubeconfig(readWhole(stack, expected, opts));
}

/**
 * The cluster of a `cilium-modes` stack, for the program of another one. Previews fail, too, when it is not as expected.
 * What that program makes in the cluster is its own: destroy it before the cluster, or else it is taken for deleted.
 * @param stack its name as StackReference takes it, such as `organization/cilium-modes/ebpf` with a file backend
 * @param opts of the stack reference and the provider, such as `parent`
 */
export function connect(stack: string, expected: Expected = {}, opts?: pulumi.CustomResourceOptions): Connection {
  const whole = readWhole(stack, expected, opts);
  const open = withoutKubeconfig(whole);
  const field = <K extends keyof OpenOutputs>(key: K) => open.apply((outputs) => outputs[key]);
  const kubeconfig = pulumi.secret(whole.apply((outputs) => outputs.kubeconfig));
  const clusterIdentifier = field("clusterIdentifier");
  const provider = new KubernetesProvider(
    `${stack.replaceAll("/", "-")}-kubernetes`,
    { kubeconfig, clusterIdentifier, deleteUnreachable: true },
    opts,
  );
  return {
    schemaVersion: field("schemaVersion"),
    mode: field("mode"),
    clusterName: field("clusterName"),
    clusterIdentifier,
    kubeconfig,
    apiEndpoint: field("apiEndpoint"),
    nodes: field("nodes"),
    cilium: field("cilium"),
    verification: field("verification"),
    nodePortUrls: field("nodePortUrls"),
    workload: field("workload"),
    provider,
  };
}

function readWhole(
  stack: string,
  expected: Expected,
  opts?: pulumi.CustomResourceOptions,
): pulumi.Output<StackOutputs> {
  return new pulumi.StackReference(stack, {}, opts).outputs.apply((values) => {
    const outputs = parseStackOutputs(stack, values);
    checkExpectation(stack, outputs, expected);
    return outputs;
  });
}

/** The kubeconfig makes all outputs secret; the others are none. */
function withoutKubeconfig(whole: pulumi.Output<StackOutputs>): pulumi.Output<OpenOutputs> {
  return pulumi.unsecret(whole.apply(({ kubeconfig: _, ...open }) => open));
}

/** @throws pulumi.RunError naming everything that is not as expected, and what to do */
export function checkExpectation(stack: string, outputs: StackOutputs, { mode, verified = false }: Expected): void {
  const problems: string[] = [];
  const modes = mode === undefined ? [] : [mode].flat();
  if (modes.length > 0 && !modes.includes(outputs.mode)) {
    problems.push(`its mode is ${outputs.mode}, and ${modes.join(" or ")} is expected; refer to a stack in that mode`);
  }
  if (verified && !isProven(outputs.verification)) {
    problems.push(`its mode is not proved in force: ${unproven(stack.split("/").pop()!, outputs.verification)}`);
  }
  if (problems.length === 0) return;
  throw new pulumi.RunError(
    [`Stack ${stack} is not as expected:`, ...problems.map((line) => `  - ${line}`)].join("\n"),
  );
}

/** Outputs of older versions do not say how strong the evidence is. */
function isProven({ verdict, proof = "proven" }: StackOutputs["verification"]): boolean {
  return verdict === "pass" && proof === "proven";
}

/** Why the mode is not proved, and what to do. */
function unproven(stack: string, { verdict, proof, verifiedAt }: StackOutputs["verification"]): string {
  if (verdict === "off")
    return `it does not verify; run: pulumi config set verify strict -s ${stack}, then pulumi up -s ${stack}`;
  const when = verifiedAt === undefined ? "" : ` at ${verifiedAt}`;
  const found = verdict === "fail" ? "failed" : `found no more than: ${proof}`;
  return `the verification${when} ${found}; see: npx cilium-modes verify ${stack}`;
}
