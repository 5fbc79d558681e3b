import { z } from "zod";
import { CILIUM_NAMESPACE } from "../../cluster/agents";
import type { MeasuredCluster } from "../../cluster/read";
import { COMPONENTS, type ComponentUse } from "../results";

/** Usage of a component's container at the kubelet's last sample. */
export interface UseReading {
  readonly component: ComponentUse["component"];
  readonly node: string;
  readonly pod: string;
  /** When the container started. */
  readonly startedAt: string;
  /** Time of the sample, in ms since 1970. */
  readonly at: number;
  readonly rssBytes: number;
  /** CPU time since it started. */
  readonly cpuNanoseconds: number;
  /** Current CPU in nanoseconds per second; undefined until the kubelet's second sample. */
  readonly nanoCores?: number | undefined;
}

/** The parts of a kubelet's summary that are read; a container that just started lacks some. */
const Summary = z.object({
  pods: z.array(
    z.object({
      podRef: z.object({ name: z.string(), namespace: z.string() }),
      containers: z
        .array(
          z.object({
            name: z.string(),
            startTime: z.string(),
            cpu: z
              .object({
                time: z.string(),
                usageNanoCores: z.number().optional(),
                usageCoreNanoSeconds: z.number().optional(),
              })
              .optional(),
            memory: z.object({ rssBytes: z.number().optional() }).optional(),
          }),
        )
        .nullish(),
    }),
  ),
});

/** Read the usage of Cilium and kube-proxy on every node. @throws Error if a kubelet's summary cannot be read */
export async function readUse(cluster: Pick<MeasuredCluster, "nodes" | "nodeSummary">): Promise<UseReading[]> {
  const nodes = (await cluster.nodes()).map(({ metadata }) => metadata!.name!);
  const readings = await Promise.all(nodes.map(async (node) => readingsOf(node, await cluster.nodeSummary(node))));
  const rank = ({ component }: UseReading) => COMPONENTS.indexOf(component);
  return readings.flat().sort((a, b) => rank(a) - rank(b) || a.node.localeCompare(b.node, "en", { numeric: true }));
}

function readingsOf(node: string, summary: unknown): UseReading[] {
  const pods = Summary.parse(summary).pods.filter(({ podRef }) => podRef.namespace === CILIUM_NAMESPACE);
  return pods.flatMap(({ podRef, containers }) =>
    (containers ?? []).flatMap(({ name, startTime, cpu, memory }): UseReading[] => {
      const component = COMPONENTS.find((each) => each === name);
      if (component === undefined || cpu?.usageCoreNanoSeconds === undefined || memory?.rssBytes === undefined)
        return [];
      return [
        {
          component,
          node,
          pod: podRef.name,
          startedAt: startTime,
          at: Date.parse(cpu.time),
          rssBytes: memory.rssBytes,
          cpuNanoseconds: cpu.usageCoreNanoSeconds,
          nanoCores: cpu.usageNanoCores,
        },
      ];
    }),
  );
}

/**
 * Memory at the later of two readings, and CPU between them. For a container with only the later one, CPU is the
 * kubelet's latest sample.
 */
export function componentUse(now: readonly UseReading[], earlier: readonly UseReading[] = []): ComponentUse[] {
  return now.map((reading): ComponentUse => {
    const { component, node, pod, startedAt, at, cpuNanoseconds, nanoCores = 0, rssBytes } = reading;
    const before = earlier.find(
      (each) => each.component === component && each.pod === pod && each.startedAt === startedAt && each.at < at,
    );
    const millis =
      before === undefined ? nanoCores / 1e6 : (cpuNanoseconds - before.cpuNanoseconds) / (at - before.at) / 1e3;
    return { component, node, memoryMiB: rounded(rssBytes / 2 ** 20), cpuMillis: rounded(millis) };
  });
}

const rounded = (value: number) => Math.round(value * 10) / 10;
