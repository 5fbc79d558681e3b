import type { PromisedHop, PromisedWalk, Rewriter } from "../../modes/walks";
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
  const seen = hops.map(({ station, direction }): PromisedHop => ({ ...station, direction }));
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
};

const NAMES: Partial<Record<PromisedHop["role"], string>> = {
  veth: "a pod's lxc",
  device: "the device",
  tunnel: "the tunnel device",
  loopback: "lo",
};

/** What a walk comes to, and why. */
export function verdictOf({
  legs,
  answered,
  asked,
  dropped,
  causes,
}: {
  readonly legs: readonly Leg[];
  readonly answered: boolean;
  /** What the sender wanted to reach. */
  readonly asked: string;
  /** Captures that lost packets. */
  readonly dropped: readonly string[];
  /** What evidence says of a packet that did not arrive. */
  readonly causes: readonly string[];
}): Pick<Walk, "verdict" | "reasons"> {
  const [request, reply] = legs as [Leg, Leg | undefined];
  const unpromised = request.promised === undefined;
  const seen = request.hops.map(({ station, direction }): PromisedHop => ({ ...station, direction }));
  const reasons = [
    ...legs.flatMap(({ differences }) => differences),
    ...(answered ? [] : [`${asked} did not answer`]),
    ...(!answered && unpromised ? [lastSeen("request", seen)] : []),
    ...(answered && reply === undefined && !unpromised ? ["the reply was seen nowhere"] : []),
    ...causes,
  ];
  if (dropped.length > 0) {
    const why = `packets were lost to the capture in ${dropped.join(", ")}; repeat the trace`;
    return { verdict: "inconclusive", reasons: [...reasons, why] };
  }
  if (reasons.length > 0) return { verdict: "fail", reasons };
  return unpromised
    ? { verdict: "skipped", reasons: ["no mode promises a path from there to this address"] }
    : { verdict: "pass", reasons: [] };
}
