import { execFileSync, spawnSync, type ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  agentStatuses,
  attachedOf,
  CLUSTER_PREFIX,
  containersOf,
  existingVolumes,
  kubectl,
  labAgentTag,
  labMissing,
  LabProject,
  longMissing,
  MINUTES,
  removeCluster,
  volumesOf,
  writeKubeconfig,
} from "../support/lab";
import { describeIf, missingPrograms } from "../support/project";

const STACK = "faults";
const UP = ["up", "--yes", "--skip-preview"];
const DESTROY = ["destroy", "--yes", "--skip-preview"];
const REFRESH = ["refresh", "--yes", "--skip-preview"];
const CANCEL = ["cancel", "--yes"];

/** What ends a run at some point of it. */
type Blow = (engine: number) => unknown;

const signal =
  (name: NodeJS.Signals): Blow =>
  (engine) =>
    process.kill(engine, name);

/** Kill the processes below an engine whose command line holds these words, as soon as there are any. */
const killed =
  (words: string): Blow =>
  async (engine) => {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const hit = descendants(engine).filter(({ args }) => args.includes(words));
      for (const { pid } of hit) process.kill(pid, "SIGKILL");
      if (hit.length > 0) return;
      if (Date.now() > deadline) throw new Error(`there was no ${words} to kill`);
      await sleep(50);
    }
  };

function descendants(of: number): { pid: number; args: string }[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" });
  const all = table.split("\n").flatMap((line) => {
    const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return args === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }];
  });
  const below = (pid: number): typeof all =>
    all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
  return below(of);
}

/** One thing that goes wrong, and the commands after which all is well. */
interface Fault {
  readonly name: string;
  /** Commands before, with what is wrong when they end. */
  readonly before?: (run: Run) => Promise<void> | void;
  /** A run that is interrupted: when, and by what. */
  readonly run?: readonly string[];
  readonly at?: RegExp | (() => boolean);
  readonly blow?: Blow;
  /** The run is at its last step then, and may come through all the same. */
  readonly isLast?: true;
  readonly recovery: readonly (readonly string[])[];
}

type Interruption = Required<Pick<Fault, "run" | "at" | "blow">> & Pick<Fault, "isLast">;

interface Run {
  readonly project: LabProject;
  readonly cluster: string;
  readonly helm: (...args: string[]) => void;
  readonly set: (key: string, value: string, ...options: string[]) => Promise<string>;
}

const docker = (...args: string[]) => execFileSync("docker", args, { stdio: "ignore" });
const nodeOf = (cluster: string) => `${cluster}-control-plane`;

