import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { Expectation } from "../checks/check";
import type { Session } from "../../cluster/podExec";
import { nodeAddresses, places, type Place } from "../probes";
import type { TraceCluster } from "../trace/traceCluster";
import { Client } from "./client";
import { chooseFlows, choosePods, flowArguments, type Flow, type SenderId, type Target, type Targets } from "./flows";
import { judgeFlow, stallsOf, type FlowResult, type Series, type Span, type WatchMethod } from "./series";

/** What to watch, and how. */
export interface WatchRequest {
  readonly cluster: TraceCluster;
  readonly expectation: Expectation;
  /** Containers in the nodes' network, outside the cluster; undefined if there is no place for them. */
  readonly outside?: { start(command: readonly string[]): Session; readonly server: Target } | undefined;
  readonly method: WatchMethod;
  /** Duration of the baseline, before anything changes. */
  readonly baselineSeconds: number;
}

/** A flow with its result; times are milliseconds since the end of the baseline. */
export type FlowReport = Pick<Flow, "id" | "title" | "isControl"> & FlowResult;

/** Report of a watch; times are milliseconds since the end of the baseline. */
export interface WatchReport {
  /** End of the baseline, as an ISO time. */
  readonly startedAt: string;
  /** Duration since the end of the baseline. */
  readonly seconds: number;
  readonly method: WatchMethod & { readonly baselineSeconds: number };
  readonly flows: readonly FlowReport[];
  /** Times at which the machine itself stalled: control flows got no answer. */
  readonly stalls: readonly Span[];
  /** Times at which a sender was down, or its session interrupted. */
  readonly unobserved: readonly (Span & { readonly sender: string })[];
  readonly omitted: readonly { readonly title: string; readonly reason: string }[];
  /** `uninterrupted`: every flow is ok, and everything was observed. */
  readonly verdict: "uninterrupted" | "interrupted";
}

/** Interval at which silent flows are checked for new addresses of their pods. */
const FOLLOW_MS = 2000;

const DNS = { namespace: "kube-system", service: "kube-dns", port: 53 };

/** Sends every flow of a cluster until {@link end}. */
export class Watch {
  private readonly began = performance.now();
  private readonly beganAt = Date.now();
  private readonly clients: Client[] = [];
  private flows: Flow[] = [];
  private omitted: WatchReport["omitted"] = [];
  private targets: Targets = {};
  private readonly follower: NodeJS.Timeout;
  /** End of the baseline. */
  private baselineMs: number;

  private constructor(private readonly request: WatchRequest) {
    this.baselineMs = request.baselineSeconds * 1000;
    this.follower = setInterval(() => void this.follow().catch(() => undefined), FOLLOW_MS);
  }

  /** Start all clients. @throws Error if one sends no probes, after the others have ended */
  static async begin(request: WatchRequest): Promise<Watch> {
    const watch = new Watch(request);
    try {
      await watch.start();
      await Promise.all(watch.clients.map(({ ready }) => ready));
    } catch (error) {
      await watch.stop();
      throw error;
    }
    // the baseline starts when all clients send
    watch.baselineMs = watch.clock() + request.baselineSeconds * 1000;
    return watch;
  }

  /** The report so far. */
  report(): WatchReport {
    const { method, baselineSeconds } = this.request;
    const seriesOf = ({ id }: Flow) =>
      shifted(this.clients.find(({ flows }) => flows.has(id))!.series(id), this.baselineMs);
    const stalls = stallsOf(this.flows.filter(({ isControl }) => isControl).map(seriesOf), method);
    const flows = this.flows.map((flow): FlowReport => {
      const { id, title, isControl } = flow;
      return { id, title, isControl, ...judgeFlow(seriesOf(flow), isControl ? [] : stalls, method) };
    });
    const unobserved = this.clients.flatMap((client) =>
      client
        .unobserved()
        .map((span) => ({ sender: client.name, ...shiftedSpan(span, this.baselineMs) }))
        .filter(({ from, to }) => to > 0 && to - from > method.timeoutMs),
    );
    const isWhole = unobserved.length === 0 && flows.every((flow) => flow.isControl || flow.verdict === "ok");
    return {
      startedAt: new Date(this.beganAt + this.baselineMs).toISOString(),
      seconds: Math.max(0, Math.round((this.clock() - this.baselineMs) / 100) / 10),
      method: { ...method, baselineSeconds },
      flows,
      stalls: stalls.filter(({ to }) => to > 0),
      unobserved,
      omitted: this.omitted,
      verdict: isWhole ? "uninterrupted" : "interrupted",
    };
  }

  /** Stop sending, and wait for the last answers. */
  async end(): Promise<WatchReport> {
    await this.stop();
    return this.report();
  }

  private async stop(): Promise<void> {
    clearInterval(this.follower);
    await Promise.all(this.clients.map((client) => client.end()));
  }

  private readonly clock = () => performance.now() - this.began;

