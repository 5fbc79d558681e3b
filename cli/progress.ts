/** How long something may take before anybody is told what is being waited for. */
const PATIENCE_MILLISECONDS = 2000;

/** How often it is told where lines cannot be written over. */
const REMINDER_MILLISECONDS = 30_000;

/** What a command is at, on standard error. */
export interface Progress {
  /** What is being waited for from now on. */
  at(what: string): void;
  /** Tell a line that stays. */
  say(line: string): void;
}

type Stream = Pick<NodeJS.WriteStream, "write" | "isTTY">;

/**
 * Do something, telling what is being waited for and since when as soon as that takes longer than two seconds: in a
 * terminal by a line that is written over and goes in the end, elsewhere by a line now and then.
 */
export async function withProgress<T>(
  what: string,
  work: (progress: Progress) => Promise<T>,
  stream: Stream = process.stderr,
): Promise<T> {
  let now = what;
  let since = Date.now();
  const text = () => `${now} … ${Math.round((Date.now() - since) / 1000)} s`;
  const shown = stream.isTTY ? await spinner(text, stream as NodeJS.WriteStream) : reminder(text, stream);
  try {
    return await work({
      at(next) {
        if (next === now) return;
        now = next;
        since = Date.now();
        shown.changed();
      },
      say: (line) => shown.above(line),
    });
  } finally {
    shown.end();
  }
}

/** What is shown of something under way. */
interface Shown {
  /** Something else is being waited for. */
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
    above(told) {
      const wasShown = line.isSpinning;
      if (wasShown) line.stop();
      stream.write(`${told}\n`);
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
  const tell = () => void stream.write(`${text()}\n`);
  let timer: NodeJS.Timeout;
  const again = () => {
    tell();
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