/** In this order, on one stack: some begin without a cluster, and the others with one that works. */
function faultsOf(cluster: string, agentTag: string): readonly Fault[] {
  const nodeIsThere = () => containersOf(cluster).length > 0;
  const apiIsThere = () =>
    spawnSync("docker", ["exec", nodeOf(cluster), "test", "-f", "/etc/kubernetes/admin.conf"]).status === 0;
  return [
    {
      name: "SIGTERM before kind has begun",
      run: UP,
      at: /StackMark cluster-mark creat/,
      blow: signal("SIGTERM"),
      recovery: [DESTROY],
    },
    {
      name: "SIGTERM while kind makes the node",
      run: UP,
      at: nodeIsThere,
      blow: signal("SIGTERM"),
      recovery: [DESTROY],
    },
    { name: "kind killed", run: UP, at: nodeIsThere, blow: killed("kind create cluster"), recovery: [DESTROY] },
    {
      name: "provider kind killed while kind works",
      run: UP,
      at: nodeIsThere,
      blow: killed("pulumi-resource-kind"),
      recovery: [DESTROY],
    },
    {
      name: "the node fails while kind works in it",
      run: UP,
      at: apiIsThere,
      blow: () => docker("kill", nodeOf(cluster)),
      recovery: [DESTROY],
    },
    {
      name: "Pulumi killed while kind works, then destroy",
      run: UP,
      at: apiIsThere,
      blow: signal("SIGKILL"),
      recovery: [CANCEL, DESTROY],
    },
    {
      name: "provider kind killed late",
      run: UP,
      at: apiIsThere,
      blow: killed("pulumi-resource-kind"),
      recovery: [UP, DESTROY],
    },
    {
      name: "Pulumi killed while Helm installs",
      run: UP,
      at: /Release cilium-release creating/,
      blow: signal("SIGKILL"),
      recovery: [CANCEL, UP, DESTROY],
    },
    {
      name: "provider kubernetes killed while Helm installs",
      run: UP,
      at: /Release cilium-release creating/,
      blow: killed("pulumi-resource-kubernetes"),
      recovery: [UP, DESTROY],
    },
    {
      name: "SIGINT while Cilium becomes ready",
      run: UP,
      at: /CiliumReadiness cilium-ready creating/,
      blow: signal("SIGINT"),
      recovery: [UP, DESTROY],
    },
    {
      name: "loading an image killed",
      run: UP,
      at: /NodeImages nettool-node-images creating/,
      blow: killed("docker save"),
      recovery: [UP, DESTROY],
    },
    {
      name: "Pulumi killed while the workload starts",
      run: UP,
      at: /DaemonSet nettool-server creating/,
      blow: signal("SIGKILL"),
      recovery: [CANCEL, UP, DESTROY],
    },
    {
      name: "Pulumi killed while it verifies",
      run: UP,
      at: /Command verification-checks creating/,
      blow: signal("SIGKILL"),
      recovery: [CANCEL, UP],
    },
    {
      name: "Pulumi killed while Helm upgrades",
      before: ({ set }) => set("bpf.masquerade", "false").then(() => undefined),
      run: UP,
      at: /Release cilium-release updating/,
      blow: signal("SIGKILL"),
      recovery: [CANCEL, UP],
    },
    {
      name: "provider kubernetes killed while Helm upgrades",
      before: ({ set }) => set("bpf.masquerade", "true").then(() => undefined),
      run: UP,
      at: /Release cilium-release updating/,
      blow: killed("pulumi-resource-kubernetes"),
      recovery: [UP],
    },
    {
      name: "SIGTERM while agents are replaced",
      before: ({ set }) => set("bpf.masquerade", "false").then(() => undefined),
      run: UP,
      at: /CiliumReadiness cilium-ready updating/,
      blow: signal("SIGTERM"),
      recovery: [UP],
    },
    {
      name: "an image that does not exist, given up by SIGINT",
      before: ({ set }) => set("cilium.images.agent.tag", "none", "--path").then(() => undefined),
      run: UP,
      at: /ImagePull|ErrImage|agents: 0 of 1/,
      blow: signal("SIGINT"),
      recovery: [["config", "set", "--path", "cilium.images.agent.tag", agentTag], UP],
    },
    {
      name: "a revision of Helm that never ended",
      before: ({ helm, cluster: name }) => {
        helm("upgrade", "cilium", "--reuse-values", "--set", "debug.enabled=false");
        pend(name);
      },
      recovery: [UP],
    },
    {
      name: "the Helm release changed by hand",
      before: ({ helm }) => helm("upgrade", "cilium", "--reuse-values", "--set", "bpf.masquerade=true"),
      recovery: [UP],
    },
    {
      name: "cilium-config edited by hand",
      before: ({ cluster: name }) =>
        void kubectl(
          name,
          "-n",
          "kube-system",
          "patch",
          "configmap",
          "cilium-config",
          "--type=merge",
          "-p",
          '{"data":{"kube-proxy-replacement":"false"}}',
        ),
      recovery: [UP],
    },
    {
      name: "the Helm release uninstalled by hand",
      before: ({ helm }) => helm("uninstall", "cilium"),
      recovery: [REFRESH, UP],
    },
    {
      name: "the node stopped",
      before: ({ cluster: name }) => docker("stop", "--time", "1", nodeOf(name)),
      recovery: [UP],
    },
    {
      name: "the node stopped, and a refresh",
      before: ({ cluster: name }) => docker("stop", "--time", "1", nodeOf(name)),
      recovery: [REFRESH, UP],
    },
    {
      name: "the workload's namespace deleted by hand",
      before: ({ cluster: name }) => void kubectl(name, "delete", "namespace", "nettool"),
      recovery: [REFRESH, UP],
    },
    {
      name: "SIGINT while destroying",
      run: DESTROY,
      at: /Cluster cluster-nodes deleting/,
      blow: signal("SIGINT"),
      isLast: true,
      recovery: [DESTROY],
    },
    {
      name: "Pulumi killed while destroying",
      run: DESTROY,
      at: /Cluster cluster-nodes deleting/,
      blow: signal("SIGKILL"),
      recovery: [CANCEL, DESTROY],
    },
    {
      name: "the cluster removed by hand, then destroy",
      before: ({ cluster: name }) => removeCluster(name),
      recovery: [DESTROY],
    },
  ];
}

