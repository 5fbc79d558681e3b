import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { parseStackOutputs, StackOutputsError, type StackOutputs } from "./outputs";

/** What a program requires of the stack that it connects to. Fields that are left out are not checked. */
export interface Expected {
  /** The routing mode, or every mode that will do. Default: any. */
  readonly mode?: StackOutputs["mode"] | readonly StackOutputs["mode"][] | undefined;
  /** Whether the stack's last verification must have proven its mode. Default: false. */
  readonly verified?: boolean | undefined;
}

/** The outputs of a `cilium-modes` stack, and a provider for its cluster. Only the kubeconfig is secret. */
export type Connection = { readonly [K in keyof StackOutputs]-?: pulumi.Output<StackOutputs[K]> } & {
  /**
   * The provider for resources in the cluster. Pulumi replaces them when the cluster is replaced, and drops them from the
   * state when the cluster is gone.
   */
  readonly provider: KubernetesProvider;
};

/** The outputs that are not secret: all but the kubeconfig. */
export type OpenOutputs = Omit<StackOutputs, "kubeconfig">;

/**
 * Read the outputs of a `cilium-modes` stack from another stack's program. A stack that is not as expected fails previews
 * too.
 * @param stack the name that StackReference takes, such as `organization/cilium-modes/ebpf` in a file backend
 * @param expected what the program requires of the stack
 * @param opts options of the stack reference
 */
export function readStack(
  stack: string,
  expected: Expected = {},
  opts?: pulumi.CustomResourceOptions,
): pulumi.Output<OpenOutputs> {
  return withoutKubeconfig(readWhole(stack, expected, opts));
}

/**
 * Connect to the cluster of a `cilium-modes` stack from another stack's program. A stack that is not as expected fails
 * previews too. Destroy the program's own stack before the cluster's: afterwards Pulumi takes its resources for deleted.
 * @param stack the name that StackReference takes, such as `organization/cilium-modes/ebpf` in a file backend
 * @param expected what the program requires of the stack
 * @param opts options of the stack reference and the provider, such as `parent`
 * @example
 * const { provider } = connect("organization/cilium-modes/ebpf", { mode: "ebpf", verified: true });
 * new Namespace("app", {}, { provider });
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
    datapath: field("datapath"),
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

/** The kubeconfig makes the whole secret; the other outputs are not. */
function withoutKubeconfig(whole: pulumi.Output<StackOutputs>): pulumi.Output<OpenOutputs> {
  return pulumi.unsecret(whole.apply(({ kubeconfig: _, ...open }) => open));
}

/** @throws StackOutputsError naming every mismatch and its fix */
export function checkExpectation(stack: string, outputs: StackOutputs, { mode, verified = false }: Expected): void {
  const problems: string[] = [];
  const modes = mode === undefined ? [] : [mode].flat();
  if (modes.length > 0 && !modes.includes(outputs.mode)) {
    problems.push(`its mode is ${outputs.mode}, expected ${modes.join(" or ")}; refer to a stack in that mode`);
  }
  if (verified && !isProven(outputs.verification)) {
    problems.push(`its mode is not proven: ${unproven(stack.split("/").pop()!, outputs.verification)}`);
  }
  if (problems.length === 0) return;
  throw new StackOutputsError(
    [`Stack ${stack} is not as expected:`, ...problems.map((line) => `  - ${line}`)].join("\n"),
  );
}

/** Outputs of older versions lack `proof`. */
function isProven({ verdict, proof = "proven" }: StackOutputs["verification"]): boolean {
  return verdict === "pass" && proof === "proven";
}

/** Why the mode is not proven, and the command to run. */
function unproven(stack: string, { verdict, proof, verifiedAt }: StackOutputs["verification"]): string {
  if (verdict === "off")
    return `the stack does not verify; run: pulumi config set verify strict -s ${stack}, then pulumi up -s ${stack}`;
  const when = verifiedAt === undefined ? "" : ` at ${verifiedAt}`;
  const found = verdict === "fail" ? "failed" : `ended with proof: ${proof}`;
  return `the verification${when} ${found}; see: npx cilium-modes verify ${stack}`;
}
