import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { archiveSettings, loadImages, saveImages, type StackImages } from "../../cli/imageArchive";
import type { HelmValues } from "../../modes/ciliumValues";
import {
  containersOf,
  kubectl,
  labMissing,
  LabProject,
  labSettingsMissing,
  longMissing,
  MINUTES,
} from "../support/lab";
import { describeIf, missingPrograms } from "../support/project";

/** What the laboratory's settings say of the images that this file gives other names. */
interface LabSettings {
  readonly cluster: { readonly nodeImage: string };
  readonly cilium: {
    readonly version: string;
    readonly chart: string;
    readonly images: Readonly<Record<"agent" | "operator", { readonly repository: string; readonly tag: string }>>;
  };
  readonly nettool: { readonly baseImage: string };
}

const docker = (...args: string[]) =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/** A name that an image has only while this test runs. */
const tagged: string[] = [];
function tag(image: string, name: string): string {
  docker("tag", image, name);
  tagged.push(name);
  return name;
}
function untag(): void {
  for (const name of tagged.splice(0)) if (docker("image", "ls", "--quiet", name) !== "") docker("rmi", name);
}

/** The images that pods of a cluster run, by the pods' first words. */
function podImages(cluster: string): Record<string, string> {
  const path = '{range .items[*]}{.metadata.name}{"\\t"}{.spec.containers[0].image}{"\\n"}{end}';
  const pods = kubectl(cluster, "get", "pods", "--all-namespaces", "-o", `jsonpath=${path}`).trim().split("\n");
  return Object.fromEntries(pods.map((pod) => pod.split("\t") as [string, string]));
}

const missing = [
  ...labMissing(),
  ...longMissing(),
  ...missingPrograms("docker-registry", "helm"),
  ...labSettingsMissing("cluster.nodeImage", "cilium.version", "cilium.chart", "cilium.images", "nettool.baseImage"),
];

