import type { PromisedHop, PromisedWalk, Rewriter, WalkFacts } from "../../modes/walks";
import type { Hop, Leg, Walk } from "./walk";

/** Where a leg that was seen parts from the promised one, a sentence each. */
export function differencesOf(
  name: Leg["name"],
  hops: readonly Hop[],
  promised: PromisedWalk | undefined,
): readonly string[] {
  if (promised === undefined) return [];
  const inPath = pathDifferences(name, hops, promised[name]);
  return inPath.length > 0 || name === "reply" ? inPath : rewriterDifferences(hops, promised.rewriter);
}

function pathDifferences(name: Leg["name"], hops: readonly Hop[], promised: readonly PromisedHop[]): string[] {
  // bridges, bonds and the like under the device see a packet too
  const seen = hops
    .map(({ station, direction }): PromisedHop => ({ ...station, direction }))
    .filter(({ role }) => role !== "other");
  const parts = promised.findIndex((hop, index) => seen[index] === undefined || !isSame(hop, seen[index]));
  if (parts < 0 && seen.length === promised.length) return [];
  if (parts >= 0 && parts === seen.length)
    return [`${lastSeen(name, seen)}, and not ${words(promised[parts]!)}, as this mode promises`];
  const missing = promised.filter((hop) => !seen.some((each) => isSame(hop, each)));
  const extra = seen.filter((hop) => !promised.some((each) => isSame(hop, each)));
  const sentences = [
    ...extra.map((hop) => `the ${name} was seen ${words(hop)}, which this mode does not promise`),
    ...missing.map((hop) => `the ${name} was not seen ${words(hop)}, as this mode promises`),
  ];
  return sentences.length > 0 ? sentences : [`the ${name} passed its stations in another order than promised`];
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

function lastSeen(name: Leg["name"], seen: readonly PromisedHop[]): string {
  const last = seen.at(-1);
  return `the ${name} ${last === undefined ? "was seen nowhere" : `was last seen ${words(last)}`}`;
}

function isSame(a: PromisedHop, b: PromisedHop): boolean {
  return (
    a.node === b.node && a.pod === b.pod && a.role === b.role && a.vethOf === b.vethOf && a.direction === b.direction
  );
}

/** `coming into eth0 of net on worker`. */
function words({ node, pod, role, vethOf, direction }: PromisedHop): string {
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

const NAMES: Partial<Record<PromisedHop["role"], string>> = {
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
  readonly sender: WalkFacts["sender"]["kind"];
  readonly target: WalkFacts["target"]["kind"];
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
  const last = lastSeen(
    "request",
    request.hops.map(({ station, direction }): PromisedHop => ({ ...station, direction })),
  );
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
