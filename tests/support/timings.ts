import { readFileSync } from "node:fs";

interface Event {
  readonly ph: "M" | "B" | "E";
  readonly pid: number;
  readonly tid?: number;
  readonly name?: string;
  readonly ts?: number;
  readonly args?: { readonly name?: string; readonly sort_index?: number };
}

/** A span of a file of timings. */
interface Span {
  readonly row: string;
  /** Its name, after those of the spans around it. */
  readonly name: string;
  /** In seconds; undefined for a span that never ended. */
  readonly seconds: number | undefined;
}

/** A file of timings as a viewer reads it. */
export interface Timings {
  readonly title: string;
  /** In the order in which they began. */
  readonly spans: readonly Span[];
}

/** Read a file of timings, whose closing bracket viewers do not need. @throws Error if rows or spans do not fit together */
export function readTimings(file: string): Timings {
  const [head, ...events] = JSON.parse(`${readFileSync(file, "utf8")}]`) as Event[];
  const rows = new Map(events.flatMap(({ tid, name, args }) => (name === "thread_name" ? [[tid, args!.name!]] : [])));
  const spans: { row: string; name: string; seconds: number | undefined }[] = [];
  const open = new Map<number, { index: number; from: number }[]>();
  for (const { ph, tid, name, ts } of events.filter((event) => event.ph !== "M")) {
    const row = rows.get(tid);
    if (row === undefined || !Number.isInteger(ts) || ts! < 0) throw new Error(`${name} has no row or no time`);
    const around = open.get(tid!) ?? [];
    open.set(tid!, around);
    if (ph === "B") {
      const parent = around.at(-1);
      spans.push({
        row,
        name: parent === undefined ? name! : `${spans[parent.index]!.name} > ${name}`,
        seconds: undefined,
      });
      around.push({ index: spans.length - 1, from: ts! });
    } else {
      const ended = around.pop();
      if (ended === undefined) throw new Error(`${row}: nothing ends here`);
      if (ts! < ended.from) throw new Error(`${spans[ended.index]!.name} ends before it begins`);
      spans[ended.index]!.seconds = (ts! - ended.from) / 1e6;
    }
  }
  return { title: head!.args!.name!, spans };
}

/** The spans of a row by name, with `…` after those that never ended. */
export const spansOf = ({ spans }: Timings, row: string) =>
  spans.flatMap((span) => (span.row === row ? [`${span.name}${span.seconds === undefined ? "…" : ""}`] : []));
