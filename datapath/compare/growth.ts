import { setTimeout as sleep } from "node:timers/promises";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import { askAgent, listAgents, saveRules } from "../agents";
import { apiErrorLine } from "../apiError";
import type { AttachableCluster, ServiceWriter } from "../cluster";
import type { Session } from "../podExec";
import type { Place } from "../probes";
import { ask, timeConnections, watch, type Origin, type Watch } from "./growthProbes";
import {
  createAll,
  createNamespace,
  endpointsOf,
  evenly,
  freeAddresses,
  GROWTH_NAMESPACE,
  nearest,
  removeAll,
  serverEndpoint,
  serviceOf,
  syntheticEndpoint,
  type Addresses,
  type GrowthService,
} from "./growthServices";
import { programsOf, startServers } from "./lanes";
import { GROWTH_METRICS, type GrowthMetricId, type GrowthSeries } from "./results";
import { TOOLS } from "./tools";

/** A cluster to be filled with Services, and who asks whom in it. */
export interface GrowthTarget {
  readonly cluster: AttachableCluster & {
    /** Where there is one, connections are measured from the client's node too. */
    readonly startOnNode?: ((node: string, command: readonly string[]) => Session) | undefined;
  };
  readonly services: ServiceWriter;
  readonly client: Place;
  /** Answers for Services, on another node than the client's where there is one. */
  readonly server: Place;
  /** Answers after a change of endpoints. */
  readonly otherServer: Place;
  readonly serviceCidr: string;
}

/** How much is measured. */
export interface GrowthOptions {
  /** New Services, each with a change of its endpoint. Default: 5 */
  readonly samples?: number;
  /** Values of the time of connections, first and kept. Default: 5 */
  readonly passes?: number;
  /** Services that a first connection is made to in each pass. Default: 50 */
  readonly connections?: number;
  /** Seconds that each value of a kept connection takes. Default: 1 */
  readonly keptSeconds?: number;
  /** Quiet before each change, ms, beside what the change before took. Default: 1,000 */
  readonly quietMs?: number;
  /** Between two looks at tables that may still change, ms. Default: 2,000 */
  readonly settleMs?: number;
}

/** A cluster that is being filled. */
export interface GrowthRun {
  /** Bring the cluster to so many Services, and wait until its nodes know them. @throws Error when it has more already */
  growTo(services: number): Promise<void>;
  /** Measure with as many Services as there are; can be repeated. */
  measure(): Promise<GrowthSeries[]>;
  /** What was not measured, and why: a sentence each. */
  omitted(): string[];
  /** Delete all that was made, here and by runs that were killed; an abort does not keep it from that. */
  remove(): Promise<void>;
}

const DEFAULTS: Required<GrowthOptions> = {
  samples: 5,
  passes: 5,
  connections: 50,
  keptSeconds: 1,
  quietMs: 1000,
  settleMs: 2000,
};

const HTTP_PORT = 80;

/** How long a change may take to arrive, and thousands at once. */
const CHANGE_SECONDS = 60;
const CROWD_SECONDS = 300;

/** How long what a watch may wait for can take in all. */
const WATCH_SECONDS = 2 * CROWD_SECONDS;

/** Prints two numbers: iptables rules, and frontends of Cilium's service map. */
const COUNT = `{ ${saveRules()}; } | grep -c '^-A'; cilium service list | grep -cE '^[0-9]+ '`;

const LATENCY = TOOLS.find(({ metrics }) => metrics.includes("latency-p50"))!;

/**
 * Prepare a cluster for a series of growing numbers of Services. What an earlier run left, killed or interrupted, is
 * removed; an abort leaves what there is, for `remove` or the next preparation.
 * @throws Error when Services cannot be made there
 */
export async function prepareGrowth(
  target: GrowthTarget,
  signal?: AbortSignal,
  options: GrowthOptions = {},
): Promise<GrowthRun> {
  const { services: writer } = target;
  await removeAll(writer);
  signal?.throwIfAborted();
  const addresses = freeAddresses(target.serviceCidr, await writer.serviceAddresses());
  await createNamespace(writer);
  return new Run(target, addresses, { ...DEFAULTS, ...options }, signal);
}

type Values = Record<GrowthMetricId, number[]>;

/** What is measured from each origin, in their order. */
const FROM = [
  { "first-connection": "first-connection", "new-service": "new-service", "endpoint-change": "endpoint-change" },
  {
    "first-connection": "first-connection-from-node",
    "new-service": "new-service-from-node",
    "endpoint-change": "endpoint-change-from-node",
  },
] as const satisfies Record<string, GrowthMetricId>[];

class Run implements GrowthRun {
  /** The client's pod, and its node where commands can be run on it. */
  private readonly origins: readonly Origin[];
  private readonly crowd: GrowthService[] = [];
  /** Numbers of those that a server answers for. */
  private readonly answered: number[] = [];
  private readonly notMeasured = new Set<string>();
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

