import type { V1DaemonSet, V1Pod } from "@kubernetes/client-node";
import { pendingWorkload } from "../../datapath/readiness";
import type { CiliumReadinessInputs, WorkloadReadinessInputs } from "../../providers/kind/inputs";
import type { ClusterReader } from "../../cluster/read";
import { ciliumReadinessHandler, workloadReadinessHandler, type CiliumCluster } from "../../providers/kind/readiness";

const INPUTS: WorkloadReadinessInputs = {
  clusterInstance: "c/1",
  kubeconfig: "kubeconfig",
  namespace: "nettool",
  daemonSets: ["nettool"],
  pods: ["net"],
  timeoutSeconds: 5,
  cause: "c/1 restarts 0 generation 0 image nettool:1",
};

const daemonSet = (ready: number, wanted = 3): V1DaemonSet => ({
  metadata: { name: "nettool", generation: 1 },
  spec: { selector: {}, template: {} },
  status: {
    ...{ observedGeneration: 1, currentNumberScheduled: wanted, desiredNumberScheduled: wanted, numberMisscheduled: 0 },
    ...{ updatedNumberScheduled: wanted, numberReady: ready },
  },
});
const pod = (name: string, ready: boolean, status: object = {}): V1Pod =>
  ({
    metadata: { name },
    spec: { nodeName: "worker", containers: [] },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }], ...status },
  }) as V1Pod;
const CANNOT_PULL = {
  containerStatuses: [{ name: "nettool", state: { waiting: { reason: "ImagePullBackOff", message: "not found" } } }],
};

const unscheduled = (name: string, message: string): V1Pod =>
  ({
    metadata: { name },
    spec: { containers: [] },
    status: { conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }] },
  }) as unknown as V1Pod;

describe("the workload's readiness", () => {
  it("is complete when all servers of the current template and the client are ready", () => {
    expect(pendingWorkload([daemonSet(3)], [pod("net", true)], ["net"])).toEqual([]);
    const old = { ...daemonSet(3), metadata: { name: "nettool", generation: 2 } };
    expect(pendingWorkload([old], [pod("net", true)], ["net"])).toEqual(["nettool: 0 of 3 pods ready"]);
  });

  it.each([
    ["servers that start", [daemonSet(1)], [pod("net", true)], ["nettool: 1 of 3 pods ready"]],
    ["servers that no node has yet", [daemonSet(0, 0)], [pod("net", true)], ["nettool: 0 of ? pods ready"]],
    ["a client that starts", [daemonSet(3)], [pod("net", false)], ["net: not ready"]],
    ["a client that is not there", [daemonSet(3)], [], ["net: not ready"]],
    [
      "an image that cannot be pulled",
      [daemonSet(3)],
      [pod("net", false, CANNOT_PULL)],
      ["net: not ready", "pod net on worker, container nettool: ImagePullBackOff: not found"],
    ],
    [
      "a client that no node takes",
      [daemonSet(3)],
      [unscheduled("net", "0/3 nodes are available: 3 Insufficient cpu.")],
      ["net: not ready", "pod net has no node: 0/3 nodes are available: 3 Insufficient cpu."],
    ],
  ])("waits for %s", (_title, sets, pods, expected) => {
    expect(pendingWorkload(sets, pods, ["net"])).toEqual(expected);
  });
});

