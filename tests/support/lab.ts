import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { mergeValues, valueAt, type HelmValues, type ImageOverride } from "../../modes/ciliumValues";
import { DEFAULT_RELEASE, RELEASES } from "../../modes/releases";
import { readStackFile } from "../../cli/stackFile";
import type { Comparison } from "../../compare/results";
import type { Inspection } from "../../datapath/inspect/inspection";
import type { Trace } from "../../datapath/trace/result";
import type { Verification } from "../../datapath/verify";
import type { Settings } from "../../settings/parse";
import { engineMissing, missingPrograms, TestProject } from "./project";

/** A minute of a test's time limit, for a machine that has only half of its processors for the test. */
export const MINUTES = 2 * 60_000;

/** Prefix of the clusters that tests make; whoever cleans up finds them by it. */
export const CLUSTER_PREFIX = "cmtest-";

/** What the laboratory tests need and what is missing of it; empty when they can run. */
export function labMissing(): string[] {
  const missing = [...engineMissing(), ...missingPrograms("docker", "kind", "kubectl", "curl", "jq")];
  if (!missing.includes("docker") && spawnSync("docker", ["version"]).status !== 0)
    missing.push("running Docker daemon");
  if (!process.env["CILIUM_MODES_LAB_SETTINGS"]) missing.push("CILIUM_MODES_LAB_SETTINGS");
  return missing;
}

/** Why tests that take long do not run; nothing when they were asked for. */
export function longMissing(): string[] {
  return process.env["CILIUM_MODES_LAB"] === "long"
    ? []
    : ["CILIUM_MODES_LAB=long, which asks for tests of many minutes,"];
}

/**
 * What a run that must end by a certain time lacks for tests that take so long; nothing when it has the time.
 * @param minutes on a slow machine
 */
export function timeMissing(minutes: number): string[] {
  const until = Number(process.env["CILIUM_MODES_TESTS_UNTIL"] ?? Infinity); // Unix time in seconds
  return Date.now() / 1000 + minutes * 60 > until ? [`${minutes} minutes left of the time for all tests`] : [];
}

/**
 * The settings that make a cluster on this machine, as they stand below the project in a stack's file: node image, chart
 * and images where they are its own, and none (`{}`) where it reaches the registries.
 */
function labSettings(): HelmValues {
  return JSON.parse(readFileSync(process.env["CILIUM_MODES_LAB_SETTINGS"]!, "utf8")) as HelmValues;
}

/** What of them a test cannot do without, and is not there. */
export function labSettingsMissing(...paths: string[]): string[] {
  if (labMissing().length > 0) return [];
  return paths
    .filter((path) => valueAt(labSettings(), path) === undefined)
    .map((path) => `${path} in CILIUM_MODES_LAB_SETTINGS`);
}

/** The part of them that is Cilium's. */
function labCilium(): {
  readonly version?: string;
  readonly chart?: string;
  readonly images?: { readonly agent?: ImageOverride; readonly operator?: ImageOverride };
} {
  return (labSettings()["cilium"] ?? {}) as ReturnType<typeof labCilium>;
}

/** The tag of the laboratory's agent; empty without a laboratory. */
export function labAgentTag(): string {
  if (labMissing().length > 0) return "";
  const { version = RELEASES[DEFAULT_RELEASE].cilium, images } = labCilium();
  return images?.agent?.tag ?? `v${version}`;
}

/** The settings for another Cilium than the laboratory's own, and what of it is not on this machine. */
export function otherCilium(version: string): { settings: HelmValues; missing: string[] } {
  if (labMissing().length > 0) return { settings: {}, missing: labMissing() };
  const { chart, images } = labCilium();
  const [agent, operator] = [images?.agent?.repository, images?.operator?.repository];
  // where a Cilium comes from its registries, so do the others
  if (chart === undefined || agent === undefined || operator === undefined) {
    return { settings: { cilium: { version } }, missing: [] };
  }
  const archive = join(dirname(chart), `cilium-${version}.tgz`);
  const names = [`${agent}:v${version}`, `${operator}-generic:v${version}`];
  const absent = names.filter((name) => spawnSync("docker", ["image", "inspect", name]).status !== 0);
  const tagged = (repository: string) => ({ repository, tag: `v${version}` });
  return {
    settings: {
      cilium: {
        version,
        chart: archive,
        images: { agent: tagged(agent), operator: tagged(operator), load: true },
      },
    },
    missing: [...(existsSync(archive) ? [] : [archive]), ...absent],
  };
}

/** A project whose stacks can be brought up on this machine. */
export class LabProject extends TestProject {
  /** Make a stack with these settings on top of the laboratory's; returns its cluster's name. */
  async addStack(stack: string, settings: HelmValues = {}): Promise<string> {
    const name = `${CLUSTER_PREFIX}${stack}`;
    this.configure(
      stack,
      mergeValues(mergeValues(labSettings(), { cluster: { name } }), settings) as Record<string, unknown>,
    );
    await this.succeed("stack", "init", stack);
    return name;
  }