  private async start(): Promise<void> {
    const { cluster, outside } = this.request;
    const client = await this.readTargets();
    const senders = new Set<SenderId>(["pod", ...(cluster.onNode ? ["node" as const] : [])]);
    if (outside !== undefined) senders.add("outside");
    const chosen = chooseFlows(this.targets, senders);
    this.flows = chosen.flows;
    this.omitted = chosen.omitted;
    const starts: Readonly<Record<SenderId, readonly [name: string, (command: readonly string[]) => Session]>> = {
      pod: [client.pod, (command) => cluster.start(WORKLOAD.namespace, client.pod, WORKLOAD_CONTAINER, command)],
      node: [client.node, (command) => cluster.startOnNode(client.node, command)],
      outside: ["the container outside the cluster", (command) => outside!.start(command)],
    };
    for (const sender of senders) {
      const [name, start] = starts[sender];
      const own = this.flows.filter(({ from }) => from === sender);
      // separate clients, so that only the flows of a pod with a new address restart
      const groups = [
        own.filter(({ to }) => to === "near"),
        own.filter(({ to }) => to === "far"),
        own.filter(({ to }) => to !== "near" && to !== "far"),
      ];
      for (const flows of groups.filter(({ length }) => length > 0)) {
        const ids = new Set(flows.map(({ id }) => id));
        const { intervalMs, timeoutMs } = this.request.method;
        const command = () => ["flow", ...flowArguments(flows, this.targets, intervalMs, timeoutMs)];
        this.clients.push(new Client(name, ids, () => start(command()), this.clock));
      }
    }
  }

  /** @returns the client pod */
  private async readTargets(): Promise<Place> {
    const { cluster, expectation, outside } = this.request;
    const [{ servers, all }, nodes, service, dns] = await Promise.all([
      places(cluster, expectation),
      nodeAddresses(cluster),
      cluster.service(WORKLOAD.namespace, WORKLOAD.service),
      cluster.service(DNS.namespace, DNS.service),
    ]);
    const client = all.find(({ pod }) => pod === WORKLOAD.clientPod);
    if (client === undefined) throw new Error(`the client pod ${WORKLOAD.clientPod} is not running; run pulumi up`);
    const { near, far } = choosePods(client, servers);
    const { clusterIP, ports = [] } = service?.spec ?? {};
    const nodePort = ports.find(({ port }) => port === 80)?.nodePort;
    const receiver = nodes.find(({ node }) => node === (far ?? client).node)?.address;
    const farNode = far && nodes.find(({ node }) => node === far.node)?.address;
    const name = `${WORKLOAD.service}.${WORKLOAD.namespace}.svc.cluster.local`;
    this.targets = {
      ...(near && { near: { address: near.address, port: 80 } }),
      ...(far && { far: { address: far.address, port: 80 } }),
      ...(farNode && { "far-node": { address: farNode, port: 0 } }),
      ...(clusterIP && { "cluster-ip": { address: clusterIP, port: 80 } }),
      ...(nodePort && receiver && { "node-port": { address: receiver, port: nodePort } }),
      ...(dns?.spec?.clusterIP && { dns: { address: dns.spec.clusterIP, port: DNS.port, name } }),
      ...(outside && { outside: outside.server }),
    };
    return client;
  }

  /** Restart clients whose pod got a new address, as after a restart of its node. */
  private async follow(): Promise<void> {
    const movable = (target: Flow["to"]) => target === "near" || target === "far";
    const isQuiet = ({ id, to }: Flow) => {
      const at = movable(to) ? this.clientOf(id)?.lastAnswer(id) : undefined;
      return at !== undefined && this.clock() - at > FOLLOW_MS;
    };
    const quiet = this.flows.filter(isQuiet);
    if (quiet.length === 0) return;
    const before = this.targets;
    await this.readTargets();
    const isMoved = ({ to }: Flow) => before[to]?.address !== this.targets[to]?.address;
    const moved = new Set(quiet.filter(isMoved).map(({ id }) => this.clientOf(id)!));
    for (const client of moved) client.restart();
  }

  private clientOf(flow: string): Client | undefined {
    return this.clients.find(({ flows }) => flows.has(flow));
  }
}

const shiftedSpan = ({ from, to }: Span, by: number): Span => ({
  from: Math.round(from - by),
  to: Math.round(to - by),
});

/** The same, relative to the end of the baseline. */
function shifted({ probes, breaks, unobserved }: Series, by: number): Series {
  return {
    probes: probes.map(({ sentAt, answeredAt, why }) => ({
      sentAt: Math.round(sentAt - by),
      answeredAt: answeredAt === undefined ? undefined : Math.round(answeredAt - by),
      why,
    })),
    breaks: breaks.map(({ at, why }) => ({ at: Math.round(at - by), why })),
    unobserved: unobserved.map((span) => shiftedSpan(span, by)),
  };
}
