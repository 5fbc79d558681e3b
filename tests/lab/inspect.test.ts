import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import {
  inAgent,
  kubectl,
  kubectlApply,
  labMissing,
  LabProject,
  longMissing,
  MINUTES,
  restartAgents,
  writeKubeconfig,
} from "../support/lab";
import { describeIf, missingPrograms } from "../support/project";

const STACK = "inspect";

/** A change behind the stack's back, and what an inspection says of it. */
interface Change {
  readonly name: string;
  /** Values for Helm. */
  readonly values?: readonly string[];
  readonly make?: (cluster: string) => void;
  readonly undo?: (cluster: string) => void;
  /** Default: the stack's own. */
  readonly mode?: string;
  readonly wrong: Readonly<Record<string, RegExp>>;
}

const patch = (cluster: string, data: Record<string, string>) =>
  kubectl(cluster, "-n", "kube-system", "patch", "configmap", "cilium-config", "-p", JSON.stringify({ data }));

const nodeConfig = (cluster: string) =>
  JSON.stringify({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNodeConfig",
    metadata: { name: "odd", namespace: "kube-system" },
    spec: {
      nodeSelector: { matchLabels: { "kubernetes.io/hostname": `${cluster}-worker` } },
      defaults: { "bpf-lb-sock-hostns-only": "true" },
    },
  });

/** Restart the agents, and wait until each has attached all of its programs. */
function renewAgents(cluster: string): void {
  restartAgents(cluster);
  const states = () =>
    inAgent(cluster, "cilium-dbg", "endpoint", "list", "-o", "json").flatMap((text) =>
      (JSON.parse(text) as { status: { state: string } }[]).map(({ status }) => status.state),
    );
  for (const deadline = Date.now() + 2 * MINUTES; ;) {
    const found = states();
    if (found.length > 0 && found.every((state) => state === "ready")) return;
    if (Date.now() > deadline) throw new Error(`endpoints are ${found.join(", ")}`);
  }
}

const detached = (cluster: string, ...path: string[]) =>
  kubectl(cluster, ...agentOn(cluster), "rm", "-f", ...path.map((each) => `/sys/fs/bpf/cilium/${each}`));

/** `kubectl exec` into the agent of the worker. */
function agentOn(cluster: string): string[] {
  const [name] = kubectl(
    cluster,
    ...["-n", "kube-system", "get", "pods", "-l", "k8s-app=cilium", "-o", "name"],
    `--field-selector=spec.nodeName=${cluster}-worker`,
  ).split("\n");
  return ["-n", "kube-system", "exec", name!, "-c", "cilium-agent", "--"];
}

