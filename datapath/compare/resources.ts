import { z } from "zod";
import { CILIUM_NAMESPACE } from "../../cluster/agents";
import type { MeasuredCluster } from "../../cluster/read";
import { COMPONENTS, type ComponentUse } from "./results";

/** What a component's container had used when its kubelet looked last. */
export interface UseReading {
  readonly component: ComponentUse["component"];
  readonly node: string;
  readonly pod: string;
  /** When the container started. */
  readonly startedAt: string;
  /** When the kubelet looked, in milliseconds. */
  readonly at: number;
  readonly rssBytes: number;
  /** CPU time since it started. */
  readonly cpuNanoseconds: number;
  /** CPU at present, in nanoseconds a second; undefined while the kubelet has looked only once. */
  readonly nanoCores?: number | undefined;
}

/** A kubelet's summary, as far as it is read; parts are missing of what has only just started. */
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

/** Read what Cilium and kube-proxy have used on every node. @throws Error when a kubelet's summary is not to be had */
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
 * Memory at the later of two readings, and CPU between the two. Of a container that has only the later one, CPU is what
 * its kubelet found last.
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
