import type { OwnershipRecordInputs, WorkloadNamespaceInputs } from "../../providers/kind/inputs";
import { ownershipRecordHandler } from "../../providers/kind/ownershipRecord";
import type { Log } from "../../providers/kind/handler";
import {
  OWNER_ANNOTATION,
  workloadNamespaceHandler,
  type WorkloadNamespaceState,
} from "../../providers/kind/workloadNamespace";

const OWNER = "cilium-modes/ebpf/8a0c";
const SIGNAL = new AbortController().signal;
const INPUTS: WorkloadNamespaceInputs = {
  clusterInstance: "c/1",
  kubeconfig: "kubeconfig",
  owner: OWNER,
  namespace: "nettool",
  ownCluster: true,
};
const STATE: WorkloadNamespaceState = { ...INPUTS, generation: 2, lost: false };

/** Content of the cluster. */
interface Cluster {
  /** Owner of the namespace, empty without an annotation; undefined without a namespace. */
  namespace?: string | undefined;
  records: Record<string, Record<string, string>>;
  unreachable?: boolean;
}

const healthy = (): Cluster => ({
  namespace: OWNER,
  records: { "cilium-modes-workload": { owner: OWNER, generation: "2" } },
});

const connectTo = (cluster: Cluster) => async () => {
  if (cluster.unreachable) throw new Error("connect ECONNREFUSED");
  return {
    configMap: async (_namespace: string, name: string) => cluster.records[name] && { data: cluster.records[name] },
    writeConfigMap: async (_namespace: string, name: string, data: Readonly<Record<string, string>>) => {
      cluster.records[name] = { ...data };
    },
    deleteConfigMap: async (_namespace: string, name: string) => {
      delete cluster.records[name];
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

describe("WorkloadNamespace", () => {
  it("does not change a workload that is unchanged", async () => {
    const log = recordingLog();
    const handler = workloadNamespaceHandler(connectTo(healthy()));
    expect(await handler.diff(STATE, INPUTS, log)).toEqual({ changes: false, replaces: [] });
    expect(log.warnings).toEqual([]);
  });

  const cases: [string, Partial<Cluster>, Partial<WorkloadNamespaceState>, RegExp][] = [
    ["a missing ownership record", { records: {} }, {}, /interrupted before it was recorded/],
    ["a record of an earlier generation", {}, { generation: 3 }, /interrupted before it was recorded/],
    ["a deleted namespace", { namespace: undefined }, {}, /its namespace nettool was deleted/],
    ["a refresh of a stopped cluster", {}, { lost: true }, /did not respond to a refresh/],
  ];
  it.each(cases)("recreates the workload after %s", async (_what, change, state, reason) => {
    const cluster = { ...healthy(), ...change };
    const handler = workloadNamespaceHandler(connectTo(cluster));
    const olds = { ...STATE, ...state };
    const log = recordingLog();
    expect(await handler.diff(olds, INPUTS, log)).toEqual({ changes: true, replaces: [] });
    expect(log.warnings).toEqual([expect.stringMatching(reason)]);
    expect(await handler.update(olds, INPUTS, log, SIGNAL)).toEqual({ ...STATE, generation: olds.generation + 1 });
    expect(cluster.namespace).toBeUndefined();
  });

  it("shows no change for an unreachable cluster, and remembers it in a refresh", async () => {
    const handler = workloadNamespaceHandler(connectTo({ ...healthy(), unreachable: true }));
    expect(await handler.diff(STATE, INPUTS, recordingLog())).toEqual({ changes: false, replaces: [] });
    expect(await handler.read(STATE)).toEqual({ ...STATE, lost: true });
    const existing = { ...STATE, ownCluster: false };
    expect(await handler.read(existing)).toEqual(existing);
    await expect(handler.update(STATE, INPUTS, recordingLog(), SIGNAL)).rejects.toThrow("ECONNREFUSED");
  });

  it("creates the namespace without one, or over this stack's own", async () => {
    for (const namespace of [undefined, OWNER]) {
      const cluster: Cluster = { namespace, records: {} };
      const { state } = await workloadNamespaceHandler(connectTo(cluster)).create(INPUTS, recordingLog(), SIGNAL);
      expect(state).toEqual({ ...STATE, generation: 0 });
      expect(cluster.namespace).toBeUndefined();
    }
  });

  it.each(["", "cilium-modes/kubeproxy/1"])("never deletes a namespace of another owner (%j)", async (namespace) => {
    const cluster: Cluster = { namespace, records: {} };
    const handler = workloadNamespaceHandler(connectTo(cluster));
    await expect(handler.create(INPUTS, recordingLog(), SIGNAL)).rejects.toThrow(
      "The cluster has a namespace nettool that this stack did not create; it was not changed. To remove it: kubectl delete namespace nettool",
    );
    await expect(handler.update(STATE, INPUTS, recordingLog(), SIGNAL)).rejects.toThrow("it was not changed");
    expect(cluster.namespace).toBe(namespace);
  });
});

describe("OwnershipRecord", () => {
  const RECORD: OwnershipRecordInputs = {
    clusterInstance: "c/1",
    kubeconfig: "kubeconfig",
    name: "cilium-modes-workload",
    owner: OWNER,
    generation: "0",
  };

  it("is written, rewritten for a new generation, and deleted only by its owner", async () => {
    const cluster: Cluster = { records: {} };
    const handler = ownershipRecordHandler(connectTo(cluster));
    const { state } = await handler.create(RECORD, recordingLog(), SIGNAL);
    expect(cluster.records).toEqual({ "cilium-modes-workload": { owner: OWNER, generation: "0" } });
    expect(await handler.diff(state, { ...RECORD, config: "{}" }, recordingLog())).toEqual({
      changes: true,
      replaces: [],
    });
    const next = { ...RECORD, generation: "1" };
    expect(await handler.diff(state, next, recordingLog())).toEqual({ changes: true, replaces: [] });
    expect(await handler.diff(state, { ...RECORD, clusterInstance: "c/2" }, recordingLog())).toEqual({
      changes: true,
      replaces: ["clusterInstance"],
    });
    await handler.update(state, next, recordingLog(), SIGNAL);
    expect(cluster.records).toEqual({ "cilium-modes-workload": { owner: OWNER, generation: "1" } });
    await handler.delete({ ...next, owner: "another" }, recordingLog(), next.name);
    expect(Object.keys(cluster.records)).toEqual(["cilium-modes-workload"]);
    const log = recordingLog();
    await ownershipRecordHandler(connectTo({ ...cluster, unreachable: true })).delete(next, log, next.name);
    expect(log.warnings).toEqual([expect.stringContaining("cilium-modes-workload was not removed from kube-system")]);
    await handler.delete(next, recordingLog(), next.name);
    expect(cluster.records).toEqual({});
  });
});
