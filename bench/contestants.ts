import { spawn } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { planStack, type StackPlan } from "../cli/stackPlan";
import { readStackFile } from "../cli/stackFile";
import { mergeValues, type HelmValues } from "../modes/ciliumValues";
import { withoutDigest } from "../modes/images";
import { listNodes } from "../host/docker";
import { run } from "../host/exec";
import { makeImageFolder, removeImageFolder } from "../host/imageFolder";
import { loadIntoNodes } from "../host/imageImport";
import { TestProject } from "../tests/support/project";
import type { Line } from "./line";
import { partsOfScript, partsOfUp, resourceSpans, type Span } from "./parts";
import { take, type Taken } from "./processes";

/** Prefix of the benchmark's clusters. */
const CLUSTER_PREFIX = "cmbench-";

const STACK = "bench";
const EMPTY = "bench/empty";

export interface BenchmarkOptions {
  /** One of the project's stacks. */
  readonly mode: string;
  /** Additional settings that this machine needs. */
  readonly settings: HelmValues;
  /** The line over which nodes pull Cilium's images, instead of having them. */
  readonly line?: Line | undefined;
  readonly signal: AbortSignal;
}

/** The contestants, in a copy of the project with its own state. */
export class Benchmark {
  readonly project = new TestProject();
  readonly plan: StackPlan;
  /** Images to load into the nodes. */
  readonly images: readonly string[];
  /** Images that the nodes pull over the line. */
  readonly pulled: readonly string[];
  private readonly clusters = new Set<string>();

  constructor(private readonly options: BenchmarkOptions) {
    const { directory } = this.project;
    copyFileSync(join(directory, `Pulumi.${options.mode}.yaml`), join(directory, `Pulumi.${STACK}.yaml`));
    const settings = mergeValues(options.settings, options.line?.settings ?? {});
    this.project.configure(STACK, mergeValues(settings, { cluster: { name: clusterName("project") } }));
    this.plan = this.planFor("project");
    const { agent, operator, envoy, nettool } = this.plan.images;
    const known = (...images: (string | undefined)[]) =>
      images.flatMap((image) => (image === undefined ? [] : withoutDigest(image)));
    const isLoaded = this.plan.settings.cilium.images.load;
    this.images = [
      ...(isLoaded ? known(agent, operator, envoy) : []),
      ...known(this.loadsNettool ? nettool : undefined),
    ];
    this.pulled = options.line === undefined ? [] : known(agent, operator, envoy);
  }

  /** Prepare everything that must not count. @throws Error if clusters of an earlier run exist */
  async prepare(): Promise<void> {
    const leftover = (await run("kind", ["get", "clusters"]))
      .split("\n")
      .filter((name) => name.startsWith(CLUSTER_PREFIX));
    if (leftover.length > 0)
      throw new Error(
        `Clusters of another run exist; once that run has ended: ${leftover.map((name) => `kind delete cluster --name ${name}`).join("; ")}`,
      );
    await this.options.line?.open(this.pulled);
    await this.project.succeed("stack", "init", STACK);
    await this.upProgram(EMPTY);
    const { nettoolBase } = this.plan.images;
    // the articles use a ready image, so the project's build must find its layers in the cache
    if (nettoolBase !== undefined) await this.upProgram("bench/image", "--config", `base=${nettoolBase}`);
  }

  /** Run `pulumi up` and send a request to every NodePort. */
  async up(): Promise<Taken & { parts: Span[] }> {
    const name = this.own("project");
    const taken = await this.pulumi("up", "--yes", "--json");
    const began = performance.now();
    for (const { address } of await listNodes(name)) {
      const response = await fetch(`http://${address}:${this.plan.settings.nettool.nodePort}`);
      if (!response.ok) throw new Error(`${address} answered ${response.status}`);
    }
    const seconds = taken.seconds + (performance.now() - began) / 1000;
    const answer = { name: "answer", from: taken.seconds, to: seconds };
    return { ...taken, seconds, parts: [...partsOfUp(taken.lines), answer] };
  }

  /** The created resources. */
  resources = ({ lines }: Taken) => resourceSpans(lines);

  preview(): Promise<Taken> {
    return this.pulumi("preview");
  }

  previewEmpty(): Promise<Taken> {
    return this.pulumi("preview", "--cwd", EMPTY);
  }

  async destroy(): Promise<Taken> {
    const taken = await this.pulumi("destroy", "--yes");
    this.clusters.delete(clusterName("project"));
    return taken;
  }

  /** Run one of the scripts in this folder. */
  async script(contestant: "articles" | "helm"): Promise<Taken & { parts: Span[] }> {
    const name = this.own(contestant);
    const plan = this.planFor(contestant);
    const { agent, operator, envoy, nettool } = plan.images;
    const { chart, repository, version, images } = plan.settings.cilium;
    const isPath = /^[./~]/.test(chart) || chart.endsWith(".tgz");
    const env = {
      CLUSTER: name,
      KUBECONFIG: this.file(`${contestant}.kubeconfig`),
      KIND_CONFIG: this.file(`${contestant}-kind.json`, plan.kindConfig),
      VALUES: this.file(`${contestant}-values.json`, plan.values),
      CHART: isPath
        ? chart
        : chart.startsWith("oci://")
          ? `${chart} --version ${version}`
          : `${chart} --repo ${repository} --version ${version}`,
      CILIUM_IMAGES: images.load ? [agent, operator, envoy ?? ""].map(withoutDigest).join(" ").trim() : "",
      NETTOOL_IMAGE: nettool,
      NETTOOL_IMAGE_LOADED: this.loadsNettool ? "yes" : "",
      WORKLOAD: join(__dirname, "workload.yaml"),
      NODE_PORT: String(plan.settings.nettool.nodePort),
    };
    const taken = await this.take(`${contestant}.sh`, join(__dirname, `${contestant}.sh`), [], env);
    return { ...taken, parts: partsOfScript(taken.lines, taken.seconds) };
  }

