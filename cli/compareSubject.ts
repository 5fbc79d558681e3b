import { apiErrorLine } from "../datapath/apiError";
import { connectServices, type OutsideClient } from "../datapath/cluster";
import { Bench } from "../datapath/compare/benchmarks";
import { BENCH_SERVICE, exposeForBench, type Exposed } from "../datapath/compare/benchService";
import { prepareGrowth, type GrowthRun } from "../datapath/compare/growth";
import { removeAll as removeGrowth } from "../datapath/compare/growthServices";
import type { GrowthTarget } from "../datapath/compare/growthTarget";
import { readNodes } from "../datapath/compare/inventory";
import { endsOf, lanesOf, programsOf, startServers, type LaneEnds } from "../datapath/compare/lanes";
import { settingsOf } from "../datapath/compare/modeSettings";
import { componentUse, readUse, type UseReading } from "../datapath/compare/resources";
import type { GrowthSeries, NodeInventory, Subject, WalkSummary } from "../datapath/compare/results";
import { summariseWalk } from "../datapath/compare/walkSummary";
import { nodeAddresses, places } from "../datapath/probes";
import { trace } from "../datapath/trace/trace";
import { CHECKS } from "../datapath/checks/all";
import type { Scenario } from "../modes/tracePaths";
import { WORKLOAD } from "../modes/workload";
import { startOutside } from "../host/outside";
import { stackCluster, type StackCluster } from "./stackCluster";
import { traceable } from "./traceable";
import { runVerification } from "./verification";

/** The ways that are walked: one within a node, one between nodes, and through services from inside and outside. */
const WALKED: readonly Scenario[] = ["same-node", "cross-node", "clusterip", "nodeport-other", "host-nodeport"];

const ONE_NODE =
  "the growth series: a Service's endpoint changes from one node to another, and the cluster has one node";

const NOT_ASKED_FOR =
  "the growth series: the cluster is not this stack's own; name the numbers with --services to fill it";

/** How long a cluster may take to settle before it counts as out of its mode. */
const SETTLE_SECONDS = 60;

/** A stack that takes part in a comparison, and what was found of it so far. */
export class Contestant {
  private verification: Subject["verification"] = { verdict: "not asked", failed: [] };
  private walks: WalkSummary[] = [];
  private nodes: NodeInventory[] = [];
  private config: Record<string, string> = {};
  private kubernetes = "";
  private useBefore: UseReading[] = [];
  private useAfter: UseReading[] = [];
  private readonly growthSeries: GrowthSeries[] = [];
  private readonly omitted: string[] = [];
  private ends: LaneEnds | undefined;
  private exposed: Exposed | undefined;
  private outside: OutsideClient | undefined;
  private growthRun: GrowthRun | undefined;
  bench: Bench | undefined;

  private constructor(
    readonly name: string,
    private readonly stack: StackCluster,
  ) {}

  static async of(name: string, set: readonly string[] | undefined): Promise<Contestant> {
    return new Contestant(name, await stackCluster(name, set));
  }

  /** Verify its mode, and read what it is: configuration, what its nodes hold, and the ways of packets. */
  async inspect(): Promise<void> {
    const { cluster, expectation, kubeconfig } = this.stack;
    await removeGrowth(connectServices(kubeconfig));
    const { verification } = await runVerification({
      ...{ name: this.name, cluster, expectation, checks: CHECKS, settleSeconds: SETTLE_SECONDS, quick: true },
      diagnostics: false,
    });
    const failed = verification.results.filter(({ verdict }) => verdict === "fail" || verdict === "inconclusive");
    this.verification = { verdict: verification.verdict, failed: failed.map(({ id }) => id) };
    this.config = (await cluster.configMap("kube-system", "cilium-config"))?.data ?? {};
    this.kubernetes = (await cluster.nodes())[0]?.status?.nodeInfo?.kubeletVersion.replace(/^v/, "") ?? "";
    this.nodes = await readNodes(cluster);
    await this.expose();
    const { cluster: traced, ...request } = await traceable(this.name, this.stack);
    // chance is not to choose between servers, and so the way
    const service: typeof traced.service = (namespace, name) =>
      cluster.service(namespace, name === WORKLOAD.service && this.exposed ? BENCH_SERVICE : name);
    for (const way of WALKED) {
      try {
        this.walks.push(summariseWalk((await trace({ ...request, cluster: { ...traced, service }, way })).walk));
      } catch (error) {
        this.omitted.push(`walk ${way}: ${(error as Error).message}`);
      }
    }
  }

