import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AddressFamily } from "../../modes/ipFamily";
import { SCENARIOS } from "../../modes/tracePaths";
import type { Trace } from "../../datapath/trace/result";
import { containersOf, inNode, type LabProject } from "./lab";

/** Expect every scenario to take the path of the stack's mode, and to leave nothing behind. */
export function expectTraces(
  project: LabProject,
  stack: string,
  cluster: string,
  family: AddressFamily = "ipv4",
): void {
  const { code, traces } = project.trace(stack, "--scenario", "all", ...(family === "ipv6" ? ["--ipv6"] : []));
  expect(traces.map(({ scenario, verdict, reasons }) => ({ scenario, verdict, reasons }))).toEqual(
    Object.keys(SCENARIOS).map((scenario) => ({ scenario, verdict: "pass", reasons: [] })),
  );
  expect(code).toBe(0);
  const directory = process.env["CILIUM_MODES_RECORD_TRACES"];
  if (directory !== undefined) {
    const [{ mode, tunnel }] = traces as [Trace];
    const parts = [mode, ...(tunnel === "disabled" ? [] : [tunnel]), ...(family === "ipv4" ? [] : [family])];
    writeFileSync(join(directory, `${parts.join("-")}.json`), `${JSON.stringify(traces)}\n`);
  }
  for (const { probe, legs } of traces) {
    expect(probe.answered).toBe(true);
    expect(legs.map(({ name }) => name)).toEqual(["request", "reply"]);
  }
  for (const node of containersOf(cluster)) {
    expect(inNode(node, "sh", "-c", "ps -A -o args= | grep '[t]cpdump' || true")).toBe("");
  }
}

/** Trace a ping to another node with a fault: the interface that saw it last, and the reasons. */
export function brokenTrace(
  project: LabProject,
  stack: string,
  fault: () => void = () => undefined,
  repair: () => void = () => undefined,
): { readonly last: string | undefined; readonly reasons: string } {
  fault();
  try {
    const { code, traces } = project.trace(stack);
    const { verdict, legs, reasons } = traces[0]!;
    expect(code).toBe(verdict === "fail" ? 1 : 0);
    return { last: legs[0]!.hops.at(-1)?.station.role, reasons: reasons.join("\n") };
  } finally {
    repair();
  }
}
