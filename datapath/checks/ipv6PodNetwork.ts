import { containsAddress } from "../../modes/cidr";
import { WORKLOAD } from "../../modes/workload";
import { isDualStack, readingOf } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { ipv6AddressesOn } from "../evidence/node";
import type { PodNetwork } from "../evidence/pods";
import type { CauseId } from "../causes";
import { byIpv6, fail, pass, type Expectation, type Finding } from "./check";
import { ATTRIBUTES } from "./routingRules";

/** Rules that every network namespace has. */
const USUAL_RULE = /^(?:0:\s+from all lookup local|32766:\s+from all lookup main)\s*$/;

/** What a pod says of its IPv6, by part; the order is that of the command. */
interface Said {
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly rules: readonly string[];
  readonly neighbors: readonly string[];
  readonly sysctls: ReadonlyMap<string, string>;
  readonly filters: readonly string[];
}

function saidOf(text: string): Said {
  const [addresses = [], routes = [], rules = [], neighbors = [], sysctls = [], filters = []] = text
    .split("---\n")
    .map((part) =>
      part
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean),
    );
  const settings = new Map(sysctls.map((line) => line.split(":") as [string, string]));
  return { addresses, routes, rules, neighbors, sysctls: settings, filters };
}

/** What is wrong with a pod's IPv6: the first counts. */
type Wrong = readonly [cause: CauseId, seen: string, reason: string, inPod?: string | undefined];

/** Whether pods have their IPv6 address, Cilium's way out and nothing beside; nothing in a cluster without IPv6. @param renew how a pod gets its network anew */
export function ipv6PodNetworks(
  evidence: Evidence,
  { workload = WORKLOAD, isExternal = false }: Expectation,
  renew: (pod: string) => string,
): Finding[] {
  const { api, nodes, traffic } = evidence;
  if (!isDualStack(api)) return [];
  const cidrs = new Map(readingOf(api.ciliumNodes).map(({ name, ipv6PodCidrs = [] }) => [name, ipv6PodCidrs]));
  const addresses = new Map(readingOf(api.pods).map((pod) => [`${pod.namespace}/${pod.name}`, pod.ipv6Address]));
  const judged = (traffic?.pods ?? []).flatMap(({ pod, node, ipv6 }: PodNetwork): Finding[] => {
    const address = addresses.get(`${workload.namespace}/${pod}`);
    // a pod that says nothing, or has no address by the API server, is another finding
    if (ipv6 === undefined || address === undefined) return [];
    const there = nodes.find((each) => each.node === node);
    const gateways = there === undefined ? [] : ipv6AddressesOn(there, "cilium_host");
    const said = saidOf(ipv6);
    const gateway = /^default via (\S+) dev eth0/m.exec(said.routes.join("\n"))?.[1];
    const subject = `${pod} on ${node}`;
    const wrong = wrongIn(said, { address, gateway, gateways, cidrs: cidrs.get(node) ?? [], isExternal });
    if (wrong === undefined) return [pass(subject, `${address} via ${gateway}`)];
    const [cause, seen, reason, inPod] = wrong;
    const how = inPod === undefined ? renew(pod) : `${renew(pod)}; or in its network namespace: ${inPod}`;
    return [fail(subject, seen, reason, how, { cause, nodes: [node] })];
  });
  return byIpv6(judged);
}

interface Known {
  readonly address: string;
  readonly gateway: string | undefined;
  /** Addresses of cilium_host on its node; none where they could not be read. */
  readonly gateways: readonly string[];
  readonly cidrs: readonly string[];
  readonly isExternal: boolean;
}

function wrongIn(
  { addresses, routes, rules, neighbors, sysctls, filters }: Said,
  { address, gateway, gateways, cidrs, isExternal }: Known,
): Wrong | undefined {
  const disabled = ["all", "eth0"].find((device) => sysctls.get(`conf/${device}/disable_ipv6`) === "1");
  if (disabled !== undefined) {
    const name = `net.ipv6.conf.${disabled}.disable_ipv6`;
    return ["sysctl-changed", `${name} = 1`, `${name} must be 0: the pod's device has no IPv6`];
  }
  const own = addresses.flatMap((line) => {
    const [, device, each] = /^\d+: (\S+)\s+inet6 ([\da-f:]+)\//.exec(line) ?? [];
    return each === undefined || each === "::1" || /^fe[89ab]/.test(each) ? [] : [{ device: device!, address: each }];
  });
  if (!own.some((each) => each.device === "eth0" && each.address === address)) {
    const seen = `eth0 has ${own.map((each) => each.address).join(", ") || "no IPv6 address"}`;
    return ["address-missing", seen, `the pod's eth0 must have ${address}`, `ip -6 addr add ${address}/128 dev eth0`];
  }
  const main = routes.filter((line) => !/\btable \S+/.test(line));
  if (gateway === undefined || (gateways.length > 0 && !gateways.includes(gateway))) {
    const way = gateways[0];
    return [
      "route-missing",
      `${address} via ${gateway ?? "no gateway"}`,
      `the pod's default gateway must be cilium_host, ${gateways.join(", ") || "unknown"}`,
      way === undefined
        ? undefined
        : `ip -6 route replace ${way} dev eth0; ip -6 route replace default via ${way} dev eth0`,
    ];
  }
  if (!isExternal) {
    const more = own.filter((each) => each.address !== address);
    if (more.length > 0) {
      const seen = more.map((each) => `${each.address} on ${each.device}`).join("; ");
      return ["address-foreign", seen, "the pod has another IPv6 address: what it sends there stays in the pod"];
    }
    const rule = rules.find((line) => !USUAL_RULE.test(line));
    if (rule !== undefined)
      return [
        "rule-foreign",
        rule,
        "the pod has a routing rule that Cilium did not write",
        `ip -6 rule del ${rule.replace(/^(\d+):\s*/, "pref $1 ")}`,
      ];
  }
  const foreign = main.find((line) => {
    if (ATTRIBUTES.test(line) || /^(?:blackhole|prohibit|unreachable|throw) /.test(line)) return true;
    return !/^(?:default|f[ef][\da-f:]*\/\d+) /.test(line) && ![address, gateway].includes(line.split(" ")[0]!);
  });
  if (foreign !== undefined)
    return [
      "route-foreign",
      foreign,
      "the pod has a route that Cilium did not write",
      `ip -6 route del ${foreign.replace(/ (?:proto|error|pref) \S+/g, "")}`,
    ];
  const permanent = neighbors.find((line) => line.includes("PERMANENT"));
  if (permanent !== undefined) {
    const [to] = permanent.split(" ");
    return [
      "neighbor-wrong",
      permanent,
      "the pod has a permanent neighbor entry that Cilium did not write",
      `ip -6 neigh del ${to} dev eth0`,
    ];
  }
  if (filters.length > 0) {
    const reason = "rules of ip6tables inside the pod's network drop or change its packets";
    return [
      "netfilter-foreign",
      filters.slice(0, 3).join("; "),
      reason,
      `ip6tables ${filters[0]!.replace(/^-A/, "-D")}`,
    ];
  }
  if (sysctls.get("icmp/echo_ignore_all") === "1") {
    const name = "net.ipv6.icmp.echo_ignore_all";
    return ["sysctl-changed", `${name} = 1`, `${name} must be 0: the pod answers no pings`, `sysctl -w ${name}=0`];
  }
  if (cidrs.length > 0 && !cidrs.some((cidr) => containsAddress(cidr, address)))
    return ["address-missing", address, `the pod's address is not of its node's network ${cidrs.join(", ")}`];
  return undefined;
}
