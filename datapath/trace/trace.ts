import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { MODE_CONTRACTS, type RoutingMode, type Tunnel } from "../../modes/contract";
import type { DatapathChoice } from "../../modes/datapathChoice";
import { masqueradesIpv6 } from "../../modes/ciliumValues";
import { withPort, type AddressFamily } from "../../modes/ipFamily";
import { choiceNotes, expectedPath, ipv6Notes, SCENARIOS, type PathFacts, type Scenario } from "../../modes/tracePaths";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { Expectation } from "../checks/check";
import type { Place } from "../probes";
import { capture, captureCommand, type Capture, type Captured, type Vantage } from "./capture";
import { causesOf } from "./causes";
import { readNamespaces, readPlaces, type Namespaces, type Places } from "./namespaces";
import { differencesOf, verdictOf } from "./judgement";
import { hopsOf, trafficOf, type Sighting, type Traffic } from "./legs";
import { readTables, translates, type NodeTables } from "./lookups";
import { probeTo, send, type Sender } from "./probe";
import { readService, routeOfNames, routeOfScenario, type Inside, type Route } from "./route";
import type { TraceCluster } from "./traceCluster";
import type { Leg, Station, Trace, TraceNode } from "./result";

/** What to trace in which cluster. */
export interface TraceRequest {
  /** The stack's name. */
  readonly name: string;
  readonly cluster: TraceCluster;
  readonly mode: RoutingMode;
  readonly tunnel: Tunnel;
  /** Cilium's, without v. */
  readonly version: string;
  readonly expectation: Expectation;
  /** What the settings choose beside the mode. Default: nothing. */
  readonly choice?: DatapathChoice | undefined;
  readonly inside: Inside;
  /** Family of the addresses to trace by. Default: `ipv4`. */
  readonly family?: AddressFamily | undefined;
  /** A scenario of the articles, or a sender and a target. */
  readonly scenario: Scenario | { readonly from: string; readonly to: string };
}

/** A trace with its captures. */
export interface Traced {
  readonly trace: Trace;
  readonly captures: readonly Captured[];
}

/** Packets can still be on their way after the sender has its answer. */
const AFTERWARDS_MILLISECONDS = 100;

/** Send one packet, and trace it and its reply. @throws Error if the packet cannot be sent or captured */
export async function tracePacket(request: TraceRequest): Promise<Traced> {
  const { cluster, scenario, family = "ipv4" } = request;
  const [places, service] = await Promise.all([
    readPlaces(cluster, request.expectation, family),
    readService(cluster, family),
  ]);
  const route =
    typeof scenario === "string"
      ? await routeOfScenario(scenario, cluster, places, service, request.inside, family)
      : routeOfNames(scenario.from, scenario.to, places, service, request.inside, family);
  const { address, port } = route.target;
  const now = cluster.now();
  const probe = probeTo(address, port, now);
  const startedAt = new Date(now).toISOString();
  const vantages = vantagesOf(places, route);
  const probing = () => send(cluster, route.sender, probe, address, port);
  const [{ captured, result: answered }, namespaces] = await Promise.all([
    capturedWhile(cluster, vantages, captureCommand(probe.mark.protocol, family), probing),
    readNamespaces(cluster, places, vantages),
  ]);
  const traffic = trafficOf(captured, namespaces, probe.mark);
  const asked = port === undefined ? address : withPort(address, port);
  const all = [...traffic.request, ...traffic.reply];
  const involved = [...new Set([...involvedBefore(route), ...all.map(({ station }) => station.node)])];
  const sought = {
    family,
    packets: all.map(({ frame }) => frame.packet),
    asked: isService(route) && port !== undefined ? { address, port } : undefined,
    kubeProxy: request.expectation.evidence.kubeProxy.mode,
  };
  const tables = new Map(
    await Promise.all(involved.map(async (node) => [node, await readTables(cluster, node, sought)] as const)),
  );
  const legs = legsOf(request, route, traffic, asked, tables);
  const dropped = captured.filter((each) => each.dropped > 0).map(({ vantage }) => vantage.pod ?? vantage.node);
  const routesAreDirect = request.expectation.evidence.nodeRoutes.startsWith("via the other node");
  const routing = { family, routesAreDirect };
  const causes = answered ? [] : await causesOf(cluster, namespaces, traffic, involved, routing, probing);
  const ends = [route.sender, route.target].map((end) => ("place" in end ? end.place.pod : undefined));
  const notes = notesOf(request, route, places);
  const trace: Trace = {
    cluster: request.name,
    mode: request.mode,
    tunnel: request.tunnel,
    version: request.version,
    ...(family === "ipv4" ? {} : { family }),
    scenario: typeof scenario === "string" ? scenario : "own",
    title: titleOf(scenario, family),
    ...(notes.length === 0 ? {} : { notes }),
    probe: { protocol: probe.mark.protocol, from: nameOf(route.sender), to: asked, command: probe.command, answered },
    nodes: involved.map((node) => traceNode(node, namespaces, ends, all, tables.get(node))),
    legs,
    lookups: [...tables.values()].flatMap(({ lookups }) => lookups),
    ...verdictOf({ legs, answered, asked, sender: route.sender.kind, target: route.target.kind, dropped, causes }),
    startedAt,
  };
  return { trace, captures: captured };
}

