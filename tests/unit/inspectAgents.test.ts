import type { V1Pod } from "@kubernetes/client-node";
import { inspectionText } from "../../cli/inspectText";
import { listAgents } from "../../cluster/agents";
import type { EvidenceCluster } from "../../cluster/read";
import { readNode } from "../../datapath/evidence/node";
import { inUsualNamespace, layoutOf } from "../../datapath/inspect/layout";
import { judgeInspection } from "../../datapath/inspect/inspect";
import { HEALTHY, WORKER, judged, rowOf, wrong } from "./support/inspection";

describe("an inspection of agents", () => {
  it("finds Cilium in another namespace, and says whose nodes they are", async () => {
    const pod = (namespace: string, name: string, container: string): V1Pod => ({
      metadata: {
        namespace,
        name,
        labels: { "k8s-app": "cilium" },
        ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "anetd", uid: "1" }],
      },
      spec: { containers: [{ name: container }] },
    });
    const asked: string[] = [];
    const cluster = {
      nodes: async () => [{ status: { nodeInfo: { kubeletVersion: "v1.33.4+rke2r1" } } }],
      pods: async () => [pod("kube-system", "other", "envoy")],
      allPods: async () => [pod("kube-system", "other", "envoy"), pod("cilium", "anetd-x", "cilium-agent")],
      configMap: async (namespace: string) => void asked.push(namespace),
      exec: async (namespace: string) => void asked.push(namespace),
      daemonSet: async (namespace: string, name: string) => void asked.push(`${namespace}/${name}`),
    } as unknown as EvidenceCluster;
    const layout = await layoutOf(cluster);
    expect(layout).toEqual({ namespace: "cilium", daemonSet: "anetd", distribution: "RKE2" });
    const usual = inUsualNamespace(cluster, layout);
    await usual.configMap("kube-system", "cilium-config");
    await usual.exec("kube-system", "anetd-x", "cilium-agent", []);
    await usual.exec("nettool", "client", "nettool", []);
    await usual.daemonSet("kube-system", "cilium");
    expect(asked).toEqual(["cilium", "cilium", "nettool", "cilium/anetd"]);
    expect((await usual.allPods()).map(({ metadata }) => metadata?.namespace)).toEqual(["kube-system", "kube-system"]);

    const config = "value" in HEALTHY.api.config ? HEALTHY.api.config.value : undefined;
    const newer = { value: { ...config!, data: { ...config!.data, "enable-bpf-masquerade": "false" } } };
    const evidence = { ...HEALTHY, api: { ...HEALTHY.api, config: newer } };
    const inspection = judgeInspection({ evidence, layout, logs: {}, readAt: "2026-11-29T23:00:00.000Z", seconds: 1 });
    expect(rowOf(inspection, "configuration").nodes[0]!.reason).toContain(
      "kubectl -n cilium rollout restart daemonset/anetd",
    );
    expect(inspectionText("prod", inspection)).toMatch(
      /^Cilium runs as DaemonSet anetd in namespace cilium; the nodes are RKE2's, on which this command has not been tried$/m,
    );
  });

  it("takes what one node did not tell for nothing", () => {
    const nodes = HEALTHY.nodes.map((node) =>
      node.node === WORKER
        ? { ...node, sections: { ...node.sections, links: { error: "too late" }, iptables: { error: "too late" } } }
        : node,
    );
    expect(wrong(judged({ ...HEALTHY, nodes }))).toEqual([]);
    expect(() => judged({ ...HEALTHY, nodes: [] })).toThrow(/^No node could be read/);
    const silent = HEALTHY.nodes.map(({ node }) => ({
      node,
      error: "no Cilium agent runs on it",
      sections: {},
      lookups: {},
    }));
    const unread = { ...HEALTHY.api, config: { error: "not found" } };
    expect(() => judged({ ...HEALTHY, nodes: silent, api: unread })).toThrow(
      "No agent of Cilium answered: no Cilium agent runs on it",
    );
    // where commands in pods are not allowed, the configuration is still shown
    const configuration = judged({ ...HEALTHY, nodes: silent });
    expect(wrong(configuration)).toEqual([]);
    expect(rowOf(configuration, "masquerading").nodes[0]).toMatchObject({
      configured: "BPF",
      verdict: "not observable",
      reason: "no Cilium agent runs on it",
    });
    expect(inspectionText("prod", configuration)).toMatch(
      /^prod: no agent answered; what runs is not known \(3 nodes\)$/m,
    );
  });

  it("says why an agent that runs has no version", () => {
    const silent = "the agent did not tell its status within 8 s";
    const nodes = HEALTHY.nodes.map((node) => ({ ...node, sections: { ...node.sections, status: { error: silent } } }));
    expect(rowOf(judged({ ...HEALTHY, nodes }), "version").nodes[0]!.reason).toBe(silent);
  });

  it("says for which CRDs an agent waits", () => {
    const [crds, status] = ["ciliumnodes.cilium.io", { error: "status: Is the agent running?" }];
    const nodes = HEALTHY.nodes.map((node) =>
      node.node === WORKER ? { ...node, sections: { ...node.sections, status } } : node,
    );
    const logs = { [WORKER]: [`the agent waits for CRDs that the cluster does not have: ${crds}`] };
    const found = judged({ ...HEALTHY, nodes }, logs);
    expect(rowOf(found, "version").nodes.map(({ verdict }) => verdict)).toEqual([
      "in force",
      "not observable",
      "in force",
    ]);
    expect(inspectionText("prod", found)).toContain(
      `  - Cilium on ${WORKER}: the agent waits for CRDs that the cluster does not have: ${crds}; Cilium's operator registers them\n`,
    );
  });

  it("says why an agent does not run, by the end of its log", async () => {
    const log = `time=1 level=error msg="Invoke failed" error="other"
time=2 level=fatal msg="unable to run agent: failed to start: cannot parse 'x'" subsys=daemon
`;
    const container = {
      ...{ name: "cilium-agent", ready: false, image: "", imageID: "", restartCount: 2 },
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 1, message: log } },
    };
    const pod: V1Pod = {
      metadata: { name: "cilium-1" },
      spec: { nodeName: WORKER, containers: [] },
      status: { containerStatuses: [container] },
    };
    const cluster = {
      pods: async () => [pod],
      exec: async () => {
        throw new Error("container not found");
      },
    } as unknown as EvidenceCluster;
    const [agent] = await listAgents(cluster);
    const trouble = "the agent does not run: CrashLoopBackOff (unable to run agent: failed to start: cannot parse 'x')";
    expect(await readNode(cluster, WORKER, agent!, { commands: {}, destinations: [] })).toMatchObject({
      error: trouble,
    });
    const missing =
      "Please ensure that Cilium Operator is running. The following CRDs were not found: [crd:ciliumx.cilium.io]";
    container.lastState.terminated.message = `level=fatal msg="Unable to find all Cilium CRDs necessary within 5m0s timeout. ${missing}"`;
    expect((await listAgents(cluster))[0]!.trouble).toBe(
      "the agent does not run: CrashLoopBackOff (the cluster has no CRD ciliumx.cilium.io)",
    );
  });

  it("costs a node that does not answer its own cells only", () => {
    const nodes = HEALTHY.nodes.map((node) =>
      node.node === WORKER ? { node: WORKER, error: "the agent does not answer", sections: {}, lookups: {} } : node,
    );
    const inspection = judged({ ...HEALTHY, nodes });
    expect(wrong(inspection)).toEqual([]);
    expect(inspection.silent).toEqual({ [WORKER]: "the agent does not answer" });
    expect(inspection.mode.name).toBe("ebpf");
    expect(rowOf(inspection, "services").nodes.map(({ verdict }) => verdict)).toEqual([
      "in force",
      "not observable",
      "in force",
    ]);
  });
});
