import type { ExpectedHop, ExpectedPath, Rewriter, PathFacts } from "../../modes/tracePaths";
import { asPromised, compare } from "./comparison";
import type { Hop, Leg, Walk } from "./walk";

/** Where a leg that was seen parts from the promised one, a sentence each. */
export function differencesOf(
  name: Leg["name"],
  hops: readonly Hop[],
  promised: ExpectedPath | undefined,
): readonly string[] {
  if (promised === undefined) return [];
  const inPath = pathDifferences(name, hops, promised[name]);
  return inPath.length > 0 || name === "reply" ? inPath : rewriterDifferences(hops, promised.rewriter);
}

function pathDifferences(name: Leg["name"], hops: readonly Hop[], promised: readonly ExpectedHop[]): string[] {
  const { unpromised, missing } = compare(hops, promised);
  const [next] = missing;
  // nothing but its end is missing
  if (next !== undefined && unpromised.size === 0 && missing.length === promised.length - promised.indexOf(next)) {
    return [`${lastSeen(name, hops)}, and not ${words(next)}, as this mode promises`];
  }
  return [
    ...[...unpromised].map(
      (index) => `the ${name} was seen ${words(asPromised(hops[index]!))}, which this mode does not promise there`,
    ),
    ...missing.map((hop) => `the ${name} was not seen ${words(hop)} where this mode promises it`),
  ];
}

function rewriterDifferences(hops: readonly Hop[], promised: Rewriter | undefined): string[] {
  const seen = [...new Set(hops.flatMap(({ rewritten }) => rewritten.map(({ by }) => by)))];
  if (seen.includes("unknown")) return [];
  if (seen.every((by) => by === promised) && seen.length === (promised === undefined ? 0 : 1)) return [];
  const who = (by: Rewriter | undefined) => (by === undefined ? "nobody" : WHO[by]);
  return [
    `the request's addresses were changed by ${seen.map(who).join(" and ") || "nobody"}, and this mode has ${who(promised)} do that`,
  ];
}

function lastSeen(name: Leg["name"], hops: readonly Hop[]): string {
  const last = hops.at(-1);
  return `the ${name} ${last === undefined ? "was seen nowhere" : `was last seen ${words(asPromised(last))}`}`;
}

/** `coming into eth0 of net on worker`. */
function words({ node, pod, role, vethOf, direction }: ExpectedHop): string {
  const name = vethOf === undefined ? (NAMES[role] ?? role) : `the lxc of ${vethOf}`;
  const where = pod === undefined ? `${name} on ${node}` : `eth0 of ${pod} on ${node}`;
  return `${direction === "in" ? "coming into" : "going out of"} ${where}`;
}

const WHO: Readonly<Record<Rewriter, string>> = {
  "socket LB": "the socket LB",
  BPF: "BPF at an interface",
  kernel: "the kernel's netfilter",
  unknown: "somebody unknown",
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
  /** What the sender wanted to reach. */
  readonly asked: string;
  readonly sender: PathFacts["sender"]["kind"];
  readonly target: PathFacts["target"]["kind"];
  /** Captures that lost packets. */
  readonly dropped: readonly string[];
  /** What evidence says of a packet that did not arrive. */
  readonly causes: readonly string[];
}

/** What a walk comes to, and why. */
export function verdictOf(walk: Judged): Pick<Walk, "verdict" | "reasons"> {
  const { legs, answered, asked, sender, target, dropped, causes } = walk;
  const [request, reply] = legs as [Leg, Leg | undefined];
  const unpromised = request.promised === undefined;
  const last = lastSeen("request", request.hops);
  if (sender === "machine" && request.hops.length === 0) {
    const reasons = [`this machine does not reach ${asked}; run the trace where the nodes' network can be reached`];
    return { verdict: "inconclusive", reasons };
  }
  const reasons = [
    ...legs.flatMap(({ differences }) => differences),
    ...(answered ? [] : [`${asked} did not answer`]),
    ...(!answered && unpromised ? [last] : []),
    ...(answered && reply === undefined && !unpromised ? ["the reply was seen nowhere"] : []),
    ...causes,
  ];
  const lost = dropped.length === 0 ? [] : [`packets were lost to the capture in ${dropped.join(", ")}`];
  const unseen = answered && unpromised && isPromisable(sender, target) ? [`${asked} answered, but ${last}`] : [];
  if (lost.length + unseen.length > 0) {
    return { verdict: "inconclusive", reasons: [...reasons, ...lost, ...unseen, "repeat the trace"] };
  }
  if (reasons.length > 0) return { verdict: "fail", reasons };
  return unpromised
    ? { verdict: "skipped", reasons: ["no mode promises a path from there to this address"] }
    : { verdict: "pass", reasons: [] };
}

/** Whether a path is promised as soon as it is known where the packet arrived. */
function isPromisable(sender: Judged["sender"], target: Judged["target"]): boolean {
  return target === "outside" ? sender === "pod" : target !== "other";
}
