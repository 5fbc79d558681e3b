import type { MarkInputs, WorkloadGroundInputs } from "../../providers/kind/inputs";
import { markHandler } from "../../providers/kind/mark";
import type { Log } from "../../providers/kind/nodeSetup";
import { OWNER_ANNOTATION, workloadGroundHandler, type WorkloadGroundState } from "../../providers/kind/workloadGround";

const OWNER = "cilium-modes/ebpf/8a0c";
const SIGNAL = new AbortController().signal;
const INPUTS: WorkloadGroundInputs = {
  clusterInstance: "c/1",
  kubeconfig: "kubeconfig",
  owner: OWNER,
  namespace: "nettool",
  ownCluster: true,
};
const STATE: WorkloadGroundState = { ...INPUTS, generation: 2, lost: false };

/** What is in the cluster. */
interface Cluster {
  /** Owner of the namespace, empty where it has none; undefined without a namespace. */
  namespace?: string | undefined;
  marks: Record<string, Record<string, string>>;
  unreachable?: boolean;
}

const healthy = (): Cluster => ({
  namespace: OWNER,
  marks: { "cilium-modes-workload": { owner: OWNER, generation: "2" } },
});

const connectTo = (cluster: Cluster) => async () => {
  if (cluster.unreachable) throw new Error("connect ECONNREFUSED");
  return {
    configMap: async (_namespace: string, name: string) => cluster.marks[name] && { data: cluster.marks[name] },
    writeConfigMap: async (_namespace: string, name: string, data: Readonly<Record<string, string>>) => {
      cluster.marks[name] = { ...data };
    },
    deleteConfigMap: async (_namespace: string, name: string) => {
      delete cluster.marks[name];
    },
    namespace: async () =>
      cluster.namespace === undefined
        ? undefined
        : { metadata: { annotations: cluster.namespace === "" ? {} : { [OWNER_ANNOTATION]: cluster.namespace } } },
    deleteNamespace: async () => {
      cluster.namespace = undefined;
    },
  };
};

function recordingLog(): Log & { warnings: string[] } {
  const warnings: string[] = [];
  return { warnings, status: () => undefined, warn: (message) => warnings.push(message) };
}

describe("the ground of the workload", () => {
  it("that is as it was left is left alone", async () => {
    const log = recordingLog();
    const ground = workloadGroundHandler(connectTo(healthy()));
    expect(await ground.diff(STATE, INPUTS, log)).toEqual({ changes: false, replaces: [] });
    expect(log.warnings).toEqual([]);
  });

  const troubles: [string, Partial<Cluster>, Partial<WorkloadGroundState>, RegExp][] = [
    ["no mark", { marks: {} }, {}, /interrupted before all was recorded/],
    ["the mark of an earlier generation", {}, { generation: 3 }, /interrupted before all was recorded/],
    ["no namespace any more", { namespace: undefined }, {}, /its namespace nettool is gone/],
    ["what a refresh of a stopped cluster lost", {}, { lost: true }, /did not answer a refresh/],
  ];
  it.each(troubles)("with %s is cleared, and all of it made again", async (_what, change, state, reason) => {
    const cluster = { ...healthy(), ...change };
    const ground = workloadGroundHandler(connectTo(cluster));
    const olds = { ...STATE, ...state };
    const log = recordingLog();
    expect(await ground.diff(olds, INPUTS, log)).toEqual({ changes: true, replaces: [] });
    expect(log.warnings).toEqual([expect.stringMatching(reason)]);
    expect(await ground.update(olds, INPUTS, log, SIGNAL)).toEqual({ ...STATE, generation: olds.generation + 1 });
    expect(cluster.namespace).toBeUndefined();
  });

  it("of a cluster that does not answer is left to others, and a refresh remembers it", async () => {
    const ground = workloadGroundHandler(connectTo({ ...healthy(), unreachable: true }));
    expect(await ground.diff(STATE, INPUTS, recordingLog())).toEqual({ changes: false, replaces: [] });
    expect(await ground.read(STATE)).toEqual({ ...STATE, lost: true });
    const existing = { ...STATE, ownCluster: false };
    expect(await ground.read(existing)).toEqual(existing);
    await expect(ground.update(STATE, INPUTS, recordingLog(), SIGNAL)).rejects.toThrow("ECONNREFUSED");
  });

  it("is made where nothing is, or what this stack began", async () => {
    for (const namespace of [undefined, OWNER]) {
      const cluster: Cluster = { namespace, marks: {} };
      const { state } = await workloadGroundHandler(connectTo(cluster)).create(INPUTS, recordingLog(), SIGNAL);
      expect(state).toEqual({ ...STATE, generation: 0 });
      expect(cluster.namespace).toBeUndefined();
    }
  });

  it.each(["", "cilium-modes/kubeproxy/1"])("never is cleared of what somebody else made (%j)", async (namespace) => {
    const cluster: Cluster = { namespace, marks: {} };
    const ground = workloadGroundHandler(connectTo(cluster));
    await expect(ground.create(INPUTS, recordingLog(), SIGNAL)).rejects.toThrow(
      "The cluster has a namespace nettool that this stack did not make; it was not touched. Remove it: kubectl delete namespace nettool",
    );
    await expect(ground.update(STATE, INPUTS, recordingLog(), SIGNAL)).rejects.toThrow("it was not touched");
    expect(cluster.namespace).toBe(namespace);
  });
});

describe("a mark", () => {
  const MARK: MarkInputs = {
    clusterInstance: "c/1",
    kubeconfig: "kubeconfig",
    name: "cilium-modes-workload",
    owner: OWNER,
    generation: "0",
  };

  it("is written, written anew with a generation, and goes when its stack's is destroyed", async () => {
    const cluster: Cluster = { marks: {} };
    const mark = markHandler(connectTo(cluster));
    const { state } = await mark.create(MARK, recordingLog(), SIGNAL);
    expect(cluster.marks).toEqual({ "cilium-modes-workload": { owner: OWNER, generation: "0" } });
    expect(await mark.diff(state, { ...MARK, config: "{}" }, recordingLog())).toEqual({ changes: true, replaces: [] });
    const next = { ...MARK, generation: "1" };
    expect(await mark.diff(state, next, recordingLog())).toEqual({ changes: true, replaces: [] });
    expect(await mark.diff(state, { ...MARK, clusterInstance: "c/2" }, recordingLog())).toEqual({
      changes: true,
      replaces: ["clusterInstance"],
    });
    await mark.update(state, next, recordingLog(), SIGNAL);
    expect(cluster.marks).toEqual({ "cilium-modes-workload": { owner: OWNER, generation: "1" } });
    await mark.delete({ ...next, owner: "another" }, recordingLog(), next.name);
    expect(Object.keys(cluster.marks)).toEqual(["cilium-modes-workload"]);
    const log = recordingLog();
    await markHandler(connectTo({ ...cluster, unreachable: true })).delete(next, log, next.name);
    expect(log.warnings).toEqual([expect.stringContaining("cilium-modes-workload stays in kube-system")]);
    await mark.delete(next, recordingLog(), next.name);
    expect(cluster.marks).toEqual({});
  });
});
