import junitReportBuilder from "junit-report-builder";
import type { Verification } from "../datapath/verify";

/** A verification as a JUnit report: a test case for each check, with its findings. */
export function verificationJunit(name: string, { results, seconds }: Verification): string {
  const builder = junitReportBuilder.newBuilder();
  const suite = builder.testSuite().name(`cilium-modes verify ${name}`).time(seconds);
  for (const { id, question, verdict, findings } of results) {
    const testCase = suite.testCase().className(`cilium-modes.${name}`).name(id);
    testCase.standardOutput([question, ...findings.map(({ subject, seen }) => `${subject}: ${seen}`)].join("\n"));
    const reasons = findings
      .filter((finding) => finding.verdict === verdict && finding.reason !== undefined)
      .map(({ subject, reason, remedy }) => `${subject}: ${reason}${remedy === undefined ? "" : `\n  fix: ${remedy}`}`);
    // JUnit knows no warning: it stays in the output
    if (verdict === "warning") testCase.standardError(reasons.join("\n"));
    if (verdict === "skipped") testCase.skipped();
    if (verdict === "fail") testCase.failure(reasons.join("\n"), "fail");
    if (verdict === "inconclusive") testCase.error(reasons.join("\n"), "inconclusive");
  }
  return builder.build();
}
