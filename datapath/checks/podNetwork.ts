import { contains } from "../../modes/cidr";
import { WORKLOAD } from "../../modes/workload";
import { readingOf } from "../evidence/api";
import { addressesOf, addressesOn, endpointsOf, type NodeEvidence } from "../evidence/node";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";
import { ipv6PodNetworks } from "./ipv6PodNetwork";
import { odd } from "./nodes";
import { COMPARED, LEAST } from "./kernel";
import { ATTRIBUTES } from "./routingRules";
import { mtuOf } from "../evidence/pods";

/** Why checks that need the workload say nothing; for `skip`. */
export const skipWithoutWorkload = ({ nodePort }: { readonly nodePort?: number | undefined }): string | undefined =>
  nodePort === undefined
    ? "the cluster has no workload of this project; --with-workload brings one for the time of the verification"
    : undefined;

/** Settings that the kernel changes by itself, or that are the machine's memory's. */
const VOLATILE =
  /^(?:tcp_fastopen_key|ping_group_range|(?:tcp|udp)_mem|\w+_e?hash_entries)$|^conf\/\S+\/(?:mc_forwarding)$/;

function sysctlsOf(output = ""): ReadonlyMap<string, string> {
  const lines = (output.split("---\n")[4] ?? "").split("\n");
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf(":");
      const key = line.slice(0, at);
      return at < 1 || VOLATILE.test(key)
        ? []
        : [[`net.ipv4.${key.replaceAll("/", ".")}`, line.slice(at + 1).trim()] as const];
    }),
  );
}

/** Rules that every network namespace has. */
const USUAL_RULE = /^(?:0:\s+from all lookup local|32766:\s+from all lookup main|32767:\s+from all lookup default)\s*$/;

/** Whether the kernel made a route of the local table, for the pod's own address or the loopback's. */
function isOwnTable(line: string, own: string): boolean {
  const [, to] = /^(?:local|broadcast) (\d[\d.]*)\S* dev \S+ table local\b/.exec(line) ?? [];
  return to !== undefined && (to === own || to.startsWith("127."));
}

/** Addresses in a pod besides its own and the loopback's, each with its device. */
function foreignAddresses(addresses: string, own: string): string[] {
  return [...addresses.matchAll(/^\d+: (\S+)\s+inet ([\d.]+)/gm)].flatMap(([, device, each]) =>
    each === own || each!.startsWith("127.") ? [] : [`${each} on ${device}`],
  );
}