const CHANGES: readonly Change[] = [
  {
    name: "a socket load balancer that is switched off beside kube-proxy replacement",
    values: ["socketLB.enabled=false"],
    wrong: { "socket-lb": /fallback: kube-proxy replacement always enables/ },
  },
  {
    name: "the bandwidth manager on kind's nodes",
    values: ["bandwidthManager.enabled=true"],
    wrong: { "bandwidth-manager": /fallback: the agent disabled it: .*; its log says / },
  },
  {
    name: "pods' devices that the agent is to choose",
    values: ["bpf.datapathMode=auto"],
    wrong: { "device-mode": /fallback: auto chooses veth/ },
  },
  {
    name: "Legacy host routing",
    values: ["bpf.hostLegacyRouting=true"],
    mode: "ebpf-legacy, native",
    wrong: {},
  },
  {
    name: "a configuration that somebody patches, before the agents read it",
    make: (cluster) => patch(cluster, { "enable-bpf-masquerade": "false" }),
    wrong: {
      "host-routing": /drift: cilium-config asks for Legacy now \(written by kubectl-patch at /,
      masquerading: /drift: cilium-config asks for iptables now \(written by kubectl-patch at /,
      configuration: /drift: cilium-config is newer than the agent in enable-bpf-masquerade/,
    },
  },
  {
    name: "the same, after the agents have read it",
    make: renewAgents,
    mode: "replacement, native",
    wrong: {
      "host-routing": /drift: Helm rendered BPF, and cilium-config was changed since/,
      masquerading: /drift: Helm rendered BPF, and cilium-config was changed since/,
    },
    undo: (cluster) => patch(cluster, { "enable-bpf-masquerade": "true" }),
  },
  {
    name: "one node that a CiliumNodeConfig changes",
    make: (cluster) => {
      kubectlApply(cluster, nodeConfig(cluster));
      renewAgents(cluster);
    },
    wrong: { "socket-lb": /^cmtest-inspect-worker: drift: CiliumNodeConfig odd sets bpf-lb-sock-hostns-only here$/ },
    undo: (cluster) => {
      kubectl(cluster, "-n", "kube-system", "delete", "ciliumnodeconfig", "odd");
      renewAgents(cluster);
    },
  },
  {
    name: "a program that is detached from a device",
    make: (cluster) => void detached(cluster, "devices/eth0/links/cil_from_netdev"),
    wrong: {
      devices: /^cmtest-inspect-worker: contradiction: /,
      programs: /^cmtest-inspect-worker: contradiction: .*cil_from_netdev on eth0/,
    },
    undo: renewAgents,
  },
  {
    name: "a program that is detached from the sockets' cgroup",
    make: (cluster) => void detached(cluster, "socketlb/links/cgroup/cil_sock4_connect"),
    wrong: {
      "socket-lb": /^cmtest-inspect-worker: contradiction: .*on without sock4_connect/,
      programs: /^cmtest-inspect-worker: contradiction: .*cil_sock4_connect on cgroup/,
    },
    undo: renewAgents,
  },
  {
    name: "the program that is detached from a pod's device",
    make: (cluster) => {
      const ways = kubectl(
        cluster,
        ...agentOn(cluster),
        "sh",
        "-c",
        "ls -d /sys/fs/bpf/cilium/endpoints/*/links/cil_from_container",
      );
      detached(
        cluster,
        ...ways
          .trim()
          .split("\n")
          .map((path) => path.replace("/sys/fs/bpf/cilium/", "")),
      );
    },
    wrong: { programs: /^cmtest-inspect-worker: contradiction: .*cil_from_container on lxc/ },
    undo: renewAgents,
  },
];

describeIf(
  [...labMissing(), ...longMissing(), ...missingPrograms("helm")],
  "cilium-modes inspect on a real cluster",
  () => {
    let project: LabProject;
    let cluster: string;
    let folder: string;
    let kubeconfig: string;
    beforeAll(async () => {
      project = new LabProject();
      cluster = await project.addStack(STACK, {
        cluster: { workers: 1 },
        kubeProxyReplacement: true,
        bpf: { masquerade: true },
      });
      await project.succeed("up", "--yes", "--skip-preview", "-s", STACK);
      folder = mkdtempSync(join(tmpdir(), "cilium-modes-inspect-"));
      kubeconfig = join(folder, "kubeconfig");
      writeKubeconfig(cluster, kubeconfig);
    }, 6 * MINUTES);
    afterAll(async () => {
      if (folder) rmSync(folder, { recursive: true });
      await project.close(STACK);
    }, 2 * MINUTES);

    const helm = (...args: string[]) => {
      const env = { ...process.env, KUBECONFIG: kubeconfig };
      const { status, stdout, stderr } = spawnSync("helm", [...args, "-n", "kube-system"], { encoding: "utf8", env });
      if (status !== 0) throw new Error(stderr);
      return stdout;
    };
    let own: string | undefined;
    let further: readonly string[] = [];
    /** Give Helm the stack's own values and these, unless it has them. */
    const setValues = (values: readonly string[]) => {
      if (String(values) === String(further)) return;
      own ??= helm("get", "values", "cilium", "-o", "yaml");
      const file = join(folder, "values.yaml");
      writeFileSync(file, own);
      const set = values.flatMap((value) => ["--set", value]);
      helm("upgrade", "cilium", project.settings(STACK).cilium.chart, "-f", file, ...set);
      further = values;
      renewAgents(cluster);
    };

    it(
      "needs no more than the permissions that the documentation has",
      () => {
        const account = ["--namespace=default", "create", "serviceaccount", "reader"];
        kubectl(cluster, ...account);
        kubectlApply(cluster, bound(join(project.directory, "docs", "inspect-permissions.yaml")));
        const token = kubectl(cluster, "-n", "default", "create", "token", "reader").trim();
        const own = parse(readFileSync(kubeconfig, "utf8")) as {
          users: { name: string; user: object }[];
        };
        const reader = join(folder, "reader");
        writeFileSync(reader, stringify({ ...own, users: own.users.map(({ name }) => ({ name, user: { token } })) }), {
          mode: 0o600,
        });
        expect(project.inspect(undefined, "--kubeconfig", reader)).toEqual({
          code: 0,
          mode: "ebpf, native",
          wrong: {},
        });
      },
      2 * MINUTES,
    );

    it.each(CHANGES)(
      "tells $name, also from a file",
      ({ values = [], make, undo, mode = "ebpf, native", wrong }) => {
        setValues(values);
        make?.(cluster);
        const file = join(folder, "evidence.json.gz");
        const found = project.inspect(undefined, "--kubeconfig", kubeconfig, "--save", file);
        undo?.(cluster);
        expect(found).toEqual({
          code: Object.keys(wrong).length === 0 ? 0 : 1,
          mode,
          wrong: Object.fromEntries(Object.entries(wrong).map(([row, said]) => [row, expect.stringMatching(said)])),
        });
        expect(project.inspect(file)).toEqual(found);
      },
      6 * MINUTES,
    );
  },
);

/** The documented roles, with a binding of each to a service account. */
function bound(file: string): string {
  const roles = readFileSync(file, "utf8")
    .split(/^---$/m)
    .map((text) => parse(text) as { kind: string; metadata: { name: string; namespace?: string } });
  const bindings = roles.map(({ kind, metadata }) => ({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: `${kind}Binding`,
    metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: metadata.name },
    subjects: [{ kind: "ServiceAccount", name: "reader", namespace: "default" }],
  }));
  return [...roles, ...bindings].map((each) => stringify(each)).join("---\n");
}
