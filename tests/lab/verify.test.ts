import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drillText } from "../../cli/drillText";
import { PLAIN } from "../../render/terminal";
import { CHECKS } from "../../datapath/checks/all";
import type { DrillResult } from "../../datapath/faults/drill";
import type { RoutingMode } from "../../modes/contract";
import {
  inNode,
  kubectl,
  labMissing,
  LabProject,
  longMissing,
  MINUTES,
  withoutRoutes,
  writeKubeconfig,
} from "../support/lab";
import { expectObserved } from "../support/examples";
import { expectNothingLeft, expectStanding } from "../support/mode";
import { describeIf } from "../support/project";
import { brokenTrace } from "../support/traces";

const STACK = "ebpf";

/** Quick faults of three classes; unit tests judge recordings of others, and drill --all has them all. */
const REPRESENTATIVES = ["socket-sendmsg-detached", "nft-drops-node-to-pods", "large-packets-dropped-by-pod"];

/** Drill a stack's cluster. @throws Error when the drill itself fails */
function drill(project: LabProject, stack: string, ...options: string[]): DrillResult[] {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["cli/cilium-modes.mjs", "drill", stack, "--json", ...options],
    { cwd: project.directory, encoding: "utf8", env: process.env, maxBuffer: 2 ** 26 },
  );
  if (!stdout.startsWith("[")) throw new Error(`there are no results of the drill:\n${stderr}`);
  return JSON.parse(stdout) as DrillResult[];
}

