import type { OutsideClient } from "../../cluster/read";
import { within } from "../../cluster/within";
import { has } from "../../modes/ciliumVersion";
import { IPV6_LOOPBACK } from "../../modes/ipFamily";
import { isDualStack, valueOf, type ApiEvidence } from "./api";
import { COVERAGE, type FlowId } from "./coverage";
import { inPod } from "./pods";
import { probeScript, triesOf, type Target } from "./probing";
import {
  dsrBytesOf,
  omissionsOf,
  orThrow,
  plan,
  probesOf,
  SENDER_SECONDS,
  sendersBesidePods,
  silenceOf,
  type FamilyTraffic,
  type Ground,
  type Probe,
  type Sender,
  type Targets,
} from "./traffic";

/** What the header of IPv6 is longer than that of IPv4. */
const LONGER_HEADER = 20;

/**
 * What DSR adds to each UDP packet of IPv6, by its dispatch: an extension header (Cilium's `bpf/lib/nodeport.h`: `struct
 * dsr_opt_v6`), an IPv6 header, or headers of IPv4, UDP, Geneve and Ethernet with an option (`struct geneve_dsr_opt6`).
 */
const DSR_BYTES: Readonly<Record<string, number>> = { opt: 24, ipip: 40, geneve: 20 + 8 + 8 + 14 + 24 };

/** Prints the client's own IPv6 address, which Docker has written beside its name. */
const OWN_ADDRESS = `awk -v name="$(hostname)" '$2 == name && $1 ~ /:/ { print $1; exit }' /etc/hosts`;

/** Probe every flow between the IPv6 addresses of a dual-stack cluster. @param fullBytes payload of a full packet of IPv4 */
export async function readIpv6Traffic(ground: Ground, fullBytes: number): Promise<FamilyTraffic | undefined> {
  if (!isDualStack(ground.api)) return undefined;
  const outside = await addressed(ground.outside);
  const senders = sendersOf(ground, outside);
  const targets = targetsOf(ground, outside);
  const omitted = omissionsOf(senders, targets, outside);
  if (targets["cluster-ip"].length === 0)
    for (const flow of OF_SERVICE) omitted[flow] = "the workload's Service has no IPv6 ClusterIP";
  const { data = {} } = valueOf(ground.api.config, undefined) ?? {};
  if (data["enable-ipv6-masquerade"] === "false")
    omitted["pod-to-outside"] = "cilium-config turns masquerading of IPv6 off, so replies find no way back";
  const withoutLoopback = flowsWithoutLoopback(ground.api);
  const probes: Probe[] = [];
  const silent: FamilyTraffic["silent"][number][] = [];
  const options = {
    ...{ fullBytes: fullBytes - LONGER_HEADER, dsrBytes: dsrBytesOf(ground.api, DSR_BYTES), quick: ground.quick },
    ...{ backends: targets.pod.length, gateway: undefined },
  };
  await Promise.all(
    senders.map(async (sender) => {
      const servesItself = targets.pod.some(({ name }) => name === sender.end.name);
      const planned = plan(sender, targets, omitted, options).filter(
        ({ flow }) => !(servesItself && withoutLoopback.includes(flow)),
      );
      if (planned.length === 0) return;
      try {
        const tries = triesOf(await within(SENDER_SECONDS, sender.run(planned.map(({ target }) => target))));
        if (tries.length === 0) throw new Error("the probes ended without a result");
        probes.push(...probesOf(sender, planned, tries));
      } catch (error) {
        silent.push(...silenceOf(sender, planned, error as Error));
      }
    }),
  );
  return { probes, silent, omitted, outside: outside instanceof Error ? undefined : outside.address };
}

/** Flows through the workload's Service. */
const OF_SERVICE = (Object.keys(COVERAGE) as FlowId[]).filter((flow) =>
  ["cluster-ip", "node-port"].includes(COVERAGE[flow].to),
);

