import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHECKS } from "../../datapath/checks/all";
import {
  addressOf,
  inNode,
  kubectl,
  labMissing,
  LabProject,
  restartAgents,
  selectServers,
  withoutRoutes,
} from "../support/lab";
import { expectObserved } from "../support/examples";
import { expectNothingLeft, expectStanding } from "../support/mode";
import { describeIf } from "../support/project";
import { brokenWalk } from "../support/walks";

const MINUTES = 60_000;
const STACK = "ebpf";

/** kind's own configuration of Kubernetes with a kube-proxy that may run beside others' containers. */
const ADD_KUBE_PROXY = `
sed '/^kind: KubeProxyConfiguration/,/^---/d' /kind/kubeadm.conf > /tmp/kube-proxy.conf
printf -- '---\\napiVersion: kubeproxy.config.k8s.io/v1alpha1\\nkind: KubeProxyConfiguration\\nmode: iptables\\nconntrack:\\n  maxPerCore: 0\\n' >> /tmp/kube-proxy.conf
kubeadm init phase addon kube-proxy --config /tmp/kube-proxy.conf
kubectl --kubeconfig=/etc/kubernetes/admin.conf -n kube-system rollout status daemonset/kube-proxy --timeout=60s
`;

describeIf(labMissing(), "cilium-modes verify on a real cluster", () => {
  let project: LabProject;
  let cluster: string;
  let folder: string;
  let kubeconfig: string;
  const system = (...args: string[]) => kubectl(cluster, "-n", "kube-system", ...args);
  const config = (data: Record<string, string | null>) =>
    system("patch", "configmap", "cilium-config", "-p", JSON.stringify({ data }));

  /** The checks that are red while a fault lasts, with all that they say. */
  const during = (
    fault: () => void = () => undefined,
    repair: () => void = () => undefined,
  ): Record<string, string> => {
    fault();
    try {
      // what only takes a moment to settle is no part of the fault
      const { code, wrong } = project.verify(STACK, "--settle-seconds", "5");
      expect(code).toBe(1);
      return wrong;
    } finally {
      repair();
    }
  };

  /** What is red when agents run again and reach each other, which takes them a while. */
  const afterRestart = (): Record<string, string> => {
    restartAgents(cluster);
    const healthy = project.verify(STACK, "--only", "health", "--only", "pod-to-pod", "--settle-seconds", "60");
    expect(healthy).toEqual({ code: 0, wrong: {} });
    return project.verify(STACK, "--settle-seconds", "5").wrong;
  };

  beforeAll(async () => {
    project = new LabProject();
    cluster = await project.addStack(STACK);
    await project.succeed("up", "--yes", "--skip-preview", "-s", STACK);
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-verify-"));
    kubeconfig = join(folder, "kubeconfig");
    const { stdout } = spawnSync("kind", ["get", "kubeconfig", "--name", cluster], { encoding: "utf8" });
    writeFileSync(kubeconfig, stdout, { mode: 0o600 });
  }, 6 * MINUTES);
  afterAll(async () => {
    if (folder) rmSync(folder, { recursive: true });
    await project.close(STACK);
  }, 2 * MINUTES);

  it(
    "stands on a cluster that comes up in its mode and changes nothing when repeated",
    async () => {
      await expectStanding(project, STACK, cluster);
      expectObserved(project, STACK);
    },
    3 * MINUTES,
  );

  it(
    "is green twice in a row where nothing is wrong, for the stack and for the mode alone",
    () => {
      expect(project.verify(STACK, "--settle-seconds", "30")).toEqual({ code: 0, wrong: {} });
      expect(project.verify(STACK, "--settle-seconds", "30")).toEqual({ code: 0, wrong: {} });

      const foreign = (mode: string) =>
        spawnSync(
          process.execPath,
          [
            "cli/cilium-modes.mjs",
            ...`verify --kubeconfig ${kubeconfig} --expect ${mode} --settle-seconds 10`.split(" "),
            ...`--junit ${join(folder, "junit.xml")} --diagnostics ${join(folder, "diagnostics")}`.split(" "),
          ],
          { cwd: project.directory, encoding: "utf8" },
        );
      const ebpf = foreign("ebpf");
      expect([ebpf.status, ebpf.stdout]).toEqual([0, expect.stringContaining("ebpf: in force")]);
      expect(readFileSync(join(folder, "junit.xml"), "utf8")).toMatch(/failures="0" errors="0"/);
      expect(existsSync(join(folder, "diagnostics"))).toBe(false);
      const other = foreign("replacement");
      expect([other.status, other.stdout]).toEqual([1, expect.stringContaining("asked for Routing Host Legacy")]);
      expect(readFileSync(join(folder, "junit.xml"), "utf8")).toMatch(/name="packet-path"[^>]*>\s*<failure message="/);
      expect(readdirSync(join(folder, "diagnostics")).sort()).toEqual([
        "cilium-config.json",
        "events.txt",
        "kube-proxy.log",
        "nodes",
        "nodes.json",
        "operator.log",
        "pods.json",
        "verification.json",
        "verification.txt",
      ]);
      const agent = readdirSync(join(folder, "diagnostics", "nodes", `${cluster}-worker`));
      expect(agent).toEqual(expect.arrayContaining(["agent.log", "rules.txt", "routes.txt", "status.txt"]));
    },
    3 * MINUTES,
  );

  it(
    "is red in the right check, with the cause, for what is wrong on one node",
    () => {
      const worker = `${cluster}-worker`;
      const leftover = during(
        () => inNode(worker, "iptables", "-t", "nat", "-N", "KUBE-SVC-LEFTOVER"),
        () => inNode(worker, "iptables", "-t", "nat", "-X", "KUBE-SVC-LEFTOVER"),
      );
      expect(leftover).toEqual({ "kube-proxy-rules": expect.stringContaining("kube-proxy left them, or runs") });

      const table = during(
        () => inNode(worker, "nft", "add", "table", "ip", "kube-proxy"),
        () => inNode(worker, "nft", "delete", "table", "ip", "kube-proxy"),
      );
      expect(table).toEqual({ "kube-proxy-rules": expect.stringContaining("table ip kube-proxy") });

      const route = inNode(worker, "ip", "route")
        .split("\n")
        .find((line) => /^10\..* via 172\.\S+ dev eth0/.test(line))!
        .trim();
      const lost = withoutRoutes(worker, [route], () => during());
      expect(Object.keys(lost)).toEqual(expect.arrayContaining(["routes", "pod-to-pod"]));
      expect(lost["routes"]).toContain(`missing: ${route.split(" ")[0]} via`);

      const client = kubectl(cluster, "-n", "nettool", "get", "pod", "net", "-o", "jsonpath={.spec.nodeName}");
      const routes = inNode(client, "ip", "route")
        .split("\n")
        .filter((line) => /^10\..* via 172\./.test(line))
        .map((line) => line.trim());
      const { last, reasons } = withoutRoutes(client, routes, () => brokenWalk(project, STACK));
      expect(reasons).toMatch(/ has no route to the pods of /);
      expect(last).toBe("device");

      const drop = (action: "-I" | "-D") =>
        inNode(worker, "iptables", action, "INPUT", "-s", addressOf(`${cluster}-worker2`), "-j", "DROP");
      const dropped = during(
        () => drop("-I"),
        () => drop("-D"),
      );
      expect(dropped["health"]).toMatch(new RegExp(`node ${worker} \\([\\d.]+:4240\\): no answer`));

      const frozen = during(
        () => inNode(worker, "pkill", "-STOP", "cilium-agent"),
        () => inNode(worker, "pkill", "-CONT", "cilium-agent"),
      );
      expect(frozen["status"]).toMatch(new RegExp(`on ${worker} gives no answer within`));
    },
    5 * MINUTES,
  );

  it(
    "is red in the right check, with the cause, for what is wrong in Kubernetes",
    () => {
      const nobody = during(
        () => selectServers(cluster, "nobody"),
        () => selectServers(cluster, "nettool"),
      );
      expect(Object.keys(nobody)).toEqual(expect.arrayContaining(["service-map", "services", "node-ports"]));
      expect(nobody["service-map"]).toContain("has no active backend");

      const scale = (replicas: number) => {
        system("scale", "deployment", "coredns", `--replicas=${replicas}`);
        if (replicas === 0) system("wait", "--for=delete", "pod", "-l", "k8s-app=kube-dns", "--timeout=60s");
      };
      const mute = during(
        () => scale(0),
        () => scale(2),
      );
      expect(mute).toEqual({ services: expect.stringContaining("DNS kubernetes.default: no answer") });

      const proxied = during(
        () => inNode(`${cluster}-control-plane`, "sh", "-ec", ADD_KUBE_PROXY),
        () => {
          system("delete", "daemonset", "kube-proxy", "--cascade=foreground");
          for (const node of ["control-plane", "worker", "worker2"])
            inNode(`${cluster}-${node}`, "sh", "-c", "iptables-save | grep -v KUBE | iptables-restore");
        },
      );
      expect(Object.keys(proxied)).toEqual(expect.arrayContaining(["kube-proxy", "kube-proxy-rules"]));
      expect(proxied["kube-proxy"]).toContain("both would translate services");

      const deny = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: nettool}
spec: {podSelector: {matchLabels: {app: nettool}}, policyTypes: [Ingress]}`;
      const denied = during(
        () => {
          inNode(
            `${cluster}-control-plane`,
            "sh",
            "-ec",
            `printf '%s' "${deny}" | kubectl --kubeconfig=/etc/kubernetes/admin.conf apply -f -; sleep 3`,
          );
        },
        () => kubectl(cluster, "-n", "nettool", "delete", "networkpolicy", "deny"),
      );
      expect(denied["pod-to-pod"]).toContain("no answer");

      // an agent that is not there
      const affinity = (values: string[] | null) =>
        JSON.stringify({
          spec: {
            updateStrategy: { type: "OnDelete", rollingUpdate: null },
            template: {
              spec: {
                affinity: {
                  nodeAffinity: values && {
                    requiredDuringSchedulingIgnoredDuringExecution: {
                      nodeSelectorTerms: [
                        { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "NotIn", values }] },
                      ],
                    },
                  },
                },
              },
            },
          },
        });
      const absent = during(
        () => {
          system("patch", "daemonset", "cilium", "-p", affinity([`${cluster}-worker2`]));
          const selector = `--field-selector=spec.nodeName=${cluster}-worker2`;
          system("wait", "--for=delete", "pod", "-l", "k8s-app=cilium", selector, "--timeout=60s");
        },
        () => {
          system("patch", "daemonset", "cilium", "-p", affinity(null));
          restartAgents(cluster);
        },
      );
      expect(absent["agents"]).toContain("2 agents: the cluster has 3 nodes");
    },
    8 * MINUTES,
  );

  it(
    "is red in the right check, with the cause, for every way out of the mode",
    () => {
      expect(project.verify(STACK)).toEqual({ code: 0, wrong: {} });
      config({ "enable-host-legacy-routing": "true" });
      const stale = project.verify(STACK, "--settle-seconds", "10").wrong;
      expect(stale).toEqual({
        agents: expect.stringContaining("agents read it only when they start"),
        config: expect.stringContaining("asked for enable-host-legacy-routing: (not set)"),
      });
      const legacy = afterRestart();
      expect(legacy).toMatchObject({
        config: expect.anything(),
        status: expect.stringContaining("asked for Routing Host BPF"),
        "packet-path": expect.stringContaining("in this mode BPF passes packets by the host's stack"),
      });

      config({ "enable-host-legacy-routing": null, "enable-bpf-masquerade": "false" });
      const fallen = afterRestart();
      expect(fallen).toMatchObject({
        config: expect.anything(),
        status: expect.stringContaining("the agent's log: \"BPF host routing requires"),
        masquerading: expect.stringContaining("masqueraded by iptables"),
      });

      config({ "enable-ipv4-masquerade": "false" });
      const unmasked = afterRestart();
      expect(Object.keys(unmasked)).toEqual(expect.arrayContaining(["config", "status", "masquerading"]));
      expect(unmasked["masquerading"]).toContain("masqueraded by nobody");

      config({
        "enable-ipv4-masquerade": "true",
        "enable-bpf-masquerade": "true",
        "routing-mode": "tunnel",
        "tunnel-protocol": "vxlan",
        "auto-direct-node-routes": "false",
      });
      const tunnelled = afterRestart();
      expect(Object.keys(tunnelled)).toEqual(expect.arrayContaining(["config", "status", "routes"]));
      expect(tunnelled["status"]).toContain("asked for Routing Network Native");
      expect(tunnelled["routes"]).toContain("the tunnel device must be none");
    },
    8 * MINUTES,
  );

  it(
    "passes in no check on a cluster that does not answer at all, and destroying it leaves nothing",
    async () => {
      const deaf = (action: string) => {
        for (const node of ["control-plane", "worker", "worker2"]) spawnSync("docker", [action, `${cluster}-${node}`]);
      };
      deaf("pause");
      const paused = project.verify(STACK, "--kubeconfig", kubeconfig, "--settle-seconds", "0");
      deaf("unpause");
      expect([paused.code, Object.keys(paused.wrong).sort()]).toEqual([1, CHECKS.map(({ id }) => id).sort()]);
      spawnSync("docker", ["stop", "--time", "1", `${cluster}-control-plane`]);
      const stopped = project.verify(STACK, "--settle-seconds", "0");
      expect(stopped.code).toBe(1);
      await expectNothingLeft(project, STACK, cluster);
    },
    8 * MINUTES,
  );
});