describeIf(labMissing(), "cilium-modes verify on a real cluster", () => {
  let project: LabProject;
  let cluster: string;
  let folder: string;
  let kubeconfig: string;
  beforeAll(async () => {
    project = new LabProject();
    cluster = await project.addStack(STACK);
    await project.succeed("up", "--yes", "--skip-preview", "-s", STACK);
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-verify-"));
    kubeconfig = join(folder, "kubeconfig");
    writeKubeconfig(cluster, kubeconfig);
  }, 6 * MINUTES);
  afterAll(async () => {
    if (folder) rmSync(folder, { recursive: true });
    await project.close(STACK);
  }, 2 * MINUTES);

  it(
    "stands on a cluster that comes up in its mode and changes nothing when repeated",
    async () => {
      await expectStanding(project, STACK, cluster);
      expectObserved(project, STACK);
    },
    3 * MINUTES,
  );

  it(
    "is green again where nothing is wrong, for the stack and for the mode alone",
    () => {
      expect(project.verify(STACK, "--settle-seconds", "30")).toEqual({ code: 0, wrong: {} });

      const foreign = (mode: string, settleSeconds: number) =>
        spawnSync(
          process.execPath,
          [
            "cli/cilium-modes.mjs",
            ...`verify --kubeconfig ${kubeconfig} --expect ${mode} --settle-seconds ${settleSeconds}`.split(" "),
            ...`--junit ${join(folder, "junit.xml")} --diagnostics ${join(folder, "diagnostics")}`.split(" "),
          ],
          { cwd: project.directory, encoding: "utf8" },
        );
      const ebpf = foreign("ebpf", 30);
      expect([ebpf.status, ebpf.stdout]).toEqual([0, expect.stringContaining("ebpf: PROVEN")]);
      expect(readFileSync(join(folder, "junit.xml"), "utf8")).toMatch(/failures="0" errors="0"/);
      expect(existsSync(join(folder, "diagnostics"))).toBe(false);
      const other = foreign("replacement", 0);
      expect([other.status, other.stdout]).toEqual([
        1,
        expect.stringContaining("because of it these checks fail too: status (3), packet-path (3), masquerading (3)"),
      ]);
      expect(readFileSync(join(folder, "junit.xml"), "utf8")).toMatch(/name="packet-path"[^>]*>\s*<failure message="/);
      expect(readdirSync(join(folder, "diagnostics")).sort()).toEqual([
        "cilium-config.json",
        "events.txt",
        "evidence.json",
        "kube-proxy.log",
        "nodes",
        "nodes.json",
        "operator.log",
        "pods.json",
        "verification.json",
        "verification.txt",
      ]);
      const agent = readdirSync(join(folder, "diagnostics", "nodes", `${cluster}-worker`));
      expect(agent).toEqual(expect.arrayContaining(["agent.log", "rules.txt", "routes.txt", "status.txt"]));
    },
    3 * MINUTES,
  );

  it(
    "catches faults of different classes, names the cause of each, and passes again after the undo",
    () => {
      const results = drill(project, STACK, ...REPRESENTATIVES.flatMap((name) => ["--fault", name]));
      expect(results.map(({ fault, outcome, causeNamed }) => ({ fault, outcome, causeNamed }))).toEqual(
        REPRESENTATIVES.map((fault) => ({ fault, outcome: "caught", causeNamed: true })),
      );
    },
    12 * MINUTES,
  );

  it(
    "explains a trace that ends at a node without routes to other nodes' pods",
    () => {
      const client = kubectl(cluster, "-n", "nettool", "get", "pod", "net", "-o", "jsonpath={.spec.nodeName}");
      const routes = inNode(client, "ip", "route")
        .split("\n")
        .filter((line) => /^10\..* via 172\./.test(line))
        .map((line) => line.trim());
      const { last, reasons } = withoutRoutes(client, routes, () => brokenTrace(project, STACK));
      expect(reasons).toMatch(/ has no route to the pods of /);
      expect(last).toBe("device");
    },
    2 * MINUTES,
  );

  it(
    "becomes replacement in place, warned of what that breaks, and stands in that mode",
    async () => {
      await project.succeed("config", "set", "bpf.masquerade", "false", "-s", STACK);
      const diff = await project.succeed("preview", "--diff", "-s", STACK);
      expect(diff).toMatch(/~ values\s*: \{\s+~ bpf: \{\s+~ masquerade: true => false\s+\}\s+\}/);
      expect(diff).not.toMatch(/kind:index:Cluster: \((update|replace)/);
      expect(diff).toContain("Live change, ebpf → replacement: ");
      await project.succeed("up", "--yes", "--skip-preview", "-s", STACK);
      await expectStanding(project, "replacement", cluster, STACK);
    },
    6 * MINUTES,
  );

  it(
    "passes in no check on a cluster that does not answer at all, and destroying it leaves nothing",
    async () => {
      const deaf = (action: string) => {
        for (const node of ["control-plane", "worker", "worker2"]) spawnSync("docker", [action, `${cluster}-${node}`]);
      };
      deaf("pause");
      const paused = project.verify(STACK, "--kubeconfig", kubeconfig, "--settle-seconds", "0");
      deaf("unpause");
      expect([paused.code, Object.keys(paused.wrong).sort()]).toEqual([4, CHECKS.map(({ id }) => id).sort()]);
      spawnSync("docker", ["stop", "--time", "1", `${cluster}-control-plane`]);
      const stopped = project.verify(STACK, "--settle-seconds", "0");
      expect(stopped.code).toBe(1);
      await expectNothingLeft(project, STACK, cluster);
    },
    8 * MINUTES,
  );
});

describeIf([...labMissing(), ...longMissing()], "cilium-modes drill --all on a real cluster", () => {
  it.each<RoutingMode>(["ebpf", "kubeproxy"])(
    "injects and undoes every fault of %s, and verify catches each",
    async (mode) => {
      const project = new LabProject();
      try {
        await project.addStack(mode);
        await project.succeed("up", "--yes", "--skip-preview", "-s", mode);
        const results = drill(project, mode, "--all");
        console.log(drillText(results, { mode }, PLAIN));
        expect(results.filter(({ outcome }) => outcome !== "caught")).toEqual([]);
        expect(results.filter(({ causeNamed }) => !causeNamed)).toEqual([]);
      } finally {
        await project.close(mode);
      }
    },
    240 * MINUTES,
  );
});