/** Make Helm's latest record that of a revision that somebody is still at. */
function pend(cluster: string): void {
  const [name] = kubectl(
    cluster,
    "-n",
    "kube-system",
    "get",
    "secrets",
    "-l",
    "owner=helm,status=deployed",
    "-o",
    "name",
  )
    .trim()
    .split("\n");
  const script = `set -e
export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl -n kube-system get ${name} -o jsonpath='{.data.release}' | base64 -d | base64 -d | gunzip >/tmp/release
sed -i 's/"status":"deployed"/"status":"pending-upgrade"/' /tmp/release
data=$(gzip -c /tmp/release | base64 -w0 | base64 -w0)
echo "{\\"data\\":{\\"release\\":\\"$data\\"},\\"metadata\\":{\\"labels\\":{\\"status\\":\\"pending-upgrade\\"}}}" >/tmp/patch
kubectl -n kube-system patch ${name} --type=merge --patch-file=/tmp/patch`;
  docker("exec", nodeOf(cluster), "bash", "-c", script);
}

describeIf([...labMissing(), ...longMissing(), ...missingPrograms("helm", "ps")], "whatever goes wrong", () => {
  let run: Run;
  let volumes: string[] = [];
  const table: string[] = [];
  let failed = false;

  beforeAll(async () => {
    const project = new LabProject();
    const settings = { cluster: { workers: 0 }, kubeProxyReplacement: true, "bpf.masquerade": "true" };
    const cluster = await project.addStack(STACK, settings);
    const { chart } = project.settings(STACK).cilium;
    run = {
      project,
      cluster,
      set: (key, value, ...options) => project.succeed("config", "set", key, value, ...options, "-s", STACK),
      helm: (verb, release, ...rest) => {
        const args = [verb!, release!, ...(verb === "upgrade" ? [chart] : []), "--namespace", "kube-system", ...rest];
        const file = join(project.directory, "kubeconfig");
        writeKubeconfig(cluster, file);
        execFileSync("helm", [...args, "--kubeconfig", file], { stdio: ["ignore", "ignore", "pipe"] });
      },
    };
  });
  afterAll(async () => {
    process.stdout.write(`${table.join("\n")}\n`);
    await run.project.close(STACK);
  });

  /** Start a command, and strike when it is at the point. */
  async function interrupted({ run: args, at, blow, isLast }: Interruption): Promise<void> {
    const child: ChildProcess = run.project.start(...args, "-s", STACK);
    let output = "";
    child.stdout!.on("data", (chunk) => (output += chunk));
    child.stderr!.on("data", (chunk) => (output += chunk));
    const ended = new Promise((done) => child.once("close", done));
    const isThere = () => (at instanceof RegExp ? at.test(output) : at());
    while (!isThere()) {
      if (child.exitCode !== null) throw new Error(`${args[0]} ended before it came to ${String(at)}:\n${output}`);
      await sleep(100);
    }
    await sleep(500);
    await blow(child.pid!);
    await ended;
    // a run that came through was not hit, unless it was at its last step
    if (!isLast) expect(child.exitCode).not.toBe(0);
  }

  function isGone(cluster: string): void {
    expect(containersOf(cluster)).toEqual([]);
    expect(attachedOf(cluster)).toEqual([]);
    expect(existingVolumes(volumes)).toEqual([]);
    expect(readdirSync(tmpdir()).filter((entry) => entry.startsWith("cilium-modes-kind-"))).toEqual([]);
    const { deployment } = run.project.json<{ deployment: { resources?: { type: string }[] } }>(
      "stack",
      "export",
      "-s",
      STACK,
    );
    expect((deployment.resources ?? []).map(({ type }) => type)).toEqual([]);
  }

  it.each(faultsOf(`${CLUSTER_PREFIX}${STACK}`, labAgentTag()).map((fault) => [fault.name, fault] as const))(
    "%s: the stack reaches its configuration",
    async (name, fault) => {
      const { project, cluster } = run;
      // each begins as it needs it, whatever became of the one before
      const stands = containersOf(cluster).length > 0;
      const startsAtNothing = fault.run === UP && fault.before === undefined;
      if (stands && (startsAtNothing || failed)) {
        await project.pulumi(...CANCEL, "-s", STACK);
        await project.pulumi(...DESTROY, "-s", STACK);
        removeCluster(cluster);
      }
      if (!startsAtNothing && (!stands || failed)) await project.succeed(...UP, "-s", STACK);
      failed = true;
      await fault.before?.(run);
      if (fault.run !== undefined) await interrupted(fault as Interruption);
      const start = Date.now();
      for (const command of fault.recovery) {
        await project.succeed(...command, "-s", STACK);
        if (command === UP) {
          expect(agentStatuses(cluster)).toHaveLength(1);
          volumes = [...volumes, ...volumesOf(cluster)];
        }
        if (command === DESTROY) isGone(cluster);
      }
      failed = false;
      const seconds = Math.round((Date.now() - start) / 1000);
      table.push(`| ${name} | ${fault.recovery.map(([verb]) => verb).join(", ")} | ${seconds} s |`);
    },
    10 * MINUTES,
  );
});
