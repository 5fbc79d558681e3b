import type { V1DaemonSet, V1Pod } from "@kubernetes/client-node";
import { pendingWorkload } from "../../datapath/readiness";
import type { WorkloadReadinessInputs } from "../../providers/kind/inputs";
import { workloadReadinessHandler, type ReadinessCluster } from "../../providers/kind/workloadReadiness";

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
  ])("waits for %s", (_title, sets, pods, expected) => {
    expect(pendingWorkload(sets, pods, ["net"])).toEqual(expected);
  });
});

describe("WorkloadReadiness", () => {
  const SIGNAL = new AbortController().signal;
  /** A cluster whose workload becomes ready in steps, and what the resource says meanwhile. */
  function starting(...steps: (readonly [number, V1Pod] | Error)[]) {
    let looks = -1;
    const said: string[] = [];
    const at = () => steps[Math.min(looks, steps.length - 1)]!;
    const cluster: ReadinessCluster = {
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
    expect(await handler.create(INPUTS, log, SIGNAL)).toEqual({ id: "c/1/nettool", state: INPUTS });
    expect(said).toEqual(["nettool: 0 of 3 pods ready", "connect ECONNREFUSED", "nettool: 2 of 3 pods ready"]);
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
    await expect(waiting).rejects.toThrow();
  });

  it("waits again after a change of the workload, and in a new cluster", async () => {
    const { handler, log } = starting([3, pod("net", true)]);
    const diff = (news: Partial<WorkloadReadinessInputs>) => handler.diff(INPUTS, { ...INPUTS, ...news }, log);
    expect(await diff({})).toEqual({ changes: false, replaces: [] });
    expect(await diff({ cause: "image nettool:2" })).toEqual({ changes: true, replaces: [] });
    expect(await diff({ clusterInstance: "c/2" })).toEqual({ changes: true, replaces: ["clusterInstance"] });
  });
});
