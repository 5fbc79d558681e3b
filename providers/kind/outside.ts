import { kindNetwork } from "./docker";
import { run } from "./exec";

/** A container beside the nodes, in none of their clusters. */
export interface Outside {
  /** Run a script in it and return what it printed. @throws CommandError */
  run(script: string): Promise<string>;
  /** Remove it. */
  end(): Promise<void>;
}

/** How long it lives when nobody ends it any more. */
const LIFETIME_SECONDS = 4 * 3600;

/** Start a container of an image of this machine in kind's network. @throws CommandError, such as when Docker has no such image */
export async function startOutside(image: string): Promise<Outside> {
  const options = [
    "--detach",
    "--rm",
    "--pull",
    "never",
    "--network",
    kindNetwork(),
    "--label",
    "cilium-modes.outside",
  ];
  const sleeper = ["--entrypoint", "sleep", image, String(LIFETIME_SECONDS)];
  const id = (await run("docker", ["run", ...options, ...sleeper])).trim();
  return {
    run: (script) => run("docker", ["exec", id, "sh", "-c", script]),
    end: async () => void (await run("docker", ["rm", "--force", id])),
  };
}