describeIf(missing, "images and chart of one's own", () => {
  let lab: LabSettings;
  /** Without the images of Cilium that the laboratory's other node image has. */
  let nodeImage: string;
  let project: LabProject;
  let scratch: string;
  const stopping: (() => Promise<void>)[] = [];
  const stopServers = async () => {
    for (const stop of stopping.splice(0)) await stop();
  };

  beforeAll(() => {
    lab = JSON.parse(readFileSync(process.env["CILIUM_MODES_LAB_SETTINGS"]!, "utf8")) as LabSettings;
    nodeImage = lab.cluster.nodeImage.replace(/-cilium$/, "");
    scratch = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    project = new LabProject({ HELM_CACHE_HOME: join(scratch, "helm"), HELM_CONFIG_HOME: join(scratch, "helm") });
  });
  afterAll(async () => {
    await project.close("registry", "archive");
    await stopServers();
    untag();
    rmSync(scratch, { recursive: true, force: true });
  });

  const version = () => `v${lab.cilium.version}`;
  const agentImage = () => `${lab.cilium.images.agent.repository}:${lab.cilium.images.agent.tag}`;
  const operatorImage = () => `${lab.cilium.images.operator.repository}-generic:${lab.cilium.images.operator.tag}`;

  /** A registry that answers on every address of this machine; its access log is `log()`. */
  async function startRegistry(): Promise<{ port: number; log: () => string }> {
    const port = await freePort();
    const config = join(scratch, "registry.yml");
    writeFileSync(config, "version: 0.1\n");
    const child = spawn("docker-registry", ["serve", config], {
      env: {
        ...process.env,
        REGISTRY_HTTP_ADDR: `0.0.0.0:${port}`,
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(scratch, "registry"),
        REGISTRY_LOG_ACCESSLOG_DISABLED: "false",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    stopping.push(() => ended(child));
    let log = "";
    child.stdout.on("data", (chunk) => (log += chunk));
    child.stderr.on("data", (chunk) => (log += chunk));
    for (;;) {
      if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}:\n${log}`);
      if (
        await fetch(`http://127.0.0.1:${port}/v2/`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return { port, log: () => log };
      await sleep(200);
    }
  }

  /** A Helm repository of the laboratory's chart; its requests are in `asked`. */
  async function startHelmRepository(): Promise<{ url: string; asked: string[] }> {
    const folder = join(scratch, "charts");
    mkdirSync(folder);
    copyFileSync(lab.cilium.chart, join(folder, basename(lab.cilium.chart)));
    const asked: string[] = [];
    const server: Server = createServer((request, response) => {
      asked.push(request.url!);
      const file = join(folder, basename(request.url!));
      if (existsSync(file)) createReadStream(file).pipe(response);
      else response.writeHead(404).end();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    stopping.push(() => new Promise((done) => (server.close(() => done()), server.closeAllConnections())));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    execFileSync("helm", ["repo", "index", folder, "--url", url]);
    return { url, asked };
  }

  /** The images that Cilium's and the workload's pods must run. */
  function expectPods(cluster: string, images: Readonly<Record<string, string>>): void {
    const running = podImages(cluster);
    for (const [pod, image] of Object.entries(images)) {
      const found = Object.entries(running).filter(([name]) => new RegExp(`^${pod}$`).test(name));
      expect([pod, ...new Set(found.map(([, ran]) => ran))]).toEqual([pod, image]);
    }
  }

  it(
    "come from a mirror of registries and from a Helm repository",
    async () => {
      const registry = await startRegistry();
      const helm = await startHelmRepository();
      const workload = tag(build(`cmtest/nettool:${process.pid}`), "cilium-modes/nettool:test");
      const pushed = {
        [`cilium/cilium:${version()}`]: agentImage(),
        [`cilium/operator-generic:${version()}`]: operatorImage(),
        [workload]: workload,
      };
      for (const [name, image] of Object.entries(pushed))
        docker("push", tag(image, `127.0.0.1:${registry.port}/${name}`));
      untag();

      const gateway = docker(
        "network",
        "inspect",
        "kind",
        "--format",
        "{{range .IPAM.Config}}{{println .Gateway}}{{end}}",
      )
        .split("\n")
        .find((address) => address.includes("."))!;
      const mirror = { endpoints: [`http://${gateway}:${registry.port}`] };
      const image = (repository: string) => ({
        repository: `quay.io/cilium/${repository}`,
        tag: version(),
        useDigest: false,
      });
      const cluster = await project.addStack("registry", {
        kubeProxyReplacement: true,
        cluster: { workers: 0, nodeImage, registryMirrors: { "quay.io": mirror, "docker.io": mirror } },
        cilium: {
          chart: "cilium",
          repository: helm.url,
          images: { agent: image("cilium"), operator: image("operator") },
        },
        nettool: { image: workload, loadImage: false },
      });
      await project.succeed("up", "--yes", "--skip-preview", "-s", "registry");

      expectPods(cluster, {
        "cilium-[a-z0-9]{5}": `quay.io/cilium/cilium:${version()}`,
        "cilium-operator-.*": `quay.io/cilium/operator-generic:${version()}`,
        "nettool-.*": workload,
        net: workload,
      });
      expect(helm.asked).toEqual(expect.arrayContaining(["/index.yaml", `/${basename(lab.cilium.chart)}`]));
      const address = docker(
        "inspect",
        "--format",
        "{{.NetworkSettings.Networks.kind.IPAddress}}",
        `${cluster}-control-plane`,
      );
      const log = registry
        .log()
        .split("\n")
        .filter((line) => line.startsWith(`${address} `));
      for (const [name, host] of [
        ["cilium/cilium", "quay.io"],
        ["cilium/operator-generic", "quay.io"],
        ["cilium-modes/nettool", "docker.io"],
      ])
        expect(log).toContainEqual(
          expect.stringMatching(new RegExp(`"(GET|HEAD) /v2/${name}/manifests/[^ ?]+\\?ns=${host} HTTP/1.1" 200 `)),
        );

      await project.succeed("destroy", "--yes", "--skip-preview", "-s", "registry");
      expect(containersOf(cluster)).toEqual([]);
    },
    12 * MINUTES,
  );

  it(
    "come from an archive and a file, with no registry and no repository",
    async () => {
      await stopServers();
      const images: StackImages = {
        node: tag(nodeImage, "quay.io/cmtest/node:v1"),
        cilium: [
          tag(agentImage(), `quay.io/cmtest/cilium:${version()}`),
          tag(operatorImage(), `quay.io/cmtest/operator-generic:${version()}`),
        ],
        nettool: { image: "cmtest/nettool:archive", baseImage: lab.nettool.baseImage },
      };
      tagged.push(images.nettool.image);
      // of a run that was ended before its end
      spawnSync("docker", ["image", "rm", images.nettool.image]);
      const archive = join(scratch, "images.tar");
      const said: string[] = [];
      const say = (line: string) => said.push(line);
      await saveImages(images, archive, say);
      expect(said[0]).toBe(`Building ${images.nettool.image} from ${lab.nettool.baseImage}`);
      const names = [...tagged];
      untag();
      for (const name of names) expect(docker("image", "ls", "--quiet", name)).toBe("");

      tagged.push(...names);
      expect([...(await loadImages(archive, undefined, say))].sort()).toEqual(names.sort());
      const image = (repository: string): HelmValues => ({
        repository: `quay.io/cmtest/${repository}`,
        tag: version(),
      });
      const cluster = await project.addStack("archive", {
        kubeProxyReplacement: true,
        cluster: { workers: 1 },
        cilium: { images: { agent: image("cilium"), operator: image("operator") } },
      });
      for (const [key, value] of Object.entries(archiveSettings(images)))
        await project.succeed("config", "set", "--path", `cilium-modes:${key}`, String(value), "-s", "archive");
      await project.succeed("up", "--yes", "--skip-preview", "-s", "archive");
      expectPods(cluster, {
        "cilium-[a-z0-9]{5}": images.cilium[0]!,
        "cilium-operator-.*": images.cilium[1]!,
        "nettool-.*": images.nettool.image,
        net: images.nettool.image,
      });

      said.length = 0;
      await loadImages(archive, cluster, say);
      const nodes = [`${cluster}-control-plane`, `${cluster}-worker`];
      expect(said.filter((line) => line.startsWith(cluster))).toEqual(
        nodes.map((node) => expect.stringMatching(`^${node}: had ([^ ,]+, ){2}[^ ,]+$`)),
      );
      expect(said.filter((line) => line.includes("node:v1"))).toEqual(["Docker: quay.io/cmtest/node:v1"]);

      await project.succeed("destroy", "--yes", "--skip-preview", "-s", "archive");
      expect(containersOf(cluster)).toEqual([]);
    },
    12 * MINUTES,
  );

  function build(name: string): string {
    docker("build", "--build-arg", `BASE_IMAGE=${lab.nettool.baseImage}`, "--tag", name, "images/nettool");
    tagged.push(name);
    return name;
  }
});

/** End a child of this test and wait until it is gone. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("close", done));
  child.kill();
  await gone;
}

/** A port that nobody listens on at the moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
