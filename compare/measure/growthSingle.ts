import { setTimeout as sleep } from "node:timers/promises";
import type { Conversation, Session } from "../../cluster/podExec";
import type { AttachableCluster } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import { within } from "../../cluster/within";
import { runInPod, type Place } from "../../datapath/probes";
import { startProber, type Prober, type Watch } from "./growthProbes";
import {
  endpointsOf,
  GROWTH_NAMESPACE,
  HTTP_PORT,
  serverEndpoint,
  serviceOf,
  type Addresses,
  type GrowthService,
} from "./growthServices";
import { podOrigin, programsOf, startServers } from "./servers";
import { TOOLS } from "./tools";

/** A cluster to fill with Services, with its client and servers. */
export interface GrowthTarget {
  readonly cluster: AttachableCluster & {
    /** If present, connections are also measured from the client's node. */
    readonly startOnNode?: ((node: string, command: readonly string[]) => Conversation) | undefined;
  };
  readonly services: ServiceWriter;
  readonly client: Place;
  /** Serves the Services, on another node than the client if possible. */
  readonly server: Place;
  /** Serves a Service after a change of endpoints. */
  readonly otherServer: Place;
  readonly serviceCidr: string;
}

/** How to measure. */
export interface GrowthOptions {
  /** Number of Services to connect to for one value of a first connection. Default: 50 */
  readonly connections?: number;
  /** Seconds per value of a kept connection. Default: 1 */
  readonly keptSeconds?: number;
  /** Rest after each change in ms, in addition to the duration of the previous creation. Default: 1,000 */
  readonly quietMs?: number;
  /** Interval in ms between two reads of tables that can still change. Default: 2,000 */
  readonly settleMs?: number;
}

/** Defaults of {@link GrowthOptions}. */
export const DEFAULTS: Required<GrowthOptions> = {
  connections: 50,
  keptSeconds: 1,
  quietMs: 1000,
  settleMs: 2000,
};

/**
 * A measurement in steps. After each step it yields how many milliseconds its cluster must rest, so that several clusters
 * can rest at the same time; see {@link takeTurns}.
 */
export type Steps<Result> = AsyncGenerator<number, Result, void>;

/**
 * Let measurements take turns: each takes a step while all others rest, in their order, and the next turn begins when all
 * have rested.
 * @returns the outcome of each
 * @throws the signal's reason if it is aborted, after what the measurements leave was removed
 */
export async function takeTurns<Result>(
  all: readonly Steps<Result>[],
  signal: AbortSignal | undefined,
): Promise<PromiseSettledResult<Result>[]> {
  const outcomes = new Map<Steps<Result>, PromiseSettledResult<Result>>();
  try {
    while (outcomes.size < all.length) {
      let rested = 0;
      for (const each of all) {
        if (outcomes.has(each)) continue;
        signal?.throwIfAborted();
        try {
          const { done, value } = await each.next();
          if (done) outcomes.set(each, { status: "fulfilled", value });
          else rested = Math.max(rested, performance.now() + value);
        } catch (reason) {
          outcomes.set(each, { status: "rejected", reason });
        }
      }
      await pause(rested - performance.now(), signal);
    }
  } finally {
    // what cannot be deleted now is deleted with the namespace
    for (const each of all) await each.return(undefined as never).catch(() => undefined);
  }
  return all.map((each) => outcomes.get(each)!);
}

/** Timeout of one change, and of thousands. */
const CHANGE_SECONDS = 60;
export const CROWD_SECONDS = 300;

const LATENCY = TOOLS.find(({ metrics }) => metrics.includes("latency-p50"))!;

/** Milliseconds until each origin saw the creation and the change, and the latency of a kept connection. */
export interface SingleValues {
  created: number[];
  changed: number[];
  /** An error is why there is none; undefined if it was not asked for. */
  kept: number | Error | undefined;
}

/** Creates, changes and deletes one Service besides those of the cluster. */
export class SingleServices {
  /** In the client's pod, and on its node if commands can run there. */
  readonly probers: readonly Prober[];
  private created = 0;
  private latencyServer: Promise<Session> | undefined;
  /** Time until the last new Service answered. */
  private tookMs = 0;
  /** Time of the last change, by `performance.now()`. */
  private changedAt = -Infinity;

  constructor(
    private readonly target: GrowthTarget,
    private readonly addresses: Addresses,
    private readonly options: Required<GrowthOptions>,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { cluster, client } = target;
    const startOnNode = cluster.startOnNode?.bind(cluster);
    const pod = startProber(podOrigin(cluster, client));
    const node =
      startOnNode && startProber({ name: client.node, start: (command) => startOnNode(client.node, command) });
    this.probers = node === undefined ? [pod] : [pod, node];
  }