  async kindDelete(contestant: "articles" | "helm" | "load"): Promise<Taken> {
    const name = clusterName(contestant);
    const env = { KUBECONFIG: this.file(`${contestant}.kubeconfig`) };
    const taken = await this.take("kind delete", "kind", ["delete", "cluster", "--name", name], env);
    this.clusters.delete(name);
    return taken;
  }

  /** Create a cluster to load images into: without a network plugin, but with this project's image folder. */
  async createForLoading(): Promise<void> {
    const name = this.own("load");
    const { settings, kindConfig: planned } = this.planFor("load");
    const { nodes, ...others } = planned as { nodes: object[] };
    const extraMounts = [...settings.cluster.mounts, await makeImageFolder(name)];
    const config = this.file("load-kind.json", { ...others, nodes: nodes.map((node) => ({ ...node, extraMounts })) });
    const args = ["create", "cluster", "--name", name, "--config", config];
    await run("kind", args, { env: { KUBECONFIG: this.file("load.kubeconfig") }, signal: this.options.signal });
  }

  /** Load all images into the nodes, unpack and remove them. @returns the seconds until loaded, and until unpacked */
  async load(loader: "project" | "kind"): Promise<{ loaded: number; unpacked: number }> {
    const { signal } = this.options;
    const name = clusterName("load");
    const found = await listNodes(name);
    const nodes = found.map((node) => node.name);
    const before = await Promise.all(nodes.map(imageNames));
    const began = performance.now();
    if (loader === "project") await loadIntoNodes(this.images, found, () => undefined, signal);
    else await run("kind", ["load", "docker-image", "--name", name, ...this.images], { signal });
    const loaded = (performance.now() - began) / 1000;
    await Promise.all(nodes.map((node) => unpack(node, this.images, signal)));
    const unpacked = (performance.now() - began) / 1000;
    for (const [index, node] of nodes.entries()) {
      const added = (await imageNames(node)).filter((image) => !before[index]!.includes(image));
      await inNode(node, "ctr", "--namespace=k8s.io", "images", "rm", "--sync", ...added);
    }
    return { loaded, unpacked };
  }

  /** Delete all remaining clusters, and the copy of the project. */
  async close(): Promise<void> {
    const env = { KUBECONFIG: this.file("rest.kubeconfig") };
    for (const name of this.clusters) await run("kind", ["delete", "cluster", "--name", name], { env });
    await removeImageFolder(clusterName("load"));
    await this.options.line?.close();
    this.project.remove();
  }

  /** Run `pulumi up` for one of the programs in this folder. */
  private async upProgram(folder: string, ...args: string[]): Promise<void> {
    await this.project.succeed("stack", "init", STACK, "--cwd", folder);
    await this.project.succeed("up", "--yes", "--skip-preview", "-s", STACK, "--cwd", folder, ...args);
  }

  private get loadsNettool(): boolean {
    return this.plan.images.nettoolBase !== undefined || this.plan.settings.nettool.loadImage;
  }

  private planFor(contestant: string): StackPlan {
    const { settings } = readStackFile(STACK, [], this.project.directory);
    return planStack({ ...settings, cluster: { ...settings.cluster, name: clusterName(contestant) } });
  }

  /** Register a cluster for deletion. @returns its name */
  private own(contestant: string): string {
    const name = clusterName(contestant);
    this.clusters.add(name);
    return name;
  }

  private file(name: string, content?: object): string {
    const path = join(this.project.directory, name);
    if (content !== undefined) writeFileSync(path, JSON.stringify(content));
    return path;
  }

  private pulumi(...args: string[]): Promise<Taken> {
    return take(`pulumi ${args[0]}`, () => this.project.start(...args, "-s", STACK), this.options.signal);
  }

  private take(name: string, command: string, args: string[], env: Record<string, string>): Promise<Taken> {
    const start = () =>
      spawn(command, args, { detached: true, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    return take(name, start, this.options.signal);
  }
}

function clusterName(contestant: string): string {
  return CLUSTER_PREFIX + contestant;
}

function inNode(node: string, ...command: string[]): Promise<string> {
  return run("docker", ["exec", node, ...command]);
}

async function imageNames(node: string): Promise<string[]> {
  return (await inNode(node, "ctr", "--namespace=k8s.io", "images", "ls", "--quiet")).split("\n").filter(Boolean);
}

/** Unpack images as their first container would. */
async function unpack(node: string, images: readonly string[], signal: AbortSignal): Promise<void> {
  for (const image of images) {
    signal.throwIfAborted();
    const script = 'd=$(mktemp -d) && ctr -n k8s.io images mount "$1" "$d" && ctr -n k8s.io images unmount --rm "$d"';
    const first = image.split("/")[0]!;
    const full =
      image.includes("/") && /[.:]|^localhost$/.test(first)
        ? image
        : `docker.io/${image.includes("/") ? "" : "library/"}${image}`;
    await inNode(node, "sh", "-ec", script, "unpack", full);
  }
}
