import { apiErrorLine } from "../cluster/apiError";
import { connectServices } from "../cluster/services";
import type { OutsideClient } from "../cluster/read";
import { Bench } from "../compare/measure/benchmarks";
import { prepareGrowth, type GrowthRun } from "../compare/measure/growth";
import { removeAll as removeGrowth } from "../compare/measure/growthServices";
import type { GrowthTarget, Steps } from "../compare/measure/growthSingle";
import { readNodes, settingsOf, summarizeTrace } from "../compare/measure/inventory";
import { BENCH_SERVICE, createBenchService, type BenchService } from "../compare/measure/benchService";
import { endsOf, ipv6EndsOf, measuredPaths, seenClients, type Ipv6Ends, type PathEnds } from "../compare/measure/paths";
import { podOrigin, programsOf, startServers } from "../compare/measure/servers";
import { toolsIn, type Measurement } from "../compare/measure/tools";
import { componentUse, readUse, type UseReading } from "../compare/measure/resources";
import type { Measured } from "../compare/analyse/rows";
import {
  isIpv6Path,
  type GrowthMetricId,
  type GrowthSeries,
  type NodeInventory,
  type SeenClient,
  type Subject,
  type TraceSummary,
} from "../compare/results";
import { nodeAddresses, places } from "../datapath/probes";
import { tracePacket } from "../datapath/trace/trace";
import { CHECKS } from "../datapath/checks/all";
import type { Scenario } from "../modes/tracePaths";
import { WORKLOAD } from "../modes/workload";
import { startOnNodes, startOutsideClient } from "./compareClients";
import type { Contender } from "./compareVariants";
import { stackCluster, type StackCluster } from "./stackCluster";
import { traceable } from "./traceable";
import { runVerification } from "./verification";

/** Traced scenarios: within a node, between nodes, and through services from inside and outside. */
const TRACED: readonly Scenario[] = ["same-node", "cross-node", "clusterip", "nodeport-other", "host-nodeport"];

const ONE_NODE = "the growth series: it moves a Service's endpoint between nodes, and the cluster has only one";

const NOT_ASKED_FOR = "the growth series: the cluster is external; set --services to create Services in it";

/** Time for a cluster to settle before its verification fails. */
const SETTLE_SECONDS = 60;

/** A stack in a comparison, with its results so far. */
export class ComparedStack {
  private verification: Subject["verification"] = { verdict: "not verified", failed: [] };
  private traces: TraceSummary[] = [];
  private nodes: NodeInventory[] = [];
  private config: Record<string, string> = {};
  private kubernetes = "";
  private useBefore: UseReading[] = [];
  private useAfter: UseReading[] = [];
  private seen: SeenClient[] | undefined;
  private readonly growthSeries: GrowthSeries[] = [];
  private readonly omitted: string[] = [];
  private ends: PathEnds | undefined;
  private service: BenchService | undefined;
  private outside: OutsideClient | undefined;
  private growthRun: GrowthRun | undefined;
  private endShells: (() => void) | undefined;
  bench: Bench | undefined;

  private constructor(
    readonly name: string,
    private readonly stack: StackCluster,
    private readonly measurements: readonly Measurement[],
  ) {}

  static async of({ name, stack, set }: Contender, measurements: readonly Measurement[]): Promise<ComparedStack> {
    return new ComparedStack(name, await stackCluster(stack, set), measurements);
  }

  /** Verify the mode. */
  async verify(): Promise<void> {
    const { cluster, expectation, kubeconfig } = this.stack;
    await removeGrowth(connectServices(kubeconfig));
    const { verification } = await runVerification({
      ...{ name: this.name, cluster, expectation, checks: CHECKS, settleSeconds: SETTLE_SECONDS, quick: true },
      diagnostics: false,
    });
    const failed = verification.results.filter(({ verdict }) => verdict === "fail" || verdict === "inconclusive");
    this.verification = { verdict: verification.verdict, failed: failed.map(({ id }) => id) };
  }

