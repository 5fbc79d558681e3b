import type { V1DaemonSet, V1Deployment, V1Node, V1Pod } from "@kubernetes/client-node";
import { newsOf, nodeFacts, pendingReadiness, readReadiness, type ReadinessEvidence } from "../../datapath/readiness";

const node = (name: string, ready = "True") =>
  ({ metadata: { name }, status: { conditions: [{ type: "Ready", status: ready }] } }) as V1Node;
const deployment = (available: number, over: object = {}) =>
  ({
    metadata: { generation: 2 },
    spec: { replicas: 2 },
    status: { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: available, ...over },
  }) as V1Deployment;
const agents = (numberReady: number, over: object = {}) =>
  ({
    metadata: { generation: 3 },
    status: { observedGeneration: 3, numberReady, updatedNumberScheduled: 2, ...over },
  }) as V1DaemonSet;
const agentPod = (name: string, nodeName: string, over: object = {}) =>
  ({ metadata: { name, labels: { "k8s-app": "cilium" } }, spec: { nodeName }, ...over }) as unknown as V1Pod;

const READY: ReadinessEvidence = {
  nodes: [node("a"), node("b")],
  agents: agents(2),
  operator: deployment(2),
  coreDns: deployment(2),
  pods: [agentPod("cilium-1", "a"), agentPod("cilium-2", "b")],
  podCidrs: new Map([
    ["a", ["10.0.0.0/24"]],
    ["b", ["10.0.1.0/24"]],
  ]),
};

