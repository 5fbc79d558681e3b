import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "../../cluster/podExec";
import type { AttachableCluster } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { Place } from "../../datapath/probes";
import { ask, watch, type Origin, type Watch } from "./growthProbes";
import {
  endpointsOf,
  GROWTH_NAMESPACE,
  HTTP_PORT,
  serverEndpoint,
  serviceOf,
  type Addresses,
  type GrowthService,
} from "./growthServices";
import { programsOf, startServers } from "./paths";
import { TOOLS } from "./tools";

/** A cluster to fill with Services, with its client and servers. */
export interface GrowthTarget {
  readonly cluster: AttachableCluster & {
    /** If present, connections are also measured from the client's node. */
    readonly startOnNode?: ((node: string, command: readonly string[]) => Session) | undefined;
  };
  readonly services: ServiceWriter;
  readonly client: Place;
  /** Serves the Services, on another node than the client if possible. */
  readonly server: Place;
  /** Serves a Service after a change of endpoints. */
  readonly otherServer: Place;
  readonly serviceCidr: string;
}

/** How much to measure. */
export interface GrowthOptions {
  /** Number of new Services, each with a change of its endpoint. Default: 5 */
  readonly samples?: number;
  /** Number of values for first and kept connections. Default: 5 */
  readonly passes?: number;
  /** Number of Services to connect to in each pass. Default: 50 */
  readonly connections?: number;
  /** Seconds per value of a kept connection. Default: 1 */
  readonly keptSeconds?: number;
  /** Pause before each change in ms, in addition to the duration of the previous change. Default: 1,000 */
  readonly quietMs?: number;
  /** Interval in ms between two reads of tables that can still change. Default: 2,000 */
  readonly settleMs?: number;
}

/** Defaults of {@link GrowthOptions}. */
export const DEFAULTS: Required<GrowthOptions> = {
  samples: 5,
  passes: 5,
  connections: 50,
  keptSeconds: 1,
  quietMs: 1000,
  settleMs: 2000,
};

/** Timeout of one change, and of thousands. */
const CHANGE_SECONDS = 60;
export const CROWD_SECONDS = 300;

/** Maximum duration of a watch. */
const WATCH_SECONDS = 2 * CROWD_SECONDS;

const LATENCY = TOOLS.find(({ metrics }) => metrics.includes("latency-p50"))!;

/** Creates, changes and deletes one Service besides those of the cluster. */
export class SingleServices {
  /** The client's pod, and its node if commands can run there. */
  readonly origins: readonly Origin[];
  private created = 0;
  /** Time until the last new Service answered. */
  private tookMs = 0;

  constructor(
    private readonly target: GrowthTarget,
    private readonly addresses: Addresses,
    private readonly options: Required<GrowthOptions>,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { cluster, client } = target;
    const startOnNode = cluster.startOnNode?.bind(cluster);
    const pod: Origin = {
      name: client.pod,
      start: (command) => cluster.start(WORKLOAD.namespace, client.pod, WORKLOAD_CONTAINER, command),
    };
    const node = startOnNode && {
      name: client.node,
      start: (command: readonly string[]) => startOnNode(client.node, command),
    };
    this.origins = node === undefined ? [pod] : [pod, node];
  }

  /** Measure latencies on a kept connection from the client's pod. */
  async keepConnections(): Promise<number[]> {
    const { cluster, server } = this.target;
    const { keptSeconds, passes } = this.options;
    const run = (script: string) => ask(this.origins[0]!, ["sh", "-c", script], keptSeconds + CHANGE_SECONDS);
    const programs = await programsOf(run);
    if (!programs.has(LATENCY.program)) throw new Error(`the workload's image has no ${LATENCY.program}`);
    const servers = await startServers(cluster, server, new Set([LATENCY.program]));
    try {
      return await this.withService(LATENCY.port, async ({ clusterIp }, create) => {
        await this.watched(clusterIp, async (watches) => {
          await this.firstAnswers(watches, create);
        });
        await this.quiet();
        const values: number[] = [];
        while (values.length < passes) {
          this.signal?.throwIfAborted();
          const output = await run(LATENCY.client(clusterIp, LATENCY.port, keptSeconds, 0));
          values.push(LATENCY.parse(output).values.get("latency-p50")!);
        }
        return values;
      });
    } finally {
      servers.end();
    }
  }

  /** Create a Service, change its endpoint, and delete it. @returns ms until each origin saw the creation and the change */
  change(): Promise<{ created: number; changed: number }[]> {
    const { services: writer, otherServer } = this.target;
    return this.withService(undefined, (service, create) =>
      this.watched(service.clusterIp, async (watches) => {
        const created = await this.firstAnswers(watches, create);
        await this.quiet();
        const start = performance.now();
        await writer.replaceEndpoints(endpointsOf({ ...service, endpoint: serverEndpoint(otherServer.address) }));
        const changed = (await answersOf(watches, otherServer)).map((at) => at - start);
        return created.map((each, index) => ({ created: each, changed: changed[index]! }));
      }),
    );
  }

  /** Create a watched Service. @returns ms until each watch got an answer */
  private async firstAnswers(watches: readonly Watch[], create: () => Promise<number>): Promise<number[]> {
    const begin = await create();
    const took = (await answersOf(watches, this.target.server)).map((at) => at - begin);
    this.tookMs = Math.max(...took);
    return took;
  }

  /**
   * Work with one more Service, with a pause afterwards. `create` creates it, and returns the time at which the API server
   * accepted it.
   */
  private async withService<T>(
    extraPort: number | undefined,
    work: (service: GrowthService, create: () => Promise<number>) => Promise<T>,
  ): Promise<T> {
    const { services: writer, server } = this.target;
    this.created += 1;
    const service: GrowthService = {
      name: `single-${this.created}`,
      clusterIp: this.addresses.take(),
      endpoint: serverEndpoint(server.address),
      extraPort,
    };
    const create = async () => {
      await writer.createService(serviceOf(service));
      const accepted = performance.now();
      // after the Service, as the controller for Services with a selector does
      await writer.createEndpoints(endpointsOf(service));
      return accepted;
    };
    try {
      return await work(service, create);
    } finally {
      await writer.deleteService(GROWTH_NAMESPACE, service.name);
      this.addresses.giveBack(service.clusterIp);
      await this.quiet();
    }
  }

  /** Connect to an address continuously, from all origins, during some work. */
  async watched<T>(address: string, work: (watches: Watch[]) => Promise<T>): Promise<T> {
    this.signal?.throwIfAborted();
    const watches: Watch[] = [];
    // rejects those that wait for an answer
    const end = () => watches.forEach((each) => each.end());
    this.signal?.addEventListener("abort", end);
    try {
      for (const origin of this.origins) watches.push(watch(origin, address, HTTP_PORT, WATCH_SECONDS));
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

  /** Wait for the previous change to complete: kube-proxy batches changes for a second before it applies them. */
  private quiet(): Promise<void> {
    return pause(this.options.quietMs + this.tookMs, this.signal);
  }
}

/** Wait. @throws the signal's reason if it is aborted */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal && { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}

/** Times at which each watch got a pod's first answer. */
export function answersOf(watches: readonly Watch[], { pod }: Place, seconds = CHANGE_SECONDS): Promise<number[]> {
  return Promise.all(watches.map(({ answerOf }) => answerOf(pod, seconds)));
}
