import type { Expectation } from "../datapath/checks/check";
import { expectedCiliumConfig } from "../modes/ciliumConfig";
import { expectedEvidence, onAnyDevice } from "../modes/evidence";
import { ciliumArgs, type ExistingClusterArgs, type ModeSettings } from "./ciliumArgs";

/** What a stack's running cluster is held against. */
export function stackExpectation(settings: ModeSettings, existing?: ExistingClusterArgs): Expectation {
  const args = ciliumArgs(settings, existing);
  const evidence = expectedEvidence(args);
  return {
    evidence: existing === undefined ? evidence : onAnyDevice(evidence),
    ciliumConfig: expectedCiliumConfig(args),
    nodeCount: args.nodeCount,
    nodePort: settings.nettool.nodePort,
  };
}
