import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { MODE_CONTRACTS, type RoutingMode, type Tunnel } from "../../modes/contract";
import { expectedPath, SCENARIOS, type Scenario } from "../../modes/tracePaths";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { Expectation } from "../checks/check";
import type { Place } from "../probes";
import { capture, captureCommand, type Capture, type Captured, type Vantage } from "./capture";
import { causesOf } from "./causes";
import { readGround, readPlaces, type Ground, type Places } from "./ground";
import { differencesOf, verdictOf } from "./judgement";
import { hopsOf, trafficOf, type Sighting, type Traffic } from "./legs";
import { readTables, translates, type NodeTables } from "./lookups";
import { probeTo, send, type Sender } from "./probe";
import { readService, routeOfNames, routeOfScenario, type Inside, type Route } from "./route";
import type { TraceCluster } from "./traceCluster";
import type { Leg, Station, Walk, WalkNode } from "./walk";

/** What is to be traced, and in what. */
export interface TraceRequest {
  /** What the cluster is called. */
  readonly name: string;
  readonly cluster: TraceCluster;
  readonly mode: RoutingMode;
  readonly tunnel: Tunnel;
  /** Cilium's, without v. */
  readonly version: string;
  readonly expectation: Expectation;
  readonly inside: Inside;
  /** From whom to where: an experiment of the articles, or names and addresses. */
  readonly way: Scenario | { readonly from: string; readonly to: string };
}

/** A walk, and the captures that it was made of. */
export interface Traced {
  readonly walk: Walk;
  readonly captures: readonly Captured[];
}

/** How long packets may be under way after the sender has its answer. */
const AFTERWARDS_MILLISECONDS = 100;

/** Send one packet, and find out the way that it and its answer took. @throws Error when there is nobody to send or to capture */
export async function trace(request: TraceRequest): Promise<Traced> {
  const { cluster, way } = request;
  const [places, service] = await Promise.all([readPlaces(cluster, request.expectation), readService(cluster)]);
  const route =
    typeof way === "string"
      ? await routeOfScenario(way, cluster, places, service, request.inside)
      : routeOfNames(way.from, way.to, places, service, request.inside);
  const { address, port } = route.target;
  const probe = probeTo(address, port);
  const startedAt = new Date().toISOString();
  const vantages = vantagesOf(places, route);
  const probing = () => send(cluster, route.sender, probe, address, port);
  const [{ captured, result: answered }, ground] = await Promise.all([
    capturedWhile(cluster, vantages, probe.mark.protocol, probing),
    readGround(cluster, places, vantages),
  ]);
  const traffic = trafficOf(captured, ground, probe.mark);
  const asked = port === undefined ? address : `${address}:${port}`;
  const all = [...traffic.request, ...traffic.reply];
  const involved = [...new Set([...involvedBefore(route), ...all.map(({ station }) => station.node)])];
  const tables = new Map(
    await Promise.all(
      involved.map(async (node) => {
        const packets = all.map(({ frame }) => frame.packet);
        return [node, await readTables(cluster, node, packets, isService(route) ? asked : undefined)] as const;
      }),
    ),
  );
  const legs = legsOf(request, route, traffic, asked, tables);
  const dropped = captured.filter((each) => each.dropped > 0).map(({ vantage }) => vantage.pod ?? vantage.node);
  const routesAreDirect = request.expectation.evidence.nodeRoutes.startsWith("via the other node");
  const causes = answered ? [] : await causesOf(cluster, ground, traffic, involved, routesAreDirect, probing);
  const ends = [route.sender, route.target].map((end) => ("place" in end ? end.place.pod : undefined));
  const walk: Walk = {
    cluster: request.name,
    mode: request.mode,
    tunnel: request.tunnel,
    version: request.version,
    scenario: typeof way === "string" ? way : "own",
    title: titleOf(way),
    probe: { protocol: probe.mark.protocol, from: nameOf(route.sender), to: asked, command: probe.command, answered },
    nodes: involved.map((node) => walkNode(node, ground, ends, all, tables.get(node))),
    legs,
    lookups: [...tables.values()].flatMap(({ lookups }) => lookups),
    ...verdictOf({ legs, answered, asked, sender: route.sender.kind, target: route.target.kind, dropped, causes }),
    startedAt,
  };
  return { walk, captures: captured };
}

/** What is traced, in one sentence. */
export function titleOf(way: TraceRequest["way"]): string {
  return typeof way === "string" ? SCENARIOS[way] : `${way.from} asks for ${way.to}`;
}

