import { askAgent, listAgents, saveRules } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import { countOfNftables } from "../../datapath/checks/proxyRules";
import { timeConnections } from "./growthProbes";
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
  pause,
  SingleServices,
  type GrowthOptions,
  type GrowthTarget,
} from "./growthSingle";
import { GROWTH_METRICS, type GrowthMetricId, type GrowthSeries } from "../results";

/** A cluster that is filled with Services. */
export interface GrowthRun {
  /** Create Services up to this number, and wait until the nodes have them. @throws Error if there are more already */
  growTo(services: number): Promise<void>;
  /** Measure with the present number of Services; can be repeated. */
  measure(): Promise<GrowthSeries[]>;
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

type Values = Record<GrowthMetricId, number[]>;

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

  async growTo(services: number): Promise<void> {
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
      const { rules, ofNftables, entries } = await this.count();
      return {
        "iptables-rules": [rules],
        ...(ofNftables === undefined ? {} : { "nftables-rules": [ofNftables] }),
        "service-map": [entries],
      };
    });
    const chosen = nearest(evenly(services, connections), this.served).map((index) => this.crowd[index]!.clusterIp);
    // one origin after the other, so that they do not disturb each other
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
  private async settle(): Promise<void> {
    const deadline = Date.now() + CROWD_SECONDS * 1000;
    let before = "";
    for (;;) {
      const counts = JSON.stringify(await this.count());
      if (counts === before) return;
      if (Date.now() > deadline)
        throw new Error(`The tables of ${this.target.client.node} are still changing after ${CROWD_SECONDS} s`);
      before = counts;
      await pause(this.options.settleMs, this.signal);
    }
  }
}
