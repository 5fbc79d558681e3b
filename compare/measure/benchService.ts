import { isIpv6Address } from "../../modes/cidr";
import { WORKLOAD } from "../../modes/workload";
import type { ClusterReader } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import type { Place } from "../../datapath/probes";
import { TOOLS, type Tool } from "./tools";

/** Name of the measured and traced Service, in the workload's namespace. */
export const BENCH_SERVICE = "nettool-bench";

/** Name of its EndpointSlice with an IPv6 address. */
const BENCH_SERVICE_IPV6 = `${BENCH_SERVICE}-ipv6`;

/** Where a tool's server listens. */
export type ServerPort = Pick<Tool, "port" | "protocol">;

/** A Service with a single server, so that every request reaches the same node. */
export interface BenchService {
  readonly clusterIp: string;
  /** Undefined unless it has a server with an IPv6 address. */
  readonly clusterIpv6?: string | undefined;
  /** The NodePort of one of its ports; undefined for other ports. */
  nodePortOf(server: ServerPort): number | undefined;
  remove(): Promise<void>;
}

/** Ports and addresses of the Service that further measurements need. */
export interface BenchServiceOptions {
  /** Tools whose servers it leads to. Default: those of basic measurements */
  readonly tools?: readonly Tool[] | undefined;
  /** Address of the server in a dual-stack cluster. */
  readonly ipv6Address?: string | undefined;
}

/** Name of a Service's port. */
const portName = ({ port, protocol }: ServerPort) => `${protocol === undefined ? "p" : "u"}${port}`;

/** Create the Service for a server, with NodePorts; one that a killed run left is replaced. */
export async function createBenchService(
  cluster: Pick<ClusterReader, "service">,
  writer: Pick<ServiceWriter, "createService" | "createEndpoints" | "deleteService">,
  { address, node }: Place,
  { tools = TOOLS, ipv6Address }: BenchServiceOptions = {},
): Promise<BenchService> {
  const { namespace } = WORKLOAD;
  const names = new Map(tools.map((tool) => [portName(tool), tool]));
  // the workload's own port first, as in its Service
  const ports = [...names]
    .map(([name, { port, protocol = "TCP" }]) => ({ name, port, protocol }))
    .sort((a, b) => a.port - b.port);
  // a Service's second slice needs a name of its own
  const slices = [
    { name: BENCH_SERVICE, addressType: "IPv4", address },
    ...(ipv6Address === undefined ? [] : [{ name: BENCH_SERVICE_IPV6, addressType: "IPv6", address: ipv6Address }]),
  ];
  const remove = async () => {
    for (const name of [BENCH_SERVICE, BENCH_SERVICE_IPV6]) await writer.deleteService(namespace, name);
  };
  await remove();
  await writer.createService({
    metadata: { namespace, name: BENCH_SERVICE },
    spec: {
      type: "NodePort",
      ports: ports.map((each) => ({ ...each, targetPort: each.port })),
      ...(ipv6Address === undefined ? {} : { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] }),
    },
  });
  try {
    for (const slice of slices)
      await writer.createEndpoints({
        addressType: slice.addressType,
        metadata: { namespace, name: slice.name, labels: { "kubernetes.io/service-name": BENCH_SERVICE } },
        endpoints: [{ addresses: [slice.address], conditions: { ready: true }, nodeName: node }],
        ports,
      });
    const spec = (await cluster.service(namespace, BENCH_SERVICE))!.spec!;
    return {
      clusterIp: spec.clusterIP!,
      clusterIpv6: spec.clusterIPs?.find(isIpv6Address),
      nodePortOf: (server) => spec.ports?.find(({ name }) => name === portName(server))?.nodePort,
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