/** Capture wherever the packet may pass while something is done. */
async function capturedWhile<T>(
  cluster: TraceCluster,
  vantages: readonly Vantage[],
  protocol: "ICMP" | "TCP",
  act: () => Promise<T>,
): Promise<{ captured: Captured[]; result: T }> {
  const command = captureCommand(protocol);
  const captures: Capture[] = [];
  try {
    for (const { node, pod } of vantages) {
      const session =
        pod === undefined
          ? cluster.startOnNode(node, command)
          : cluster.start(WORKLOAD.namespace, pod, WORKLOAD_CONTAINER, command);
      captures.push(capture({ node, pod }, session));
    }
    await Promise.all(captures.map(({ ready }) => ready));
    const result = await act();
    await sleep(AFTERWARDS_MILLISECONDS);
    return { captured: await Promise.all(captures.map((each) => each.stop())), result };
  } catch (error) {
    await Promise.allSettled(captures.map((each) => each.stop()));
    throw error;
  }
}

/** A service may choose any of its pods; otherwise the ends and their nodes are all that there can be. */
function vantagesOf(places: Places, { sender, target }: Route): Vantage[] {
  const pods = [
    ...(sender.kind === "pod" ? [sender.place] : []),
    ...(target.kind === "pod" ? [target.place] : isService({ sender, target }) ? places.servers : []),
  ];
  const nodes =
    target.kind === "pod" || target.kind === "outside"
      ? [...pods.map(({ node }) => node), ...(sender.kind === "node" ? [sender.node] : [])]
      : places.nodes.map(({ node }) => node);
  return [
    ...[...new Set(nodes)].map((node) => ({ node })),
    ...[...new Set(pods.map(({ pod }) => pod))].map((pod) => ({
      node: pods.find((each) => each.pod === pod)!.node,
      pod,
    })),
  ];
}

/** The nodes that a walk has even when no packet was seen on them. */
function involvedBefore({ sender, target }: Route): string[] {
  return [
    ...(sender.kind === "pod" ? [sender.place.node] : sender.kind === "node" ? [sender.node] : []),
    ...(target.kind === "pod" ? [target.place.node] : target.kind === "nodePort" ? [target.node] : []),
  ];
}

const isService = ({ target }: Route) => target.kind === "clusterIP" || target.kind === "nodePort";

function nameOf(sender: Sender): string {
  return sender.kind === "pod" ? sender.place.pod : sender.kind === "node" ? sender.node : "this machine";
}

function legsOf(
  { mode, tunnel }: TraceRequest,
  { sender, target }: Route,
  traffic: Traffic,
  asked: string,
  tables: ReadonlyMap<string, NodeTables>,
): Leg[] {
  const start = traffic.request[0]?.frame.nanoseconds ?? 0n;
  const byKernel = (node: string, from: string, to: string) =>
    tables.get(node)?.kernel?.some((line) => translates(line, from, to));
  const end = traffic.request.at(-1)?.station;
  const arrived = end?.role === "pod" ? { node: end.node, pod: end.pod! } : undefined;
  const { services, hostRouting, masquerading } = MODE_CONTRACTS[mode];
  const promised = expectedPath({
    services,
    hostRouting,
    masquerading,
    tunnel,
    sender: sender.kind === "pod" ? { kind: "pod", node: sender.place.node, pod: sender.place.pod } : sender,
    target: target.kind === "pod" ? { kind: "pod", node: target.place.node, pod: target.place.pod } : target,
    arrived,
  });
  const leg = (name: Leg["name"], sightings: readonly Sighting[]): Leg => {
    const hops = hopsOf(sightings, start, name === "request" ? asked : undefined, byKernel);
    return { name, hops, promised: promised?.[name], differences: differencesOf(name, hops, promised) };
  };
  return [leg("request", traffic.request), ...(traffic.reply.length > 0 ? [leg("reply", traffic.reply)] : [])];
}

/** Interfaces that a packet of these pods could pass. */
function isOnTheWay({ role, vethOf }: Station, pods: readonly Place[]): boolean {
  if (role === "veth") return pods.some(({ pod }) => pod === vethOf);
  return role !== "loopback" && role !== "other";
}

function walkNode(
  name: string,
  ground: Ground,
  ends: readonly (string | undefined)[],
  sightings: readonly Sighting[],
  tables: NodeTables | undefined,
): WalkNode {
  const node = ground.nodes.find((each) => each.node === name)!;
  const pods = ground.pods.filter(
    ({ node: on, pod }) => on === name && (ends.includes(pod) || sightings.some(({ station }) => station.pod === pod)),
  );
  return {
    name,
    address: node.address,
    pods: pods.map(({ pod, address }) => ({ name: pod, address })),
    stations: [node, ...pods]
      .flatMap(({ stations }) => [...stations.values()])
      .filter(
        (station) => isOnTheWay(station, pods) || sightings.some((each) => isDeepStrictEqual(each.station, station)),
      ),
    netfilter: tables?.kernel === undefined ? undefined : tables.kernel.length > 0,
    clock: node.clock,
  };
}
