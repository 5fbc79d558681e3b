import type { FlowReport, WatchReport } from "../datapath/watch/watch";
import type { Gap, Span } from "../datapath/watch/series";
import { table, type Look } from "../render/terminal";

/** The report of a watch for a terminal. */
export function watchText(stack: string, report: WatchReport, look: Look): string {
  const { red, green, dim } = look.colors;
  const { flows, seconds, method, stalls, unobserved, omitted } = report;
  const perSecond = Math.round(1000 / method.intervalMs);
  const measured = flows.filter(({ isControl }) => !isControl);
  const bad = measured.filter(({ verdict }) => verdict !== "ok");
  const all = `${measured.length} flows, ${perSecond} probes a second each, for ${seconds} s`;
  const verdict =
    report.verdict === "uninterrupted"
      ? green(`${stack}: no flow was interrupted (${all})`)
      : red(`${stack}: ${bad.length} of ${all} were interrupted`);
  return [
    flowTable(flows, look),
    "",
    ...stallLines(stalls),
    ...unobserved.map((span) => `No data from ${span.sender} for ${length(span)} (${at(span.from)})`),
    ...omitted.map(({ title, reason }) => dim(`Not sent: ${title}: ${reason}`)),
    verdict,
  ].join("\n");
}

/** A row for each flow. */
export function flowTable(flows: readonly FlowReport[], look: Look): string {
  const { bold, dim, red } = look.colors;
  const head = ["flow", "sent", "lost", "longest gap", "at", "events"].map((title) => bold(title));
  const rows = flows.map((flow) => {
    const paint = flow.isControl ? dim : flow.verdict === "ok" ? (text: string) => text : red;
    const { title, sent, lost, longest } = flow;
    const gap = longest === undefined ? "" : gapText(longest);
    const begin = longest === undefined ? "" : at(longest.from);
    return [title, String(sent), String(lost), gap, begin, happened(flow)].map((cell) => (cell ? paint(cell) : ""));
  });
  return table([head, ...rows], look);
}

/** The events of a flow in a few words. */
function happened({ verdict, reasons, breaks, lostByMachine, baseline }: FlowReport): string {
  const parts = [
    ...(verdict === "silent" ? ["no answer at all"] : []),
    ...breaks.map(({ at: when, why }) => `connection broken ${at(when)}: ${why}`),
    ...reasons.slice(0, 2).map(([why, times]) => `${why} (${times})`),
    ...(lostByMachine > 0 ? [`${lostByMachine} more lost while the machine stalled`] : []),
    ...(baseline.lost > 0 ? [`${baseline.lost} of ${baseline.sent} lost in the baseline`] : []),
  ];
  return parts.join("; ");
}

function stallLines(stalls: readonly Span[]): string[] {
  if (stalls.length === 0) return [];
  const longest = stalls.reduce((a, b) => (b.to - b.from > a.to - a.from ? b : a));
  const times = stalls.length === 1 ? "once" : `${stalls.length} times`;
  const most = stalls.length === 1 ? `for ${length(longest)}` : `for ${length(longest)} at most`;
  return [`The machine itself stalled ${times}, ${most} (${at(longest.from)}); control flows show it`];
}

/** A gap, and the part of it for which the machine stalled. */
function gapText(gap: Gap): string {
  const excused = gap.excusedMs >= 100 ? ` (stalled ${seconds(gap.excusedMs)})` : "";
  return `${length(gap)}${excused}`;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const length = ({ from, to }: Span) => seconds(to - from);

/** A time, counted from the end of the baseline. */
export const at = (ms: number) => `${ms < 0 ? "-" : "+"}${seconds(Math.abs(ms))}`;
