import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { V1DaemonSetStatus } from "@kubernetes/client-node";
import type { KindNode } from "../../host/docker";
import type { CiliumCluster } from "../../providers/kind/readiness";
import type * as timings from "../../host/timings.cjs";
import { readTimings, spansOf } from "../support/timings";
import { run } from "./support/mocks";

const RUN = "CILIUM_MODES_TIMINGS_RUN";

/** What `kind create cluster` printed with three nodes where no terminal shows it (kind 0.33.0). */
const KIND = `Creating cluster "c" ...
 • Ensuring node image (kindest/node:v1.34.0) 🖼  ...
 ✓ Ensuring node image (kindest/node:v1.34.0) 🖼
 • Preparing nodes 📦 📦 📦   ...
 ✓ Preparing nodes 📦 📦 📦 
 • Starting control-plane 🕹️  ...
 ✓ Starting control-plane 🕹️
Set kubectl context to "kind-c"`;

let readiness: (() => unknown)[] = [];
jest.mock("node:timers/promises", () => ({ setTimeout: async () => undefined }));
jest.mock("../../datapath/readiness", () => ({
  ...jest.requireActual("../../datapath/readiness"),
  readReadiness: async () => readiness.shift()!(),
  pendingReadiness: (pending: readonly string[]) => pending,
  nodeFacts: () => [],
}));

