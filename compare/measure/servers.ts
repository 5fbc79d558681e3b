import { text } from "node:stream/consumers";
import type { AttachableCluster } from "../../cluster/read";
import { lastLine, type Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";
import type { Place } from "../../datapath/probes";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { Origin } from "./growthProbes";
import { TOOLS, type Tool } from "./tools";

/** Runs a script at the client and returns its output. @throws Error if it fails */
export type RunScript = (script: string) => Promise<string>;

/** The programs of tools that exist where a script runs. */
export async function programsOf(run: RunScript, tools: readonly Tool[] = TOOLS): Promise<ReadonlySet<string>> {
  const programs = [...new Set(tools.map(({ program }) => program))];
  const output = await run(`for each in ${programs.join(" ")}; do command -v "$each" || true; done`);
  return new Set(programs.filter((program) => new RegExp(`/${program}$`, "m").test(output)));
}

/** Port of the workload's server on a node, where its own may be taken. */
export const NODE_HTTP_PORT = 18_080;

/** The workload's server on a node. */
const NODE_SERVER = { command: `POD_NAME=node PORT=${NODE_HTTP_PORT} /usr/local/bin/serve`, port: NODE_HTTP_PORT };

/** Timeout of the servers' start. */
const START_SECONDS = 10;

/** Start the tools' servers in a pod or on a node, until the session ends. On a node, also that of the workload. */
export async function startServers(
  { name, start, isNode = false }: Origin & { readonly isNode?: boolean },
  programs: ReadonlySet<string>,
  tools: readonly Tool[] = TOOLS,
): Promise<Session> {
  // several tools share one server
  const servers = new Map(
    tools.flatMap(({ program, server, port }) =>
      server !== undefined && programs.has(program) ? [[server, port] as const] : [],
    ),
  );
  if (isNode) servers.set(NODE_SERVER.command, NODE_SERVER.port);
  const started = [...servers.keys()].map((server) => `${server} >/dev/null 2>&1 & pids="$pids $!"`);
  const listens = [...servers.values()].map((port) => `ss -ltun | grep -q ":${port} "`).join(" && ") || "true";
  const script = [
    "pids=",
    ...started,
    `for try in $(seq 50); do if ${listens}; then echo ready; break; fi; sleep 0.1; done`,
    "read -r _",
    "kill $pids",
  ].join("\n");
  const session = start(["sh", "-c", script]);
  const ready = new Promise<void>((resolve, reject) => {
    session.stdout.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("ready")) resolve();
    });
    session.stdout.once("close", () => reject(new Error(`${name}: the servers of ${[...programs].join(", ")} exited`)));
    session.stdout.once("error", reject);
  });
  const late = `${name}: the servers of ${[...programs].join(", ")} do not start`;
  await within(START_SECONDS, ready, late).catch((error: unknown) => {
    session.end();
    throw error;
  });
  return session;
}

/** A pod of the workload as a place where servers can start. */
export function podOrigin(cluster: AttachableCluster, { pod }: Place): Origin {
  return {
    name: pod,
    start: (command) => cluster.start(WORKLOAD.namespace, pod, WORKLOAD_CONTAINER, command),
  };
}

/** Runs scripts where commands start. */
export function scriptsAt({ name, start }: Origin): RunScript {
  return async (script) => {
    const session = start(["sh", "-c", script]);
    const [output, log] = await Promise.all([text(session.stdout), text(session.stderr)]);
    if (output.trim() === "") throw new Error(`${name}: ${lastLine(log) ?? "the command printed nothing"}`);
    return output;
  };
}
