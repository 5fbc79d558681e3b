import type { CiliumConfig } from "./ciliumConfig";
import { tunnelOf } from "./ciliumConfig";
import measurements from "./continuity.json";

/**
 * What can be changed in a running cluster, or happen to it: `masquerade-on` and `masquerade-off` are the steps between
 * the modes replacement and ebpf.
 */
export const LIVE_CHANGES = {
  "masquerade-on": "replacement → ebpf",
  "masquerade-off": "ebpf → replacement",
  "tunnel-on": "native routing → VXLAN",
  "tunnel-off": "VXLAN → native routing",
  version: "another version of Cilium",
  "agent-restart": "restart of the agents",
  "node-restart": "restart of a node",
} as const;

export type LiveChange = keyof typeof LIVE_CHANGES;

/** What one kind of change did to one kind of flow, over all runs; a flow that lost nothing is not here. */
export interface MeasuredFlow {
  readonly flow: string;
  readonly title: string;
  /** Probes lost, least and most of a run. */
  readonly lost: readonly [number, number];
  /** The longest time without an answer in a run, least and most, in seconds. */
  readonly gapSeconds: readonly [number, number];
  /** In how many runs a kept connection broke. */
  readonly brokenIn: number;
}

/** What `cilium-modes watch` measured of one kind of change. */
export interface MeasuredChange {
  readonly change: LiveChange;
  readonly runs: number;
  /** Cilium's, as `1.20.2`; with an arrow where it changed. */
  readonly cilium: string;
  /** The day of the last run, as `2026-11-26`. */
  readonly date: string;
  readonly flows: readonly MeasuredFlow[];
}

/** Written from `docs/continuity/` by `scripts/continuity-table.ts`. */
export const MEASURED = measurements as unknown as readonly MeasuredChange[];

/** Where the measurements are explained. */
const PAGE = "docs/continuity.md";

/** The most flows that a warning names. */
const MOST_NAMED = 4;

/** A Cilium as a stack has recorded it. */
export interface RecordedCilium {
  /** A CiliumConfig in JSON. */
  readonly config?: string | undefined;
  readonly version?: string | undefined;
}

/** What a change of a running Cilium breaks, a sentence for each part of it; none where nothing is known to break. */
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
  return changes.map((change) => {
    const what = change === "version" ? `Cilium ${before.version} → ${after.version}` : LIVE_CHANGES[change];
    return `Live change, ${what}: ${consequenceOf(change)}. See ${PAGE}`;
  });
}

function consequenceOf(change: LiveChange): string {
  const measured = MEASURED.find((each) => each.change === change);
  if (measured === undefined) return "agents restart on every node; what that interrupts was not measured";
  const { runs, flows } = measured;
  if (flows.length === 0) return `no flow was interrupted in ${runs} measured runs`;
  const broken = flows.filter(({ brokenIn }) => brokenIn > 0);
  const lossy = flows
    .filter(({ brokenIn }) => brokenIn === 0)
    .sort((a, b) => b.gapSeconds[1] - a.gapSeconds[1])
    .slice(0, MOST_NAMED);
  return [
    ...(broken.length === 0
      ? []
      : [`broken connections in ${runs} measured runs: ${broken.map(brokenText).join(", ")}`]),
    ...(lossy.length === 0 ? [] : [`longest gaps: ${lossy.map(gapText).join(", ")}`]),
  ].join("; ");
}

const brokenText = ({ title, brokenIn }: MeasuredFlow) => `${title} (${brokenIn})`;
const gapText = ({ title, gapSeconds }: MeasuredFlow) => `${title} ${gapSeconds[1].toFixed(1)} s`;

const withoutNulls = (config: CiliumConfig) =>
  Object.fromEntries(Object.entries(config).flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
