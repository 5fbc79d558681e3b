// npx tsx bench/growth.ts [options]: measure how inspect and verify grow with the number of nodes.
//
// A fake API server (bench/fakeCluster.ts) answers for copies of three recorded nodes. It is a process of its own: its memory
// does not count, but it shares the CPUs with the measured command, so the time on a larger machine is shorter. Every node has
// a route and ipcache entries for every other node, as in a real cluster with direct routes.
//
// Prints per run: wall time, CPU time of the command, and the peak of its resident memory: VmHWM in /proc/<pid>/status, read
// every 50 ms until the command ends, with that of its child processes (in a checkout, esbuild where tsx has not kept a file yet).
// Measure on an otherwise idle machine; the load average before the first run is printed. --silent and --refusing show that
// nodes that do not answer cost only their own row and at most 45 s; --list-delay a slow API server.
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { PLAIN, table } from "../render/terminal";
import { serveFakeCluster, type Asked, type FakeCluster } from "./fakeCluster";

const ROOT = join(__dirname, "..");
const CLI = join(ROOT, "cli", "cilium-modes.mjs");
const TSX = join(ROOT, "host", "tsx.cjs");
const POLL_MILLISECONDS = 50;
/** Of `/proc/<pid>/stat`, on every Linux that Node.js supports. */
const TICKS_PER_SECOND = 100;

/** What the command may cost for this many nodes, with 20 ms for each command in a pod. */
const GOAL = { nodes: 1000, seconds: 90, megabytes: 400 };

/** The server tells its parent where it is, and at the end what it was asked. */
type Message = { readonly kubeconfig: string } | { readonly asked: Asked };

if (process.argv[2] === "--serve") void serve(JSON.parse(process.argv[3]!) as FakeCluster);
else void main();

async function serve(cluster: FakeCluster): Promise<void> {
  const { kubeconfig, asked } = await serveFakeCluster(cluster);
  process.send!({ kubeconfig } satisfies Message);
  process.on("message", () => process.send!({ asked } satisfies Message));
  process.on("disconnect", () => process.exit());
}

interface Options {
  readonly nodes: readonly number[];
  readonly verify: readonly number[];
  readonly delay: number;
  readonly pods: readonly number[];
  readonly log: number;
  readonly listDelay: number;
  readonly silent: readonly number[];
  readonly refusing: readonly number[];
  readonly rounds: number;
  readonly json?: string;
}

/** One run of the command. */
interface Run {
  readonly command: "inspect" | "verify";
  readonly nodes: number;
  /** Namespaces of others, each with a pod on every node. */
  readonly namespaces: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly megabytes: number;
  readonly exitCode: number | null;
  /** The last line that it printed. */
  readonly said: string;
  readonly asked: Asked;
}

