import { spawnSync } from "node:child_process";
import { ROOT } from "../cli/ownEnvironment.mjs";
import { kindUnreachable } from "./kind.mjs";
import { dependenciesOutdated, isFound, knownStacks } from "./project.mjs";

const MINIMUM_NODE = [20, 19];

/**
 * What this machine lacks and `npm start` cannot obtain, a line each with the fix; and whether npm can install the
 * dependencies nevertheless.
 */
export async function missingForStart(stack) {
  const problems = [];
  let isOldNode = false;
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor < MINIMUM_NODE[1])) {
    isOldNode = true;
    problems.push(
      `Node.js ${MINIMUM_NODE.join(".")} or newer: this is ${process.versions.node}; install it from https://nodejs.org`,
    );
  }
  if (!knownStacks().includes(stack))
    problems.push(
      `the stack ${JSON.stringify(stack)}: there is no Pulumi.${stack}.yaml; known stacks are ${knownStacks().join(", ")}`,
    );
  const docker = dockerProblem();
  if (docker !== undefined) problems.push(docker);
  // as host/tools.ts says it, which needs the dependencies
  const runtime = process.env.KIND_EXPERIMENTAL_PROVIDER;
  if (runtime && runtime !== "docker")
    problems.push(
      `kind: KIND_EXPERIMENTAL_PROVIDER is ${runtime}, and this project supports nodes in Docker only; run: unset KIND_EXPERIMENTAL_PROVIDER`,
    );
  // Go can build what cannot be downloaded
  if (!isFound("kind") && !isFound("go")) {
    const why = await kindUnreachable();
    if (why !== undefined)
      problems.push(
        `kind: the program is not on the PATH, and ${why}; install it from https://kind.sigs.k8s.io, or set CILIUM_MODES_KIND_URL to a mirror`,
      );
  }
  if (!isFound("pulumi")) {
    const why = await unreachable("https://get.pulumi.com");
    if (why !== undefined)
      problems.push(
        `Pulumi: the CLI is not on the PATH, and ${why}; install it from https://www.pulumi.com/docs/install/`,
      );
  }
  const npm = dependenciesOutdated() ? npmProblem() : undefined;
  if (npm !== undefined) problems.push(npm);
  return { problems, canInstall: !isOldNode && npm === undefined };
}

/** Why Docker cannot be used, and the fix. */
function dockerProblem() {
  const { status, error, stderr } = spawnSync("docker", ["version", "--format", "{{.Server.Version}}"], {
    encoding: "utf8",
    timeout: 20_000,
  });
  if (status === 0) return undefined;
  if (error?.code === "ENOENT")
    return "Docker: the docker command is not on the PATH; install it from https://docs.docker.com/get-docker/";
  if (/permission denied/i.test(stderr ?? ""))
    return "Docker: this user may not use the daemon; run: sudo usermod -aG docker $USER, and log in again";
  return "Docker: no daemon answers; start Docker Desktop, or run: sudo systemctl start docker";
}

async function unreachable(url) {
  try {
    await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(10_000) });
    return undefined;
  } catch (error) {
    return `${url} does not answer (${error.cause?.message ?? error.message})`;
  }
}

/** Why npm cannot install the dependencies. Not by `npm ping`, which some mirrors do not answer. */
function npmProblem() {
  const args = ["view", "pulumi", "version", "--fetch-retries=0"];
  const { status, stderr } = spawnSync("npm", args, { cwd: ROOT, encoding: "utf8", timeout: 20_000 });
  if (status === 0) return undefined;
  const code = /^npm (?:error|ERR!) code (\S+)/m.exec(stderr ?? "")?.[1] ?? "no answer";
  return `npm: the dependencies are not installed, and the registry does not answer (${code}); check the network, or npm's registry and proxy settings`;
}
