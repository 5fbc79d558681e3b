import { askAgent, listAgents, saveRules } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import { timeConnections } from "./growthProbes";
import {
  createAll,
  createNamespace,
  evenly,
  freeAddresses,
  HTTP_PORT,
  nearest,
  removeAll,
  serverEndpoint,
  syntheticEndpoint,
  type Addresses,
  type GrowthService,
} from "./growthServices";
import { answersOf, CROWD_SECONDS, pause, SingleServices } from "./growthSingle";
import { DEFAULTS, type GrowthOptions, type GrowthTarget } from "./growthTarget";
import { GROWTH_METRICS, type GrowthMetricId, type GrowthSeries } from "./results";

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

/** Prints two numbers: iptables rules, and frontends of Cilium's service map. */
const COUNT = `{ ${saveRules()}; } | grep -c '^-A'; cilium service list | grep -cE '^[0-9]+ '`;

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
  private readonly singles: SingleServices;
  private readonly crowd: GrowthService[] = [];
  /** Numbers of those that a server answers for. */
  private readonly answered: number[] = [];
  private readonly notMeasured = new Set<string>();

  constructor(
    private readonly target: GrowthTarget,
    private readonly addresses: Addresses,
    private readonly options: Required<GrowthOptions>,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.singles = new SingleServices(target, addresses, options, signal);
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
    await this.singles.watched(last.clusterIp, async (watches) => {
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
    for (const [index, origin] of this.singles.origins.entries()) {
      const metric = FROM[index]!["first-connection"];
      await attempt([metric], async () => ({
        [metric]: await timeConnections(origin, chosen, HTTP_PORT, passes),
      }));
    }
    await attempt(["kept-connection"], async () => ({ "kept-connection": await this.singles.keepConnections() }));
    const froms = FROM.slice(0, this.singles.origins.length);
    const changes = froms.flatMap((from) => [from["new-service"], from["endpoint-change"]]);
    await attempt(changes, async () => {
      const values: Partial<Values> = Object.fromEntries(changes.map((metric) => [metric, []]));
      for (let sample = 0; sample < samples; sample += 1) {
        for (const [index, { created, changed }] of (await this.singles.change()).entries()) {
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
      await pause(this.options.settleMs, this.signal);
    }
  }
}