  /** Make a stack with these settings, and of the laboratory's those alone that are Cilium's. */
  async addStackForExisting(stack: string, settings: Record<string, unknown>): Promise<void> {
    this.configure(stack, { cilium: labCilium(), ...settings });
    await this.succeed("stack", "init", stack);
  }

  /** The settings that a stack has now. */
  settings(stack: string): Settings {
    return readStackFile(stack, [], this.directory).settings;
  }

  /** Verify a stack's cluster: the exit code, and each red check with all that it says. */
  verify(stack: string, ...options: string[]): { code: number | null; wrong: Record<string, string> } {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["cli/cilium-modes.mjs", "verify", stack, "--json", "--no-diagnostics", ...options],
      { cwd: this.directory, encoding: "utf8", env: process.env },
    );
    if (!stdout.startsWith("{")) return { code: status, wrong: { verify: stderr } };
    const { results } = JSON.parse(stdout) as Verification;
    const red = results.filter(({ verdict }) => verdict === "fail" || verdict === "inconclusive");
    return {
      code: status,
      wrong: Object.fromEntries(
        red.map(({ id, findings }) => [
          id,
          JSON.stringify(findings.map(({ reason, seen }) => `${seen}: ${reason}`)).replaceAll('\\"', '"'),
        ]),
      ),
    };
  }

  /**
   * Inspect a cluster: the exit code, the mode that it has, and each row that contradicts with all that it says.
   * @param subject a stack, a file, or none for the cluster of `--kubeconfig`
   */
  inspect(
    subject: string | undefined,
    ...options: string[]
  ): { code: number | null; mode: string; wrong: Record<string, string> } {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["cli/cilium-modes.mjs", "inspect", ...(subject === undefined ? [] : [subject]), "--json", ...options],
      { cwd: this.directory, encoding: "utf8", env: process.env, maxBuffer: 2 ** 26 },
    );
    if (!stdout.startsWith("{")) return { code: status, mode: "", wrong: { inspect: stderr } };
    const { mode, rows } = JSON.parse(stdout) as Inspection;
    const said = rows.map(({ id, nodes }) => {
      const wrong = nodes.filter(({ verdict }) => verdict !== "in force" && verdict !== "not observable");
      return [id, wrong.map(({ node, verdict, reason }) => `${node}: ${verdict}: ${reason}`).join("; ")];
    });
    return {
      code: status,
      mode: `${mode.name ?? `none, nearest ${mode.nearest}`}, ${mode.network}`,
      wrong: Object.fromEntries(said.filter(([, text]) => text !== "")) as Record<string, string>,
    };
  }

  /** Trace in a stack's cluster: exit code and traces. @throws Error if there are none */
  trace(stack: string, ...options: string[]): { code: number | null; traces: readonly Trace[] } {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["cli/cilium-modes.mjs", "trace", stack, "--json", ...options],
      { cwd: this.directory, encoding: "utf8", env: process.env, maxBuffer: 2 ** 26 },
    );
    if (!stdout.startsWith("[")) throw new Error(`there is no trace:\n${stderr}`);
    return { code: status, traces: JSON.parse(stdout) as Trace[] };
  }

  /** Compare stacks' clusters: the exit code, and what was found. @throws Error when nothing was kept */
  compare(stacks: readonly string[], ...options: string[]): { code: number | null; found: Comparison; text: string } {
    const file = join(this.directory, "comparison.json");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["cli/cilium-modes.mjs", "compare", ...stacks, "--out", file, ...options],
      { cwd: this.directory, encoding: "utf8", env: process.env, maxBuffer: 2 ** 26 },
    );
    if (!stderr.includes(`Results: ${file}`)) throw new Error(`there is no comparison:\n${stderr}`);
    return { code: status, found: JSON.parse(readFileSync(file, "utf8")) as Comparison, text: stdout };
  }

  /** Destroy every stack, whatever state it is in, and remove the project. */
  async close(...stacks: string[]): Promise<void> {
    for (const stack of stacks) {
      await this.pulumi("cancel", "--yes", "-s", stack);
      await this.pulumi("destroy", "--yes", "--skip-preview", "-s", stack);
      removeCluster(`${CLUSTER_PREFIX}${stack}`);
    }
    this.remove();
  }
}

/** Run a command in a node and return what it printed. */
export function inNode(node: string, ...command: string[]): string {
  return execFileSync("docker", ["exec", node, ...command], { encoding: "utf8" });
}

