import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { CILIUM_NAMESPACE } from "../cluster/agents";
import { apiErrorLine } from "../cluster/apiError";
import type { AttachableCluster } from "../cluster/read";
import { isReady } from "../datapath/readiness";

const SERVICE = "hubble-ui";
const SELECTOR = "k8s-app=hubble-ui";

/** Forward a port of this machine to the cluster's Hubble UI. @throws Error when there is no UI, or the port is taken */
export async function forwardUi(
  cluster: AttachableCluster,
  stack: string,
  port: number,
): Promise<{ server: Server; address: string }> {
  const service = await cluster.service(CILIUM_NAMESPACE, SERVICE);
  const target = service?.spec?.ports?.[0]?.targetPort;
  if (typeof target !== "number") {
    throw new Error(
      `The cluster of stack ${stack} has no Hubble UI; run: pulumi config set hubble.relay true -s ${stack}, pulumi config set hubble.ui true -s ${stack}, pulumi up -s ${stack}`,
    );
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    // another pod may have replaced it
    readyPod(cluster)
      .then((pod) => cluster.forward(CILIUM_NAMESPACE, pod, target, socket))
      .catch((error: Error) => {
        console.error(apiErrorLine(error));
        socket.destroy();
      });
  });
  await readyPod(cluster);
  server.listen(port, "127.0.0.1");
  await once(server, "listening").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    throw new Error(`Port ${port} of this machine is taken; choose another with --port, or 0 for any`);
  });
  // connections that a browser keeps open would keep this process
  const close = server.close.bind(server);
  server.close = (then) => {
    for (const socket of sockets) socket.destroy();
    return close(then);
  };
  const { port: own } = server.address() as { port: number };
  return { server, address: `http://127.0.0.1:${own}/` };
}

async function readyPod(cluster: AttachableCluster): Promise<string> {
  const pods = await cluster.pods(CILIUM_NAMESPACE, SELECTOR);
  const ready = pods.find(isReady);
  if (ready === undefined) {
    throw new Error(
      "No pod of hubble-ui is ready; see: kubectl -n kube-system describe pods -l k8s-app=hubble-ui (can its images be pulled?)",
    );
  }
  return ready.metadata!.name!;
}
