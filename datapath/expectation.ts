import { expectedCiliumConfig } from "../modes/ciliumConfig";
import { choiceValues, ipv6Values, mergeValues, type CiliumValuesArgs } from "../modes/ciliumValues";
import { datapathConfig } from "../modes/datapathConfig";
import { expectedEvidence, onAnyDevice } from "../modes/evidence";
import type { Expectation } from "./checks/check";

/** What to expect of a running cluster with these Cilium values and the workload at this NodePort. */
export function expectationOf(
  args: CiliumValuesArgs,
  { isKind, nodePort }: { readonly isKind: boolean; readonly nodePort: number },
): Expectation {
  const evidence = expectedEvidence(args);
  return {
    mode: args.mode,
    evidence: isKind ? evidence : onAnyDevice(evidence),
    ciliumConfig: expectedCiliumConfig(args),
    datapathConfig: datapathConfig([choiceValues(args), ipv6Values(args), args.extraValues].reduce(mergeValues)),
    isExternal: !isKind,
    nodeCount: args.nodeCount,
    nodePort,
  };
}
