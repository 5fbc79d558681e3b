import type { Readable } from "node:stream";
import { lastLine, type Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";
import type { Break, Probe, Series, Span } from "./series";

/** How long a client may take to send its first probe. */
const START_SECONDS = 60;

/** A client prints several lines a second; one that is silent for longer has lost its reader, or its node. */
const SILENT_MS = 15_000;

/** Between two attempts to start a client again. */
const RETRY_MS = 500;

/** How long a client may take to report its last probes when it is told to end. */
const END_SECONDS = 10;

/** What one session printed; its clock is the sender's, and begins anywhere. */
interface Recording {
  /** What must be added to the sender's clock; the least that any line's arrival allows. */
  offset: number;
  readonly lines: Map<string, Line[]>;
}

/** One of the program's lines on a flow. */
interface Line {
  readonly at: number;
  readonly result: string;
  readonly rest: string;
}

/**
 * The program `flow`, kept at work in one place. When its session ends (its pod or node restarts, or the connection to
 * it breaks), it is started again, and the time between is kept as unobserved.
 */
export class Client {
  private readonly recordings: Recording[] = [];
  private readonly holes: Span[] = [];
  private session: Session | undefined;
  private heardAt = 0;
  /** Since when nobody has sent; undefined while somebody does. */
  private holeFrom: number | undefined;
  private isReady = false;
  private isEnding = false;
  private retry: NodeJS.Timeout | undefined;
  private readonly watchdog: NodeJS.Timeout;
  private markReady: () => void = () => undefined;
  private markEnded: () => void = () => undefined;
  private markFailed: (reason: Error) => void = () => undefined;
  /** The client has sent its first probe. @throws Error when it does not, with what it said */
  readonly ready: Promise<void>;
  private readonly ended: Promise<void>;

  /**
   * @param name for messages: a pod, a node, or the container outside
   * @param flows ids of its flows
   * @param start runs the program with the arguments that are right now
   * @param clock milliseconds since the watch began
   */
  constructor(
    readonly name: string,
    readonly flows: ReadonlySet<string>,
    private readonly start: () => Session,
    private readonly clock: () => number,
  ) {
    const first = new Promise<void>((resolve, reject) => {
      this.markReady = resolve;
      this.markFailed = reject;
    });
    this.ended = new Promise((resolve) => (this.markEnded = resolve));
    this.ready = within(START_SECONDS, first, `${name} sends no probes`);
    this.ready.catch(() => undefined);
    this.watchdog = setInterval(() => {
      const patience = this.isReady ? SILENT_MS : START_SECONDS * 1000;
      if (this.session !== undefined && this.clock() - this.heardAt > patience) this.restart();
    }, RETRY_MS);
    this.attach();
  }

  /** Start the program again, such as for other addresses. */
  restart(): void {
    const { session } = this;
    this.session = undefined;
    session?.end();
    this.attach();
  }

  /** Have it report its last probes, and end. */
  async end(): Promise<void> {
    this.isEnding = true;
    clearInterval(this.watchdog);
    clearTimeout(this.retry);
    if (!this.isReady) this.holes.push({ from: this.holeFrom ?? this.heardAt, to: this.clock() });
    if (this.session === undefined) return this.markEnded();
    this.session.end();
    await within(END_SECONDS, this.ended).catch(() => undefined);
  }

  /** When this flow's last answer came; undefined before the first. */
  lastAnswer(flow: string): number | undefined {
    for (const { lines, offset } of [...this.recordings].reverse()) {
      const line = lines.get(flow)?.findLast(({ result }) => result === "ok");
      if (line !== undefined) return line.at + Number(line.rest) + offset;
    }
    return undefined;
  }

  /** When nobody sent or recorded, so far. */
  unobserved(): Span[] {
    const from = this.holeFrom ?? (this.session === undefined ? this.heardAt : undefined);
    return from === undefined || this.isEnding ? this.holes : [...this.holes, { from, to: this.clock() }];
  }

  /** All that was seen of a flow, so far. */
  series(flow: string): Series {
    const probes: Probe[] = [];
    const breaks: Break[] = [];
    for (const { lines, offset } of this.recordings) {
      for (const line of lines.get(flow) ?? []) {
        const at = line.at + offset;
        if (line.result === "broken") breaks.push({ at, why: line.rest });
        else if (line.result === "ok") probes.push({ sentAt: at, answeredAt: at + Number(line.rest) });
        else probes.push({ sentAt: at, why: line.rest });
      }
    }
    return { probes, breaks, unobserved: this.unobserved() };
  }

  private attach(): void {
    let session: Session;
    try {
      session = this.start();
    } catch (error) {
      this.markFailed(error as Error);
      return this.attachLater();
    }
    const isFirst = this.recordings.length === 0;
    const recording: Recording = { offset: Infinity, lines: new Map([...this.flows].map((flow) => [flow, []])) };
    this.session = session;
    this.isReady = false;
    // where nobody has been heard since, the hole goes on
    const since = (this.holeFrom ??= this.heardAt);
    this.heardAt = this.clock();
    let said = "";
    session.stderr.on("data", (chunk: Buffer) => (said += chunk.toString())).on("error", () => undefined);
    eachLine(session.stdout, (line) => {
      // one that was given up may still have something to say
      if (this.session !== session) return;
      const arrival = this.clock();
      this.heardAt = Math.max(this.heardAt, arrival);
      const [flow = "", at = "", result = "", ...rest] = line.split(" ");
      if (flow === "end") return this.markEnded();
      if (flow === "ready") {
        if (!isFirst) this.holes.push({ from: since, to: arrival });
        this.holeFrom = undefined;
        this.isReady = true;
        this.recordings.push(recording);
        recording.offset = arrival - Number(at);
        return this.markReady();
      }
      recording.lines.get(flow)?.push({ at: Number(at), result, rest: rest.join(" ") });
      if (result === "ok") recording.offset = Math.min(recording.offset, arrival - Number(at) - Number(rest[0]));
    });
    session.stdout
      .on("error", (error: Error) => (said ||= error.message))
      .once("close", () => {
        if (this.session !== session) return;
        this.session = undefined;
        this.isReady = false;
        if (this.isEnding) return this.markEnded();
        if (isFirst && recording.offset === Infinity) {
          this.markFailed(new Error(`${this.name}: ${lastLine(said) ?? "the program flow ended at once"}`));
        }
        this.attachLater();
      });
  }

  private attachLater(): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.attach(), RETRY_MS);
  }
}

function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop()!;
    lines.forEach(onLine);
  });
}
