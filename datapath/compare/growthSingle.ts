import { setTimeout as sleep } from "node:timers/promises";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { Place } from "../probes";
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
import type { GrowthOptions, GrowthTarget } from "./growthTarget";
import { programsOf, startServers } from "./lanes";
import { TOOLS } from "./tools";

/** How long a change may take to arrive, and thousands at once. */
const CHANGE_SECONDS = 60;
export const CROWD_SECONDS = 300;

/** How long what a watch may wait for can take in all. */
const WATCH_SECONDS = 2 * CROWD_SECONDS;

const LATENCY = TOOLS.find(({ metrics }) => metrics.includes("latency-p50"))!;

/** One Service more, made, changed and deleted beside those that a cluster has. */
export class SingleServices {
  /** The client's pod, and its node where commands can be run on it. */
  readonly origins: readonly Origin[];
  private made = 0;
  /** How long the last new Service took. */
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

  /** Time on a kept connection from the client's pod. */
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

  /** Make a Service, give it another endpoint, and delete it. @returns ms until each origin saw the one and the other */
  change(): Promise<{ created: number; changed: number }[]> {
    const { services: writer, otherServer } = this.target;
    return this.withService(undefined, (service, create) =>
      this.watched(service.clusterIp, async (watches) => {
        const created = await this.firstAnswers(watches, create);
        await this.quiet();
        const asked = performance.now();
        await writer.replaceEndpoints(endpointsOf({ ...service, endpoint: serverEndpoint(otherServer.address) }));
        const changed = (await answersOf(watches, otherServer)).map((at) => at - asked);
        return created.map((each, index) => ({ created: each, changed: changed[index]! }));
      }),
    );
  }

  /** Make a Service that is watched. @returns ms until each watch saw it answer */
  private async firstAnswers(watches: readonly Watch[], create: () => Promise<number>): Promise<number[]> {
    const begin = await create();
    const took = (await answersOf(watches, this.target.server)).map((at) => at - begin);
    this.tookMs = Math.max(...took);
    return took;
  }

  /**
   * Do something with one Service more, in quiet before and after. It is made by calling `create`, which returns the time
   * at which the API server had accepted it.
   */
  private async withService<T>(
    extraPort: number | undefined,
    work: (service: GrowthService, create: () => Promise<number>) => Promise<T>,
  ): Promise<T> {
    const { services: writer, server } = this.target;
    this.made += 1;
    const service: GrowthService = {
      name: `single-${this.made}`,
      clusterIp: this.addresses.take(),
      endpoint: serverEndpoint(server.address),
      extraPort,
    };
    const create = async () => {
      await writer.createService(serviceOf(service));
      const accepted = performance.now();
      // second, as the controller that does it for Services with a selector
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

  /** Ask an address all the time, from all origins, while something is done. */
  async watched<T>(address: string, work: (watches: Watch[]) => Promise<T>): Promise<T> {
    this.signal?.throwIfAborted();
    const watches: Watch[] = [];
    // whoever waits for an answer is told that there will be none
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

  /** Let the change before be done with: kube-proxy gathers what comes within a second, and needs its time for it. */
  private quiet(): Promise<void> {
    return pause(this.options.quietMs + this.tookMs, this.signal);
  }
}

/** @throws the signal's reason when it is aborted */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal && { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}

/** When each watch saw a pod's first answer. */
export function answersOf(watches: readonly Watch[], { pod }: Place, seconds = CHANGE_SECONDS): Promise<number[]> {
  return Promise.all(watches.map(({ answerOf }) => answerOf(pod, seconds)));
}