/** A route in one sentence. */
export function titleOf(scenario: TraceRequest["scenario"], family: AddressFamily = "ipv4"): string {
  const title = typeof scenario === "string" ? SCENARIOS[scenario] : `${scenario.from} connects to ${scenario.to}`;
  return family === "ipv4" ? title : `${title} by IPv6`;
}

/** What settings and version mean for the packet, one sentence each. */
function notesOf(request: TraceRequest, route: Route, { servers }: Places): string[] {
  const { sender, target } = route;
  const isFromOutside = sender.kind === "machine" && target.kind === "nodePort";
  const senderServes = sender.kind === "pod" && servers.some(({ pod }) => pod === sender.place.pod);
  return [
    ...(isFromOutside ? choiceNotes(request.choice ?? {}) : []),
    ...(request.family === "ipv6" ? ipv6Notes(factsOf(request, route), request.version, senderServes) : []),
  ];
}

/** What decides the packet's path, but the pod that a Service chooses. */
function factsOf(
  { mode, tunnel, version, choice, family }: TraceRequest,
  { sender, target }: Route,
): Omit<PathFacts, "arrived"> {
  const { services, hostRouting, masquerading } = MODE_CONTRACTS[mode];
  return {
    services,
    hostRouting,
    masquerading: family === "ipv6" && !masqueradesIpv6({ mode, version }) ? "none" : masquerading,
    tunnel,
    choice,
    sender: sender.kind === "pod" ? { kind: "pod", node: sender.place.node, pod: sender.place.pod } : sender,
    target: target.kind === "pod" ? { kind: "pod", node: target.place.node, pod: target.place.pod } : target,
  };
}

/** Capture at these vantages during an action. */
async function capturedWhile<T>(
  cluster: TraceCluster,
  vantages: readonly Vantage[],
  command: readonly string[],
  act: () => Promise<T>,
): Promise<{ captured: Captured[]; result: T }> {
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

/** A service can choose any of its pods; otherwise only the ends and their nodes can see the packet. */
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

/** Nodes that belong to a trace even if no packet was seen on them. */
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
  request: TraceRequest,
  route: Route,
  traffic: Traffic,
  asked: string,
  tables: ReadonlyMap<string, NodeTables>,
): Leg[] {
  const start = traffic.request[0]?.frame.nanoseconds ?? 0n;
  const byKernel = (node: string, from: string, to: string) =>
    tables.get(node)?.kernel?.some((line) => translates(line, from, to));
  const end = traffic.request.at(-1)?.station;
  const arrived = end?.role === "pod" ? { node: end.node, pod: end.pod! } : undefined;
  const expected = expectedPath({ ...factsOf(request, route), arrived });
  const leg = (name: Leg["name"], sightings: readonly Sighting[]): Leg => {
    const hops = hopsOf(sightings, start, name === "request" ? asked : undefined, byKernel);
    return { name, hops, promised: expected?.[name], differences: differencesOf(name, hops, expected) };
  };
  return [leg("request", traffic.request), ...(traffic.reply.length > 0 ? [leg("reply", traffic.reply)] : [])];
}

/** Interfaces that a packet of these pods can pass. */
function isOnPath({ role, vethOf }: Station, pods: readonly Place[]): boolean {
  if (role === "veth") return pods.some(({ pod }) => pod === vethOf);
  return role !== "loopback" && role !== "other";
}

function traceNode(
  name: string,
  namespaces: Namespaces,
  ends: readonly (string | undefined)[],
  sightings: readonly Sighting[],
  tables: NodeTables | undefined,
): TraceNode {
  const node = namespaces.nodes.find((each) => each.node === name)!;
  const pods = namespaces.pods.filter(
    ({ node: on, pod }) => on === name && (ends.includes(pod) || sightings.some(({ station }) => station.pod === pod)),
  );
  return {
    name,
    address: node.address,
    pods: pods.map(({ pod, address }) => ({ name: pod, address })),
    stations: [node, ...pods]
      .flatMap(({ stations }) => [...stations.values()])
      .filter(
        (station) => isOnPath(station, pods) || sightings.some((each) => isDeepStrictEqual(each.station, station)),
      ),
    netfilter: tables?.kernel === undefined ? undefined : tables.kernel.length > 0,
    clock: node.clock,
  };
}
