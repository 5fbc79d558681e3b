import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { KERNEL_FEATURES } from "../../modes/kernels";
import { kubectlApply, kubectl, type LabProject } from "./lab";

/** Probes that every node image has the tools for. */
const PROBED = [
  "nftables",
  "ipvs",
  "bpffs",
  "clsact",
  "iptables-nat",
  "iptables-statistic",
  "bpf_redirect_peer",
  "netkit",
  "wireguard",
];

const CLI = "cli/cilium-modes.mjs";

/** That the machine on which clusters are made is found able to make them, by probing its kernel. */
export function expectExamined(project: LabProject, stack: string): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, "doctor", stack, "--json"], {
    cwd: project.directory,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("Error")]);
  const { verdict, sections } = JSON.parse(stdout) as {
    verdict: string;
    sections: { title: string; findings: { subject: string; verdict: string; seen: string; remedy?: string }[] }[];
  };
  expect(verdict).toBe("pass");
  expect(sections.map(({ title }) => title)).toEqual([
    "Tools",
    "Docker",
    "Limits",
    "Kernel",
    "Networks and names",
    "Downloads",
  ]);
  const findings = sections.flatMap((section) => section.findings);
  const seen = Object.fromEntries(findings.map((finding) => [finding.subject, finding.seen]));
  const probed = KERNEL_FEATURES.filter(({ probe }) => probe !== undefined && PROBED.includes(probe));
  expect(probed).toHaveLength(PROBED.length);
  for (const { title } of probed) expect([title, seen[title]]).toEqual([title, expect.stringContaining("(probed")]);
  for (const { subject, verdict: each, remedy } of findings) {
    // whatever is not as it should be has a remedy
    if (each !== "pass" && each !== "skipped") expect([subject, remedy]).toEqual([subject, expect.any(String)]);
  }
}

/** Replaces the UI, whose images cannot be pulled everywhere. */
const standIn = (image: string) => ({
  apiVersion: "v1",
  kind: "List",
  items: [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "hubble-ui", namespace: "kube-system" },
      spec: { selector: { "k8s-app": "hubble-ui" }, ports: [{ port: 80, targetPort: 80 }] },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "hubble-ui-stand-in", namespace: "kube-system", labels: { "k8s-app": "hubble-ui" } },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "ui", image, imagePullPolicy: "Never" }] },
    },
  ],
});

/** That hubble-ui leads from this machine to the pod behind the UI's service, and says so where there is none. */
export async function expectForwarded(project: LabProject, stack: string, cluster: string): Promise<void> {
  const ask = () =>
    spawnSync(process.execPath, [CLI, "hubble-ui", stack], { cwd: project.directory, encoding: "utf8" });
  expect(ask()).toMatchObject({ status: 1, stderr: expect.stringContaining("pulumi config set hubble.ui true") });
  const image = kubectl(
    cluster,
    ...["-n", "nettool", "get", "pod", "net", "-o", "jsonpath={.spec.containers[0].image}"],
  );
  kubectlApply(cluster, standIn(image));
  kubectl(cluster, "-n", "kube-system", "wait", "--for=condition=Ready", "--timeout=60s", "pod/hubble-ui-stand-in");
  const child = spawn(process.execPath, [CLI, "hubble-ui", stack, "--port", "0"], { cwd: project.directory });
  try {
    const [line] = await new Promise<string[]>((resolve, reject) => {
      createInterface(child.stdout).once("line", (told) => resolve([told]));
      child.once("close", () => reject(new Error("hubble-ui ended")));
    });
    const address = /http:\S+/.exec(line!)![0];
    const answers = await Promise.all([1, 2, 3].map(async () => (await fetch(address)).text()));
    expect(new Set(answers)).toEqual(new Set([expect.stringContaining("hubble-ui-stand-in")]));
  } finally {
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGINT");
    expect(await ended).toBe(0);
    kubectl(cluster, "-n", "kube-system", "delete", "service/hubble-ui", "pod/hubble-ui-stand-in", "--wait=false");
  }
}