describe("Cilium's readiness", () => {
  it("is complete when nodes, agents, operator, CoreDNS and pod networks are ready", () => {
    expect(pendingReadiness(READY, 2)).toEqual([]);
    expect(nodeFacts(READY)).toEqual([
      { name: "a", podCidrs: ["10.0.0.0/24"], agentPod: "cilium-1" },
      { name: "b", podCidrs: ["10.0.1.0/24"], agentPod: "cilium-2" },
    ]);
  });

  it.each([
    ["a node that is not Ready", { nodes: [node("a"), node("b", "False")] }, "nodes: 1 of 2 Ready"],
    [
      "the removal of an extra node",
      {
        nodes: [node("a"), node("b"), node("c", "False")],
        podCidrs: new Map(["a", "b", "c"].map((name) => [name, ["10.0.0.0/24"]])),
      },
      "nodes: 2 of 2 Ready, 1 more than expected",
    ],
    ["a node that has not joined", { nodes: [node("a")] }, "nodes: 1 of 2 Ready"],
    [
      "the second agent, although Helm's wait may end",
      { agents: agents(1) },
      "agents: 1 of 2 ready with the current configuration",
    ],
    [
      "agents that run an older template",
      { agents: agents(2, { updatedNumberScheduled: 0 }) },
      "agents: 0 of 2 ready with the current configuration",
    ],
    [
      "a DaemonSet whose change is not observed yet",
      { agents: agents(2, { observedGeneration: 2 }) },
      "agents: 0 of 2 ready with the current configuration",
    ],
    [
      "an operator that is not available",
      { operator: deployment(1) },
      "operator: 1 of 2 available with the current configuration",
    ],
    [
      "a CoreDNS with older pods",
      { coreDns: deployment(2, { replicas: 3 }) },
      "CoreDNS: 2 of 2 available with the current configuration, and older pods are still running",
    ],
    [
      "a CoreDNS whose available pods are older",
      { coreDns: deployment(2, { updatedReplicas: 1 }) },
      "CoreDNS: 1 of 2 available with the current configuration",
    ],
    [
      "an operator whose change is not observed yet",
      { operator: deployment(2, { observedGeneration: 1 }) },
      "operator: 0 of 2 available with the current configuration",
    ],
    ["a DaemonSet without a status", { agents: {} }, "agents: 0 of 2 ready with the current configuration"],
    [
      "a Deployment without a status",
      { operator: { spec: { replicas: 2 } } as V1Deployment },
      "operator: 0 of 2 available with the current configuration",
    ],
    [
      "a node with an empty list of pod networks",
      { podCidrs: new Map([["a", ["10.0.0.0/24"]] as [string, string[]], ["b", []]]) },
      "pod networks: none yet on b",
    ],
    ["a node without a pod network", { podCidrs: new Map([["a", ["10.0.0.0/24"]]]) }, "pod networks: none yet on b"],
  ])("waits for %s", (_case, over, line) => {
    expect(pendingReadiness({ ...READY, ...over }, 2)).toEqual([line]);
  });

  it("waits for pod networks of both families in a dual-stack cluster", () => {
    const both = (ofB: string[]) => new Map([["a", ["10.0.0.0/24", "fd00:10::/64"]] as [string, string[]], ["b", ofB]]);
    const pending = (ofB: string[]) => pendingReadiness({ ...READY, podCidrs: both(ofB) }, 2, true);
    expect(pending(["10.0.1.0/24", "fd00:10:0:1::/64"])).toEqual([]);
    expect(pending(["10.0.1.0/24"])).toEqual(["IPv6 pod networks: none yet on b"]);
    expect(pending(["fd00:10:0:1::/64"])).toEqual(["IPv4 pod networks: none yet on b"]);
  });

  it("reports pod, node and reason of a container that does not start", () => {
    const stuck = agentPod("cilium-1", "a", {
      status: {
        initContainerStatuses: [
          { name: "config", state: { waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "x"' } } },
        ],
      },
    });
    expect(pendingReadiness({ ...READY, agents: agents(1), pods: [stuck] }, 2)).toEqual([
      "agents: 1 of 2 ready with the current configuration",
      'pod cilium-1 on a, container config: ImagePullBackOff: Back-off pulling image "x"',
    ]);
  });

  it("reports how a restarting container ended", () => {
    const crashed = agentPod("cilium-1", "a", {
      status: {
        containerStatuses: [
          {
            name: "cilium-agent",
            state: { running: {} },
            lastState: { terminated: { reason: "Error", message: "level=fatal msg=why" } },
          },
        ],
      },
    });
    expect(pendingReadiness({ ...READY, agents: agents(1), pods: [crashed] }, 2)[1]).toBe(
      "pod cilium-1 on a, container cilium-agent: Error: level=fatal msg=why",
    );
  });

  it.each([
    [
      "the last exit of a container in a crash loop, not its back-off time",
      {
        state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 5m0s restarting failed container" } },
        lastState: { terminated: { reason: "Error", exitCode: 1, message: "level=fatal msg=why\n" } },
      },
      [": Error: level=fatal msg=why"],
    ],
    [
      "a crash loop without a known exit",
      { state: { waiting: { reason: "CrashLoopBackOff" } } },
      [": CrashLoopBackOff"],
    ],
    ["an exit with a failure", { state: { terminated: { reason: "Error", exitCode: 2 } } }, [": Error"]],
    ["nothing about a successful exit", { state: { terminated: { reason: "Completed", exitCode: 0 } } }, []],
    ["nothing about a starting container", { state: { waiting: { reason: "PodInitializing" } } }, []],
    [
      "the last three lines of a long message",
      { state: { terminated: { reason: "Error", exitCode: 1, message: "1\n2\n3\n4\n" } } },
      [": Error: 2 | 3 | 4"],
    ],
  ])("tells %s", (_case, status, told) => {
    const pod = agentPod("cilium-1", "a", { status: { containerStatuses: [{ name: "agent", ...status }] } });
    expect(pendingReadiness({ ...READY, agents: agents(1), pods: [pod] }, 2).slice(1)).toEqual(
      told.map((rest) => `pod cilium-1 on a, container agent${rest}`),
    );
  });

  it("tells each container's trouble once while it waits, and its first line whenever it is new", () => {
    const shown = new Set<string>();
    const nodes = "nodes: 0 of 3 Ready";
    const trouble = (pod: string, reason: string) => `pod ${pod} on ${pod}-node, container agent: ${reason}`;
    const pulled = trouble("a", 'ErrImagePull: failed to pull "quay.io/cilium/cilium"');
    expect(newsOf([nodes, "agents: 0 of 3 ready"], shown)).toEqual([nodes]);
    expect(newsOf([nodes, "agents: 0 of 3 ready", pulled], shown)).toEqual([pulled]);
    expect(newsOf([nodes, trouble("a", "ErrImagePull: again"), trouble("b", "ErrImagePull: too")], shown)).toEqual([]);
    expect(newsOf(["CoreDNS: 0 of 2 available", trouble("b", "Error: exit code 1")], shown)).toEqual([
      "CoreDNS: 0 of 2 available",
      trouble("b", "Error: exit code 1"),
    ]);
  });

  it("reports no pod once everything is ready", () => {
    const restarted = agentPod("cilium-1", "a", {
      status: {
        containerStatuses: [{ name: "agent", lastState: { terminated: { reason: "Error", exitCode: 1 } } }],
      },
    });
    expect(pendingReadiness({ ...READY, pods: [restarted] }, 2)).toEqual([]);
  });

  it("reads agents, operator and CoreDNS from where Cilium and Kubernetes put them", async () => {
    const asked: string[] = [];
    const told =
      <T>(kind: string, answer: T) =>
      (...path: string[]) => {
        asked.push([kind, ...path].join(" "));
        return Promise.resolve(answer);
      };
    const evidence = await readReadiness({
      now: () => 0,
      nodes: told("nodes", [...READY.nodes]),
      daemonSet: told("daemonSet", READY.agents),
      deployment: told("deployment", READY.operator),
      pods: told("pods", [READY.pods[0]!]),
      ciliumPodCidrs: told("podCidrs", new Map([["a", ["10.0.0.0/24"]]])),
      configMap: () => Promise.reject(new Error("readiness reads no configuration")),
      renderedCilium: () => Promise.reject(new Error("readiness reads no configuration")),
      allPods: () => Promise.reject(new Error("readiness reads no other pods")),
      service: () => Promise.reject(new Error("readiness reads no service")),
      events: () => Promise.reject(new Error("readiness reads no events")),
      log: () => Promise.reject(new Error("readiness reads no log")),
      exec: () => Promise.reject(new Error("readiness runs nothing in pods")),
    });
    expect(asked).toEqual([
      "nodes",
      "daemonSet kube-system cilium",
      "deployment kube-system cilium-operator",
      "deployment kube-system coredns",
      "pods kube-system k8s-app=cilium",
      "pods kube-system io.cilium/app=operator",
      "pods kube-system k8s-app=kube-dns",
      "podCidrs",
    ]);
    expect(evidence.pods).toHaveLength(3);
    expect(evidence.agents).toBe(READY.agents);
  });

  it("leaves the agent empty for a node without one", () => {
    expect(nodeFacts({ ...READY, pods: [READY.pods[0]!] })[1]).toEqual({
      name: "b",
      podCidrs: ["10.0.1.0/24"],
      agentPod: "",
    });
  });

  it("ignores an agent that is being deleted", () => {
    const leaving = {
      ...agentPod("cilium-0", "a"),
      metadata: { name: "cilium-0", labels: { "k8s-app": "cilium" }, deletionTimestamp: new Date() },
    } as unknown as V1Pod;
    expect(nodeFacts({ ...READY, pods: [leaving, ...READY.pods] })[0]!.agentPod).toBe("cilium-1");
  });
});
