import { gzipSync } from "node:zlib";
import type { V1Secret } from "@kubernetes/client-node";
import { stringify } from "yaml";
import { helmDrift, type ComparedObject, type HelmDrift } from "../../cluster/helmDrift";
import { renderedObjects } from "../../cluster/helmRecord";
import { helmObjectsCheck } from "../../datapath/checks/helmObjects";
import { diagnose } from "../../datapath/causes";
import { valueOf } from "../../datapath/evidence/api";
import { judge } from "../../datapath/verify";
import { recordedEvidence, recordedExpectation } from "./support/evidence";

const agent = () => ({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  metadata: { name: "cilium", namespace: "kube-system", annotations: {} as Record<string, string> },
  spec: {
    updateStrategy: { type: "RollingUpdate" },
    template: {
      spec: {
        hostNetwork: true,
        nodeSelector: { "kubernetes.io/os": "linux" },
        tolerations: [] as object[],
        serviceAccountName: "cilium",
        containers: [
          {
            name: "cilium-agent",
            image: "cilium:v1.20.2",
            command: ["cilium-agent"],
            args: ["--config-dir=/tmp/cilium/config-map"],
            env: [
              { name: "NODE", valueFrom: {} },
              { name: "CILIUM_TOKEN", value: "rendered-secret" },
            ] as { name: string; value?: string; valueFrom?: object }[],
            securityContext: { capabilities: { add: ["NET_ADMIN"] } },
            volumeMounts: [{ mountPath: "/sys/fs/bpf", name: "bpf-maps" }],
          },
        ],
      },
    },
  },
});
const operator = () => ({ ...agent(), kind: "Deployment", metadata: { name: "cilium-operator" } });
const role = () => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "cilium" },
  rules: [{ apiGroups: ["", "discovery.k8s.io"], resources: ["services", "endpointslices"], verbs: ["list", "watch"] }],
});
const binding = () => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: "cilium" },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cilium" },
  subjects: [{ kind: "ServiceAccount", name: "cilium", namespace: "kube-system" }],
});
const account = () => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name: "cilium", namespace: "kube-system", creationTimestamp: "2026-11-26T06:00:00Z" },
});
const config = { kind: "ConfigMap", metadata: { name: "cilium-config" }, data: {} };
const secret = { kind: "Secret", metadata: { name: "cilium-ca" }, data: { "ca.key": "a-private-key" } };

/** The cluster's objects, which are those that Helm rendered until something changes them. */
interface Live {
  agent?: ReturnType<typeof agent>;
  operator?: ReturnType<typeof operator>;
  role?: ReturnType<typeof role>;
  binding?: ReturnType<typeof binding>;
  account?: ReturnType<typeof account>;
}

function recorded(status = "deployed"): V1Secret {
  const manifest = [config, secret, agent(), operator(), role(), binding(), account()].map(
    (each) => `---\n${stringify(each)}`,
  );
  const release = gzipSync(JSON.stringify({ info: { status }, manifest: manifest.join("") })).toString("base64");
  return {
    metadata: { name: "sh.helm.release.v1.net.v1", labels: { name: "net", version: "1" } },
    data: { release: Buffer.from(release).toString("base64") },
  };
}

async function drift(change: (live: Live) => void, status?: string): Promise<HelmDrift> {
  const live = { agent: agent(), operator: operator(), role: role(), binding: binding(), account: account() };
  change(live);
  const read = ({ kind, metadata: { name } }: ComparedObject) =>
    Promise.resolve(Object.values(live).find((each) => each?.kind === kind && each.metadata.name === name));
  return helmDrift(renderedObjects([recorded(status)], "kube-system")!, read);
}

async function judged(change: (live: Live) => void, status?: string) {
  const result = judge(
    helmObjectsCheck as never,
    recordedEvidence(),
    recordedExpectation(),
    await drift(change, status),
  );
  return { ...result, causes: diagnose([result]) };
}

