import { askAgent, listAgents, saveRules } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import { countOfNftables } from "../../datapath/checks/proxyRules";
import { kubeProxyTable } from "./inventory";
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
import {
  answersOf,
  CROWD_SECONDS,
  DEFAULTS,
  SingleServices,
  type GrowthOptions,
  type GrowthTarget,
  type Steps,
} from "./growthSingle";
import { GROWTH_METRICS, type GrowthMetricId, type GrowthSeries } from "../results";

/** A cluster that is filled with Services. */
export interface GrowthRun {
  /** Create Services up to this number, and wait until the nodes have them. @throws Error if there are more already */
  growTo(services: number): Steps<void>;
  /**
   * Measure one value of each metric with the present number of Services; can be repeated.
   * @param wanted metrics to measure; others come with them. Default: all
   */
  measure(wanted?: ReadonlySet<GrowthMetricId>): Steps<GrowthSeries[]>;
  /** Missing measurements with reasons, one sentence each. */
  omitted(): string[];
  /** Delete everything that this run or killed runs created, even after an abort. */
  remove(): Promise<void>;
}

/** Prints the number of iptables rules, and of frontends in Cilium's service map. */
const COUNT = `{ ${saveRules()}; } | grep -c '^-A'; cilium service list | grep -cE '^[0-9]+ '`;

/**
 * Prepare a cluster for growing numbers of Services. Leftovers of earlier runs are removed; after an abort, everything
 * stays for `remove` or the next preparation.
 * @throws Error if Services cannot be created
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

/** Metrics of each origin, in the order of the origins. */
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
  /** Indexes of those with a real server. */
  private readonly served: number[] = [];
  private readonly notMeasured = new Set<string>();
  /** Whether the client's node has kube-proxy's table of nftables. */
  private table: Promise<boolean> | undefined;

  constructor(
    private readonly target: GrowthTarget,
    private readonly addresses: Addresses,
    private readonly options: Required<GrowthOptions>,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.singles = new SingleServices(target, addresses, options, signal);
  }

  async *growTo(services: number): Steps<void> {
    const from = this.crowd.length;
    if (services < from) throw new Error(`The cluster has ${from} Services already, more than ${services}`);
    if (services === from) return;
    const { left } = this.addresses;
    // measurements create one more at a time
    if (services - from + 1 > left) {
      throw new Error(
        `the service network ${this.target.serviceCidr} has only ${left} free addresses, too few for ${services} Services`,
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
    // once it answers, the nodes have processed all others
    await createAll(this.target.services, [last], this.signal);
    this.crowd.push(...more);
    this.served.push(...withServer);
    await this.singles.watched(last.clusterIp, async (watches) => {
      await answersOf(watches, this.target.server, CROWD_SECONDS);
    });
    yield* this.settle();
  }

  async *measure(wanted?: ReadonlySet<GrowthMetricId>): Steps<GrowthSeries[]> {
    const services = this.crowd.length;
    const series: GrowthSeries[] = [];
    const wants = (...metrics: readonly GrowthMetricId[]) => metrics.some((metric) => wanted?.has(metric) ?? true);
    const add = (metric: GrowthMetricId, value: number) => void series.push({ services, metric, values: [value] });
    const fail = (metrics: readonly GrowthMetricId[], error: unknown) => {
      this.signal?.throwIfAborted();
      const titles = metrics.map((metric) => GROWTH_METRICS[metric].title).join(", ");
      this.notMeasured.add(`${titles}, with ${services} Services: ${apiErrorLine(error as Error)}`);
    };
    // of the round before
    yield this.singles.rest();
    const counted: readonly GrowthMetricId[] = ["iptables-rules", "nftables-rules", "service-map"];
    if (wants(...counted)) {
      await this.count().then(
        ({ rules, ofNftables, entries }) => {
          add("iptables-rules", rules);
          if (ofNftables !== undefined) add("nftables-rules", ofNftables);
          add("service-map", entries);
        },
        (error) => fail(counted, error),
      );
    }
    const chosen = nearest(evenly(services, this.options.connections), this.served);
    const addresses = chosen.map((index) => this.crowd[index]!.clusterIp);
    // one origin after the other, so that they do not disturb each other
    for (const [index, prober] of this.singles.probers.entries()) {
      const metric = FROM[index]!["first-connection"];
      if (!wants(metric)) continue;
      await prober.timeConnections(addresses, HTTP_PORT).then(
        (value) => add(metric, value),
        (error) => fail([metric], error),
      );
    }
    const froms = FROM.slice(0, this.singles.probers.length);
    const changes = froms.flatMap((from) => [from["new-service"], from["endpoint-change"]]);
    const parts = { kept: wants("kept-connection"), change: wants(...changes) };
    if (!parts.kept && !parts.change) return series;
    yield 0;
    try {
      const { kept, created, changed } = yield* this.singles.measure(parts);
      if (kept instanceof Error) fail(["kept-connection"], kept);
      else if (kept !== undefined) add("kept-connection", kept);
      if (parts.change) {
        for (const [index, from] of froms.entries()) {
          add(from["new-service"], created[index]!);
          add(from["endpoint-change"], changed[index]!);
        }
      }
    } catch (error) {
      fail([...(parts.kept ? (["kept-connection"] as const) : []), ...(parts.change ? changes : [])], error);
    }
    return series;
  }

  omitted(): string[] {
    return [...this.notMeasured];
  }

  async remove(): Promise<void> {
    this.singles.end();
    await removeAll(this.target.services);
    this.crowd.length = 0;
    this.served.length = 0;
  }

  private async count(): Promise<{ rules: number; ofNftables?: number | undefined; entries: number }> {
    const { cluster, client } = this.target;
    const agent = (await listAgents(cluster)).find(({ node }) => node === client.node);
    if (agent === undefined) throw new Error(`no agent runs on ${client.node}`);
    const output = await askAgent(cluster, agent, ["sh", "-c", COUNT]);
    if (output instanceof Error) throw output;
    const counts = /^(\d+)\n(\d+)$/.exec(output.trim());
    if (counts === null) throw new Error(`${agent.pod} returned no rule counts: ${output.trim()}`);
    this.table ??= kubeProxyTable(cluster, client.node).then((table) => table !== undefined);
    const table = (await this.table) ? await kubeProxyTable(cluster, client.node) : undefined;
    const ofNftables = table === undefined ? undefined : countOfNftables(table).rules;
    return { rules: Number(counts[1]), ofNftables, entries: Number(counts[2]) };
  }

  /** Wait until the tables of the client's node are stable. */
  private async *settle(): Steps<void> {
    const deadline = Date.now() + CROWD_SECONDS * 1000;
    let before = "";
    for (;;) {
      const counts = JSON.stringify(await this.count());
      if (counts === before) return;
      if (Date.now() > deadline)
        throw new Error(`The tables of ${this.target.client.node} are still changing after ${CROWD_SECONDS} s`);
      before = counts;
      yield this.options.settleMs;
    }
  }
}
