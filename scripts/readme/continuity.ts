import type { FlowReport, WatchReport } from "../../datapath/watch/watch";
import {
  LIVE_CHANGES,
  MEASURED,
  type LiveChange,
  type MeasuredChange,
  type MeasuredFlow,
} from "../../modes/continuity";

/** A report of `watch` in `docs/continuity/`. */
export interface RecordedRun {
  readonly change: LiveChange;
  /** Cilium's version; with an arrow where it changed. */
  readonly cilium: string;
  readonly report: Pick<WatchReport, "startedAt" | "seconds" | "stalls" | "unobserved" | "verdict"> & {
    readonly flows: readonly RecordedFlow[];
  };
}

type RecordedFlow = Pick<FlowReport, "id" | "title" | "isControl" | "lost" | "longest" | "breaks" | "verdict">;

/** The measurements of each kind of change, from all its recorded runs. */
export function measuredChanges(runs: readonly RecordedRun[]): MeasuredChange[] {
  return (Object.keys(LIVE_CHANGES) as LiveChange[]).flatMap((change) => {
    const own = runs.filter((run) => run.change === change);
    if (own.length === 0) return [];
    const days = own.map(({ report }) => report.startedAt.slice(0, 10)).sort();
    const names = [...new Set(own.flatMap(({ report }) => report.flows.map(({ id }) => id)))];
    return {
      ...{
        change,
        runs: own.length,
        cilium: [...new Set(own.map(({ cilium }) => cilium))].join(", "),
        date: days.at(-1)!,
      },
      flows: names.flatMap((id) =>
        measuredFlow(own.flatMap(({ report }) => report.flows.filter((flow) => flow.id === id))),
      ),
    };
  });
}

/** One flow in several runs; none if it was never interrupted. */
function measuredFlow(flows: readonly RecordedFlow[]): MeasuredFlow[] {
  const { id, title, isControl } = flows[0]!;
  if (isControl || flows.every(({ verdict }) => verdict === "ok")) return [];
  const range = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)];
  const gaps = flows.map(({ longest }) =>
    longest === undefined ? 0 : Math.round((longest.to - longest.from - longest.excusedMs) / 100) / 10,
  );
  const brokenIn = flows.filter(({ breaks }) => breaks.length > 0).length;
  return [{ flow: id, title, lost: range(flows.map(({ lost }) => lost)), gapSeconds: range(gaps), brokenIn }];
}

/** Rows of the page's table: for each change, every flow that it interrupted. */
export function continuityRows(): string[][] {
  if (MEASURED.length === 0) return [["not measured yet", "", "", "", ""]];
  return MEASURED.flatMap(({ change, runs, cilium, flows }) => {
    const name = `${LIVE_CHANGES[change]} (Cilium ${cilium}, ${runs} ${runs === 1 ? "run" : "runs"})`;
    if (flows.length === 0) return [[name, "none", "", "", ""]];
    return flows.map(({ title, lost, gapSeconds, brokenIn }, index) => [
      index === 0 ? name : "",
      title,
      rangeText(lost, (value) => String(value)),
      // zero: no gap was longer than the baseline's
      rangeText(gapSeconds, (value) => (value === 0 ? "usual" : `${value.toFixed(1)} s`)),
      brokenIn === 0 ? "" : `in ${brokenIn} of ${runs} runs`,
    ]);
  });
}

function rangeText([least, most]: readonly [number, number], text: (value: number) => string): string {
  return least === most ? text(most) : `${text(least)} to ${text(most)}`;
}