/** Flows in which a pod may not reach itself: where BPF translates at the pods' devices, and not in their sockets. */
function flowsWithoutLoopback({ config, template }: ApiEvidence): FlowId[] {
  const { data = {} } = valueOf(config, undefined) ?? {};
  const isReplaced = ["true", "strict", "probe"].includes(data["kube-proxy-replacement"] ?? "");
  const isHostOnly = data["bpf-lb-sock-hostns-only"] === "true";
  const image = template === undefined ? "" : (valueOf(template, undefined)?.image ?? "");
  const [, version] = /:v?(\d+\.\d+\.\d+[^@]*)/.exec(image) ?? [];
  if ((isReplaced && !isHostOnly) || (version !== undefined && has(IPV6_LOOPBACK, version))) return [];
  return isReplaced ? ["pod-to-cluster-ip", "pod-to-node-port"] : ["pod-to-cluster-ip"];
}

/** The client outside with its IPv6 address. */
async function addressed(client: Ground["outside"]): Promise<Pick<OutsideClient, "address" | "run"> | Error> {
  if (client instanceof Error) return client;
  const said = await client.run(OWN_ADDRESS).catch((error: Error) => error);
  if (said instanceof Error) return said;
  const address = said.trim();
  return address === "" ? new Error("the client outside has no IPv6 address") : { address, run: client.run };
}

/** Name of a pod or a node to its IPv6 address. */
function addressesOf({ api, workload }: Pick<Ground, "api" | "workload">) {
  const pods = valueOf(api.pods, []).filter(({ namespace }) => namespace === workload.namespace);
  const named = [...pods, ...valueOf(api.nodes, [])];
  return new Map(named.flatMap(({ name, ipv6Address }) => (ipv6Address === undefined ? [] : [[name, ipv6Address]])));
}

function sendersOf(ground: Ground, outside: Awaited<ReturnType<typeof addressed>>): Sender[] {
  const { cluster, workload, places } = ground;
  const addresses = addressesOf(ground);
  return [
    ...places.flatMap(({ pod, node, error }): Sender[] => {
      const address = addresses.get(pod);
      if (address === undefined || error !== undefined) return [];
      const run = async (targets: readonly Target[]) =>
        orThrow(await inPod(cluster, workload, pod, SENDER_SECONDS, ["sh", "-c", probeScript(targets)]));
      return [{ kind: "pod", end: { name: pod, node, address, port: 0 }, run }];
    }),
    ...sendersBesidePods(ground, (node) => addresses.get(node), outside),
  ];
}

function targetsOf(ground: Ground, outside: Awaited<ReturnType<typeof addressed>>): Targets {
  const { api, workload, nodePort, nodes, places } = ground;
  const addresses = addressesOf(ground);
  const known = nodes.flatMap((node) => {
    const address = addresses.get(node);
    return address === undefined ? [] : [{ node, address }];
  });
  const service = valueOf(api.services, []).find(
    ({ namespace, name }) => namespace === workload.namespace && name === workload.service,
  );
  // a Service without a ClusterIP of a family has no NodePort of it either
  const clusterIp = service?.clusterIps?.find((each) => each.includes(":"));
  const servers = places.filter(({ server }) => server);
  return {
    pod: servers.flatMap(({ pod, node }) => {
      const address = addresses.get(pod);
      return address === undefined ? [] : [{ name: pod, node, address, port: 80 }];
    }),
    node: known.map(({ node, address }) => ({ name: node, node, address, port: 0 })),
    "cluster-ip": clusterIp === undefined ? [] : [{ name: workload.service, address: clusterIp, port: 80 }],
    "node-port":
      clusterIp === undefined
        ? []
        : known.map(({ node, address }) => ({ name: `NodePort of ${node}`, node, address, port: nodePort })),
    outside: outside instanceof Error ? [] : [{ name: "outside client", address: outside.address, port: 80 }],
  };
}
