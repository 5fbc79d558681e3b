import { gzipSync } from "node:zlib";
import type { V1Secret } from "@kubernetes/client-node";
import { asFailed, latestRecord, readRecord, renderedCilium } from "../../cluster/helmRecord";
import { ciliumInstallationHandler, type CiliumInstallationState } from "../../providers/kind/ciliumInstallation";
import type { CiliumInstallationInputs } from "../../providers/kind/inputs";
import type { Log } from "../../providers/kind/handler";

const CONFIG = JSON.stringify({ "enable-bpf-masquerade": "true", "enable-host-legacy-routing": null });
const OWNER = "cilium-modes/ebpf/8a0c";

/** A record as Helm 3 writes it. */
function record(revision: number, status: string, description: string, manifest = "", config?: object): V1Secret {
  const release = gzipSync(
    JSON.stringify({ name: "cilium", info: { status, description }, chart: {}, manifest, config }),
  );
  return {
    metadata: {
      name: `sh.helm.release.v1.cilium.v${revision}`,
      labels: { owner: "helm", name: "cilium", status, version: String(revision) },
    },
    data: { release: Buffer.from(release.toString("base64")).toString("base64") },
  };
}

/** Content of the cluster. */
interface Cluster {
  records: V1Secret[];
  mark?: { owner: string; generation: string; config: string; version?: string } | undefined;
  config?: Record<string, string>;
  unreachable?: boolean;
}

const handlerOf = (cluster: Cluster) =>
  ciliumInstallationHandler(async () => {
    if (cluster.unreachable) throw new Error("connect ECONNREFUSED");
    return {
      configMap: async (_namespace, name) => {
        const data = name === "cilium-config" ? cluster.config : cluster.mark;
        return data && { data };
      },
      helmRecords: async () => cluster.records,
      replaceSecret: async (_namespace, secret) => {
        cluster.records = cluster.records.map((each) =>
          each.metadata!.name === secret.metadata!.name ? secret : each,
        );
      },
    };
  });

const INPUTS: CiliumInstallationInputs = {
  clusterInstance: "c/1",
  kubeconfig: "kubeconfig",
  owner: OWNER,
  version: "1.20.2",
  adopt: false,
  ownCluster: true,
  podCidr: "10.0.0.0/16",
};
const STATE: CiliumInstallationState = { ...INPUTS, repairs: 0, lost: false };

const healthy = (): Cluster => ({
  records: [record(1, "deployed", `${OWNER}, repairs 0`)],
  mark: { owner: OWNER, generation: "0", config: CONFIG },
  config: { "enable-bpf-masquerade": "true", ipam: "cluster-pool", "cluster-pool-ipv4-cidr": "10.0.0.0/16" },
});

function recordingLog(): Log & { warnings: string[] } {
  const warnings: string[] = [];
  return { warnings, status: () => undefined, warn: (message) => warnings.push(message) };
}

const SIGNAL = new AbortController().signal;

/** The agent's DaemonSet, shortened. */
const AGENT = `---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: cilium
spec:
  template:
    spec:
      containers:
      - name: cilium-agent
        image: "quay.io/cilium/cilium:v1.20.2"
        args:
        - --config-dir=/tmp/cilium/config-map
        env:
        - name: K8S_NODE_NAME
          valueFrom:
            fieldRef: {fieldPath: spec.nodeName}
        - name: CILIUM_CLUSTERMESH_CONFIG
          value: /var/lib/cilium/clustermesh/
`;

