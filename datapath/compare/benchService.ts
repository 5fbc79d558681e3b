import { WORKLOAD } from "../../modes/workload";
import type { ClusterReader } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import type { Place } from "../probes";
import type { BenchService } from "./lanes";
import { TOOLS } from "./tools";

/** Name of the Service that is measured and walked, in the workload's namespace. */
export const BENCH_SERVICE = "nettool-bench";

/** A Service before one server alone, so that it is known which node a request comes to. */
export interface Exposed extends BenchService {
  remove(): Promise<void>;
}

/** Put a Service with a ClusterIP and NodePorts before a server; one that a killed run has left is made anew. */
export async function exposeForBench(
  cluster: Pick<ClusterReader, "service">,
  writer: Pick<ServiceWriter, "createService" | "createEndpoints" | "deleteService">,
  { address, node }: Place,
): Promise<Exposed> {
  const { namespace } = WORKLOAD;
  // the workload's own port first, as in its own Service
  const ports = [...new Set(TOOLS.map(({ port }) => port))]
    .sort((a, b) => a - b)
    .map((port) => ({
      name: `p${port}`,
      port,
      protocol: "TCP",
    }));
  const remove = () => writer.deleteService(namespace, BENCH_SERVICE);
  await remove();
  await writer.createService({
    metadata: { namespace, name: BENCH_SERVICE },
    spec: { type: "NodePort", ports: ports.map((each) => ({ ...each, targetPort: each.port })) },
  });
  try {
    await writer.createEndpoints({
      addressType: "IPv4",
      metadata: { namespace, name: BENCH_SERVICE, labels: { "kubernetes.io/service-name": BENCH_SERVICE } },
      endpoints: [{ addresses: [address], conditions: { ready: true }, nodeName: node }],
      ports,
    });
    const made = await cluster.service(namespace, BENCH_SERVICE);
    const nodePorts = new Map((made?.spec?.ports ?? []).map(({ port, nodePort }) => [port, nodePort!] as const));
    return { clusterIp: made!.spec!.clusterIP!, nodePorts, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