  /** Read configuration, node state and traces. */
  async inspect(): Promise<void> {
    const { cluster } = this.stack;
    this.config = (await cluster.configMap("kube-system", "cilium-config"))?.data ?? {};
    this.kubernetes = (await cluster.nodes())[0]?.status?.nodeInfo?.kubeletVersion.replace(/^v/, "") ?? "";
    this.nodes = await readNodes(cluster);
    await this.createService();
    const { cluster: traced, ...request } = await traceable(this.name, this.stack);
    // the Service with a single server, so that every trace takes the same path
    const service: typeof traced.service = (namespace, name) =>
      cluster.service(namespace, name === WORKLOAD.service && this.service ? BENCH_SERVICE : name);
    for (const scenario of TRACED) {
      try {
        this.traces.push(
          summarizeTrace((await tracePacket({ ...request, cluster: { ...traced, service }, scenario })).trace),
        );
      } catch (error) {
        this.omitted.push(`trace ${scenario}: ${(error as Error).message}`);
      }
    }
    // starting a process in a container takes processor time that measurements need
    this.endShells = cluster.keepShells?.();
  }

  /** Prepare benchmarks: servers, their Service, and clients outside the cluster and on a node. */
  async prepareBench(): Promise<Bench> {
    const { cluster } = this.stack;
    const ends = await this.findEnds();
    const { client, near, far } = ends;
    const tools = toolsIn(this.measurements);
    const wanted = [...new Set(this.measurements.map(({ path }) => path))];
    const outside = await startOutsideClient(this.stack);
    const onNodes = wanted.includes("host") ? await startOnNodes(this.name, this.stack, ends, tools) : undefined;
    if (!(outside instanceof Error)) {
      this.outside = outside;
      this.seen = await seenClients(ends, this.service, outside);
    }
    const { paths, omitted } = measuredPaths(
      cluster,
      ends,
      this.service,
      {
        outside: outside instanceof Error ? outside : outside.run,
        node: onNodes instanceof Error ? onNodes : onNodes?.run,
      },
      { wanted, ipv6: await this.findIpv6Ends() },
    );
    this.omitted.push(...omitted);
    const programs = new Map(
      await Promise.all(paths.map(async ({ id, run }) => [id, await programsOf(run, tools)] as const)),
    );
    const inPods = programs.get("same-node") ?? programs.get("cross-node") ?? new Set<string>();
    const served = [near, far].flatMap((place) => place ?? []).filter(({ pod }) => pod !== client.pod);
    const servers = await Promise.all(served.map((place) => startServers(podOrigin(cluster, place), inPods, tools)));
    if (onNodes !== undefined && !(onNodes instanceof Error)) servers.push(onNodes.servers);
    this.bench = new Bench(this.name, paths, programs, servers);
    this.useBefore = await this.readUse();
    return this.bench;
  }

  /** Read the usage of Cilium and kube-proxy again, and remove what benchmarks needed. */
  async endBench(): Promise<void> {
    this.useAfter = await this.readUse();
    this.bench?.close();
    await this.service?.remove();
    this.service = undefined;
    await this.outside?.end();
    this.outside = undefined;
  }

  /** Create Services up to this number. */
  async *growTo(services: number, isAskedFor: boolean, signal: AbortSignal): Steps<void> {
    const { client, near, far } = await this.findEnds();
    const reason = near === undefined || far === undefined ? ONE_NODE : NOT_ASKED_FOR;
    if (near === undefined || far === undefined || !(isAskedFor || this.stack.nodesAreContainers)) {
      if (!this.omitted.includes(reason)) this.omitted.push(reason);
      return;
    }
    this.growthRun ??= await this.prepareGrowth({ client, server: far, otherServer: near }, signal);
    yield* this.growthRun.growTo(services);
  }

