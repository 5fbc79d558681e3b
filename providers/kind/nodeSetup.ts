import { CERTS_DIRECTORY, registryFiles, type RegistryMirrors } from "../../modes/registryMirrors";
import { isExamined } from "../../host/examine";
import { execInNode, kubectl, type KindNode } from "../../host/docker";
import type { Log } from "./handler";

/** Warn about this machine; not inside `npm start`, where doctor has given the same warning already. */
export function warnOfMachine(log: Log, message: string): void {
  if (!isExamined()) log.warn(message);
}

/** Both names of the control plane's taint: `master` up to Kubernetes 1.24, `control-plane` from 1.24 on. */
const CONTROL_PLANE_TAINTS = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

const IN_KUBE_SYSTEM = ["--namespace", "kube-system"];

/** Tools that read evidence of the datapath on nodes; kind's node images have all of them. */
const NODE_TOOLS = ["ip", "iptables-save", "conntrack", "curl"];

/** Let workloads run on the control plane. */
export async function removeControlPlaneTaints(controlPlane: string): Promise<void> {
  const present = (
    await kubectl(controlPlane, ["get", "node", controlPlane, "-o", "jsonpath={.spec.taints[*].key}"])
  ).split(" ");
  const taints = CONTROL_PLANE_TAINTS.filter((taint) => present.includes(taint)).map((taint) => `${taint}:NoSchedule-`);
  if (taints.length > 0) await kubectl(controlPlane, ["taint", "node", controlPlane, ...taints]);
}

/** CoreDNS is the last thing that a new cluster waits for, and kubeadm's probe runs every ten seconds only. */
const ASKED_EVERY_SECOND = { containers: [{ name: "coredns", readinessProbe: { periodSeconds: 1 } }] };

/**
 * Run CoreDNS's readiness probe every second. None of its pods runs yet. Those of the old template are removed first, or
 * one of them would start beside the new ones.
 */
export async function hastenCoreDns(controlPlane: string): Promise<void> {
  const coreDns = [...IN_KUBE_SYSTEM, "deployment", "coredns"];
  const replicas = await kubectl(controlPlane, ["get", ...coreDns, "-o", "jsonpath={.spec.replicas}"]);
  const patch = JSON.stringify({ spec: { replicas: 0, template: { spec: ASKED_EVERY_SECOND } } });
  await kubectl(controlPlane, ["patch", ...coreDns, "--patch", patch]);
  await kubectl(controlPlane, ["scale", ...coreDns, "--replicas", replicas]);
}

/** Warn about each tool that a node lacks, since checks that need it cannot run there. */
export async function checkNodeTools(nodes: readonly KindNode[], log: Log): Promise<void> {
  await Promise.all(
    nodes.map(async ({ name }) => {
      const script = `for tool in ${NODE_TOOLS.join(" ")}; do command -v $tool >/dev/null || echo $tool; done`;
      const missing = (await execInNode(name, ["sh", "-c", script])).split("\n").filter(Boolean);
      if (missing.length > 0)
        log.warn(
          `Node ${name} has no ${missing.join(", ")}: checks that need them are skipped there. Use a kindest/node image, or add them to your image.`,
        );
    }),
  );
}

/** Folder in which a registry's files are written before containerd sees them. */
const STAGING = `${CERTS_DIRECTORY}.new`;

/** Moves a folder to the place of another one, whose files may hold keys. */
const REPLACE_FOLDER = 'rm -rf "$2" && mkdir -p "$(dirname "$2")" && mv "$1" "$2"';

/** Set the nodes' registry mirrors to exactly these; containerd reads them at the next pull. */
export async function writeRegistryMirrors(
  nodes: readonly KindNode[],
  mirrors: RegistryMirrors,
  previous: readonly string[],
): Promise<void> {
  const gone = previous.filter((host) => !(host in mirrors));
  for (const { name } of nodes) {
    for (const host of gone) await execInNode(name, ["rm", "-rf", `${CERTS_DIRECTORY}/${host}`]);
    for (const [host, mirror] of Object.entries(mirrors)) {
      const [staged, folder] = [`${STAGING}/${host}`, `${CERTS_DIRECTORY}/${host}`];
      await execInNode(name, ["rm", "-rf", staged]);
      for (const file of registryFiles(host, mirror)) {
        // through standard input, since other processes of this machine can read arguments
        await execInNode(name, ["install", "-D", "-m", "600", "/dev/stdin", `${staged}/${file.name}`], {
          stdin: file.content,
        });
      }
      await execInNode(name, ["sh", "-c", REPLACE_FOLDER, "sh", staged, folder]);
    }
  }
}

/** Whether every node still has these mirrors' files unchanged. */
export async function hasRegistryMirrors(nodes: readonly KindNode[], mirrors: RegistryMirrors): Promise<boolean> {
  const same = nodes.flatMap(({ name }) =>
    Object.entries(mirrors).flatMap(([host, mirror]) =>
      registryFiles(host, mirror).map(
        async (file) =>
          (await execInNode(name, ["cat", `${CERTS_DIRECTORY}/${host}/${file.name}`]).catch(() => "")) === file.content,
      ),
    ),
  );
  return (await Promise.all(same)).every(Boolean);
}

/** A Corefile that forwards to these resolvers, or to the node's own if there are none. */
export function forwardTo(corefile: string, resolvers: readonly string[]): string {
  const target = resolvers.length > 0 ? resolvers.join(" ") : "/etc/resolv.conf";
  return corefile.replace(/(\bforward\s+\.)[^{\n]*?(\s*\{|$)/m, `$1 ${target}$2`);
}

function readCorefile(controlPlane: string): Promise<string> {
  return kubectl(controlPlane, [...IN_KUBE_SYSTEM, "get", "configmap", "coredns", "-o", "jsonpath={.data.Corefile}"]);
}

/** Whether CoreDNS is configured to forward to these resolvers. */
export async function coreDnsForwardsTo(controlPlane: string, resolvers: readonly string[]): Promise<boolean> {
  const corefile = await readCorefile(controlPlane);
  return forwardTo(corefile, resolvers) === corefile;
}

/** Make CoreDNS forward to these resolvers; pods that run are restarted when that changes its configuration. */
export async function setCoreDnsForward(controlPlane: string, resolvers: readonly string[]): Promise<void> {
  const corefile = await readCorefile(controlPlane);
  const wanted = forwardTo(corefile, resolvers);
  if (wanted === corefile) return;
  const patch = JSON.stringify({ data: { Corefile: wanted } });
  await kubectl(controlPlane, [
    ...IN_KUBE_SYSTEM,
    "patch",
    "configmap",
    "coredns",
    "--type",
    "merge",
    "--patch",
    patch,
  ]);
  const running = ["get", "pods", "--selector", "k8s-app=kube-dns", "--field-selector", "status.phase=Running"];
  if ((await kubectl(controlPlane, [...IN_KUBE_SYSTEM, ...running, "-o", "name"])) === "") return;
  await kubectl(controlPlane, [...IN_KUBE_SYSTEM, "rollout", "restart", "deployment", "coredns"]);
}
