import { expectedCiliumConfig } from "../modes/ciliumConfig";
import type { CiliumValuesArgs } from "../modes/ciliumValues";
import { expectedEvidence, onAnyDevice } from "../modes/evidence";
import type { Expectation } from "./checks/check";

/** What a running cluster with Cilium of these values, and the workload at this NodePort, is held against. */
export function expectationOf(
  args: CiliumValuesArgs,
  { isKind, nodePort }: { readonly isKind: boolean; readonly nodePort: number },
): Expectation {
  const evidence = expectedEvidence(args);
  return {
    evidence: isKind ? evidence : onAnyDevice(evidence),
    ciliumConfig: expectedCiliumConfig(args),
    nodeCount: args.nodeCount,
    nodePort,
  };
}