  /** Measure one more value of each wanted metric with the present number of Services. Default: of all */
  async *measureGrowth(wanted?: ReadonlySet<GrowthMetricId>): Steps<void> {
    if (this.growthRun === undefined) return;
    for (const { services, metric, values } of yield* this.growthRun.measure(wanted)) {
      const before = this.growthSeries.find((each) => each.services === services && each.metric === metric);
      if (before === undefined) this.growthSeries.push({ services, metric, values });
      else before.values.push(...values);
    }
  }

  /** What has been measured so far. */
  get measured(): Measured & Pick<Subject, "mode" | "tunnel"> {
    const { mode, tunnel } = this.stack.settings;
    return { name: this.name, mode, tunnel, series: this.bench?.series() ?? [], growth: this.growthSeries };
  }

  /** Record a missing measurement. */
  omit(sentence: string): void {
    this.omitted.push(sentence);
  }

  /** Remove everything that was created in the cluster. */
  async close(log: (line: string) => void): Promise<void> {
    this.bench?.close();
    const removed = [this.service?.remove(), this.outside?.end(), this.growthRun?.remove()].map((each) =>
      Promise.resolve(each),
    );
    const outcomes = await Promise.allSettled(removed);
    this.endShells?.();
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      process.exitCode ??= 1;
      log(`${this.name}: clean-up failed; the next comparison repeats it: ${apiErrorLine(outcome.reason as Error)}`);
    }
  }

  /** The results. */
  subject(): Subject {
    const { settings } = this.stack;
    const latest = this.useAfter.length === 0 ? this.useBefore : this.useAfter;
    return {
      name: this.name,
      mode: settings.mode,
      tunnel: settings.tunnel,
      cilium: settings.cilium.version,
      kubernetes: this.kubernetes,
      verification: this.verification,
      inventory: {
        settings: settingsOf(settings),
        config: this.config,
        nodes: this.nodes,
        components: componentUse(latest, this.useBefore),
        walks: this.traces,
        ...(this.seen && { outside: this.seen }),
      },
      series: this.bench?.series() ?? [],
      growth: this.growthSeries,
      omitted: [...this.omitted, ...(this.bench?.omitted() ?? []), ...(this.growthRun?.omitted() ?? [])],
    };
  }

  private async prepareGrowth(
    places: Pick<GrowthTarget, "client" | "server" | "otherServer">,
    signal: AbortSignal,
  ): Promise<GrowthRun> {
    const { kubeconfig, networks } = this.stack;
    const { cluster } = await traceable(this.name, this.stack);
    const target = {
      ...places,
      cluster,
      services: connectServices(kubeconfig),
      serviceCidr: networks.services,
    };
    return prepareGrowth(target, signal);
  }

  private async findEnds(): Promise<PathEnds> {
    if (this.ends !== undefined) return this.ends;
    const { cluster, expectation } = this.stack;
    const [{ servers, all }, nodes] = await Promise.all([places(cluster, expectation), nodeAddresses(cluster)]);
    return (this.ends = endsOf(servers, all, nodes));
  }

  /** The IPv6 addresses of the ends, if paths by IPv6 are to be measured and the cluster has them. */
  private async findIpv6Ends(): Promise<Ipv6Ends | undefined> {
    const isWanted = this.measurements.some(({ path }) => isIpv6Path(path));
    if (!isWanted || this.stack.settings.ipv6 === undefined) return undefined;
    return ipv6EndsOf(this.stack.cluster, await this.findEnds());
  }

  /** Create the Service of the server on another node, if there is one. */
  private async createService(): Promise<void> {
    const { far } = await this.findEnds();
    if (far === undefined) return;
    const { cluster, kubeconfig } = this.stack;
    const options = { tools: toolsIn(this.measurements), ipv6Address: (await this.findIpv6Ends())?.far };
    this.service ??= await createBenchService(cluster, connectServices(kubeconfig), far, options);
  }

  private async readUse(): Promise<UseReading[]> {
    return readUse(this.stack.cluster).catch((error: Error) => {
      this.omitted.push(`memory and CPU of Cilium and kube-proxy: ${apiErrorLine(error)}`);
      return [];
    });
  }
}
