import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCENARIOS } from "../../modes/tracePaths";
import type { Walk } from "../../datapath/trace/walk";
import { containersOf, inNode, type LabProject } from "./lab";

/** Every scenario goes the way that the stack's mode promises, and leaves nothing behind. */
export function expectWalks(project: LabProject, stack: string, cluster: string): void {
  const { code, walks } = project.trace(stack, "--scenario", "all");
  expect(walks.map(({ scenario, verdict, reasons }) => ({ scenario, verdict, reasons }))).toEqual(
    Object.keys(SCENARIOS).map((scenario) => ({ scenario, verdict: "pass", reasons: [] })),
  );
  expect(code).toBe(0);
  const directory = process.env["CILIUM_MODES_RECORD_WALKS"];
  if (directory !== undefined) {
    const [{ mode, tunnel }] = walks as [Walk];
    const name = tunnel === "disabled" ? mode : `${mode}-${tunnel}`;
    writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(walks)}\n`);
  }
  for (const { probe, legs } of walks) {
    expect(probe.answered).toBe(true);
    expect(legs.map(({ name }) => name)).toEqual(["request", "reply"]);
  }
  for (const node of containersOf(cluster)) {
    expect(inNode(node, "sh", "-c", "ps -A -o args= | grep '[t]cpdump' || true")).toBe("");
  }
}

/** A ping to another node while something is wrong: the interface that saw it last, and why it went no further. */
export function brokenWalk(
  project: LabProject,
  stack: string,
  fault: () => void = () => undefined,
  repair: () => void = () => undefined,
): { readonly last: string | undefined; readonly reasons: string } {
  fault();
  try {
    const { code, walks } = project.trace(stack);
    const { verdict, legs, reasons } = walks[0]!;
    expect(code).toBe(verdict === "fail" ? 1 : 0);
    return { last: legs[0]!.hops.at(-1)?.station.role, reasons: reasons.join("\n") };
  } finally {
    repair();
  }
}