  /** Make what benchmarks need: servers, a Service before one of them, and somebody outside. */
  async prepareBench(): Promise<Bench> {
    const { cluster } = this.stack;
    const ends = await this.findEnds();
    const { client, near, far } = ends;
    const outside = await this.startOutside();
    if (!(outside instanceof Error)) this.outside = outside;
    const { lanes, omitted } = lanesOf(cluster, ends, this.exposed, outside instanceof Error ? outside : outside.run);
    this.omitted.push(...omitted);
    const programs = new Map(
      await Promise.all(lanes.map(async ({ path, run }) => [path, await programsOf(run)] as const)),
    );
    const inPods = programs.get("same-node") ?? programs.get("cross-node") ?? new Set<string>();
    const served = [near, far].flatMap((place) => place ?? []).filter(({ pod }) => pod !== client.pod);
    const servers = await Promise.all(served.map((place) => startServers(cluster, place, inPods)));
    this.bench = new Bench(this.name, lanes, programs, servers);
    this.useBefore = await this.readUse();
    return this.bench;
  }

  /** What Cilium and kube-proxy use is read here once more. */
  async endBench(): Promise<void> {
    this.useAfter = await this.readUse();
    this.bench?.close();
    await this.exposed?.remove();
    this.exposed = undefined;
    await this.outside?.end();
    this.outside = undefined;
  }

  /** Bring the cluster to so many Services. */
  async growTo(services: number, isAskedFor: boolean, signal: AbortSignal): Promise<void> {
    const { client, near, far } = await this.findEnds();
    const reason = near === undefined || far === undefined ? ONE_NODE : NOT_ASKED_FOR;
    if (near === undefined || far === undefined || !(isAskedFor || this.stack.nodesAreContainers)) {
      if (!this.omitted.includes(reason)) this.omitted.push(reason);
      return;
    }
    this.growthRun ??= await this.prepareGrowth({ client, server: far, otherServer: near }, signal);
    await this.growthRun.growTo(services);
  }

  /** One more value of everything, with as many Services as there are. */
  async measureGrowth(): Promise<void> {
    if (this.growthRun === undefined) return;
    for (const { services, metric, values } of await this.growthRun.measure()) {
      const before = this.growthSeries.find((each) => each.services === services && each.metric === metric);
      if (before === undefined) this.growthSeries.push({ services, metric, values });
      else before.values.push(...values);
    }
  }

  /** Note what was not measured, and why. */
  omit(sentence: string): void {
    this.omitted.push(sentence);
  }

  /** Take away everything that was made in the cluster. */
  async close(tell: (line: string) => void): Promise<void> {
    this.bench?.close();
    const removed = [this.exposed?.remove(), this.outside?.end(), this.growthRun?.remove()].map((each) =>
      Promise.resolve(each),
    );
    for (const outcome of await Promise.allSettled(removed)) {
      if (outcome.status === "fulfilled") continue;
      process.exitCode ??= 1;
      tell(
        `${this.name}: something is left, which the next comparison removes: ${apiErrorLine(outcome.reason as Error)}`,
      );
    }
  }

  /** All that was found. */
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
        walks: this.walks,
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
    const { kubeconfig, settings } = this.stack;
    const { cluster } = await traceable(this.name, this.stack);
    const { serviceCidr } = settings.cluster;
    const target = { ...places, cluster, services: connectServices(kubeconfig), serviceCidr };
    // one value a round, so that clusters take turns
    return prepareGrowth(target, signal, { samples: 1, passes: 1 });
  }

  private async findEnds(): Promise<LaneEnds> {
    if (this.ends !== undefined) return this.ends;
    const { cluster, expectation } = this.stack;
    const [{ servers, all }, nodes] = await Promise.all([places(cluster, expectation), nodeAddresses(cluster)]);
    return (this.ends = endsOf(servers, all, nodes));
  }

  /** Put a Service before the server of another node, where there is one. */
  private async expose(): Promise<void> {
    const { far } = await this.findEnds();
    if (far === undefined) return;
    const { cluster, kubeconfig } = this.stack;
    this.exposed ??= await exposeForBench(cluster, connectServices(kubeconfig), far);
  }

  private async readUse(): Promise<UseReading[]> {
    return readUse(this.stack.cluster).catch((error: Error) => {
      this.omitted.push(`memory and CPU of Cilium and kube-proxy: ${apiErrorLine(error)}`);
      return [];
    });
  }

  private async startOutside(): Promise<OutsideClient | Error> {
    if (!this.stack.nodesAreContainers) return new Error("there is nobody outside to ask with the same tools");
    const [pod] = await this.stack.cluster.pods(WORKLOAD.namespace, `run=${WORKLOAD.clientPod}`);
    return startOutside(pod!.spec!.containers[0]!.image!).catch(
      ({ message }: Error) => new Error(message.split("\n")[0]),
    );
  }
}
