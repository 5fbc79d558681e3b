import type { ExpectedHop, ExpectedPath, Rewriter, PathFacts } from "../../modes/tracePaths";
import { asExpected, compare } from "./comparison";
import type { Hop, Leg, Trace } from "./result";

/** How a leg differs from the expected path, one sentence each. */
export function differencesOf(
  name: Leg["name"],
  hops: readonly Hop[],
  expected: ExpectedPath | undefined,
): readonly string[] {
  if (expected === undefined) return [];
  const inPath = pathDifferences(name, hops, expected[name]);
  return inPath.length > 0 || name === "reply" ? inPath : rewriterDifferences(hops, expected.rewriter);
}

function pathDifferences(name: Leg["name"], hops: readonly Hop[], expected: readonly ExpectedHop[]): string[] {
  const { unexpected, missing } = compare(hops, expected);
  const [next] = missing;
  // only the end is missing
  if (next !== undefined && unexpected.size === 0 && missing.length === expected.length - expected.indexOf(next)) {
    return [`${lastSeen(name, hops)}; expected next: ${words(next)}`];
  }
  return [
    ...[...unexpected].map((index) => `the ${name} was unexpectedly seen ${words(asExpected(hops[index]!))}`),
    ...missing.map((hop) => `the ${name} was not seen ${words(hop)}, where this mode expects it`),
  ];
}

function rewriterDifferences(hops: readonly Hop[], expected: Rewriter | undefined): string[] {
  const seen = [...new Set(hops.flatMap(({ rewritten }) => rewritten.map(({ by }) => by)))];
  if (seen.includes("unknown")) return [];
  if (seen.every((by) => by === expected) && seen.length === (expected === undefined ? 0 : 1)) return [];
  const who = (by: Rewriter | undefined) => (by === undefined ? "no rewrite" : WHO[by]);
  return [
    `the request's addresses were rewritten by ${seen.map(who).join(" and ") || "nothing"}; expected ${who(expected)}`,
  ];
}

function lastSeen(name: Leg["name"], hops: readonly Hop[]): string {
  const last = hops.at(-1);
  return `the ${name} ${last === undefined ? "was not seen anywhere" : `was last seen ${words(asExpected(last))}`}`;
}

/** `entering eth0 of net on worker`. */
function words({ node, pod, role, vethOf, direction }: ExpectedHop): string {
  const name = vethOf === undefined ? (NAMES[role] ?? role) : `the lxc of ${vethOf}`;
  const where = pod === undefined ? `${name} on ${node}` : `eth0 of ${pod} on ${node}`;
  return `${direction === "in" ? "entering" : "leaving"} ${where}`;
}

const WHO: Readonly<Record<Rewriter, string>> = {
  "socket LB": "the socket LB",
  BPF: "BPF at an interface",
  kernel: "the kernel's netfilter",
  unknown: "an unknown rewriter",
};

const NAMES: Partial<Record<ExpectedHop["role"], string>> = {
  veth: "a pod's lxc",
  device: "the device",
  tunnel: "the tunnel device",
  loopback: "lo",
};

/** What {@link verdictOf} judges. */
interface Judged {
  readonly legs: readonly Leg[];
  readonly answered: boolean;
  /** Address that the sender connects to. */
  readonly asked: string;
  readonly sender: PathFacts["sender"]["kind"];
  readonly target: PathFacts["target"]["kind"];
  /** Captures that dropped packets. */
  readonly dropped: readonly string[];
  /** Why the packet did not arrive. */
  readonly causes: readonly string[];
}

/** The verdict of a trace, with reasons. */
export function verdictOf(trace: Judged): Pick<Trace, "verdict" | "reasons"> {
  const { legs, answered, asked, sender, target, dropped, causes } = trace;
  const [request, reply] = legs as [Leg, Leg | undefined];
  const isOpen = request.promised === undefined;
  const last = lastSeen("request", request.hops);
  if (sender === "machine" && request.hops.length === 0) {
    const reasons = [`this machine cannot reach ${asked}; trace from a machine that reaches the nodes' network`];
    return { verdict: "inconclusive", reasons };
  }
  const reasons = [
    ...legs.flatMap(({ differences }) => differences),
    ...(answered ? [] : [`${asked} did not answer`]),
    ...(!answered && isOpen ? [last] : []),
    ...(answered && reply === undefined && !isOpen ? ["the reply was not seen anywhere"] : []),
    ...causes,
  ];
  const lost = dropped.length === 0 ? [] : [`the capture in ${dropped.join(", ")} dropped packets`];
  const unseen = answered && isOpen && isExpectable(sender, target) ? [`${asked} answered, but ${last}`] : [];
  if (lost.length + unseen.length > 0) {
    return { verdict: "inconclusive", reasons: [...reasons, ...lost, ...unseen, "repeat the trace"] };
  }
  if (reasons.length > 0) return { verdict: "fail", reasons };
  return isOpen
    ? { verdict: "skipped", reasons: ["no path is defined from this sender to this address"] }
    : { verdict: "pass", reasons: [] };
}

/** Whether a path is expected once it is known where the packet arrived. */
function isExpectable(sender: Judged["sender"], target: Judged["target"]): boolean {
  return target === "outside" ? sender === "pod" : target !== "other";
}