describe("Cilium's objects in the cluster", () => {
  it("pass while they are as Helm rendered them, whatever controllers add", async () => {
    const { verdict, findings } = await judged(({ agent: own, binding: bound, role: allowed }) => {
      own!.metadata.annotations["deprecated.daemonset.template.generation"] = "3";
      own!.spec.template.spec.tolerations.push({ operator: "Exists" });
      bound!.subjects.push({ kind: "Group", name: "admins", namespace: "" });
      allowed!.rules.push({ apiGroups: ["apps"], resources: ["daemonsets"], verbs: ["get"] });
    });
    expect([verdict, findings[0]!.seen]).toEqual(["pass", "5 objects as Helm rendered them"]);
  });

  it("fail while pods run with a token of a ServiceAccount that was created again", async () => {
    const found = async (podsAt: string, minutes: number) => {
      const evidence = recordedEvidence(({ api }) => {
        for (const pod of valueOf(api.pods, []))
          if (pod.labels["k8s-app"] === "cilium") Object.assign(pod, { createdAt: podsAt, account: "cilium" });
      });
      const now = Date.parse(account().metadata.creationTimestamp) + minutes * 60_000;
      const own = { ...(await drift(() => undefined)), now };
      return judge(helmObjectsCheck as never, evidence, recordedExpectation(), own);
    };
    const result = await found("2026-11-26T05:00:00.000Z", 5);
    expect(diagnose([result])[0]).toMatchObject({
      cause: "account-replaced",
      seen: expect.stringContaining("ServiceAccount kube-system/cilium") as string,
      remedy: "kubectl -n kube-system rollout restart daemonset cilium",
    });
    // by then kubelets have renewed the tokens
    expect((await found("2026-11-26T05:00:00.000Z", 90)).verdict).toBe("pass");
    expect((await found("2026-11-26T06:00:01.000Z", 5)).verdict).toBe("pass");
  });

  const faults: [string, (live: Live) => void, string, RegExp, RegExp][] = [
    [
      "a DaemonSet that is gone",
      (live) => void delete live.agent,
      "object-missing",
      /DaemonSet kube-system\/cilium, which Helm installed, is gone/,
      /^helm -n kube-system get manifest net \| kubectl apply -f -$/,
    ],
    [
      "an argument and an update strategy that wait for the next restart",
      ({ agent: own }) => {
        own!.spec.updateStrategy.type = "OnDelete";
        own!.spec.template.spec.containers[0]!.args.push("--enable-bpf-masquerade=false");
      },
      "template-changed",
      /update strategy OnDelete, Helm rendered RollingUpdate; cilium-agent: argument --enable-bpf-masquerade=false/,
      /kubectl apply/,
    ],
    [
      "an argument of the operator",
      ({ operator: own }) =>
        void own!.spec.template.spec.containers[0]!.args.push("--cluster-pool-ipv4-cidr=10.99.0.0/16"),
      "template-changed",
      /Deployment kube-system\/cilium-operator.*10\.99\.0\.0/,
      /kubectl apply/,
    ],
    [
      "a variable that applying the manifest would leave",
      ({ agent: own }) =>
        void own!.spec.template.spec.containers[0]!.env.push({ name: "CILIUM_X", value: "live-secret" }),
      "template-changed",
      /variable CILIUM_X of cilium-agent is not Helm's/,
      /^kubectl -n kube-system edit daemonset cilium: remove variable CILIUM_X of cilium-agent$/,
    ],
    [
      "a variable with another value, a lost capability and a lost mount",
      ({ agent: own }) => {
        const [container] = own!.spec.template.spec.containers;
        container!.env[1]!.value = "live-secret";
        container!.securityContext.capabilities.add = [];
        container!.volumeMounts = [];
      },
      "template-changed",
      /CILIUM_TOKEN has another value; .*lacks capability NET_ADMIN; .*lacks mount \/sys\/fs\/bpf/,
      /kubectl apply/,
    ],
    [
      "a binding that is gone",
      (live) => void delete live.binding,
      "permission-missing",
      /ClusterRoleBinding cilium, which Helm installed, is gone/,
      /kubectl apply/,
    ],
    [
      "a role without one of its verbs",
      ({ role: own }) => void (own!.rules[0]!.verbs = ["list"]),
      "permission-missing",
      /lacks permission watch services; lacks permission watch endpointslices; .*; and 1 more/,
      /kubectl apply/,
    ],
    [
      "a binding of another ServiceAccount",
      ({ binding: own }) => void (own!.subjects[0]!.name = "nobody"),
      "permission-missing",
      /lacks subject ServiceAccount kube-system\/cilium/,
      /kubectl apply/,
    ],
  ];
  it.each(faults)("fail with %s", async (_fault, change, cause, reason, remedy) => {
    const { verdict, causes, findings } = await judged(change);
    expect([verdict, causes[0]!.cause]).toEqual(["fail", cause]);
    expect(causes[0]!.remedy).toMatch(remedy);
    const text = JSON.stringify(findings);
    expect(text).toMatch(reason);
    expect(text + JSON.stringify(await drift(change))).not.toMatch(/secret"|-secret|a-private-key/);
  });

  it("keep causes of their own beside a DaemonSet that is gone", async () => {
    const { causes } = await judged((live) => {
      delete live.agent;
      live.operator!.spec.template.spec.containers[0]!.args = [];
    });
    expect(causes.map(({ cause }) => cause)).toEqual(["object-missing", "template-changed"]);
  });

  it("are not compared during an upgrade, nor where nobody may read them", async () => {
    expect((await judged((live) => void delete live.agent, "pending-upgrade")).verdict).toBe("skipped");
    const forbidden = await helmDrift(renderedObjects([recorded()], "kube-system")!, () =>
      Promise.reject(Object.assign(new Error("forbidden"), { code: 403 })),
    );
    expect(forbidden).toMatchObject({ compared: 0, drifts: [] });
    expect(forbidden.unread).toContain("reading a ClusterRole is forbidden");
    const { verdict, findings } = judge(
      helmObjectsCheck as never,
      recordedEvidence(),
      recordedExpectation(),
      forbidden,
    );
    expect([verdict, findings[0]!.reason]).toEqual([
      "skipped",
      "some objects could not be read: reading a DaemonSet is forbidden",
    ]);
  });

  it("are unknown in a recording that was not asked for them", async () => {
    const asked = { helmDrift: () => Promise.reject(new Error("The recorded cluster was not asked this")) };
    for (const cluster of [asked, {}]) {
      const own = await helmObjectsCheck.read!(cluster as never, recordedExpectation(), new Set());
      expect(judge(helmObjectsCheck as never, recordedEvidence(), recordedExpectation(), own).verdict).toBe("skipped");
    }
  });
});
