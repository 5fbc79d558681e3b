import { start, steps } from "../host/timings.cjs";

/** Time until the user sees what the command is waiting for. */
const PATIENCE_MILLISECONDS = 2000;

/** How often the line is repeated where it cannot be overwritten. */
const REMINDER_MILLISECONDS = 30_000;

/** The progress of a command, on standard error. */
export interface Progress {
  /** Change what the command is waiting for, or how much of it is done. @param count such as `120 of 1,000` */
  at(what: string, count?: string): void;
  /** Print a line that stays. */
  say(line: string): void;
}

type Stream = Pick<NodeJS.WriteStream, "write" | "isTTY">;

/**
 * Do something, and after two seconds show what the command is waiting for, and for how long: in a terminal by one line
 * that is overwritten and removed at the end, elsewhere by a line every 30 seconds.
 */
export async function withProgress<T>(
  what: string,
  work: (progress: Progress) => Promise<T>,
  stream: Stream = process.stderr,
): Promise<T> {
  let now = what;
  let done = "";
  let since = Date.now();
  const text = () => `${now}${done} … ${Math.round((Date.now() - since) / 1000)} s`;
  const end = start(what, what);
  const step = steps(what);
  const shown = stream.isTTY ? await spinner(text, stream as NodeJS.WriteStream) : reminder(text, stream);
  try {
    return await work({
      at(next, count) {
        done = count === undefined ? "" : ` ${count}`;
        if (next === now) return;
        now = next;
        since = Date.now();
        step(next);
        shown.changed();
      },
      say: (line) => shown.above(line),
    });
  } finally {
    shown.end();
    step(undefined);
    end();
  }
}

/** The display of a progress. */
interface Shown {
  /** The text has changed. */
  changed(): void;
  above(line: string): void;
  end(): void;
}

async function spinner(text: () => string, stream: NodeJS.WriteStream): Promise<Shown> {
  const { default: ora } = await import("ora");
  // the terminal's keys stay as they are: Ctrl-C belongs to the command
  const line = ora({ stream, discardStdin: false });
  const start = () => void line.start(text());
  const patience = setTimeout(start, PATIENCE_MILLISECONDS);
  const clock = setInterval(() => (line.text = text()), 1000);
  return {
    changed: () => (line.text = text()),
    above(text) {
      const wasShown = line.isSpinning;
      if (wasShown) line.stop();
      stream.write(`${text}\n`);
      if (wasShown) start();
    },
    end() {
      clearTimeout(patience);
      clearInterval(clock);
      line.stop();
    },
  };
}

function reminder(text: () => string, stream: Stream): Shown {
  let timer: NodeJS.Timeout;
  const again = () => {
    stream.write(`${text()}\n`);
    timer = setTimeout(again, REMINDER_MILLISECONDS);
  };
  timer = setTimeout(again, PATIENCE_MILLISECONDS);
  return {
    changed() {
      clearTimeout(timer);
      timer = setTimeout(again, PATIENCE_MILLISECONDS);
    },
    above: (line) => void stream.write(`${line}\n`),
    end: () => clearTimeout(timer),
  };
}
