import type { V1Pod } from "@kubernetes/client-node";
import { readApi, type ApiReader } from "../../datapath/evidence/api";
import { diagnose } from "../../datapath/causes";
import { workloadCheck } from "../../datapath/checks/kubernetes";
import { judge } from "../../datapath/verify";
import { recordedEvidence, recordedExpectation } from "./support/evidence";

const SCHEDULED = "2026-11-26T06:00:00Z";

/** A pod that has been on a node since then, and has no network. */
const pod = (isReadyToStart: "True" | "False" | undefined): V1Pod => ({
  metadata: { namespace: "shop", name: "cart" },
  spec: { nodeName: "cmlead-worker", containers: [{ name: "cart" }] },
  status: {
    phase: "Pending",
    conditions: [
      { type: "PodScheduled", status: "True", lastTransitionTime: new Date(SCHEDULED) },
      ...(isReadyToStart === undefined ? [] : [{ type: "PodReadyToStartContainers", status: isReadyToStart }]),
    ],
    containerStatuses: [
      {
        name: "cart",
        image: "",
        imageID: "",
        ready: false,
        restartCount: 0,
        state: { waiting: { reason: "ContainerCreating" } },
      },
    ],
  },
});

const event = (reason: string, note = "") => ({
  ...{ type: "Warning", reason, note },
  regarding: { namespace: "shop", name: "cart" },
});

const SANDBOX = event(
  "FailedCreatePodSandBox",
  'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "0c1d": plugin type="cilium-cni" failed (add): unable to create endpoint: Unauthorized',
);

async function stuckPods(own: V1Pod, seconds: number, events: readonly object[]) {
  const renewTime = new Date(Date.parse(SCHEDULED) + seconds * 1000).toISOString();
  const lists: Record<string, readonly object[]> = {
    events,
    leases: [
      { metadata: { namespace: "kube-system", name: "kube-scheduler" }, spec: { renewTime } },
      // of a node whose clock is ahead
      { metadata: { namespace: "kube-node-lease", name: "late" }, spec: { renewTime: "2026-11-27T00:00:00Z" } },
    ],
  };
  const cluster: Partial<ApiReader> = {
    allPods: () => Promise.resolve([own]),
    list: <T>(_version: string, plural: string) => Promise.resolve((lists[plural] ?? []) as readonly T[]),
  };
  return (await readApi(cluster as ApiReader)).stuckPods;
}

describe("a pod without a network", () => {
  it("is stuck if the kubelet cannot create its sandbox's network, or says nothing for minutes", async () => {
    const [stuck] = [{ namespace: "shop", name: "cart", node: "cmlead-worker", seconds: 40, said: SANDBOX.note }];
    expect(await stuckPods(pod("False"), 40, [event("FailedScheduling"), SANDBOX])).toEqual({ value: [stuck] });
    expect(await stuckPods(pod("False"), 200, [])).toMatchObject({ value: [{ seconds: 200, said: "" }] });
  });

  it("is not stuck while it is new, or waits for an image or a volume", async () => {
    for (const [own, seconds, events] of [
      [pod("False"), 10, [SANDBOX]],
      [pod("False"), 40, []],
      [pod("False"), 400, [event("FailedMount")]],
      [pod("False"), 400, [event("FailedCreatePodSandBox", "failed to pull the sandbox image")]],
      [pod("True"), 400, [SANDBOX]],
      [pod(undefined), 400, [SANDBOX]],
    ] as const)
      expect(await stuckPods(own, seconds, events)).toEqual({ value: [] });
  });

  it("is a root cause that names pod and node", () => {
    const stuck = { namespace: "shop", name: "cart", node: "cmlead-worker", seconds: 40, said: SANDBOX.note };
    const evidence = recordedEvidence(({ api }) => void (api.stuckPods = { value: [stuck] }));
    const [cause] = diagnose([judge(workloadCheck, evidence, recordedExpectation(), undefined)]);
    expect(cause).toMatchObject({ cause: "pod-without-network", nodes: ["cmlead-worker"] });
    expect(cause!.seen).toContain("shop/cart without a network for 40 s");
    expect(cause!.reason).toContain("unable to create endpoint: Unauthorized");
  });

  it("is a warning where another plugin failed, or where nothing says so in an external cluster", () => {
    const verdictOf = (said: string, isExternal: boolean) => {
      const stuck = { namespace: "shop", name: "cart", node: "cmlead-worker", seconds: 200, said };
      const evidence = recordedEvidence(({ api }) => void (api.stuckPods = { value: [stuck] }));
      return judge(workloadCheck, evidence, { ...recordedExpectation(), isExternal }, undefined).verdict;
    };
    const multus = 'plugin type="multus" failed (add): cannot find a network-attachment-definition (macvlan)';
    expect([verdictOf(multus, false), verdictOf("", true), verdictOf("", false)]).toEqual([
      "warning",
      "warning",
      "fail",
    ]);
  });
});
