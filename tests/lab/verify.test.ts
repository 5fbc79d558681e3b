import { spawnSync } from "node:child_process";
import { inNode, kubectl, labMissing, LabProject } from "../support/lab";
import { describeIf } from "../support/project";

const MINUTES = 60_000;
const STACK = "verified";

describeIf(labMissing(), "cilium-modes verify on a real cluster", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(STACK));

  it(
    "is green when nothing is wrong, and red in the right check with the cause for each fault",
    async () => {
      const cluster = await project.addStack(STACK, {
        cluster: { workers: 1 },
        kubeProxyReplacement: true,
        bpf: { masquerade: true },
      });
      await project.succeed("up", "--yes", "--skip-preview", "-s", STACK);
      const worker = `${cluster}-worker`;
      const settled = project.verify(STACK, "--settle-seconds", "60");
      expect([settled.code, settled.wrong]).toEqual([0, {}]);

      const system = (...args: string[]) => kubectl(cluster, "-n", "kube-system", ...args);
      /** The checks that are red while a fault lasts, with all that they say. */
      const during = (fault: () => void, repair: () => void) => {
        fault();
        try {
          return project.verify(STACK, "--settle-seconds", "0");
        } finally {
          repair();
        }
      };

      const leftover = during(
        () => inNode(worker, "iptables", "-t", "nat", "-N", "KUBE-SVC-LEFTOVER"),
        () => inNode(worker, "iptables", "-t", "nat", "-X", "KUBE-SVC-LEFTOVER"),
      );
      expect(leftover.code).toBe(1);
      expect(Object.keys(leftover.wrong)).toEqual(["kube-proxy-rules"]);
      expect(leftover.wrong["kube-proxy-rules"]).toContain("kube-proxy left them, or runs");

      const route = inNode(worker, "ip", "route")
        .split("\n")
        .find((line) => / via 172\.\S+ dev eth0 proto kernel/.test(line))!
        .trim();
      const lost = during(
        () => inNode(worker, "ip", "route", "del", ...route.split(" ")),
        () => inNode(worker, "ip", "route", "replace", ...route.split(" ")),
      );
      expect(Object.keys(lost.wrong)).toEqual(expect.arrayContaining(["routes", "pod-to-pod"]));
      expect(lost.wrong["routes"]).toContain(`missing: ${route.split(" ")[0]} via`);

      const select = (app: string) =>
        kubectl(cluster, "patch", "service", "serversvc", "-p", JSON.stringify({ spec: { selector: { app } } }));
      const nobody = during(
        () => select("nobody"),
        () => select("nettool"),
      );
      expect(Object.keys(nobody.wrong).sort()).toEqual(["service-map", "services"]);
      expect(nobody.wrong["service-map"]).toContain("has no active backend");

      const scale = (replicas: number) => {
        system("scale", "deployment", "coredns", `--replicas=${replicas}`);
        if (replicas === 0) system("wait", "--for=delete", "pod", "-l", "k8s-app=kube-dns", "--timeout=60s");
      };
      const mute = during(
        () => scale(0),
        () => scale(2),
      );
      expect(Object.keys(mute.wrong)).toEqual(["services"]);
      expect(mute.wrong["services"]).toContain("DNS kubernetes.default: no answer");

      system("patch", "configmap", "cilium-config", "-p", '{"data":{"enable-bpf-masquerade":"false"}}');
      const stale = project.verify(STACK, "--settle-seconds", "0", "--skip", "services");
      expect(Object.keys(stale.wrong).sort()).toEqual(["agents", "config"]);
      expect(stale.wrong["agents"]).toContain("agents read it only when they start");
      system("rollout", "restart", "daemonset/cilium");
      system("rollout", "status", "daemonset/cilium", "--timeout=120s");
      const off = project.verify(
        STACK,
        "--settle-seconds",
        "0",
        "--only",
        "config",
        "--only",
        "agents",
        "--only",
        "status",
      );
      expect(Object.keys(off.wrong).sort()).toEqual(["config", "status"]);
      expect(off.wrong["status"]).toContain(
        "asked for Routing Host BPF, Masquerading BPF; the agent's log: \"BPF host routing requires",
      );

      // and a cluster that does not answer at all
      spawnSync("docker", ["stop", "--time", "1", `${cluster}-control-plane`]);
      const gone = project.verify(STACK, "--settle-seconds", "0");
      expect(gone.code).toBe(1);
      await project.succeed("destroy", "--yes", "--skip-preview", "-s", STACK);
    },
    10 * MINUTES,
  );
});
