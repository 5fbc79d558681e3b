import { randomUUID } from "node:crypto";
import type { OutsideClient } from "../../datapath/cluster";
import type { Session } from "../../datapath/podExec";
import { kindNetwork } from "./docker";
import { run, start } from "./exec";

/** How long a container lives when nobody ends it any more, in seconds. Benchmarks are the longest use. */
const LIFETIME_SECONDS = 4 * 3600;

/** The workload's server answers there too; images without it have none. */
const SERVE = `/usr/local/bin/serve >/dev/null 2>&1 & exec sleep ${LIFETIME_SECONDS}`;

/** Options by which a container is beside the nodes. */
const beside = () => ["--rm", "--pull", "never", "--network", kindNetwork(), "--label", "cilium-modes.outside"];

/**
 * Start a container of an image of this machine in kind's network: a client, and a server on port 80, that no cluster
 * knows of. @throws CommandError, such as when Docker has no such image
 */
export async function startOutside(image: string): Promise<OutsideClient> {
  const name = `cilium-modes-outside-${randomUUID().slice(0, 8)}`;
  const options = ["--detach", ...beside(), "--name", name, "--cap-add", "NET_RAW", "--env", "POD_NAME=outside"];
  await run("docker", ["run", ...options, "--entrypoint", "sh", image, "-c", SERVE]);
  const end = async () => void (await run("docker", ["rm", "--force", name]));
  const format = `{{(index .NetworkSettings.Networks "${kindNetwork()}").IPAddress}}`;
  try {
    const address = (await run("docker", ["inspect", "--format", format, name])).trim();
    return { address, run: (script) => run("docker", ["exec", name, "sh", "-c", script]), end };
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
}

/** Run a command in such a container of its own, which goes with the command. */
export function startBeside(image: string, [program = "sh", ...args]: readonly string[]): Session {
  return start("docker", ["run", "--interactive", ...beside(), "--entrypoint", program, image, ...args]);
}
