import fc from "fast-check";
import type { Hop, Leg, Rewrite, Station, Trace, TraceNode } from "../../../datapath/trace/result";
import { ALL_MODES, TUNNELS } from "../../../modes/contract";
import { STATION_ROLES, type StationRole } from "../../../modes/tracePaths";
import { VERDICTS } from "../../../datapath/facts";
import { anyText } from "./anyText";

const text = fc.oneof(
  anyText(12),
  fc.constantFrom("", "a\\Nb\\G", "<b>&amp;", '"]', "</svg></script><!--", "\u001b[31m", "-->", "\ud800", "%s$&`"),
);
const OWN_ROLES = (Object.keys(STATION_ROLES) as StationRole[]).filter((role) => role !== "pod");
const direction = fc.constantFrom("in" as const, "out" as const);

const node = (index: number): fc.Arbitrary<TraceNode> =>
  fc
    .record({
      name: text.map((name) => `${name}${index}`),
      address: text,
      clock: fc.constantFrom("a", "b"),
      netfilter: fc.constantFrom(true, false, undefined),
      own: fc.array(fc.tuple(text, fc.constantFrom(...OWN_ROLES)), { minLength: 1, maxLength: 5 }),
      pods: fc.array(fc.tuple(text, text), { maxLength: 2 }),
    })
    .map(({ name, address, clock, netfilter, own, pods }) => {
      const named = pods.map(([pod, podAddress], position) => ({ name: `${pod}${position}`, address: podAddress }));
      return {
        name,
        address,
        clock,
        netfilter,
        pods: named,
        stations: [
          ...named.map((pod): Station => ({ node: name, pod: pod.name, interface: "eth0", role: "pod" })),
          ...own.map(([own, role], position): Station => ({ node: name, interface: `${own}${position}`, role })),
        ],
      };
    });

const rewrite: fc.Arbitrary<Rewrite> = fc.record({
  field: fc.constantFrom("source" as const, "destination" as const),
  from: text,
  to: text,
  by: fc.constantFrom("socket LB" as const, "BPF" as const, "kernel" as const),
});

function hop(stations: readonly Station[]): fc.Arbitrary<Hop> {
  return fc.record({
    station: fc.constantFrom(...stations),
    direction,
    microseconds: fc.nat(),
    source: text,
    destination: text,
    ttl: fc.nat(255),
    tunnel: fc.option(fc.record({ source: text, destination: text }), { nil: undefined }),
    rewritten: fc.array(rewrite, { maxLength: 2 }),
  });
}

function leg(name: Leg["name"], stations: readonly Station[]): fc.Arbitrary<Leg> {
  const promised = fc
    .tuple(fc.constantFrom(...stations), direction)
    .map(([{ node: of, pod, role }, way]) => ({ node: of, pod, role, direction: way }));
  return fc.record({
    name: fc.constant(name),
    hops: fc.array(hop(stations), { maxLength: 6 }),
    promised: fc.option(fc.array(promised, { maxLength: 6 }), { nil: undefined }),
    differences: fc.array(text, { maxLength: 2 }),
  });
}

/** Any trace at all, with names that no cluster would have. */
export const randomTrace: fc.Arbitrary<Trace> = fc
  .integer({ min: 1, max: 3 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => node(index))))
  .chain((nodes) => {
    const stations = nodes.flatMap((each) => each.stations);
    return fc.record({
      cluster: text,
      mode: fc.constantFrom(...ALL_MODES),
      tunnel: fc.constantFrom(...TUNNELS),
      version: text,
      family: fc.constantFrom("ipv4" as const, "ipv6" as const, undefined),
      scenario: fc.constant("own" as const),
      title: text,
      probe: fc.record({
        protocol: fc.constantFrom("ICMP" as const, "ICMPv6" as const, "TCP" as const),
        from: text,
        to: text,
        command: text,
        answered: fc.boolean(),
      }),
      nodes: fc.constant(nodes),
      legs: fc
        .tuple(leg("request", stations), fc.option(leg("reply", stations), { nil: undefined }))
        .map(([request, reply]) => (reply === undefined ? [request] : [request, reply])),
      lookups: fc.array(fc.record({ node: text, table: fc.constant("service map" as const), line: text }), {
        maxLength: 2,
      }),
      verdict: fc.constantFrom(...VERDICTS),
      reasons: fc.array(text, { maxLength: 2 }),
      startedAt: text,
    });
  });
