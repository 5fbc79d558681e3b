import type { Readable } from "node:stream";
import { lastLine, type Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";
import type { Break, Probe, Series, Span } from "./series";

/** Timeout of a client's first probe. */
const START_SECONDS = 60;

/** A client prints several lines per second; a longer silence means that its connection or node is lost. */
const SILENT_MS = 15_000;

/** Interval between attempts to restart a client. */
const RETRY_MS = 500;

/** Timeout of a client's last report after it is told to end. */
const END_SECONDS = 10;

/** The output of one session, by the sender's clock, whose origin is arbitrary. */
interface Recording {
  /** Offset of the sender's clock: the smallest that is consistent with the arrival of every line. */
  offset: number;
  readonly lines: Map<string, Line[]>;
}

/** A line about a flow. */
interface Line {
  readonly at: number;
  readonly result: string;
  readonly rest: string;
}

/**
 * Runs the program `flow` in one place. If its session ends (its pod or node restarts, or the connection breaks), it is
 * restarted, and the time in between counts as unobserved.
 */
export class Client {
  private readonly recordings: Recording[] = [];
  private readonly holes: Span[] = [];
  private session: Session | undefined;
  private heardAt = 0;
  /** Start of the current interruption; undefined while the program sends. */
  private holeFrom: number | undefined;
  private isReady = false;
  private isEnding = false;
  private retry: NodeJS.Timeout | undefined;
  private readonly watchdog: NodeJS.Timeout;
  private markReady: () => void = () => undefined;
  private markEnded: () => void = () => undefined;
  private markFailed: (reason: Error) => void = () => undefined;
  /** Resolves after the first probe. @throws Error with the program's output if there is none */
  readonly ready: Promise<void>;
  private readonly ended: Promise<void>;

  /**
   * @param name of the pod, node or container, for messages
   * @param flows ids of its flows
   * @param start runs the program with current arguments
   * @param clock milliseconds since the start of the watch
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

  /** Restart the program, such as for new addresses. */
  restart(): void {
    const { session } = this;
    this.session = undefined;
    session?.end();
    this.attach();
  }

  /** Let the program report its last probes, and end it. */
  async end(): Promise<void> {
    this.isEnding = true;
    clearInterval(this.watchdog);
    clearTimeout(this.retry);
    if (!this.isReady) this.holes.push({ from: this.holeFrom ?? this.heardAt, to: this.clock() });
    if (this.session === undefined) return this.markEnded();
    this.session.end();
    await within(END_SECONDS, this.ended).catch(() => undefined);
  }

  /** Time of a flow's last answer; undefined before the first. */
  lastAnswer(flow: string): number | undefined {
    for (const { lines, offset } of [...this.recordings].reverse()) {
      const line = lines.get(flow)?.findLast(({ result }) => result === "ok");
      if (line !== undefined) return line.at + Number(line.rest) + offset;
    }
    return undefined;
  }

  /** Unobserved times so far. */
  unobserved(): Span[] {
    const from = this.holeFrom ?? (this.session === undefined ? this.heardAt : undefined);
    return from === undefined || this.isEnding ? this.holes : [...this.holes, { from, to: this.clock() }];
  }

  /** The probes of a flow so far. */
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
    // continue an interruption that has not ended
    const since = (this.holeFrom ??= this.heardAt);
    this.heardAt = this.clock();
    let log = "";
    session.stderr.on("data", (chunk: Buffer) => (log += chunk.toString())).on("error", () => undefined);
    eachLine(session.stdout, (line) => {
      // ignore the rest of a replaced session
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
      .on("error", (error: Error) => (log ||= error.message))
      .once("close", () => {
        if (this.session !== session) return;
        this.session = undefined;
        this.isReady = false;
        if (this.isEnding) return this.markEnded();
        if (isFirst && recording.offset === Infinity) {
          this.markFailed(new Error(`${this.name}: ${lastLine(log) ?? "the program flow exited at once"}`));
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