describe("Helm's record of a revision", () => {
  it("holds Cilium as the chart rendered it", () => {
    const document = (name: string, data: string) =>
      `---\n# Source: cilium/templates/${name}.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  namespace: kube-system\ndata:\n${data}`;
    const cilium = record(
      2,
      "deployed",
      "Upgrade complete",
      `${document("hubble-relay-config", "  config.yaml: x\n")}${document("cilium-config", '\n  # how large maps are\n  bpf-map-dynamic-size-ratio: "0.0025"\n  ipam: "cluster-pool"\n')}${AGENT}`,
      { socketLB: { enabled: false }, hubble: { tls: { server: { key: "a key" } } }, devices: ["eth0"] },
    );
    const other = record(1, "deployed", "Install complete", document("coredns", "  Corefile: x\n"));
    expect(renderedCilium([other, cilium])).toEqual({
      ...{ status: "deployed", description: "Upgrade complete" },
      config: { "bpf-map-dynamic-size-ratio": "0.0025", ipam: "cluster-pool" },
      agent: {
        image: "quay.io/cilium/cilium:v1.20.2",
        args: ["--config-dir=/tmp/cilium/config-map"],
        variables: { K8S_NODE_NAME: null, CILIUM_CLUSTERMESH_CONFIG: "/var/lib/cilium/clustermesh/" },
      },
      operatorImage: undefined,
      // and of the user's own values those of the datapath alone, since others may be secrets
      values: { "socketLB.enabled": "false" },
    });
    const failed = record(3, "failed", "Upgrade failed", document("cilium-config", '  ipam: "kubernetes"\n'));
    expect(renderedCilium([other, cilium, failed])?.config).toEqual({ ipam: "kubernetes" });
    expect(renderedCilium([other])).toBeUndefined();
  });

  it("is decoded, and the latest revision is found", () => {
    const [old, recent] = [
      record(9, "deployed", "Upgrade complete"),
      record(10, "pending-upgrade", "Preparing upgrade"),
    ];
    expect(readRecord(latestRecord([recent, old])!)).toEqual({
      revision: 10,
      status: "pending-upgrade",
      description: "Preparing upgrade",
    });
    expect(latestRecord([])).toBeUndefined();
    expect(() => readRecord({ metadata: { name: "x" }, data: { release: "eA==" } })).toThrow(
      "Secret x has no Helm record",
    );
  });

  it("asFailed changes only status and description", () => {
    const failed = asFailed(record(2, "pending-upgrade", "Preparing upgrade"), "interrupted");
    expect(readRecord(failed)).toEqual({ revision: 2, status: "failed", description: "interrupted" });
    expect(failed.metadata!.labels).toEqual({ owner: "helm", name: "cilium", status: "failed", version: "2" });
  });
});

