import { z } from "zod";
import type { StationRole } from "../../modes/tracePaths";
import { nodeAddresses, places, runInPod, type Place } from "../probes";
import type { Expectation } from "../checks/check";
import type { Vantage } from "./capture";
import { askNode, type TraceCluster } from "./traceCluster";
import type { Station } from "./walk";

/** A network namespace, with its interfaces by their index. */
export interface Namespace extends Vantage {
  readonly address: string;
  readonly stations: ReadonlyMap<number, Station>;
  /** Of the machine that keeps its time. */
  readonly clock: string;
}

/** Who can send and be sent to. */
export interface Places {
  readonly nodes: readonly { readonly node: string; readonly address: string }[];
  readonly pods: readonly Place[];
  /** Those pods that answer for the service. */
  readonly servers: readonly Place[];
}

/** Where packets are looked for: nodes, and pods of the workload on them. */
export interface Ground {
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

/** `ip -j addr` and the machine's identity, which containers of one machine share. */
const SCRIPT = "cat /proc/sys/kernel/random/boot_id; ip -j addr";

/** Read where nodes and the workload's pods are. */
export async function readPlaces(cluster: TraceCluster, expectation: Expectation): Promise<Places> {
  // a node without a server is no reason not to look at the others
  const few = { ...expectation, nodeCount: undefined };
  const [{ servers, all }, nodes] = await Promise.all([places(cluster, few), nodeAddresses(cluster)]);
  return { nodes, pods: all, servers };
}

/** Look at the interfaces of these namespaces. @throws Error naming who gave no answer */
export async function readGround(cluster: TraceCluster, known: Places, vantages: readonly Vantage[]): Promise<Ground> {
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

/** What {@link SCRIPT} printed. @throws Error when it did not run */
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