  /**
   * Create a Service, measure a kept connection to it, change its endpoint, and delete it.
   * @param parts which of the last two to measure
   */
  async *measure(parts: { readonly kept: boolean; readonly change: boolean }): Steps<SingleValues> {
    const { services: writer, server, otherServer } = this.target;
    this.created += 1;
    const service: GrowthService = {
      name: `single-${this.created}`,
      clusterIp: this.addresses.take(),
      endpoint: serverEndpoint(server.address),
      extraPort: LATENCY.port,
    };
    const { clusterIp } = service;
    const values: SingleValues = { created: [], changed: [], kept: undefined };
    try {
      values.created = await this.watched(clusterIp, (watches) => this.firstAnswers(watches, service));
      yield this.rest();
      // steps of their own: no cluster applies a change while a kept connection or another change is measured
      if (parts.kept) values.kept = await this.keptConnection(clusterIp).catch((error: Error) => error);
      yield 0;
      if (parts.change) {
        values.changed = await this.watched(clusterIp, async (watches) => {
          await answersOf(watches, server);
          const start = performance.now();
          await writer.replaceEndpoints(endpointsOf({ ...service, endpoint: serverEndpoint(otherServer.address) }));
          return (await answersOf(watches, otherServer)).map((at) => at - start);
        });
      }
      yield 0;
    } finally {
      await writer.deleteService(GROWTH_NAMESPACE, service.name);
      this.changedAt = performance.now();
      this.addresses.giveBack(clusterIp);
    }
    return values;
  }

  /** End the probers, and the server of kept connections. */
  end(): void {
    for (const prober of this.probers) prober.end();
    this.endLatencyServer();
  }

  /** Median latency on a kept connection from the client's pod, in µs. */
  private async keptConnection(address: string): Promise<number> {
    this.signal?.throwIfAborted();
    const { cluster, client, server } = this.target;
    const { keptSeconds } = this.options;
    const run = async (script: string) => {
      const output = await within(keptSeconds + CHANGE_SECONDS, runInPod(cluster, client, script), "no answer");
      if (output instanceof Error) throw output;
      return output;
    };
    this.latencyServer ??= programsOf(run).then((programs) => {
      if (!programs.has(LATENCY.program)) throw new Error(`the workload's image has no ${LATENCY.program}`);
      return startServers(podOrigin(cluster, server), new Set([LATENCY.program]));
    });
    try {
      await this.latencyServer;
      const output = await run(LATENCY.client(address, LATENCY.port, keptSeconds, 0));
      return LATENCY.parse(output).values.get("latency-p50")!;
    } catch (error) {
      // the next attempt starts another server
      this.endLatencyServer();
      throw error;
    }
  }

  private endLatencyServer(): void {
    void this.latencyServer?.then(
      (session) => session.end(),
      () => undefined,
    );
    this.latencyServer = undefined;
  }

  /** Create a watched Service. @returns ms until each watch got an answer, from when the API server accepted the Service */
  private async firstAnswers(watches: readonly Watch[], service: GrowthService): Promise<number[]> {
    const { services: writer, server } = this.target;
    await writer.createService(serviceOf(service));
    const begin = performance.now();
    // after the Service, as the controller for Services with a selector does
    await writer.createEndpoints(endpointsOf(service));
    const took = (await answersOf(watches, server)).map((at) => at - begin);
    this.tookMs = Math.max(...took);
    this.changedAt = performance.now();
    return took;
  }

  /** Connect to an address continuously, from all origins, during some work. */
  async watched<T>(address: string, work: (watches: Watch[]) => Promise<T>): Promise<T> {
    this.signal?.throwIfAborted();
    const watches = this.probers.map((prober) => prober.watch(address, HTTP_PORT));
    // rejects those that wait for an answer
    const end = () => watches.forEach((each) => each.end());
    this.signal?.addEventListener("abort", end);
    try {
      await Promise.all(watches.map(({ ready }) => ready));
      return await work(watches);
    } catch (error) {
      this.signal?.throwIfAborted();
      throw error;
    } finally {
      this.signal?.removeEventListener("abort", end);
      end();
    }
  }

  /** Milliseconds until the previous change is complete: kube-proxy batches changes for a second before it applies them. */
  rest(): number {
    return Math.max(0, this.changedAt + this.options.quietMs + this.tookMs - performance.now());
  }
}

/** Wait. @throws the signal's reason if it is aborted */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.max(0, milliseconds), undefined, signal && { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}

/** Times at which each watch got a pod's first answer. */
export function answersOf(watches: readonly Watch[], { pod }: Place, seconds = CHANGE_SECONDS): Promise<number[]> {
  return Promise.all(watches.map(({ answerOf }) => answerOf(pod, seconds)));
}
