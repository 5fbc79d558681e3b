import type { Expectation } from "../datapath/checks/check";
import { expectedCiliumConfig } from "../modes/ciliumConfig";
import { expectedEvidence } from "../modes/evidence";
import { ciliumArgs, type ModeSettings } from "./ciliumArgs";

/** What a stack's running cluster is held against. */
export function stackExpectation(settings: ModeSettings): Expectation {
  const args = ciliumArgs(settings);
  return {
    evidence: expectedEvidence(args),
    ciliumConfig: expectedCiliumConfig(args),
    nodeCount: args.nodeCount,
    nodePort: settings.nettool.nodePort,
  };
}
