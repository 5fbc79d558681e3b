import type { CiliumConfig } from "./ciliumConfig";
import { tunnelOf } from "./ciliumConfig";
import { choiceChanges } from "./datapathChoice";
import measurements from "./continuity.json";

/**
 * Changes and events of a running cluster. `masquerade-on` and `masquerade-off` switch between the modes replacement and
 * ebpf.
 */
export const LIVE_CHANGES = {
  "masquerade-on": "replacement → ebpf",
  "masquerade-off": "ebpf → replacement",
  "tunnel-on": "native routing → VXLAN",
  "tunnel-off": "VXLAN → native routing",
  version: "upgrade or downgrade of Cilium",
  "agent-restart": "restart of the agents",
  "node-restart": "restart of a node",
} as const;

export type LiveChange = keyof typeof LIVE_CHANGES;

/** Effect of a change on a flow, over all runs; flows without losses are left out. */
export interface MeasuredFlow {
  readonly flow: string;
  readonly title: string;
  /** Minimum and maximum of lost probes in a run. */
  readonly lost: readonly [number, number];
  /** Minimum and maximum of the longest time without a reply in a run, in seconds. */
  readonly gapSeconds: readonly [number, number];
  /** Number of runs in which an open connection broke. */
  readonly brokenIn: number;
}

/** Measurements of a change by `cilium-modes watch`. */
export interface MeasuredChange {
  readonly change: LiveChange;
  readonly runs: number;
  /** Version of Cilium such as `1.20.2`, with an arrow for an upgrade. */
  readonly cilium: string;
  /** Date of the last run, such as `2026-11-26`. */
  readonly date: string;
  readonly flows: readonly MeasuredFlow[];
}

/** Generated from `docs/continuity/` by `scripts/continuity-table.ts`. */
export const MEASURED = measurements as unknown as readonly MeasuredChange[];

/** Documentation of the measurements. */
const PAGE = "docs/continuity.md";

/** Maximum number of flows in a warning. */
const MAX_NAMED = 3;

/** Cilium's configuration in a stack's ownership record. */
export interface RecordedCilium {
  /** A CiliumConfig as JSON. */
  readonly config?: string | undefined;
  readonly version?: string | undefined;
}

/** Warnings about the consequences of changing a running Cilium, one for each change. */
export function liveChangeWarnings(before: RecordedCilium, after: RecordedCilium): string[] {
  if (before.config === undefined || after.config === undefined) return [];
  const [old, next] = [JSON.parse(before.config), JSON.parse(after.config)] as [CiliumConfig, CiliumConfig];
  const changes: LiveChange[] = [];
  const masquerade = "enable-bpf-masquerade";
  if (old[masquerade] !== next[masquerade]) {
    changes.push(next[masquerade] === "true" ? "masquerade-on" : "masquerade-off");
  }
  const [oldTunnel, tunnel] = [tunnelOf(withoutNulls(old)), tunnelOf(withoutNulls(next))];
  if (oldTunnel !== tunnel) changes.push(tunnel === "disabled" ? "tunnel-off" : "tunnel-on");
  if (before.version !== after.version) changes.push("version");
  const warnings = changes.map((change) => {
    const what = change === "version" ? `Cilium ${before.version} → ${after.version}` : LIVE_CHANGES[change];
    return `Live change, ${what}: ${consequenceOf(change)}. See ${PAGE}`;
  });
  const chosen = choiceChanges(old, next);
  return chosen.length === 0 ? warnings : [...warnings, `Live change, ${chosen.join(", ")}: ${UNMEASURED}`];
}

const UNMEASURED = "agents restart on every node; interruptions were not measured";

function consequenceOf(change: LiveChange): string {
  const measured = MEASURED.find((each) => each.change === change);
  if (measured === undefined) return UNMEASURED;
  const { flows } = measured;
  const runs = measured.runs === 1 ? "1 measured run" : `${measured.runs} measured runs`;
  if (flows.length === 0) return `no flow was interrupted in ${runs}`;
  const broken = flows.filter(({ brokenIn }) => brokenIn > 0).sort((a, b) => b.brokenIn - a.brokenIn);
  const others = broken.length - MAX_NAMED;
  const lossy = flows
    .filter(({ brokenIn }) => brokenIn === 0)
    .sort((a, b) => b.gapSeconds[1] - a.gapSeconds[1])
    .slice(0, MAX_NAMED);
  return [
    ...(broken.length === 0
      ? []
      : [
          `broken connections in ${runs}: ${broken.slice(0, MAX_NAMED).map(brokenText).join(", ")}${others > 0 ? ` and ${others} more` : ""}`,
        ]),
    ...(lossy.length === 0 ? [] : [`longest gaps: ${lossy.map(gapText).join(", ")}`]),
  ].join("; ");
}

const brokenText = ({ title, brokenIn }: MeasuredFlow) => `${title} (${brokenIn})`;
const gapText = ({ title, gapSeconds }: MeasuredFlow) => `${title} ${gapSeconds[1].toFixed(1)} s`;

const withoutNulls = (config: CiliumConfig) =>
  Object.fromEntries(Object.entries(config).flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
