import { hostname } from "node:os";
import { readlinkSync } from "node:fs";
import type {
  KubernetesObject,
  V1ConfigMap,
  V1DaemonSet,
  V1Namespace,
  V1Pod,
  V1Service,
} from "@kubernetes/client-node";
import type { ClusterReader } from "../../cluster/read";
import type { ProbeWriter } from "../../cluster/write";
import { withProbeWorkload, type ReportProgress } from "../../datapath/probeWorkload";

const AGENT_IMAGE = "quay.io/cilium/cilium:v1.20.2@sha256:aa";
const MACHINE = `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
/** No process has this id: https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html */
const NO_PROCESS = "4194305";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const ready = { conditions: [{ type: "Ready", status: "True" }], phase: "Running" };

/** A cluster of two nodes in which pods become ready as soon as they are created. */
class FakeCluster implements ProbeWriter {
  readonly log: string[] = [];
  readonly objects: KubernetesObject[] = [];
  existing: V1Namespace[] = [];
  podStatus: V1Pod["status"] = ready;
  perl = true;
  nodeAddresses = ["172.18.0.2"];
  deletion = async (): Promise<void> => undefined;
  readonly said: string[] = [];

  async create(object: KubernetesObject) {
    this.log.push(`create ${object.kind}`);
    this.objects.push(object);
  }
  async namespaces(selector: string) {
    this.log.push(`list ${selector}`);
    return this.existing;
  }
  async deleteNamespace(name: string) {
    this.log.push(`delete ${name.replace(/[0-9a-f]{8}$/, "…")}`);
    await this.deletion();
  }
  async forcePodDeletion() {
    this.log.push("force");
  }
  async deleteCiliumIdentities() {
    this.log.push("delete identities");
  }

  readonly progress: ReportProgress = (_, work) => work({ at: () => undefined, say: (line) => this.said.push(line) });

  readonly reader = {
    daemonSet: async (namespace: string) =>
      (namespace === "kube-system"
        ? { spec: { template: { spec: { containers: [{ name: "cilium-agent", image: AGENT_IMAGE }] } } } }
        : { status: { desiredNumberScheduled: 2 } }) as unknown as V1DaemonSet,
    pods: async (namespace: string, selector: string) => {
      if (namespace === "kube-system") {
        const status = { containerStatuses: [{ name: "cilium-agent", ready: true }] };
        return [{ metadata: { name: "cilium-a" }, spec: { nodeName: "worker" }, status }] as V1Pod[];
      }
      const names = selector === "app=nettool" ? ["nettool-a", "nettool-b"] : ["net"];
      return names.map(
        (name) => ({ metadata: { name }, spec: { nodeName: "worker" }, status: this.podStatus }) as V1Pod,
      );
    },
    nodes: async () => [
      { status: { addresses: this.nodeAddresses.map((address) => ({ type: "InternalIP", address })) } },
    ],
    exec: async () => ({ exitCode: this.perl ? 0 : 127, stdout: "", stderr: "perl: not found" }),
    service: async () => ({ spec: { ports: [{ nodePort: 31234 }] } }) as V1Service,
    events: async () => "",
  } as unknown as ClusterReader;

  run<T>(work: Parameters<typeof withProbeWorkload<T>>[4], image?: string) {
    return withProbeWorkload(this, this.reader, image, this.progress, work);
  }

  of<T extends KubernetesObject>(kind: string): T {
    return this.objects.find((object) => object.kind === kind) as T;
  }
}

const WHOLE_RUN = [
  "list app.kubernetes.io/managed-by=cilium-modes,app.kubernetes.io/component=probe-workload",
  "create Namespace",
  "create ServiceAccount",
  "create ConfigMap",
  "create DaemonSet",
  "create Service",
  "create Pod",
  "delete cilium-modes-probe-…",
  "delete identities",
];

describe("a probe workload", () => {
  it("has a namespace of its own and a NodePort that Kubernetes chose, and is removed after the work", async () => {
    const cluster = new FakeCluster();
    const [names, nodePort] = await cluster.run(async (...given) => {
      expect(cluster.log).toEqual(WHOLE_RUN.slice(0, -2));
      return given;
    });
    expect(names).toEqual({
      namespace: expect.stringMatching(/^cilium-modes-probe-[0-9a-f]{8}$/),
      daemonSet: "nettool",
      service: "serversvc",
      clientPod: "net",
    });
    expect(nodePort).toBe(31234);
    expect(cluster.log).toEqual(WHOLE_RUN);
  });

  it("runs the scripts of images/nettool in the agent's image, without privileges and without a token", async () => {
    const cluster = new FakeCluster();
    await cluster.run(async () => undefined);
    const { data } = cluster.of<V1ConfigMap>("ConfigMap");
    expect(Object.entries(data!).map(([name, text]) => [name, text.split("\n")[0]])).toEqual([
      ["serve", "#!/usr/bin/perl"],
      ["probe", "#!/usr/bin/perl"],
    ]);
    const template = cluster.of<V1DaemonSet>("DaemonSet").spec!.template;
    expect(template.metadata!.labels).toEqual({ app: "nettool" });
    expect(template.spec).toMatchObject({
      serviceAccountName: "nettool",
      automountServiceAccountToken: false,
      tolerations: [{ operator: "Exists" }],
      containers: [{ name: "nettool", image: AGENT_IMAGE, imagePullPolicy: "IfNotPresent" }],
    });
    expect(template.spec!.containers[0]!.securityContext).toEqual({
      runAsUser: 0,
      capabilities: { add: ["NET_ADMIN", "NET_RAW"] },
    });
    expect(cluster.of<V1Pod>("Pod").metadata!.labels).toMatchObject({ run: "net" });
    expect(cluster.of<V1Service>("Service").spec!.ports!.map(({ protocol = "TCP", port }) => [protocol, port])).toEqual(
      [
        ["TCP", 80],
        ["UDP", 80],
      ],
    );
  });

  it.each([
    [["172.18.0.2", "fc00::2"], "PreferDualStack"],
    [["172.18.0.2"], undefined],
  ])("has a Service for the families of the nodes %s: %s", async (addresses, policy) => {
    const cluster = new FakeCluster();
    cluster.nodeAddresses = addresses;
    await cluster.run(async () => undefined);
    expect(cluster.of<V1Service>("Service").spec!.ipFamilyPolicy).toBe(policy);
  });

  it("uses an image that is named, and does not ask the agent for perl then", async () => {
    const cluster = new FakeCluster();
    cluster.perl = false;
    await cluster.run(async () => undefined, "tools:1");
    expect(cluster.of<V1Pod>("Pod").spec!.containers[0]!.image).toBe("tools:1");
  });

  it("is not created when the agent's image has no perl, and the error names the option", async () => {
    const cluster = new FakeCluster();
    cluster.perl = false;
    await expect(cluster.run(async () => undefined)).rejects.toThrow(
      /^The probe pods need perl, and the Cilium agent's image \S+ cannot run it \(.*perl: not found\)\. .* --workload-image$/,
    );
    expect(cluster.log).toEqual([]);
  });

  it("is removed when the work fails, and the work's error is the result", async () => {
    const cluster = new FakeCluster();
    const failing = cluster.run(async () => Promise.reject(new Error("no verdict")));
    await expect(failing).rejects.toThrow("no verdict");
    expect(cluster.log).toEqual(WHOLE_RUN);
  });

  it("leaves the result as it is when it cannot be removed, and says how to remove it", async () => {
    const cluster = new FakeCluster();
    cluster.deletion = async () => Promise.reject(new Error("forbidden"));
    const errors = jest.spyOn(console, "error").mockImplementation(() => undefined);
    expect(await cluster.run(async () => "verdict")).toBe("verdict");
    expect(errors).toHaveBeenCalledWith(
      expect.stringMatching(
        /^The namespace (\S+) was not removed: forbidden\. Remove it: kubectl delete namespace \1$/,
      ),
    );
    errors.mockRestore();
  });

  it("is removed when a signal interrupts the work, and the process ends with 130", async () => {
    const before = SIGNALS.flatMap((signal) => process.listeners(signal));
    const cluster = new FakeCluster();
    const errors = jest.spyOn(console, "error").mockImplementation(() => undefined);
    const exited = new Promise<number>((resolve) => {
      jest.spyOn(process, "exit").mockImplementation((code) => resolve(code as number) as never);
    });
    void cluster.run(async () => {
      process.emit("SIGTERM");
      await new Promise(() => undefined);
    });
    expect(await exited).toBe(130);
    expect(cluster.log).toEqual(WHOLE_RUN);
    expect(errors).toHaveBeenCalledWith("Interrupted: removing the probe pods (press Ctrl-C again to leave them)");
    // the process that ends here goes on
    for (const signal of SIGNALS)
      for (const listener of process.listeners(signal)) if (!before.includes(listener)) process.off(signal, listener);
    jest.restoreAllMocks();
  });

  it("is removed by the next run when its process is gone or it is older than an hour, and not otherwise", async () => {
    const now = Date.now();
    const namespace = (name: string, minutes: number, machine: string, pid: string): V1Namespace => ({
      metadata: {
        name,
        creationTimestamp: new Date(now - minutes * 60_000),
        annotations: { "cilium-modes/machine": machine, "cilium-modes/process": pid },
      },
    });
    const cluster = new FakeCluster();
    cluster.existing = [
      namespace("killed", 5, MACHINE, NO_PROCESS),
      namespace("at-work", 5, MACHINE, String(process.pid)),
      namespace("elsewhere", 5, "other-host pid:[4026531836]", NO_PROCESS),
      namespace("old", 61, "other-host pid:[4026531836]", "1"),
    ];
    await cluster.run(async () => undefined);
    expect(cluster.log.filter((line) => line.startsWith("delete ") && !line.includes("identities"))).toEqual([
      "delete killed",
      "delete old",
      "delete cilium-modes-probe-…",
    ]);
    expect(cluster.said).toEqual([
      "Removed the namespace killed, which an earlier run left",
      "Removed the namespace old, which an earlier run left",
    ]);
  });

  describe("whose pods do not become ready", () => {
    beforeEach(() => void jest.useFakeTimers());
    afterEach(() => void jest.useRealTimers());

    it("has pods deleted by force after 20 s, when a node that does not respond keeps them", async () => {
      const cluster = new FakeCluster();
      cluster.deletion = () => new Promise((resolve) => setTimeout(resolve, 25_000));
      const run = cluster.run(async () => "verdict");
      await jest.advanceTimersByTimeAsync(26_000);
      expect(await run).toBe("verdict");
      expect(cluster.log.slice(-3)).toEqual(["delete cilium-modes-probe-…", "force", "delete identities"]);
      expect(cluster.said).toEqual(["Some nodes do not respond: probe pods there end when their kubelet is back"]);
    });

    it("is removed after 90 s, with the pods' reasons in the error", async () => {
      const cluster = new FakeCluster();
      const waiting = { reason: "ErrImagePull", message: "not found" };
      cluster.podStatus = { containerStatuses: [{ name: "nettool", state: { waiting } }] } as V1Pod["status"];
      const run = cluster.run(async () => undefined, "tools:1");
      const outcome = expect(run).rejects.toThrow(
        "No probe pod became ready within 90 s:\n  - pod nettool-a on worker, container nettool: ErrImagePull: not found",
      );
      await jest.advanceTimersByTimeAsync(95_000);
      await outcome;
      expect(cluster.log).toEqual(WHOLE_RUN);
    });
  });
});
