/** One probe of a flow. All times are milliseconds since the end of the baseline, negative before it. */
export interface Probe {
  readonly sentAt: number;
  /** Time of the answer; undefined if the probe was lost. */
  readonly answeredAt?: number | undefined;
  /** Why it was lost. */
  readonly why?: string | undefined;
}

/** A broken connection. */
export interface Break {
  readonly at: number;
  readonly why: string;
}

/** A span of time. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** All observations of one flow. */
export interface Series {
  readonly probes: readonly Probe[];
  readonly breaks: readonly Break[];
  /** Times without probes: the sender's session was interrupted, or its pod or node was down. */
  readonly unobserved: readonly Span[];
}

/** Parameters of a watch. */
export interface WatchMethod {
  readonly intervalMs: number;
  /** A probe without an answer is lost after this time. */
  readonly timeoutMs: number;
}

/** An unusually long time without an answer. */
export interface Gap extends Span {
  /** Part of it, in ms, in which control flows stalled or the flow was unobserved. */
  readonly excusedMs: number;
}

/** Result of one flow after the baseline. */
export interface FlowResult {
  readonly sent: number;
  /** Lost probes, without those lost by the machine. */
  readonly lost: number;
  /** Probes lost while control flows stalled. */
  readonly lostByMachine: number;
  /** Reasons of losses with their counts, most frequent first. */
  readonly reasons: readonly (readonly [why: string, times: number])[];
  readonly breaks: readonly Break[];
  /** Gaps longer than the baseline's, by time. */
  readonly gaps: readonly Gap[];
  /** The longest gap, not counting excused time. */
  readonly longest: Gap | undefined;
  /** Probes sent and lost in the baseline. */
  readonly baseline: { readonly sent: number; readonly lost: number };
  readonly verdict: FlowVerdict;
}

/**
 * `ok`: no losses beyond those of control flows and baseline; `interrupted`: probes were lost, a kept connection broke, or
 * it stalled for longer than a probe's timeout; `silent`: never an answer, neither before nor after the baseline.
 */
export type FlowVerdict = "ok" | "interrupted" | "silent";

/** A gap is longer than this number of intervals; shorter ones are jitter. */
const USUAL_INTERVALS = 3;

/** A gap is this many times longer than the longest of the baseline. */
const BEYOND_BASELINE = 2;

/** A loss is the machine's if stalls cover this share of the probe's timeout. */
const MACHINE_SHARE = 0.5;

/** Times at which the machine stalled: control flows got no answer for several intervals. */
export function stallsOf(controls: readonly Series[], method: WatchMethod): Span[] {
  const stalls = controls.flatMap((series) =>
    gapsOf(series)
      .filter((gap) => gap.to - gap.from > USUAL_INTERVALS * method.intervalMs)
      // a stall starts when the next answer was due
      .map(({ from, to }) => ({ from: from + method.intervalMs, to }))
      .flatMap((stall) => without(stall, series.unobserved)),
  );
  return union(stalls);
}

/** Judge a flow by its probes and the machine's stalls. */
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

/** Times without an answer, between the first and the last probe. */
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

/** The union of spans, sorted. */
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

/** How much of a span is covered by others, which do not overlap. */
function overlap({ from, to }: Span, others: readonly Span[]): number {
  return others.reduce((sum, other) => sum + Math.max(0, Math.min(to, other.to) - Math.max(from, other.from)), 0);
}

/** A span without the parts that others cover. */
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