/** Whether a line of /etc/hosts names something else than the loopback, IPv6's groups and the pod itself. */
function isForeignHost(line: string, pod: string): boolean {
  const [, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
  return names.some((name) => !/^(?:localhost|ip6-)/.test(name) && name !== pod && !name.startsWith(`${pod}.`));
}

/** By IPv4 address: the hardware address that a node's agent knows of the endpoint. */
function hardwareAddresses(node: NodeEvidence): ReadonlyMap<string, string> {
  const endpoints = endpointsOf(node);
  return new Map(
    endpoints.flatMap(({ status }) =>
      (status?.networking?.addressing ?? []).flatMap(({ ipv4 }) => {
        const mac = status!.networking!.mac;
        return ipv4 === undefined || mac === undefined ? [] : [[ipv4, mac.toLowerCase()] as const];
      }),
    ),
  );
}

/** Settings of a pod that no program can work with, also where all pods have them. */
function tooLow(settings: ReadonlyMap<string, string>): { readonly seen: string; readonly why: string }[] {
  return LEAST.flatMap(({ key, least, usual, why, value = Number }) => {
    const name = `net.${key.replaceAll("/", ".")}`;
    const own = settings.get(name);
    return own === undefined || value(own) >= least
      ? []
      : [{ seen: `${name} = ${own}`, why: `${name} must be ${usual}: ${why}` }];
  });
}

/** How a pod gets its network anew; the workload's client belongs to no controller. */
export function renewal(namespace: string, pod: string, isExternal = false): string {
  const isClient = pod === WORKLOAD.clientPod && namespace === WORKLOAD.namespace;
  const how = !isClient ? "its controller" : isExternal ? "whoever made it" : "then pulumi up --refresh";
  return `kubectl -n ${namespace} delete pod ${pod}: ${how} creates it again with Cilium's network`;
}

/** Whether an address is on a device of the node, such as that of NodeLocal DNSCache. */
export function isOnNode(address: string, node: string, nodes: readonly NodeEvidence[]): boolean {
  const there = nodes.find((each) => each.node === node);
  return (there !== undefined && addressesOf(there)?.has(address)) ?? false;
}

/** Whether pods have addresses of their node's pod network, and Cilium's way out. */
export const podNetworkCheck: Check = {
  id: "pod-network",
  question:
    "Does every workload pod have a /32 of its node's pod network, cilium_host as its gateway, and the same MTU as the others?",
  needs: ["nodes", "traffic"],
  skip: skipWithoutWorkload,
  judge(evidence, expectation) {
    const { api, nodes, traffic } = evidence;
    const { workload: { namespace } = WORKLOAD, isExternal } = expectation;
    if (traffic === undefined || traffic.pods.length === 0)
      return [inconclusive("cluster", "no workload pod could be asked")];
    const known = readingOf(api.ciliumNodes);
    const mtus = odd(
      traffic.pods.map((pod) => ({ ...pod, node: pod.pod })),
      (pod) => (pod.output === undefined ? undefined : String(mtuOf(pod))),
    );
    const settings = new Map(traffic.pods.map(({ pod, output }) => [pod, sysctlsOf(output)] as const));
    const ofIpv4 = traffic.pods.map(({ pod, node, output, error }): Finding => {
      const subject = `${pod} on ${node}`;
      const at = { nodes: [node] };
      if (output === undefined)
        return inconclusive(
          subject,
          error ?? "the pod did not answer",
          `kubectl -n ${namespace} describe pod ${pod}`,
          at,
        );
      const [addresses = "", routes = "", links = ""] = output.split("---\n");
      const there = nodes.find((each) => each.node === node);
      const gateways = there === undefined ? [] : addressesOn(there, "cilium_host");
      const address = /\beth0\b.*\binet (\S+)/.exec(addresses)?.[1];
      const gateway = /^default via (\S+)/m.exec(routes)?.[1];
      const cidrs = known.find(({ name }) => name === node)?.podCidrs ?? [];
      const remedy = renewal(namespace, pod, isExternal);
      const seen = `${address ?? "no address"} via ${gateway ?? "no gateway"}, pod network ${cidrs.join(", ") || "unknown"}, MTU ${mtuOf({ output })}`;
      if (/\beth0\b/.test(links) && !/\beth0\b.*<[^>]*\bUP\b/.test(links)) {
        return fail(subject, seen, "the pod's eth0 is down", remedy, { cause: "device-down", ...at });
      }
      if (/^\d+: lo: </m.test(links) && !/^\d+: lo: <[^>]*\bUP\b/m.test(links)) {
        return fail(
          subject,
          "lo is down",
          "the pod's loopback is down: it reaches neither 127.0.0.1 nor its own address, also through a Service",
          `${remedy}; or in its network namespace: ip link set lo up`,
          { cause: "device-down", ...at },
        );
      }
      if (address === undefined)
        return fail(subject, seen, "the pod's eth0 has no IPv4 address", remedy, { cause: "address-missing", ...at });
      if (
        !address.endsWith("/32") ||
        (cidrs.length > 0 && !cidrs.some((cidr) => contains(cidr, `${address.split("/")[0]!}/32`)))
      ) {
        return fail(
          subject,
          seen,
          `the pod's address is not a /32 of its node's pod network ${cidrs.join(", ")}: the pod may be older than Cilium`,
          remedy,
          { cause: "address-missing", ...at },
        );
      }
      if (gateway === undefined || (gateways.length > 0 && !gateways.includes(gateway))) {
        return fail(
          subject,
          seen,
          `the pod's default gateway must be cilium_host, ${gateways.join(", ") || "unknown"}`,
          remedy,
          { cause: "route-missing", ...at },
        );
      }
      const [, , , , , neighbors = "", filters = "", rules = "", hosts = "", tables = "", policies = ""] =
        output.split("---\n");
      const own = address.split("/")[0]!;
      const hardware = /\beth0\b.*link\/ether (\S+)/.exec(links)?.[1];
      const given = there === undefined ? undefined : hardwareAddresses(there).get(own);
      if (hardware !== undefined && given !== undefined && hardware !== given) {
        return fail(
          subject,
          `eth0 has the hardware address ${hardware}`,
          `Cilium gave the pod's eth0 the hardware address ${given}, and addresses packets for the pod to it: the pod drops them`,
          `${remedy}; or in its network namespace: ip link set eth0 address ${given}`,
          { cause: "mac-changed", ...at },
        );
      }
      // what meshes and further networks of other clusters add is theirs
      const more = foreignAddresses(addresses, own);
      if (more.length > 0 && !isExternal) {
        return fail(
          subject,
          more.join("; "),
          "the pod has another address: what it sends there stays in the pod",
          remedy,
          {
            cause: "address-foreign",
            ...at,
          },
        );
      }
      const rule = rules.split("\n").find((line) => line !== "" && !USUAL_RULE.test(line));
      if (rule !== undefined && !isExternal) {
        return fail(
          subject,
          rule.trim().replace(/\s+/g, " "),
          "the pod has a routing rule that Cilium did not write",
          remedy,
          {
            cause: "rule-foreign",
            ...at,
          },
        );
      }
      const foreign = routes
        .split("\n")
        .map((line) => line.trim())
        .filter(
          (line) =>
            line !== "" &&
            (ATTRIBUTES.test(line) || (!line.startsWith("default via ") && !line.startsWith(`${gateway} dev eth0`))),
        );
      if (foreign.length > 0) {
        return fail(subject, foreign.join("; "), "the pod has a route that Cilium did not write", remedy, {
          cause: "route-foreign",
          ...at,
        });
      }
      const inTable = tables.split("\n").find((line) => line.trim() !== "" && !isOwnTable(line.trim(), own));
      if (inTable !== undefined && !isExternal) {
        return fail(
          subject,
          inTable.trim(),
          "the pod has a route that neither the kernel nor Cilium wrote, in another table than its main one",
          remedy,
          { cause: "route-foreign", ...at },
        );
      }
      if (policies.trim() !== "" && !isExternal) {
        return fail(
          subject,
          `IPsec policy ${policies.trim().replace(/\s+/g, " ").slice(0, 120)}`,
          "an IPsec policy inside the pod encrypts or drops its packets before they are routed",
          remedy,
          { cause: "rule-foreign", ...at },
        );
      }
      const unlike = mtus.find((each) => each.node === pod);
      if (unlike !== undefined) {
        return fail(subject, seen, `the pod's MTU is ${unlike.own}, and the other pods' is ${unlike.most}`, remedy, {
          cause: "mtu-mismatch",
          ...at,
        });
      }
      const permanent = neighbors.split("\n").find((line) => line.includes("PERMANENT"));
      if (permanent !== undefined) {
        return fail(
          subject,
          permanent.trim(),
          "the pod has a permanent neighbor entry that Cilium did not write",
          remedy,
          {
            cause: "neighbor-wrong",
            ...at,
          },
        );
      }
      if (filters.trim() !== "") {
        const isShaped = /^qdisc/.test(filters.trim());
        const cause = isShaped
          ? "traffic-shaped"
          : /^filter /.test(filters.trim())
            ? "program-foreign"
            : "netfilter-foreign";
        return fail(
          subject,
          filters.trim().split("\n").slice(0, 3).join("; "),
          isShaped
            ? "a queueing discipline inside the pod delays or drops its packets"
            : "rules or filters inside the pod's network drop or change its packets",
          remedy,
          { cause, ...at },
        );
      }
      const fixed = hosts.split("\n").find((line) => isForeignHost(line, pod));
      if (fixed !== undefined && !isExternal) {
        return fail(
          subject,
          `/etc/hosts: ${fixed.trim().replace(/\s+/g, " ")}`,
          "/etc/hosts in the pod has names that Kubernetes did not write: programs there do not ask DNS for them",
          remedy,
          { cause: "dns-config", ...at },
        );
      }
      const changed = [...settings.get(pod)!.keys()].flatMap((key) => {
        // nodes of another maker may be machines of different kinds
        if (isExternal && !COMPARED.test(key.slice("net.".length).replaceAll(".", "/"))) return [];
        const all = [...settings].map(([name, own]) => ({ node: name, value: own.get(key) }));
        const mine = odd(all, ({ value }) => value).find((each) => each.node === pod);
        return mine === undefined ? [] : [`${key} = ${mine.own} (${mine.most} in the others)`];
      });
      const low = tooLow(settings.get(pod)!);
      if (low.length > 0) {
        return fail(
          subject,
          low.map(({ seen: value }) => value).join(", "),
          low.map(({ why }) => why).join("; "),
          remedy,
          {
            cause: "sysctl-changed",
            ...at,
          },
        );
      }
      if (changed.length > 0) {
        return fail(
          subject,
          changed.slice(0, 4).join(", "),
          "kernel settings of the pod's network differ from the other pods'",
          remedy,
          { cause: "sysctl-changed", ...at },
        );
      }
      return pass(subject, seen);
    });
    return [...ofIpv4, ...ipv6PodNetworks(evidence, expectation, (pod) => renewal(namespace, pod, isExternal))];
  },
};