async function main(): Promise<void> {
  const number = (text: string) => {
    if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be an integer.");
    return Number(text);
  };
  const numbers = (text: string) => text.split(",").filter(Boolean).map(number);
  const options = new Command("bench/growth.ts")
    .description("Measure how inspect and verify grow with the number of nodes, against a fake API server")
    .option("--nodes <numbers>", "nodes to inspect", numbers, [10, 100, 1000, 5000])
    .option("--verify <numbers>", "nodes to verify; empty: none", numbers, [10, 50, 100])
    .option("--delay <ms>", "time until a command in a pod is answered", number, 20)
    .option("--pods <numbers>", "other people's pods on each node, each in a namespace of its own", numbers, [30])
    .option("--log <KiB>", "size of each agent's log", number, 100)
    .option("--list-delay <ms>", "time for each page of a list", number, 0)
    .option("--silent <numbers>", "nodes whose agents never answer", numbers, [])
    .option("--refusing <numbers>", "nodes whose kubelets refuse connections", numbers, [])
    .option("--rounds <number>", "number of rounds", number, 1)
    .option("--json <file>", "file for all runs")
    .parse()
    .opts<Options>();
  const { nodes, verify, rounds, json } = options;
  console.error(
    `${cpus().length} CPUs (${cpus()[0]!.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node.js ${process.versions.node}, load average ${loadavg()[0]!.toFixed(1)} before the first run`,
  );
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const namespaces of options.pods) {
      for (const count of nodes) runs.push(await measured("inspect", count, namespaces, options));
      for (const count of verify) runs.push(await measured("verify", count, namespaces, options));
    }
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(runs, undefined, 1)}\n`);
  console.log(
    table(
      [
        ["command", "nodes", "namespaces", "time", "per node", "CPU", "memory", "commands at once", "exit code"],
        ...runs.map(({ command, nodes: count, namespaces, seconds, cpuSeconds, megabytes, exitCode, asked }) => [
          command,
          count.toLocaleString("en"),
          namespaces.toLocaleString("en"),
          `${seconds.toFixed(1)} s`,
          `${((seconds / count) * 1000).toFixed(1)} ms`,
          `${cpuSeconds.toFixed(1)} s`,
          `${Math.round(megabytes)} MB`,
          String(asked.mostAtOnce),
          String(exitCode),
        ]),
      ],
      PLAIN,
    ),
  );
  for (const { seconds, megabytes } of runs.filter((run) => run.command === "inspect" && run.nodes === GOAL.nodes)) {
    const isMet = seconds <= GOAL.seconds && megabytes <= GOAL.megabytes;
    const name = `${GOAL.nodes.toLocaleString("en")} nodes in ${GOAL.seconds} s and ${GOAL.megabytes} MB`;
    console.log(`The goal (${name}) is ${isMet ? "met" : "missed"}`);
  }
}

async function measured(command: Run["command"], nodes: number, namespaces: number, options: Options): Promise<Run> {
  const { delay, log, listDelay, silent, refusing } = options;
  const cluster: FakeCluster = { nodes, delay, pods: namespaces, log, listDelay, silent, refusing };
  const server = fork(__filename, ["--serve", JSON.stringify(cluster)], { execArgv: ["--require", TSX] });
  const folder = mkdtempSync(join(tmpdir(), "cilium-modes-growth-"));
  try {
    const [{ kubeconfig }] = (await once(server, "message")) as [{ kubeconfig: string }];
    const file = join(folder, "kubeconfig");
    writeFileSync(file, kubeconfig, { mode: 0o600 });
    const common = ["--kubeconfig", file, "--max-nodes", String(nodes)];
    const args =
      command === "inspect"
        ? ["inspect", ...common]
        : [
            ...["verify", ...common, "--expect", "ebpf", "--accept", "reported", "--settle-seconds", "0"],
            "--no-diagnostics",
          ];
    const run = await take(spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] }));
    server.send("asked");
    const [{ asked }] = (await once(server, "message")) as [{ asked: Asked }];
    console.error(
      `${command} of ${nodes} nodes: ${run.seconds.toFixed(1)} s, ${Math.round(run.megabytes)} MB: ${run.said}`,
    );
    return { command, nodes, namespaces, ...run, asked };
  } finally {
    server.disconnect();
    rmSync(folder, { recursive: true });
  }
}

/** Wait for a command and measure it. */
async function take(
  child: ChildProcess,
): Promise<Pick<Run, "seconds" | "cpuSeconds" | "megabytes" | "exitCode" | "said">> {
  const began = performance.now();
  let output = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding("utf8").on("data", (chunk: string) => (output = (output + chunk).slice(-20_000)));
  let [megabytes, cpuSeconds] = [0, 0];
  const poll = () => {
    const read = (pid: number, name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
    const peakOf = (pid: number) => (Number(/^VmHWM:\s+(\d+)/m.exec(read(pid, "status"))?.[1] ?? 0) * 1024) / 1e6;
    try {
      const pid = child.pid!;
      const children = read(pid, `task/${pid}/children`).split(" ").filter(Boolean).map(Number);
      megabytes = Math.max(
        megabytes,
        [pid, ...children].map(peakOf).reduce((sum, each) => sum + each),
      );
      const stat = read(pid, "stat");
      // the program's name in parentheses can contain anything
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    } catch {
      // has exited
    }
  };
  const polling = setInterval(poll, POLL_MILLISECONDS);
  const [exitCode] = (await once(child, "close")) as [number | null];
  clearInterval(polling);
  return {
    seconds: (performance.now() - began) / 1000,
    ...{ cpuSeconds, megabytes, exitCode },
    said: output.trim().split("\n").at(-1) ?? "",
  };
}
