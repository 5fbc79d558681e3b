import type { Probe } from "../evidence/traffic";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** Whether pings between pods pass as many routers on one pair's path as on every other's. */
export const hopsCheck: Check = {
  id: "hops",
  question: "Do pings between pods pass the same number of routers on every path?",
  needs: ["traffic"],
  skip: skipWithoutWorkload,
  judge({ traffic }) {
    if (traffic === undefined || traffic.pods.length === 0)
      return [inconclusive("cluster", "no workload pod could send probes")];
    const pings = traffic.probes.filter(
      ({ flow, tries }) => flow === "pod-to-pod" && tries.some(({ ttl }) => ttl !== undefined),
    );
    if (pings.length === 0) return [skipped("cluster", "no ping between pods was answered with a TTL")];
    const findings = [true, false].flatMap((isLocal): Finding[] => {
      const own = pings.filter(({ from, to }) => (from.node === to.node) === isLocal);
      const usual = mostCommon(own.flatMap(ttlsOf));
      const odd = own.filter((probe) => ttlsOf(probe).some((ttl) => ttl !== usual));
      if (own.length === 0) return [];
      const subject = isLocal ? "pods on one node" : "pods on different nodes";
      if (odd.length === 0) return [pass(subject, `TTL ${usual} on ${own.length} paths`)];
      const [{ from, to }] = odd as [Probe];
      const pairs = [
        ...new Set(
          odd.map((probe) => `${probe.from.name} to ${probe.to.name}: TTL ${[...new Set(ttlsOf(probe))].join(", ")}`),
        ),
      ];
      return [
        fail(
          subject,
          pairs.slice(0, 3).join("; "),
          `replies on ${pairs.length === 1 ? "a path" : `${pairs.length} paths`} have another TTL than the ${usual} of the others: packets take a detour`,
          `on ${from.node} and ${to.node}: ip route get ${to.address}; ip route get ${from.address}; ip rule show`,
          {
            cause: "detour",
            nodes: [...new Set(odd.flatMap((probe) => [probe.from.node ?? "", probe.to.node ?? ""]))],
          },
        ),
      ];
    });
    return findings;
  },
};

const ttlsOf = ({ tries }: Probe) => tries.flatMap(({ ttl }) => ttl ?? []);

function mostCommon(all: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const each of all) counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}
