/** One probe of a flow. All times here are milliseconds since the end of the baseline, and negative before it. */
export interface Probe {
  readonly sentAt: number;
  /** When the answer came; undefined: it was lost. */
  readonly answeredAt?: number | undefined;
  /** Why it was lost. */
  readonly why?: string | undefined;
}

/** A kept connection that ended. */
export interface Break {
  readonly at: number;
  readonly why: string;
}

/** A part of the watch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** All that was seen of one flow. */
export interface Series {
  readonly probes: readonly Probe[];
  readonly breaks: readonly Break[];
  /** When nobody sent or recorded: the sender's session was interrupted, or its pod or node was down. */
  readonly unobserved: readonly Span[];
}

/** How a watch is judged. */
export interface WatchMethod {
  readonly intervalMs: number;
  /** After so long without an answer a probe is lost. */
  readonly timeoutMs: number;
}

/** A time without an answer that is longer than usual. */
export interface Gap extends Span {
  /** Of that time, ms in which control flows stalled or nobody observed the flow. */
  readonly excusedMs: number;
}

/** What became of one flow after the baseline. */
export interface FlowResult {
  readonly sent: number;
  /** Without those that the machine lost. */
  readonly lost: number;
  /** Lost while control flows stalled. */
  readonly lostByMachine: number;
  /** Reasons of lost probes with their numbers, most frequent first. */
  readonly reasons: readonly (readonly [why: string, times: number])[];
  readonly breaks: readonly Break[];
  /** Gaps that are longer than the baseline's, in time order. */
  readonly gaps: readonly Gap[];
  /** The gap that is longest without what is excused. */
  readonly longest: Gap | undefined;
  /** Probes sent and lost in the baseline. */
  readonly baseline: { readonly sent: number; readonly lost: number };
  readonly verdict: FlowVerdict;
}

/**
 * `ok`: nothing was lost beyond the control flows and the baseline; `interrupted`: probes were lost, a kept connection
 * ended, or it stood still for longer than a probe's timeout; `silent`: never an answer, before or after.
 */
export type FlowVerdict = "ok" | "interrupted" | "silent";

/** Gaps are told from the usual jitter by several intervals. */
const USUAL_INTERVALS = 3;

/** How much longer than the longest gap of the baseline a gap must be. */
const BEYOND_BASELINE = 2;

/** The share of a lost probe's time that a stall must cover for the loss to be the machine's. */
const MACHINE_SHARE = 0.5;

/** When the machine stalled: no control flow of some sender got an answer for several intervals. */
export function stallsOf(controls: readonly Series[], method: WatchMethod): Span[] {
  const stalls = controls.flatMap((series) =>
    gapsOf(series)
      .filter((gap) => gap.to - gap.from > USUAL_INTERVALS * method.intervalMs)
      // until the next answer was due, all was well
      .map(({ from, to }) => ({ from: from + method.intervalMs, to }))
      .flatMap((stall) => without(stall, series.unobserved)),
  );
  return union(stalls);
}

/** Judge one flow by its probes and by when the machine stalled. */
export function judgeFlow(series: Series, stalls: readonly Span[], method: WatchMethod): FlowResult {
  const { intervalMs, timeoutMs } = method;
  const before = series.probes.filter(({ sentAt }) => sentAt < 0);
  const after = series.probes.filter(({ sentAt }) => sentAt >= 0);
  const lostOf = (probes: readonly Probe[]) => probes.filter(({ answeredAt }) => answeredAt === undefined);
  const isMachines = ({ sentAt }: Probe) =>
    overlap({ from: sentAt, to: sentAt + timeoutMs }, stalls) >= MACHINE_SHARE * timeoutMs;
  const allLost = lostOf(after);
  const lost = allLost.filter((probe) => !isMachines(probe));
  const baseline = { sent: before.length, lost: lostOf(before).length };
  const breaks = series.breaks.filter(({ at }) => at >= 0);

  const excuses = union([...stalls, ...series.unobserved]);
  const beyond = ({ from, to }: Span) => to - from - overlap({ from, to }, excuses);
  const all = gapsOf(series).map((gap) => ({ ...gap, excusedMs: overlap(gap, excuses) }));
  const usual = Math.max(
    USUAL_INTERVALS * intervalMs,
    BEYOND_BASELINE * Math.max(0, ...all.filter(({ to }) => to <= 0).map(beyond)),
  );
  const gaps = all.filter((gap) => gap.to > 0 && beyond(gap) > usual);
  const longest = gaps.reduce<Gap | undefined>(
    (most, gap) => (most === undefined || beyond(gap) > beyond(most) ? gap : most),
    undefined,
  );
  const isUsualLoss = lost.length * baseline.sent <= baseline.lost * after.length;
  const isInterrupted =
    (lost.length > 0 && !isUsualLoss) || breaks.length > 0 || (longest !== undefined && beyond(longest) > timeoutMs);
  const isSilent = series.probes.every(({ answeredAt }) => answeredAt === undefined);
  return {
    sent: after.length,
    lost: lost.length,
    lostByMachine: allLost.length - lost.length,
    reasons: countReasons(lost),
    breaks,
    gaps,
    longest,
    baseline,
    verdict: isSilent ? "silent" : isInterrupted ? "interrupted" : "ok",
  };
}

/** The times without an answer, from when the first probe was sent to when the last one was. */
function gapsOf({ probes }: Series): Span[] {
  if (probes.length === 0) return [];
  const answers = probes.flatMap(({ answeredAt }) => answeredAt ?? []).sort((a, b) => a - b);
  const sent = probes.map(({ sentAt }) => sentAt);
  const first = sent.reduce((a, b) => Math.min(a, b));
  const last = sent.reduce((a, b) => Math.max(a, b));
  const points = [first, ...answers, ...(last > (answers.at(-1) ?? first) ? [last] : [])];
  return points.slice(1).map((to, index) => ({ from: points[index]!, to }));
}

function countReasons(lost: readonly Probe[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { why = "no answer" } of lost) counts.set(why, (counts.get(why) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

/** The same time without overlaps, in order. */
function union(spans: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last !== undefined && span.from <= last.to) {
      joined[joined.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
    } else joined.push(span);
  }
  return joined;
}

/** How much of a span others cover, which do not overlap. */
function overlap({ from, to }: Span, others: readonly Span[]): number {
  return others.reduce((sum, other) => sum + Math.max(0, Math.min(to, other.to) - Math.max(from, other.from)), 0);
}

/** What is left of a span without others. */
function without(span: Span, others: readonly Span[]): Span[] {
  return union(others).reduce<Span[]>(
    (left, other) =>
      left.flatMap(({ from, to }) =>
        [
          { from, to: Math.min(to, other.from) },
          { from: Math.max(from, other.to), to },
        ].filter((part) => part.to > part.from),
      ),
    [span],
  );
}