describe("CiliumReadiness", () => {
  const { signal } = new AbortController();
  const CILIUM = { clusterInstance: "c/1", kubeconfig: "k", nodeCount: 1, timeoutSeconds: 5, cause: "revision 1" };
  const CONFIGURED = new Date("2026-12-01T02:00:00Z");
  const ready = { conditions: [{ type: "Ready", status: "True" }] };
  const available = { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1 };
  const deployment = { metadata: { generation: 1 }, spec: { replicas: 1 }, status: available };
  /** A cluster of one node, whose configuration was changed at this time. */
  function cluster(changed: Date, agent = () => daemonSet(1, 1)) {
    let startedAt = CONFIGURED;
    const restartAgents = jest.fn(async () => void (startedAt = new Date("2026-12-01T02:10:00Z")));
    const pods = async (_namespace: string, selector: string): Promise<V1Pod[]> =>
      selector !== "k8s-app=cilium"
        ? []
        : [
            {
              metadata: { name: "cilium-1", labels: { "k8s-app": "cilium" } },
              spec: { nodeName: "a", containers: [] },
              status: {
                containerStatuses: [{ name: "cilium-agent", state: { running: { startedAt } } }],
                initContainerStatuses: [{ name: "config", state: { terminated: { finishedAt: startedAt } } }],
              },
            } as unknown as V1Pod,
          ];
    const managedFields = [{ time: changed, fieldsV1: { "f:data": {} } }];
    return {
      nodes: async () => [{ metadata: { name: "a" }, status: ready }],
      daemonSet: async () => agent(),
      deployment: async () => deployment,
      pods,
      ciliumPodCidrs: async () => new Map([["a", ["10.0.0.0/24"]]]),
      configMap: async () => ({ metadata: { managedFields } }),
      restartAgents,
    } as unknown as CiliumCluster & { restartAgents: jest.Mock };
  }
  const create = async (of: CiliumCluster, inputs: Partial<CiliumReadinessInputs> = {}) => {
    const said: string[] = [];
    const log = { status: (line: string) => void said.push(line), warn: (line: string) => void said.push(line) };
    const { state } = await ciliumReadinessHandler(async () => of).create({ ...CILIUM, ...inputs }, log, signal);
    return { nodes: state.nodes, said };
  };
  const NODES = [{ name: "a", podCidrs: ["10.0.0.0/24"], agentPod: "cilium-1" }];

  it("exists with the nodes as Cilium sees them, and restarts nothing that has its configuration", async () => {
    const of = cluster(new Date("2026-12-01T01:59:00Z"));
    expect(await create(of)).toEqual({ nodes: NODES, said: [] });
    expect(of.restartAgents).not.toHaveBeenCalled();
  });

  it("restarts agents that run with an older configuration, once", async () => {
    const of = cluster(new Date("2026-12-01T02:05:00Z"));
    const { nodes, said } = await create(of);
    expect(nodes).toEqual(NODES);
    expect(said).toContain("Restarting the agents on a, which run with an older cilium-config");
    expect(of.restartAgents).toHaveBeenCalledTimes(1);
  });

  it("fails at once where the agents may not be restarted", async () => {
    const of = cluster(new Date("2026-12-01T02:05:00Z"));
    of.restartAgents.mockRejectedValue(new Error("daemonsets.apps is forbidden"));
    await expect(create(of)).rejects.toThrow("daemonsets.apps is forbidden");
    expect(of.restartAgents).toHaveBeenCalledTimes(1);
  });

  it("fails with everything that is not ready", async () => {
    const of = cluster(CONFIGURED, () => daemonSet(0, 1));
    await expect(create(of, { timeoutSeconds: 0, nodeCount: 2 })).rejects.toThrow(
      "Cilium did not become ready within 0 s:\n  - nodes: 1 of 2 Ready\n  - agents: 0 of 2 ready with the current configuration",
    );
  });
});

describe("WorkloadReadiness", () => {
  const SIGNAL = new AbortController().signal;
  /** A cluster whose workload becomes ready in steps, and what the resource says meanwhile. */
  function starting(...steps: (readonly [number, V1Pod] | Error)[]) {
    let looks = -1;
    const said: string[] = [];
    const at = () => steps[Math.min(looks, steps.length - 1)]!;
    const cluster: Pick<ClusterReader, "daemonSet" | "pods"> = {
      daemonSet: async () => {
        looks += 1;
        const step = at();
        if (step instanceof Error) throw step;
        return daemonSet(step[0]);
      },
      pods: async () => {
        const step = at();
        return step instanceof Error ? [] : [step[1]];
      },
    };
    const log = { status: (line: string) => void said.push(line), warn: (line: string) => void said.push(line) };
    return { handler: workloadReadinessHandler(async () => cluster), said, log, looks: () => looks + 1 };
  }

  it("exists when the pods are ready, and says what it waits for", async () => {
    const { handler, said, log, looks } = starting(
      [0, pod("net", false)],
      new Error("connect ECONNREFUSED"),
      [2, pod("net", true)],
      [3, pod("net", true)],
    );
    expect(await handler.create(INPUTS, log, SIGNAL)).toEqual({ id: "c/1/workload", state: INPUTS });
    expect(said).toEqual([
      "nettool: 0 of 3 pods ready",
      "API server: connect ECONNREFUSED",
      "nettool: 2 of 3 pods ready",
    ]);
    expect(looks()).toBe(4);
  });

  it("fails with what is missing, and why", async () => {
    const { handler, log } = starting([3, pod("net", false, CANNOT_PULL)]);
    await expect(handler.create({ ...INPUTS, timeoutSeconds: 0 }, log, SIGNAL)).rejects.toThrow(
      "The workload did not become ready within 0 s:\n  - net: not ready\n  - pod net on worker, container nettool: ImagePullBackOff: not found",
    );
  });

  it("ends when the run is cancelled", async () => {
    const { handler, log } = starting([0, pod("net", false)]);
    const cancelled = new AbortController();
    const waiting = handler.update(INPUTS, INPUTS, log, cancelled.signal);
    setTimeout(() => cancelled.abort(new Error("The run was cancelled")), 20);
    await expect(waiting).rejects.toThrow("The run was cancelled");
  });

  it("waits again after a change of the workload, and in a new cluster", async () => {
    const { handler, log } = starting([3, pod("net", true)]);
    const diff = (news: Partial<WorkloadReadinessInputs>) => handler.diff(INPUTS, { ...INPUTS, ...news }, log);
    expect(await diff({})).toEqual({ changes: false, replaces: [] });
    expect(await diff({ cause: "image nettool:2" })).toEqual({ changes: true, replaces: [] });
    expect(await diff({ clusterInstance: "c/2" })).toEqual({ changes: true, replaces: ["clusterInstance"] });
  });
});