describe("CiliumInstallation", () => {
  it("does not change an installation that is unchanged", async () => {
    const log = recordingLog();
    expect(await handlerOf(healthy()).diff(STATE, INPUTS, log)).toEqual({ changes: false, replaces: [] });
    expect(log.warnings).toEqual([]);
  });

  const cases: [string, Partial<Cluster>, Partial<CiliumInstallationState>, RegExp][] = [
    [
      "was interrupted while Helm installed it",
      { records: [record(1, "pending-install", "Initial install underway")], mark: undefined },
      {},
      /interrupted while Helm installed it/,
    ],
    [
      "was interrupted while Helm upgraded it",
      { records: [record(1, "deployed", `${OWNER}, repairs 0`), record(2, "pending-upgrade", "Preparing upgrade")] },
      {},
      /interrupted while Helm installed it/,
    ],
    ["was interrupted before the engine knew of it", { mark: undefined }, {}, /interrupted before it was recorded/],
    [
      "was interrupted during a repair",
      { records: [record(2, "deployed", `${OWNER}, repairs 1`)] },
      { repairs: 1 },
      /interrupted before it was recorded/,
    ],
    [
      "somebody upgraded with Helm",
      { records: [record(3, "deployed", "Upgrade complete")] },
      {},
      /this stack did not create revision 3 of its Helm release \("Upgrade complete"\)/,
    ],
    [
      "somebody failed to upgrade with Helm",
      { records: [record(3, "failed", "timed out waiting for the condition")] },
      {},
      /this stack did not create revision 3 of its Helm release \("timed out/,
    ],
    [
      "had its cilium-config edited",
      { config: { "enable-bpf-masquerade": "false", "enable-host-legacy-routing": "true" } },
      {},
      /cilium-config differs from this stack's record in enable-bpf-masquerade, enable-host-legacy-routing/,
    ],
    ["was lost by a refresh of a stopped cluster", {}, { lost: true }, /did not respond to a refresh/],
  ];
  it.each(cases)("installs again over a release that %s", async (_what, change, state, reason) => {
    const cluster: Cluster = { ...healthy(), ...change };
    const olds = { ...STATE, ...state };
    const log = recordingLog();
    expect(await handlerOf(cluster).diff(olds, INPUTS, log)).toEqual({ changes: true, replaces: [] });
    expect(log.warnings).toEqual([expect.stringMatching(reason)]);
    expect(await handlerOf(cluster).update(olds, INPUTS, log, SIGNAL)).toEqual({ ...STATE, repairs: olds.repairs + 1 });
    expect(readRecord(latestRecord(cluster.records)!).status).toBe("failed");
  });

  it("shows no change for an unreachable cluster, and remembers it in a refresh", async () => {
    const dead = handlerOf({ ...healthy(), unreachable: true });
    expect(await dead.diff(STATE, INPUTS, recordingLog())).toEqual({ changes: false, replaces: [] });
    expect(await dead.read(STATE)).toEqual({ ...STATE, lost: true });
    expect(await handlerOf(healthy()).read(STATE)).toEqual(STATE);
  });

  it("accepts the next minor without a repair, and rejects a longer step", async () => {
    const news = { ...INPUTS, version: "1.19.6" };
    const handler = handlerOf(healthy());
    // a preview shows no change
    expect(await handler.diff(STATE, news, recordingLog())).toEqual({ changes: false, replaces: [] });
    expect(await handler.check(news, INPUTS)).toEqual([]);
    expect(await handler.check({ ...news, version: "1.16.0" }, INPUTS)).toEqual([
      { property: "version", reason: expect.stringContaining("Cilium 1.20.2 is installed") },
    ]);
  });

  it("checks an upgrade against the recorded version, not the version in the state", async () => {
    const mark = { owner: OWNER, generation: "0", config: CONFIG, version: "1.18.12" };
    const handler = handlerOf({ ...healthy(), mark });
    expect(await handler.check({ ...INPUTS, version: "1.19.6" }, INPUTS)).toEqual([]);
    expect(await handler.check({ ...INPUTS, version: "1.20.2" }, { ...INPUTS, version: "1.19.6" })).toEqual([
      { property: "version", reason: expect.stringContaining("Cilium 1.18.12 is installed") },
    ]);
  });

  it.each([
    ["of an unknown owner", { mark: undefined }, "that this stack did not install"],
    [
      "of another stack",
      { mark: { owner: "cilium-modes/kubeproxy/1", generation: "0", config: CONFIG } },
      "of stack cilium-modes/kubeproxy/1",
    ],
    ["without Helm", { mark: undefined, records: [] }, "that this stack did not install"],
  ])("does not change a Cilium %s without adopt", async (_who, change, words) => {
    const cluster: Cluster = { ...healthy(), records: [record(4, "deployed", "Install complete")], ...change };
    const handler = handlerOf(cluster);
    expect(await handler.check(INPUTS, undefined)).toEqual([
      { property: "adopt", reason: expect.stringContaining(words) },
    ]);
    await expect(handler.create(INPUTS, recordingLog(), SIGNAL)).rejects.toThrow(
      /nothing was changed\. Set cilium\.adopt/,
    );
    expect(cluster.records.map((each) => readRecord(each).status)).not.toContain("failed");

    const adopting = { ...INPUTS, adopt: true };
    expect(await handler.check(adopting, undefined)).toEqual([]);
    expect(await handler.create(adopting, recordingLog(), SIGNAL)).toEqual({
      id: "c/1",
      state: { ...STATE, adopt: true },
    });
    expect(cluster.records.every((each) => readRecord(each).status === "failed")).toBe(true);
  });

  it("continues an installation of an earlier run of the stack", async () => {
    const cluster: Cluster = { ...healthy(), mark: undefined };
    expect(await handlerOf(cluster).check(INPUTS, undefined)).toEqual([]);
    await handlerOf(cluster).create(INPUTS, recordingLog(), SIGNAL);
    expect(readRecord(cluster.records[0]!).status).toBe("failed");
  });

  it("accepts a cluster that is not created yet", async () => {
    expect(await handlerOf({ records: [], unreachable: true }).check(INPUTS, undefined)).toEqual([]);
    expect(await handlerOf({ records: [] }).check(INPUTS, undefined)).toEqual([]);
  });

  it("does not change a Cilium that another stack has adopted", async () => {
    const cluster: Cluster = { ...healthy(), mark: { owner: "other/stack/1", generation: "0", config: CONFIG } };
    const update = handlerOf(cluster).update(STATE, INPUTS, recordingLog(), SIGNAL);
    await expect(update).rejects.toThrow("now belongs to stack other/stack/1; it was not changed");
    expect(readRecord(cluster.records[0]!).status).toBe("deployed");
  });

  it("fails to repair while the cluster does not respond", async () => {
    const dead = handlerOf({ ...healthy(), unreachable: true });
    const update = dead.update({ ...STATE, lost: true }, INPUTS, recordingLog(), SIGNAL);
    await expect(update).rejects.toThrow("The cluster's Cilium could not be read: connect ECONNREFUSED");
  });

  it.each([
    [{ ipam: "kubernetes" }, "with ipam kubernetes from no pool"],
    [{ ipam: "cluster-pool", "cluster-pool-ipv4-cidr": "10.0.0.0/8" }, "with ipam cluster-pool from 10.0.0.0/8"],
  ])("does not adopt a Cilium with another address pool (%j)", async (config, words) => {
    const handler = handlerOf({ records: [record(4, "deployed", "Install complete")], config });
    expect(await handler.check({ ...INPUTS, adopt: true }, undefined)).toEqual([
      { property: "adopt", reason: expect.stringContaining(words) },
    ]);
  });

  it("adopts a Cilium whose pods have the networks that Kubernetes gave their nodes", async () => {
    const handler = handlerOf({ records: [record(4, "deployed", "Install complete")], config: { ipam: "kubernetes" } });
    const inputs = { ...INPUTS, adopt: true, ipam: "kubernetes", podCidr: "10.244.0.0/24 10.244.1.0/24" };
    expect(await handler.check(inputs, undefined)).toEqual([]);
  });

  it.each([true, false])("rejects another IPAM mode for running pods (own cluster: %s)", async (ownCluster) => {
    const [olds, news] = [
      { ...INPUTS, ownCluster },
      { ...INPUTS, ownCluster, ipam: "kubernetes" },
    ];
    const refused = [{ property: "ipam", reason: expect.stringContaining("run pulumi destroy first") }];
    expect(await handlerOf(healthy()).check(news, olds)).toEqual(refused);
    expect(await handlerOf(healthy()).check(olds, news)).toEqual(refused);
    // a new node has another network of Kubernetes
    expect(await handlerOf(healthy()).check({ ...news, podCidr: "10.0.0.0/24 10.0.1.0/24" }, news)).toEqual([]);
  });

  it("rejects other devices for running pods, with which agents do not start", async () => {
    const netkit = { ...INPUTS, datapathMode: "netkit" };
    const refused = (mode: string) => [
      { property: "datapathMode", reason: expect.stringContaining(`bpf.datapathMode ${mode}, with which agents`) },
    ];
    expect(await handlerOf(healthy()).check(netkit, INPUTS)).toEqual(refused("veth"));
    expect(await handlerOf(healthy()).check(INPUTS, netkit)).toEqual(refused("netkit"));
    expect(await handlerOf(healthy()).check({ ...INPUTS, datapathMode: "veth" }, INPUTS)).toEqual([]);
  });

  describe("in an external cluster", () => {
    const existing = { ...INPUTS, ownCluster: false, adopt: true };
    it.each([
      ["another cluster", { clusterInstance: "c/2" }, "clusterInstance", /is in another cluster/],
      ["another pod network", { podCidr: "10.1.0.0/16" }, "podCidr", /keep their network 10\.0\.0\.0\/16/],
      ["adopt withdrawn", { adopt: false }, "adopt", /destroy would uninstall it/],
    ])("rejects %s", async (_what, change, property, reason) => {
      expect(await handlerOf(healthy()).check({ ...existing, ...change }, existing)).toEqual([
        { property, reason: expect.stringMatching(reason) },
      ]);
    });

    it("keeps the state when a refresh gets no response", async () => {
      const state = { ...STATE, ...existing };
      expect(await handlerOf({ ...healthy(), unreachable: true }).read(state)).toEqual(state);
    });
  });
});
