import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { kindNetwork } from "./docker";
import { run, start, type CommandError, type Session } from "./exec";

/** A client in the nodes' network, outside the cluster. */
export interface OutsideClient {
  /** IPv4 address in the nodes' network. */
  readonly address: string;
  /** Run a script and return its standard output. @throws Error when the script fails */
  run(script: string): Promise<string>;
  /** Remove the client. */
  end(): Promise<void>;
}

/** Also starts the workload's server where the image has one. The container ends with the process that holds its input. */
const SERVE = "/usr/local/bin/serve >/dev/null 2>&1 & read -r line";

/** Timeout until a container has its address. */
const START_SECONDS = 20;
const POLL_MILLISECONDS = 100;

/** Options that put a container into the nodes' network. */
const beside = () => ["--rm", "--pull", "never", "--network", kindNetwork(), "--label", "cilium-modes.outside"];

/**
 * Start a container in kind's network, from an image that Docker has: a client outside the cluster, and a server on port
 * 80. It ends with this process.
 * @throws CommandError if Docker does not have the image
 */
export async function startOutside(image: string): Promise<OutsideClient> {
  const name = `cilium-modes-outside-${randomUUID().slice(0, 8)}`;
  const options = [...beside(), "--interactive", "--name", name, "--cap-add", "NET_RAW", "--env", "POD_NAME=outside"];
  await run("docker", ["create", ...options, "--entrypoint", "sh", image, "-c", SERVE]);
  const session = start("docker", ["start", "--attach", "--interactive", name]);
  session.stdout.resume();
  session.stderr.resume();
  const end = async () => {
    session.end();
    // it may have ended by itself
    await run("docker", ["rm", "--force", name]).catch((error: CommandError) => {
      if (!/no such container|already in progress/i.test(error.stderr)) throw error;
    });
  };
  try {
    const address = await addressOf(name);
    return { address, run: (script) => run("docker", ["exec", name, "sh", "-c", script]), end };
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
}

async function addressOf(name: string): Promise<string> {
  const format = `{{(index .NetworkSettings.Networks "${kindNetwork()}").IPAddress}}`;
  const deadline = Date.now() + START_SECONDS * 1000;
  for (;;) {
    const address = (await run("docker", ["inspect", "--format", format, name])).trim();
    if (address !== "") return address;
    if (Date.now() > deadline) throw new Error(`The container ${name} has no address after ${START_SECONDS} s`);
    await sleep(POLL_MILLISECONDS);
  }
}

/** Start a command in a container of its own in kind's network; the container is removed when the command ends. */
export function startBeside(image: string, [program = "sh", ...args]: readonly string[]): Session {
  return start("docker", ["run", "--interactive", ...beside(), "--entrypoint", program, image, ...args]);
}
