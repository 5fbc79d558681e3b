import { z } from "zod";
import type { AddressFamily } from "../../modes/ipFamily";
import type { StationRole } from "../../modes/tracePaths";
import { nodeAddresses, places, runInPod, type Place } from "../probes";
import type { Expectation } from "../checks/check";
import type { Vantage } from "./capture";
import { askNode, type TraceCluster } from "./traceCluster";
import type { Station } from "./result";

/** A network namespace, with its interfaces by their index. */
export interface Namespace extends Vantage {
  readonly address: string;
  readonly stations: ReadonlyMap<number, Station>;
  /** Of the machine that keeps its time. */
  readonly clock: string;
}

/** Possible senders and targets. */
export interface Places {
  readonly nodes: readonly { readonly node: string; readonly address: string }[];
  readonly pods: readonly Place[];
  /** Pods that serve the service. */
  readonly servers: readonly Place[];
}

/** Namespaces in which packets are captured: those of nodes, and of the workload's pods. */
export interface Namespaces {
  readonly nodes: readonly Namespace[];
  readonly pods: readonly (Namespace & Place)[];
}

const Links = z.array(
  z.object({
    ifindex: z.number(),
    ifname: z.string(),
    link_index: z.number().optional(),
    addr_info: z.array(z.object({ local: z.string().optional() })),
  }),
);

/** Prints the machine's boot id, which containers on one machine share, and `ip -j addr`. */
const SCRIPT = "cat /proc/sys/kernel/random/boot_id; ip -j addr";

/** Read the addresses of nodes and of the workload's pods. */
export async function readPlaces(
  cluster: TraceCluster,
  expectation: Expectation,
  family: AddressFamily,
): Promise<Places> {
  // a node without a server does not prevent traces between others
  const lenient = { ...expectation, nodeCount: undefined };
  const [{ servers, all }, nodes] = await Promise.all([
    places(cluster, lenient, family),
    nodeAddresses(cluster, family),
  ]);
  return { nodes, pods: all, servers };
}

/** Read the interfaces of these namespaces. @throws Error naming a node or pod that does not answer */
export async function readNamespaces(
  cluster: TraceCluster,
  known: Places,
  vantages: readonly Vantage[],
): Promise<Namespaces> {
  const isWanted = (node: string, pod?: string) => vantages.some((each) => each.node === node && each.pod === pod);
  const asked = known.pods
    .filter(({ node, pod }) => isWanted(node, pod))
    .map(async (place) => {
      const { clock, links } = linksOf(await runInPod(cluster, place, SCRIPT));
      return { place, clock, links, peer: links.find(({ ifname }) => ifname === "eth0")?.link_index };
    });
  const nodes = known.nodes
    .filter(({ node }) => isWanted(node))
    .map(async ({ node, address }) => {
      const { clock, links } = linksOf(await askNode(cluster, node, SCRIPT));
      const pods = (await Promise.all(asked)).filter(({ place }) => place.node === node);
      const stations = links.map(({ ifindex, ifname, addr_info }): [number, Station] => {
        const isDevice = addr_info.some(({ local }) => local === address);
        const vethOf = pods.find(({ peer }) => peer === ifindex)?.place.pod;
        return [
          ifindex,
          {
            node,
            interface: ifname,
            role: isDevice ? "device" : nodeRole(ifname),
            ...(vethOf === undefined ? {} : { vethOf }),
          },
        ];
      });
      return { node, address, clock, stations: new Map(stations) };
    });
  const pods = asked.map(async (each) => {
    const { place, clock, links } = await each;
    const { node, pod } = place;
    const stations = links.map(({ ifindex, ifname }): [number, Station] => [
      ifindex,
      { node, pod, interface: ifname, role: podRole(ifname) },
    ]);
    return { ...place, clock, stations: new Map(stations) };
  });
  const [ofNodes, ofPods] = await Promise.all([Promise.all(nodes), Promise.all(pods)]);
  return { nodes: ofNodes, pods: ofPods };
}

/** Parse the output of {@link SCRIPT}. @throws Error if it did not run */
function linksOf(output: string | Error): { clock: string; links: z.infer<typeof Links> } {
  if (output instanceof Error) throw output;
  const [clock, ...rest] = output.split("\n");
  return { clock: clock!, links: Links.parse(JSON.parse(rest.join("\n"))) };
}

function nodeRole(name: string): StationRole {
  if (name === "lo") return "loopback";
  if (name === "cilium_host" || name === "cilium_net") return name;
  if (name === "cilium_vxlan" || name === "cilium_geneve") return "tunnel";
  if (name.startsWith("lxc")) return "veth";
  return "other";
}

function podRole(name: string): StationRole {
  return name === "eth0" ? "pod" : name === "lo" ? "loopback" : "other";
}
