import { PassThrough } from "node:stream";
import type { OutsideClient } from "../host/outside";
import type { Conversation, Session } from "./podExec";
import type { EvidenceCluster } from "./read";

/** Everything that a cluster answered while it was recorded. Plain data: it can be kept as JSON. */
export interface Recording {
  /** When it began, in ISO 8601. */
  readonly recordedAt: string;
  /** The calls with their arguments, and the numbers of their answers, in order. */
  readonly calls: Readonly<Record<string, readonly number[]>>;
  /** Each different answer once, as JSON. */
  readonly answers: readonly string[];
}

/** An answer; the fields that it has say what it is. */
interface Answer {
  readonly value?: unknown;
  readonly error?: string;
  /** A command that ran for a while, with its output in base64. */
  readonly session?: { readonly stdout: string; readonly stderr: string };
  /** A client outside the cluster. */
  readonly outside?: string;
}

type Member = (...args: readonly unknown[]) => unknown;

/** A running cluster whose answers are kept. Its clock stands still, so that marks of probes are the same in a replay. */
export function record<C extends EvidenceCluster>(cluster: C): { cluster: C; recording: () => Recording } {
  const now = cluster.now();
  const calls = new Map<string, number[]>();
  const answers = new Map<string, number>();
  const keep = (call: string, answer: Answer) => {
    const text = toJson(answer);
    if (!answers.has(text)) answers.set(text, answers.size);
    calls.get(call)!.push(answers.get(text)!);
  };
  const kept =
    (name: string, member: Member): Member =>
    (...args) => {
      const call = callOf(name, args);
      if (!calls.has(call)) calls.set(call, []);
      const result = member(...args);
      if (!(result instanceof Promise))
        return keptSession(result as Conversation, (session) => keep(call, { session }));
      return result.then(
        (value: unknown) => {
          if (name !== "startOutside") {
            keep(call, { value });
            return value;
          }
          const { address, run, end } = value as OutsideClient;
          keep(call, { outside: address });
          return { address, run: kept("outside", run as Member), end };
        },
        (error: Error) => {
          keep(call, { error: error.message });
          throw error;
        },
      );
    };
  const members = Object.entries(cluster).map(([name, member]): [string, unknown] => [
    name,
    // shells change how commands start, not what they answer
    typeof member === "function" && name !== "keepShells" ? kept(name, member as Member) : member,
  ]);
  return {
    cluster: { ...(Object.fromEntries(members) as unknown as C), now: () => now },
    // with what arrives until it is written down: a session's output is complete only when it has ended
    recording: () => ({
      recordedAt: new Date(now).toISOString(),
      get calls() {
        return Object.fromEntries(calls);
      },
      get answers() {
        return [...answers.keys()];
      },
    }),
  };
}

/** A cluster that answers as the recorded one did; what was not asked then is refused. */
export function replay<C extends EvidenceCluster>({ recordedAt, calls, answers }: Recording): C {
  const asked = new Map<string, number>();
  const answerOf = (call: string): Answer => {
    const numbers = calls[call];
    if (numbers === undefined || numbers.length === 0)
      throw new Error(`The recorded cluster was not asked this: ${call.slice(0, 120)}`);
    const turn = asked.get(call) ?? 0;
    asked.set(call, turn + 1);
    return fromJson(answers[numbers[Math.min(turn, numbers.length - 1)]!]!) as Answer;
  };
  const replayed =
    (name: string): Member =>
    (...args) => {
      const found = () => answerOf(callOf(name, args));
      if (name === "start" || name === "startOnNode") return replayedSession(found());
      return Promise.resolve()
        .then(found)
        .then(({ value, error, outside }) => {
          if (error !== undefined) throw new Error(error);
          if (outside === undefined) return value;
          return { address: outside, run: replayed("outside"), end: () => Promise.resolve() };
        });
    };
  const names = new Set(Object.keys(calls).map((call) => call.slice(0, call.indexOf("("))));
  const members = [...names].map((name) => [name, replayed(name)]);
  return { ...(Object.fromEntries(members) as C), now: () => Date.parse(recordedAt) };
}

const callOf = (name: string, args: readonly unknown[]) => `${name}(${JSON.stringify(args).slice(1, -1)})`;

/** The same session, with its output kept once it has ended. */
function keptSession(session: Conversation, keep: (output: { stdout: string; stderr: string }) => void): Conversation {
  const [stdout, stderr] = [collected(session.stdout), collected(session.stderr)];
  void Promise.all([stdout.whole, stderr.whole]).then(([out, err]) => keep({ stdout: out, stderr: err }));
  return { ...session, stdout: stdout.stream, stderr: stderr.stream };
}

function collected(from: Session["stdout"]) {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  from.on("data", (chunk: Buffer) => chunks.push(Buffer.from(chunk)));
  const whole = new Promise<string>((resolve) =>
    from.once("close", () => resolve(Buffer.concat(chunks).toString("base64"))),
  );
  from.once("error", (error) => stream.destroy(error));
  from.pipe(stream);
  return { stream, whole };
}

/** A session that has printed everything and ended. */
function replayedSession({ session }: Answer): Conversation {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  stdout.end(Buffer.from(session?.stdout ?? "", "base64"));
  stderr.end(Buffer.from(session?.stderr ?? "", "base64"));
  return { stdout, stderr, send: () => undefined, end: () => undefined };
}

/** JSON that also keeps dates and maps. */
function toJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, shown: unknown) {
    // dates have become text before they get here
    const own = this[key];
    if (own instanceof Date) return { $date: own.toISOString() };
    return own instanceof Map ? { $map: [...(own as Map<unknown, unknown>)] } : shown;
  });
}

function fromJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    const { $date, $map } = value as { $date?: string; $map?: [unknown, unknown][] };
    return $date !== undefined ? new Date($date) : $map !== undefined ? new Map($map) : value;
  });
}
