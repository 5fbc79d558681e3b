import { dockerProblem } from "../host/daemon";
import { listNodes } from "../host/docker";
import { CommandError } from "../host/exec";
import { readKubeconfig } from "../providers/kind/kindCli";

/** kind's kubeconfig of a stack's cluster. @throws Error with the command that creates or starts a cluster that is not up */
export async function kindKubeconfig(stack: string, clusterName: string): Promise<string> {
  try {
    return await readKubeconfig(clusterName);
  } catch (error) {
    const nodes = await listNodes(clusterName).catch((reason: Error) => {
      const { subject, seen, remedy } = dockerProblem(reason);
      throw new Error(`${subject}: ${seen}; ${remedy}`);
    });
    if (nodes.length === 0)
      throw new Error(`The cluster of stack ${stack} does not exist; create it with: npm start -- ${stack}`);
    const stopped = nodes.filter(({ running }) => !running).map(({ name }) => name);
    if (stopped.length === 0) {
      if (error instanceof CommandError && /ENOENT/.test(error.reason))
        throw new Error("kind is not on the PATH; install it from https://kind.sigs.k8s.io, or run: npm start");
      throw error;
    }
    throw new Error(
      `Nodes of stack ${stack}'s cluster are stopped (${stopped.join(", ")}); start them with: npm start -- ${stack}`,
    );
  }
}
