import { readFile } from "node:fs/promises";
import { contains, isIpv4Address } from "../../modes/cidr";
import { CERTS_DIRECTORY, hostsToml, type RegistryMirror } from "../../modes/kindConfig";
import { execInNode, kubectl, type KindNode } from "./docker";
import type { DnsForward } from "./inputs";

/** Tells the user something about the resource. */
export interface Log {
  /** Shown while the resource is worked on, then gone. */
  status(message: string): void;
  warn(message: string): void;
}

/** Warn about this machine; not inside `npm start`, where doctor has given the same warning already. */
export function warnOfMachine(log: Log, message: string): void {
  if (process.env["CILIUM_MODES_EXAMINED"] === undefined) log.warn(message);
}

/** Both names of the control plane's taint: `master` up to Kubernetes 1.24, `control-plane` from 1.24 on. */
const CONTROL_PLANE_TAINTS = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/** What evidence of the datapath is read with on the nodes themselves; kind's images hold all of it. */
const NODE_TOOLS = ["ip", "iptables-save", "conntrack", "curl"];

/** Let workloads run on the control plane. */
export async function removeControlPlaneTaints(controlPlane: string): Promise<void> {
  const present = (
    await kubectl(controlPlane, ["get", "node", controlPlane, "-o", "jsonpath={.spec.taints[*].key}"])
  ).split(" ");
  const taints = CONTROL_PLANE_TAINTS.filter((taint) => present.includes(taint)).map((taint) => `${taint}:NoSchedule-`);
  if (taints.length > 0) await kubectl(controlPlane, ["taint", "node", controlPlane, ...taints]);
}

/** Warn of each tool that is missing on a node, since a later check will miss it. */
export async function checkNodeTools(nodes: readonly KindNode[], log: Log): Promise<void> {
  await Promise.all(
    nodes.map(async ({ name }) => {
      const script = `for tool in ${NODE_TOOLS.join(" ")}; do command -v $tool >/dev/null || echo $tool; done`;
      const missing = (await execInNode(name, ["sh", "-c", script])).split("\n").filter(Boolean);
      if (missing.length > 0)
        log.warn(
          `Node ${name} has no ${missing.join(", ")}: what they show cannot be checked there. Use a kindest/node image, or add them to yours.`,
        );
    }),
  );
}

/** Make the nodes' registry mirrors exactly these; containerd reads them at the next pull. */
export async function writeRegistryMirrors(
  nodes: readonly KindNode[],
  mirrors: Readonly<Record<string, RegistryMirror>>,
  previous: readonly string[],
): Promise<void> {
  const gone = previous.filter((host) => !(host in mirrors));
  for (const { name } of nodes) {
    for (const host of gone) await execInNode(name, ["rm", "-rf", `${CERTS_DIRECTORY}/${host}`]);
    for (const [host, mirror] of Object.entries(mirrors)) {
      const folder = `${CERTS_DIRECTORY}/${host}`;
      await execInNode(name, ["mkdir", "-p", folder]);
      await execInNode(name, ["cp", "/dev/stdin", `${folder}/hosts.toml`], { stdin: hostsToml(host, mirror) });
    }
  }
}

/** Whether every node has these mirrors' files as they were written. */
export async function hasRegistryMirrors(
  nodes: readonly KindNode[],
  mirrors: Readonly<Record<string, RegistryMirror>>,
): Promise<boolean> {
  const files = nodes.flatMap(({ name }) => Object.entries(mirrors).map(([host, mirror]) => ({ name, host, mirror })));
  const same = files.map(
    async ({ name, host, mirror }) =>
      (await execInNode(name, ["cat", `${CERTS_DIRECTORY}/${host}/hosts.toml`]).catch(() => "")) ===
      hostsToml(host, mirror),
  );
  return (await Promise.all(same)).every(Boolean);
}

/** The addresses that a forward setting means; none for the node's own resolver. */
export async function resolversFor(forward: DnsForward, nativeRoutingCIDR: string, log: Log): Promise<string[]> {
  if (forward === "node") return [];
  if (forward !== "auto") return [...forward];
  const own = await hostResolvers();
  const unreachable = own.filter((address) => contains(nativeRoutingCIDR, `${address}/32`));
  const usable = own.filter((address) => !unreachable.includes(address));
  if (usable.length === 0) {
    const why =
      unreachable.length > 0
        ? `this machine's resolver ${unreachable.join(", ")} lies in cilium.nativeRoutingCIDR ${nativeRoutingCIDR}, so replies cannot find back to pods`
        : "this machine names no resolver that pods could reach";
    warnOfMachine(
      log,
      `Pods may not resolve names outside the cluster in BPF host routing: ${why}. Set dns.forward to resolvers that pods reach.`,
    );
  }
  return usable;
}

/** This machine's resolvers that are no loopback addresses, as Docker itself takes them for containers. */
async function hostResolvers(): Promise<string[]> {
  for (const file of ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"]) {
    const addresses = parseResolvConf(await readFile(file, "utf8").catch(() => ""));
    if (addresses.length > 0) return addresses;
  }
  return [];
}

/** The IPv4 nameservers of a resolv.conf that are no loopback addresses. */
export function parseResolvConf(text: string): string[] {
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map((match) => match[1]!)
    .filter((address) => isIpv4Address(address) && !address.startsWith("127."));
}

/** A Corefile that forwards to these resolvers, or to the node's own when there are none. */
export function forwardTo(corefile: string, resolvers: readonly string[]): string {
  const target = resolvers.length > 0 ? resolvers.join(" ") : "/etc/resolv.conf";
  return corefile.replace(/(\bforward\s+\.)[^{\n]*?(\s*\{|$)/m, `$1 ${target}$2`);
}

const IN_KUBE_SYSTEM = ["--namespace", "kube-system"];

function readCorefile(controlPlane: string): Promise<string> {
  return kubectl(controlPlane, [...IN_KUBE_SYSTEM, "get", "configmap", "coredns", "-o", "jsonpath={.data.Corefile}"]);
}

/** Whether CoreDNS is configured to forward to these resolvers. */
export async function coreDnsForwardsTo(controlPlane: string, resolvers: readonly string[]): Promise<boolean> {
  const corefile = await readCorefile(controlPlane);
  return forwardTo(corefile, resolvers) === corefile;
}

/** Make CoreDNS forward to these resolvers; running CoreDNS pods are restarted when that is a change. */
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
  await kubectl(controlPlane, [...IN_KUBE_SYSTEM, "rollout", "restart", "deployment", "coredns"]);
}