/** Replace every agent at once by one that reads the configuration as it is now. */
export function restartAgents(cluster: string): void {
  const agents = ["-n", "kube-system", "-l", "k8s-app=cilium"];
  kubectl(cluster, "delete", "pod", ...agents);
  const nodes = containersOf(cluster).length;
  inNode(
    `${cluster}-control-plane`,
    "sh",
    "-ec",
    `export KUBECONFIG=/etc/kubernetes/admin.conf
until [ $(kubectl get pods ${agents.join(" ")} --no-headers | wc -l) = ${nodes} ]; do sleep 1; done
kubectl wait --for=condition=Ready pod ${agents.join(" ")} --timeout=120s`,
  );
}

/** Run kubectl in a cluster's control plane and return what it printed. */
export function kubectl(cluster: string, ...args: string[]): string {
  return execFileSync(
    "docker",
    ["exec", `${cluster}-control-plane`, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", ...args],
    { encoding: "utf8" },
  );
}

/** Apply objects, or their text, in a cluster. */
export function kubectlApply(cluster: string, manifest: object | string): void {
  const { status, stderr } = spawnSync(
    "docker",
    [
      ...["exec", "--interactive", `${cluster}-control-plane`],
      ...["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "apply", "-f", "-"],
    ],
    { input: typeof manifest === "string" ? manifest : JSON.stringify(manifest), encoding: "utf8" },
  );
  expect([status, stderr]).toEqual([0, ""]);
}

/** Write the administrator's kubeconfig of a cluster. @returns its text */
export function writeKubeconfig(cluster: string, file: string): string {
  const text = execFileSync("kind", ["get", "kubeconfig", "--name", cluster], { encoding: "utf8" });
  writeFileSync(file, text, { mode: 0o600 });
  return text;
}

/** Take routes from a node and keep them away, though Cilium puts them back every now and then, while something is done. */
export function withoutRoutes<T>(node: string, routes: readonly string[], act: () => T): T {
  const flag = "/tmp/cmtest-without-routes";
  const deletions = routes.map((route) => `ip route del ${route} 2>/dev/null`).join("; ");
  inNode(node, "sh", "-c", `touch ${flag}; ${deletions}; true`);
  execFileSync("docker", [
    ...["exec", "--detach", node, "sh", "-c"],
    `while [ -e ${flag} ]; do ${deletions}; sleep 0.1; done`,
  ]);
  try {
    return act();
  } finally {
    inNode(
      node,
      "sh",
      "-c",
      `rm -f ${flag}; sleep 0.5; ${routes.map((route) => `ip route replace ${route}`).join("; ")}`,
    );
  }
}

/** Let the workload's service choose other pods than its servers, or these again (`nettool`). */
export function selectServers(cluster: string, app: string): void {
  const patch = JSON.stringify({ spec: { selector: { app } } });
  kubectl(cluster, "-n", "nettool", "patch", "service", "serversvc", "-p", patch);
}

/** Run a command in every agent of a cluster, and return what each printed. */
export function inAgent(cluster: string, ...command: string[]): string[] {
  const agents = ["-n", "kube-system", "get", "pods", "-l", "k8s-app=cilium", "-o", "name"];
  return kubectl(cluster, ...agents)
    .trim()
    .split("\n")
    .map((pod) => kubectl(cluster, "-n", "kube-system", "exec", pod, "-c", "cilium-agent", "--", ...command));
}

/** Effective status of every agent, as its command gives it. */
export function agentStatuses(cluster: string): AgentStatus[] {
  return inAgent(cluster, "cilium-dbg", "status", "-o", "json").map((text) => JSON.parse(text) as AgentStatus);
}

export interface AgentStatus {
  readonly "kube-proxy-replacement": { readonly mode: string };
  readonly routing: { readonly "inter-host-routing-mode": string; readonly "intra-host-routing-mode": string };
  readonly masquerading: { readonly mode: string };
}

const lines = (...args: string[]) => execFileSync("docker", args, { encoding: "utf8" }).split("\n").filter(Boolean);

/** A cluster's node containers, running or not. */
export function containersOf(cluster: string): string[] {
  return lines("ps", "--all", "--filter", `label=io.x-k8s.kind.cluster=${cluster}`, "--format", "{{.Names}}");
}

/** The volumes of a standing cluster's nodes. */
export function volumesOf(cluster: string): string[] {
  return lines(
    "inspect",
    "--format",
    '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}',
    ...containersOf(cluster),
  );
}

/** Members of kind's network that belong to a cluster. */
export function attachedOf(cluster: string): string[] {
  return lines("network", "inspect", "kind", "--format", "{{range .Containers}}{{println .Name}}{{end}}").filter(
    (name) => name.startsWith(`${cluster}-`),
  );
}

/** Those of these volumes that still exist. */
export function existingVolumes(volumes: readonly string[]): string[] {
  const all = lines("volume", "ls", "--quiet");
  return volumes.filter((volume) => all.includes(volume));
}

/** Remove a cluster's nodes behind Pulumi's back. */
export function removeCluster(cluster: string): void {
  const names = containersOf(cluster);
  if (names.length > 0) execFileSync("docker", ["rm", "--force", "--volumes", ...names]);
}
