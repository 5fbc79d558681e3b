import { once } from "node:events";
import { forwardUi } from "./forwardUi";
import { stackCluster } from "./stackCluster";
import { UsageError } from "./usage";

export interface HubbleUiOptions {
  /** On this machine; 0 for any free port. */
  readonly port: number;
  readonly set?: readonly string[];
  readonly kubeconfig?: string;
}

/** Port-forward the Hubble UI of a stack's cluster until Ctrl-C. @throws Error */
export async function hubbleUi(stack: string, options: HubbleUiOptions): Promise<void> {
  const { port } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UsageError(`--port must be an integer from 0 to 65535 (got ${port})`);
  const { cluster } = await stackCluster(stack, options.set, options.kubeconfig);
  const { server, address } = await forwardUi(cluster, stack, port);
  console.log(`Hubble UI of stack ${stack}: ${address} (press Ctrl-C to stop)`);
  const stop = () => void server.close();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  await once(server, "close");
}
