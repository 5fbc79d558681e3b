import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { OutsideClient } from "../../cluster/read";
import type { Session } from "../../cluster/podExec";
import { kindNetwork } from "./docker";
import { run, start, type CommandError } from "./exec";

/** The workload's server answers there too; images without it have none. The container ends with whoever holds its input. */
const SERVE = "/usr/local/bin/serve >/dev/null 2>&1 & read -r line";

/** How long a container may take to get its address. */
const START_SECONDS = 20;
const POLL_MILLISECONDS = 100;

/** Options by which a container is beside the nodes. */
const beside = () => ["--rm", "--pull", "never", "--network", kindNetwork(), "--label", "cilium-modes.outside"];

/**
 * Start a container of an image of this machine in kind's network: a client, and a server on port 80, that no cluster
 * knows of. It ends with this process. @throws CommandError, such as when Docker has no such image
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
    // it may have gone by itself
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

/** Run a command in such a container of its own, which goes with the command. */
export function startBeside(image: string, [program = "sh", ...args]: readonly string[]): Session {
  return start("docker", ["run", "--interactive", ...beside(), "--entrypoint", program, image, ...args]);
}
