import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { kindNetwork } from "./docker";
import { lastLines, run, start, type CommandError, type Session } from "./exec";

/** A client in the nodes' network, outside the cluster. */
export interface OutsideClient {
  /** IPv4 address in the nodes' network. */
  readonly address: string;
  /** Run a script and return its standard output. @throws Error when the script fails */
  run(script: string): Promise<string>;
  /** Remove the client. */
  end(): Promise<void>;
}

/**
 * Tells the container's address, which Docker has written beside its name, and starts the workload's server where the image
 * has one. The container ends with the process that holds its input.
 */
const serving = (name: string) =>
  `grep -o "^[0-9.]*[[:space:]]${name}" /etc/hosts; /usr/local/bin/serve >/dev/null 2>&1 & read -r line`;

/** Timeout until a container has told its address, in milliseconds. */
const START_MILLISECONDS = 20_000;

/** Options that put a container into the nodes' network. */
const beside = () => ["--rm", "--pull", "never", "--network", kindNetwork(), "--label", "cilium-modes.outside"];

/**
 * Start a container in kind's network, from an image that Docker has: a client outside the cluster, and a server on port
 * 80. It ends with this process.
 * @throws Error if Docker does not have the image, or the container does not start
 */
export async function startOutside(image: string): Promise<OutsideClient> {
  const name = `cilium-modes-outside-${randomUUID().slice(0, 8)}`;
  const own = [
    "--interactive",
    "--name",
    name,
    "--hostname",
    name,
    "--cap-add",
    "NET_RAW",
    "--env",
    "POD_NAME=outside",
  ];
  const session = start("docker", ["run", ...beside(), ...own, "--entrypoint", "sh", image, "-c", serving(name)]);
  const end = async () => {
    session.end();
    // it may have ended by itself
    await run("docker", ["rm", "--force", name]).catch((error: CommandError) => {
      if (!/no such container|already in progress/i.test(error.stderr)) throw error;
    });
  };
  try {
    const address = await addressOf(name, session);
    return { address, run: (script) => run("docker", ["exec", name, "sh", "-c", script]), end };
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
}

/** The address that a container tells of itself. @throws Error with Docker's own words if it does not start */
async function addressOf(name: string, { stdout, stderr }: Session): Promise<string> {
  const complaint = text(stderr);
  const lines = createInterface(stdout);
  const signal = AbortSignal.timeout(START_MILLISECONDS);
  const [line = ""] = await Promise.race([
    once(lines, "line", { signal }) as Promise<[string]>,
    once(lines, "close", { signal }) as Promise<[]>,
  ]).catch((error: Error): [string?] => {
    if (error.name !== "AbortError") throw error;
    throw new Error(`The container ${name} did not tell its address within ${START_MILLISECONDS / 1000} s`);
  });
  const [address] = line.split(/\s/);
  if (!address) throw new Error(lastLines(await complaint)[0] ?? `The container ${name} ended`);
  return address;
}

/** Start a command in a container of its own in kind's network; the container is removed when the command ends. */
export function startBeside(image: string, [program = "sh", ...args]: readonly string[]): Session {
  return start("docker", ["run", "--interactive", ...beside(), "--entrypoint", program, image, ...args]);
}
