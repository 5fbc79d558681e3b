import { isDualStack, type ApiEvidence, type Reading } from "./api";
import type { Evidence } from "./gather";
import type { Counter, NodeCounters, NodeEvidence, Section } from "./node";

/** Sections of IPv4 that checks read, and those that hold the same of IPv6. */
const SECTIONS = [
  ["routes", "ipv6Routes"],
  ["addresses", "ipv6Addresses"],
  ["rules", "ipv6Rules"],
  ["neighbors", "ipv6Neighbors"],
  ["iptables", "ip6tables"],
  ["ipset", "ipv6Set"],
] as const satisfies readonly (readonly [Section, Section])[];

const COUNTERS = [["iptables", "ip6tables"]] as const satisfies readonly (readonly [Counter, Counter])[];

const known = new WeakMap<Evidence, Evidence>();

/**
 * Evidence of a dual-stack cluster with the addresses, tables and rules of IPv6 in the place of those of IPv4, so that one check
 * judges both families. What belongs to no family stays, but for nftables, which is judged once. Undefined for other clusters.
 */
export function ipv6View(evidence: Evidence): Evidence | undefined {
  if (!isDualStack(evidence.api)) return undefined;
  const view = known.get(evidence) ?? {
    ...evidence,
    api: viewOfApi(evidence.api),
    nodes: evidence.nodes.map((node): NodeEvidence => ({
      ...node,
      sections: exchanged(node.sections, SECTIONS),
      nftables: undefined,
    })),
    before: evidence.before.map(viewOfCounters),
    after: evidence.after.map(viewOfCounters),
    traffic: evidence.traffic && {
      ...evidence.traffic,
      ...(evidence.traffic.ipv6 ?? { probes: [], silent: [], omitted: {}, outside: undefined }),
    },
  };
  known.set(evidence, view);
  return view;
}

const viewOfCounters = (counters: NodeCounters): NodeCounters => ({
  ...counters,
  sections: exchanged(counters.sections, COUNTERS),
});

function exchanged<Name extends string>(
  sections: Readonly<Partial<Record<Name, Reading<string>>>>,
  pairs: readonly (readonly [own: Name, ofIpv6: Name])[],
): Partial<Record<Name, Reading<string>>> {
  const all: Partial<Record<Name, Reading<string>>> = { ...sections };
  for (const [own, ofIpv6] of pairs) {
    const reading = sections[ofIpv6];
    if (reading === undefined) delete all[own];
    else all[own] = reading;
  }
  return all;
}

function viewOfApi(api: ApiEvidence): ApiEvidence {
  const withIpv6 = <T extends { readonly address: string; readonly ipv6Address?: string | undefined }>(
    reading: Reading<readonly T[]>,
  ): Reading<readonly T[]> => mapped(reading, (each) => ({ ...each, address: each.ipv6Address ?? "" }));
  const nodes = withIpv6(api.nodes);
  const addresses = new Map("value" in nodes ? nodes.value.map(({ name, address }) => [name, address]) : []);
  return {
    ...api,
    nodes,
    pods: withIpv6(api.pods),
    ciliumEndpoints: withIpv6(api.ciliumEndpoints),
    ciliumNodes: mapped(api.ciliumNodes, (node) => ({
      ...node,
      address: addresses.get(node.name) ?? "",
      podCidrs: node.ipv6PodCidrs ?? [],
      healthAddress: "",
      routerAddress: undefined,
    })),
    services: mapped(api.services, (service) => ({
      ...service,
      // of IPv4 alone, or without an address of its own
      clusterIp: service.clusterIps?.find((each) => each.includes(":")) ?? "",
    })),
    endpoints: api.ipv6Endpoints ?? { value: [] },
  };
}

const mapped = <T>(reading: Reading<readonly T[]>, change: (each: T) => T): Reading<readonly T[]> =>
  "value" in reading ? { value: reading.value.map(change) } : reading;