  async growTo(services: number): Promise<void> {
    const from = this.crowd.length;
    if (services < from) throw new Error(`There are ${from} Services already, more than ${services}`);
    if (services === from) return;
    const { left } = this.addresses;
    // one more at a time for measurements
    if (services - from + 1 > left) {
      throw new Error(
        `the service network ${this.target.serviceCidr} has ${left} free addresses, too few for ${services} Services`,
      );
    }
    const withServer = evenly(services, this.options.connections).filter((index) => index >= from);
    const more: GrowthService[] = [];
    for (let index = from; index < services; index += 1) {
      const endpoint = withServer.includes(index)
        ? serverEndpoint(this.target.server.address)
        : syntheticEndpoint(index);
      more.push({ name: `crowd-${String(index).padStart(5, "0")}`, clusterIp: this.addresses.take(), endpoint });
    }
    const last = more.at(-1)!;
    await createAll(this.target.services, more.slice(0, -1), this.signal);
    // when it answers, the nodes have come past all others
    await createAll(this.target.services, [last], this.signal);
    this.crowd.push(...more);
    this.answered.push(...withServer);
    await this.watched(last.clusterIp, async (watches) => {
      await answersOf(watches, this.target.server, CROWD_SECONDS);
    });
    await this.settle();
  }

  async measure(): Promise<GrowthSeries[]> {
    const services = this.crowd.length;
    const { connections, passes, samples } = this.options;
    const series: GrowthSeries[] = [];
    const attempt = async (metrics: readonly GrowthMetricId[], work: () => Promise<Partial<Values>>) => {
      try {
        for (const [metric, values] of Object.entries(await work())) {
          series.push({ services, metric: metric as GrowthMetricId, values });
        }
      } catch (error) {
        this.signal?.throwIfAborted();
        const titles = metrics.map((metric) => GROWTH_METRICS[metric].title).join(", ");
        this.notMeasured.add(`${titles}, with ${services} Services: ${apiErrorLine(error as Error)}`);
      }
    };
    await attempt(["iptables-rules", "service-map"], async () => {
      const { rules, entries } = await this.count();
      return { "iptables-rules": [rules], "service-map": [entries] };
    });
    const chosen = nearest(evenly(services, connections), this.answered).map((index) => this.crowd[index]!.clusterIp);
    // one origin after the other: they would be in each other's way
    for (const [index, origin] of this.origins.entries()) {
      const metric = FROM[index]!["first-connection"];
      await attempt([metric], async () => ({
        [metric]: await timeConnections(origin, chosen, HTTP_PORT, passes),
      }));
    }
    await attempt(["kept-connection"], async () => ({ "kept-connection": await this.keepConnections() }));
    const froms = FROM.slice(0, this.origins.length);
    const changes = froms.flatMap((from) => [from["new-service"], from["endpoint-change"]]);
    await attempt(changes, async () => {
      const values: Partial<Values> = Object.fromEntries(changes.map((metric) => [metric, []]));
      for (let sample = 0; sample < samples; sample += 1) {
        for (const [index, { created, changed }] of (await this.change()).entries()) {
          values[froms[index]!["new-service"]]!.push(created);
          values[froms[index]!["endpoint-change"]]!.push(changed);
        }
      }
      return values;
    });
    return series;
  }

  omitted(): string[] {
    return [...this.notMeasured];
  }

  async remove(): Promise<void> {
    await removeAll(this.target.services);
    this.crowd.length = 0;
    this.answered.length = 0;
  }

  private async count(): Promise<{ rules: number; entries: number }> {
    const { cluster, client } = this.target;
    const agent = (await listAgents(cluster)).find(({ node }) => node === client.node);
    if (agent === undefined) throw new Error(`no agent runs on ${client.node}`);
    const output = await askAgent(cluster, agent, ["sh", "-c", COUNT]);
    if (output instanceof Error) throw output;
    const counts = /^(\d+)\n(\d+)$/.exec(output.trim());
    if (counts === null) throw new Error(`${agent.pod} does not count its rules: ${output.trim()}`);
    return { rules: Number(counts[1]), entries: Number(counts[2]) };
  }

  /** Wait until the tables of the client's node change no more. */
  private async settle(): Promise<void> {
    const deadline = Date.now() + CROWD_SECONDS * 1000;
    let before = "";
    for (;;) {
      const counts = JSON.stringify(await this.count());
      if (counts === before) return;
      if (Date.now() > deadline)
        throw new Error(`The tables of ${this.target.client.node} still change after ${CROWD_SECONDS} s`);
      before = counts;
      await this.pause(this.options.settleMs);
    }
  }

  /** Time on a kept connection from the client's pod. */
  private async keepConnections(): Promise<number[]> {
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
  private change(): Promise<{ created: number; changed: number }[]> {
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
  private async watched<T>(address: string, work: (watches: Watch[]) => Promise<T>): Promise<T> {
    this.signal?.throwIfAborted();
    const watches = this.origins.map((origin) => watch(origin, address, HTTP_PORT, WATCH_SECONDS));
    // whoever waits for an answer is told that there will be none
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

  /** Let the change before be done with: kube-proxy gathers what comes within a second, and needs its time for it. */
  private quiet(): Promise<void> {
    return this.pause(this.options.quietMs + this.tookMs);
  }

  /** @throws the signal's reason when it is aborted */
  private async pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, this.signal && { signal: this.signal }).catch((error: unknown) => {
      this.signal?.throwIfAborted();
      throw error;
    });
  }
}

/** When each watch saw a pod's first answer. */
function answersOf(watches: readonly Watch[], { pod }: Place, seconds = CHANGE_SECONDS): Promise<number[]> {
  return Promise.all(watches.map(({ answerOf }) => answerOf(pod, seconds)));
}
