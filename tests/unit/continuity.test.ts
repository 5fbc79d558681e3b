import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LIVE_CHANGES, liveChangeWarnings, MEASURED, type LiveChange } from "../../modes/continuity";
import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import type { CiliumValuesArgs } from "../../modes/ciliumValues";
import { ownershipRecordHandler } from "../../providers/kind/ownershipRecord";
import type { OwnershipRecordInputs } from "../../providers/kind/inputs";
import { measuredChanges, type RecordedRun } from "../../scripts/readme/continuity";
import { ciliumArgs } from "../../settings/ciliumArgs";
import { parse, type Config } from "./support/settings";

const FOLDER = join(__dirname, "../../docs/continuity");
const RUNS = (existsSync(FOLDER) ? readdirSync(FOLDER) : [])
  .filter((file) => file.endsWith(".json"))
  .sort()
  .map((file) => JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as RecordedRun);

const recorded = (config: Config): { config: string; version: string } => {
  const args: CiliumValuesArgs = ciliumArgs(parse(config));
  return { config: JSON.stringify(expectedCiliumConfig(args)), version: args.version };
};
const REPLACEMENT = recorded({ kubeProxyReplacement: "true" });
const EBPF = recorded({ kubeProxyReplacement: "true", "bpf.masquerade": "true" });
const VXLAN = recorded({ kubeProxyReplacement: "true", tunnel: "vxlan" });

describe("MEASURED", () => {
  it("is current; npx tsx scripts/continuity-table.ts regenerates it", () => {
    // written anew with: npx tsx scripts/continuity-table.ts
    expect(MEASURED).toEqual(measuredChanges(RUNS));
  });
});

describe("liveChangeWarnings", () => {
  const cases: readonly [LiveChange, typeof EBPF, typeof EBPF][] = [
    ["masquerade-on", REPLACEMENT, EBPF],
    ["masquerade-off", EBPF, REPLACEMENT],
    ["tunnel-on", REPLACEMENT, VXLAN],
    ["tunnel-off", VXLAN, REPLACEMENT],
  ];
  it.each(cases)("names %s, its interruptions and the documentation", (change, before, after) => {
    const [warning, ...others] = liveChangeWarnings(before, after);
    expect(others).toEqual([]);
    expect(warning).toContain(LIVE_CHANGES[change]);
    expect(warning).toMatch(/in (1 measured run|\d+ measured runs)\b|longest gaps: |were not measured/);
    expect(warning).toMatch(/See docs\/continuity\.md$/);
    expect(warning!.length).toBeLessThan(400);
  });

  it("has one warning for each change", () => {
    const warnings = liveChangeWarnings({ ...REPLACEMENT, version: "1.19.6" }, { ...EBPF, version: "1.20.2" });
    expect(warnings.map((text) => text.split(":")[0])).toEqual([
      "Live change, replacement → ebpf",
      "Live change, Cilium 1.19.6 → 1.20.2",
    ]);
  });

  it("names changes of what is chosen beside the mode together", () => {
    const ebpf = { kubeProxyReplacement: "true", "bpf.masquerade": "true" };
    const dsr = recorded({ ...ebpf, "loadBalancer.mode": "dsr", "loadBalancer.algorithm": "maglev" });
    expect(liveChangeWarnings(EBPF, dsr)).toEqual([
      "Live change, loadBalancer.mode (Cilium's own) → dsr, loadBalancer.algorithm (Cilium's own) → maglev: agents restart on every node; interruptions were not measured",
    ]);
    expect(liveChangeWarnings(dsr, dsr)).toEqual([]);
    expect(liveChangeWarnings(dsr, recorded({ ...ebpf, "loadBalancer.mode": "hybrid" }))[0]).toMatch(
      /mode dsr → hybrid, loadBalancer\.algorithm maglev → \(Cilium's own\)/,
    );
  });

  it("has no warning without a change or without a record", () => {
    expect(liveChangeWarnings(EBPF, EBPF)).toEqual([]);
    expect(liveChangeWarnings({}, EBPF)).toEqual([]);
  });

  it("is logged by the diff of the ownership record, but not for a recreated cluster", async () => {
    const handler = ownershipRecordHandler(() => Promise.reject(new Error("a diff asks no cluster")));
    const state = (cilium: typeof EBPF): OwnershipRecordInputs => ({
      ...{ clusterInstance: "a", kubeconfig: "k", name: "cilium-modes", owner: "o", generation: "0" },
      ...cilium,
    });
    const warned: string[] = [];
    const log = { status: () => undefined, warn: (message: string) => void warned.push(message) };
    expect(await handler.diff(state(REPLACEMENT), state(EBPF), log)).toEqual({ changes: true, replaces: [] });
    expect(warned).toEqual([expect.stringContaining("replacement → ebpf")]);
    await handler.diff(state(REPLACEMENT), { ...state(EBPF), clusterInstance: "b" }, log);
    expect(warned).toHaveLength(1);
  });
});
