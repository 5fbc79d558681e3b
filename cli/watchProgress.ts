import { clearScreenDown, moveCursor } from "node:readline";
import type { Watch, WatchReport } from "../datapath/watch/watch";
import { lookOf } from "./environment";
import { at, flowTable } from "./watchText";

/** How often the display is updated. */
const SHOW_MS = 1000;

/**
 * Show the state of a watch on standard error until {@link end}: in a terminal a table that is overwritten; elsewhere, or
 * beside another command's output, a line for each gap and each broken connection.
 */
export function showMeanwhile(watch: Pick<Watch, "report">, stack: string, { isLive }: { isLive: boolean }) {
  const stream = process.stderr;
  const show = isLive && stream.isTTY ? liveTable(stream, stack) : lines(stream);
  const timer = setInterval(() => show.next(watch.report()), SHOW_MS);
  return {
    end() {
      clearInterval(timer);
      show.end();
    },
  };
}

interface Shown {
  next(report: WatchReport): void;
  end(): void;
}

function liveTable(stream: NodeJS.WriteStream, stack: string): Shown {
  let height = 0;
  const erase = () => {
    if (height > 0) moveCursor(stream, 0, -height);
    clearScreenDown(stream);
    height = 0;
  };
  return {
    next(report) {
      const title = `${stack}: ${report.seconds} s; press Ctrl-C to stop`;
      const text = `${title}\n${flowTable(report.flows, lookOf(stream))}\n`.split("\n");
      // lines that scrolled out of the terminal cannot be overwritten
      const shown = text.slice(0, (stream.rows ?? text.length) - 1);
      erase();
      stream.write(`${shown.join("\n")}\n`);
      height = shown.length;
    },
    end: erase,
  };
}

function lines(stream: NodeJS.WriteStream): Shown {
  const written = new Set<string>();
  return {
    next(report) {
      for (const { time, text } of eventsOf(report)) {
        if (written.has(text)) continue;
        written.add(text);
        stream.write(`watch ${at(time)}: ${text}\n`);
      }
    },
    end: () => undefined,
  };
}

/** The events so far, in time order. */
function eventsOf({ flows }: WatchReport): { time: number; text: string }[] {
  return flows
    .filter(({ isControl }) => !isControl)
    .flatMap(({ title, gaps, breaks }) => [
      ...gaps.map(({ from }) => ({ time: from, text: `${title}: no answer since ${at(from)}` })),
      ...breaks.map(({ at: time, why }) => ({ time, text: `${title}: connection broken (${why}) ${at(time)}` })),
    ])
    .sort((a, b) => a.time - b.time);
}
