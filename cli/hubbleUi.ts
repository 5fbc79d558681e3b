import { once } from "node:events";
import { forwardUi } from "./forwardUi";
import { stackCluster } from "./stackCluster";

export interface HubbleUiOptions {
  /** Of this machine; 0 lets it choose. */
  readonly port: number;
  readonly set?: readonly string[];
  readonly kubeconfig?: string;
}

/** Open the way to the Hubble UI of a stack's cluster, until Ctrl-C. @throws Error */
export async function hubbleUi(stack: string, options: HubbleUiOptions): Promise<void> {
  const { port } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new Error("--port must be a whole number from 0 to 65535");
  const { cluster } = await stackCluster(stack, options.set, options.kubeconfig);
  const { server, address } = await forwardUi(cluster, stack, port);
  console.log(`Hubble's UI of stack ${stack}: ${address} (Ctrl-C ends it)`);
  const stop = () => void server.close();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  await once(server, "close");
}