describe("timings", () => {
  const before = { ...process.env };
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    file = join(folder, "up.json");
    process.env["CILIUM_MODES_TIMINGS"] = file;
    process.env[RUN] = "this run";
    jest.resetModules();
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(folder, { recursive: true });
  });

  /** The module as another process has it. */
  function another(): typeof timings {
    jest.resetModules();
    return require("../../host/timings.cjs") as typeof timings;
  }
  const begin = (run = "this run") => another().begin(file, "a run", run);

  it("several processes append spans to one file, which opens at any time", async () => {
    begin();
    const [one, other] = [another(), another()];
    const step = one.steps("npm start");
    step("doctor");
    await other.span("kind", "create", () =>
      other.span("kind", "nodes", async () => expect(readTimings(file).spans).toHaveLength(3)),
    );
    step("pulumi up");
    const seen = readTimings(file);
    expect(seen.title).toBe("a run");
    expect(spansOf(seen, "npm start")).toEqual(["doctor", "pulumi up…"]);
    expect(spansOf(seen, "kind")).toEqual(["create", "create > nodes"]);
  });

  it("what fails has ended, too", async () => {
    begin();
    await expect(another().span("kind", "create", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(spansOf(readTimings(file), "kind")).toEqual(["create"]);
  });

  it("processes that follow each other share a row of the same name", () => {
    begin();
    for (const phase of ["preview", "update"]) another().start("cilium-release", phase)();
    expect(spansOf(readTimings(file), "cilium-release")).toEqual(["preview", "update"]);
  });

  it("nothing is written without the variable, into another run's file, or after the file was removed", () => {
    begin("an earlier run");
    const text = readFileSync(file, "utf8");
    another().start("a row", "a span")();
    expect(readFileSync(file, "utf8")).toBe(text);
    rmSync(file);
    another().start("a row", "a span")();
    delete process.env["CILIUM_MODES_TIMINGS"];
    another().start("a row", "a span")();
    expect(existsSync(file)).toBe(false);
  });

  it("outside npm start and Pulumi, commands write nothing", () => {
    begin();
    delete process.env[RUN];
    another().start("a row", "a span")();
    expect(readTimings(file).spans).toEqual([]);
  });

  it("a new run replaces the timings of an earlier one, and no other file", () => {
    begin("an earlier run");
    process.env[RUN] = "an earlier run";
    const end = another().start("kind", "create");
    begin();
    // a process that the earlier run left
    end();
    expect(readTimings(file).spans).toEqual([]);
    writeFileSync(file, "{}");
    expect(() => begin()).toThrow(
      `The timings cannot be written to ${file}: it exists and holds no timings; name another file`,
    );
    expect(readFileSync(file, "utf8")).toBe("{}");
  });

  it.each([
    ["a folder that does not exist", "no/up.json", "the folder FOLDER/no does not exist; run: mkdir -p FOLDER/no"],
    ["a folder", "sub", "it is not a regular file; name another one"],
    ["a path below a file", "file/up.json", "ENOTDIR; name a file in a folder that you may write"],
  ])("%s is refused", (_, path, why) => {
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "file"), "");
    expect(() => another().begin(join(folder, path), "a run", "this run")).toThrow(why.replaceAll("FOLDER", folder));
  });

  it("kind's steps are spans", async () => {
    begin();
    const own = join(folder, "kind");
    writeFileSync(own, `#!/bin/sh\n/bin/cat >&2 <<'END'\n${KIND}\nEND\n`);
    chmodSync(own, 0o755);
    process.env["PATH"] = folder;
    const { createCluster }: typeof import("../../providers/kind/kindCli") = require("../../providers/kind/kindCli");
    const log = { status: () => undefined, warn: () => undefined };
    await createCluster("c", {}, "kubeconfig", log, new AbortController().signal);
    expect(spansOf(readTimings(file), "kind create cluster")).toEqual([
      "Ensuring node image (kindest/node:v1.34.0)",
      "Preparing nodes",
      "Starting control-plane",
    ]);
  });

  it("images are spans while they are saved and imported", async () => {
    begin();
    const docker = join(folder, "docker");
    writeFileSync(
      docker,
      '#!/bin/sh\ncase "$*" in *crictl*) echo \'{"status":{"id":"old"}}\' ;; *) echo new ;; esac\n',
    );
    chmodSync(docker, 0o755);
    process.env["PATH"] = folder;
    const { loadIntoNodes }: typeof import("../../host/imageImport") = require("../../host/imageImport");
    const node = (name: string) => ({ name, imageFolder: folder }) as KindNode;
    const images = ["quay.io/cilium/cilium:v1.20.2", "quay.io/cilium/operator-generic:v1.20.2"];
    const nodes = [node("c-control-plane"), node("c-worker")];
    await loadIntoNodes(images, nodes, () => undefined, new AbortController().signal);
    expect(readTimings(file).spans.map(({ row, name }) => `${row}: ${name}`)).toEqual([
      `images cilium:v1.20.2 and 1 more: save ${images.join(", ")}`,
      "c-control-plane: images cilium:v1.20.2 and 1 more: import",
      "c-worker: images cilium:v1.20.2 and 1 more: import",
    ]);
  });

  /** The stack's program. */
  const program = (isPreview: boolean) => {
    type Program = () => Promise<Record<string, never>>;
    const load = async () => ((await import("../../index")) as unknown as { default: Program }).default;
    return run(load, {}, undefined, undefined, isPreview);
  };

  it("the program and its resources are spans in previews and updates, and no input differs", async () => {
    await program(true);
    jest.resetModules();
    const { registered } = await program(false);
    const seen = readTimings(file);
    expect(seen.title).toBe("pulumi up: dev");
    // the process of this test does not end
    expect(spansOf(seen, "Pulumi program")).toEqual([
      ...["preview…", "preview > load the program", "preview > render the chart"],
      ...["preview > update…", "preview > update > load the program", "preview > update > render the chart"],
    ]);
    expect(spansOf(seen, "cilium-release (kubernetes:helm.sh/v3:Release)")).toEqual(["preview", "update"]);
    expect(seen.spans.filter(({ row }) => row.startsWith("cilium-modes:"))).toEqual([]);
    jest.resetModules();
    delete process.env["CILIUM_MODES_TIMINGS"];
    expect((await program(false)).registered).toEqual(registered);
  });

  it.each([
    [
      "up.json",
      "CILIUM_MODES_TIMINGS=up.json is relative, and pulumi does not run in the project's folder; set CILIUM_MODES_TIMINGS=FOLDER/up.json",
    ],
    ["/no/up.json", "The timings cannot be written to /no/up.json: the folder /no does not exist; run: mkdir -p /no"],
  ])("the program refuses %s before it registers anything", async (path, why) => {
    Object.assign(process.env, { CILIUM_MODES_TIMINGS: path, PWD: folder });
    await expect(program(true)).rejects.toThrow(`${why.replace("FOLDER", folder)}; nothing was changed`);
  });

  it("each thing that Cilium waits for is a row, without the last words of containers", async () => {
    begin();
    const trouble = "pod cilium-1 on a, container agent: Error: password=secret";
    readiness = [
      () => Promise.reject(new Error("connect ECONNREFUSED")),
      () => ["nodes: 0 of 2 Ready", "agents: 0 of 2 ready", trouble],
      () => ["agents: 1 of 2 ready", trouble],
      () => [],
    ];
    const {
      ciliumReadinessHandler,
    }: typeof import("../../providers/kind/readiness") = require("../../providers/kind/readiness");
    const log = { status: () => undefined, warn: () => undefined };
    const inputs = { clusterInstance: "c/1", kubeconfig: "a kubeconfig", nodeCount: 2, timeoutSeconds: 60, cause: "" };
    const cluster = {} as CiliumCluster;
    await ciliumReadinessHandler(async () => cluster).create(inputs, log, new AbortController().signal);
    const seen = readTimings(file);
    expect(seen.spans.map(({ row, name }) => `${row}: ${name}`)).toEqual([
      expect.stringMatching(/^Waiting for Cilium: API server: .*ECONNREFUSED/),
      "Waiting for Cilium: nodes: 0 of 2 Ready",
      "Waiting for Cilium: agents: 0 of 2 ready",
      "Waiting for Cilium: agents: 1 of 2 ready",
    ]);
    expect(seen.spans.every(({ seconds }) => seconds !== undefined)).toBe(true);
    expect(readFileSync(file, "utf8")).not.toMatch(/secret|a kubeconfig/);
  });

  it("the documentation lists the rows of all waits", async () => {
    begin();
    const looks = [0, 3];
    const {
      workloadReadinessHandler,
    }: typeof import("../../providers/kind/readiness") = require("../../providers/kind/readiness");
    const status = { desiredNumberScheduled: 3, updatedNumberScheduled: 3 };
    const cluster = {
      daemonSet: async (_: string, name: string) => ({
        metadata: { name },
        status: { ...status, numberReady: looks.shift()! } as V1DaemonSetStatus,
      }),
      pods: async () => [],
    };
    const inputs = {
      ...{ clusterInstance: "c/1", kubeconfig: "a kubeconfig", timeoutSeconds: 60, cause: "" },
      ...{ namespace: "nettool", daemonSets: ["nettool"], pods: [] },
    };
    const log = { status: () => undefined, warn: () => undefined };
    await workloadReadinessHandler(async () => cluster).create(inputs, log, new AbortController().signal);
    const docs = readFileSync(join(__dirname, "../../docs/commands.md"), "utf8");
    const waits = [...docs.matchAll(/^\| `(Waiting for .*: )…` \|/gm)].map(([, row]) => row!);
    const { spans } = readTimings(file);
    expect(spans.map(({ row, name }) => `${row}: ${name}`)).toEqual([
      "Waiting for the workload: nettool: 0 of 3 pods ready",
    ]);
    expect(waits).toEqual(["Waiting for Cilium: ", "Waiting for the workload: "]);
  });
});
