import { readFile } from "node:fs/promises";
import {
  isKernelAtLeast,
  KERNEL_FEATURES,
  oldestKernelFor,
  type KernelFeature,
  type KernelNeeds,
} from "../modes/kernels";
import { CommandError, run } from "./exec";
import type { Daemon } from "./daemon";
import type { MachineFinding } from "./finding";

/** What was found out of the kernel: each probe's answer; what could not be probed is not in it. */
export type Probes = ReadonlyMap<string, boolean>;

/** The kernel's functions that probes look for, as /proc/kallsyms names them. */
const SYMBOLS = KERNEL_FEATURES.flatMap(({ probe }) => (probe?.includes("_") ? probe : []));

/**
 * Prints `<probe> yes|no` a line. It runs in a container with a network of its own, whose devices go with it; every node
 * image has these tools.
 */
const SCRIPT = `
probe() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
# the kernel takes a device type that it does not know for unsupported; a tool that lacks the option says nothing of it
option() { ip link help 2>&1 | grep -q "$1"; }
for symbol in ${SYMBOLS.join(" ")}; do probe $symbol grep -qw $symbol /proc/kallsyms; done
probe btf test -r /sys/kernel/btf/vmlinux
mkdir -p /tmp/bpf; probe bpffs mount -t bpf bpf /tmp/bpf
ip link add cm0 type veth peer name cm1
probe clsact tc qdisc add dev cm0 clsact
probe fq tc qdisc add dev cm0 root fq
option gso_max_size && probe big-tcp-6 ip link set cm0 gso_max_size 131072
option gso_ipv4_max_size && probe big-tcp-4 ip link set cm0 gso_ipv4_max_size 131072
probe vxlan ip link add cm2 type vxlan id 1 dstport 4789
probe geneve ip link add cm3 type geneve id 1 remote 127.0.0.1
probe wireguard ip link add cm4 type wireguard
probe netkit ip link add cm5 type netkit
probe iptables-nat iptables -w -t nat -A OUTPUT -j RETURN
probe iptables-statistic iptables -w -t nat -A OUTPUT -m statistic --mode random --probability 0.5 -j RETURN
true`;

/** How long a container of probes may take. */
const PROBE_SECONDS = 30;

/**
 * Probe the kernel that nodes will run on: in a container of this image where Docker has it, else what this machine
 * tells without one where Docker runs here.
 */
export async function probeKernel(daemon: Daemon, image: string): Promise<Probes> {
  const options = ["--rm", "--privileged", "--network", "none", "--pull", "never", "--entrypoint", "sh"];
  const signal = AbortSignal.timeout(PROBE_SECONDS * 1000);
  const output = await run("docker", ["run", ...options, image, "-c", SCRIPT], { signal }).catch((error: Error) => {
    if (error instanceof CommandError) return undefined;
    throw error;
  });
  if (output !== undefined) return parseProbes(output);
  return daemon.isHere ? symbolsHere() : new Map();
}

/** What probes printed. */
export function parseProbes(output: string): Probes {
  return new Map([...output.matchAll(/^(\S+) (yes|no)$/gm)].map(([, name, answer]) => [name!, answer === "yes"]));
}

/** What this machine's kernel tells to everybody: the functions that it has. */
export async function symbolsHere(): Promise<Probes> {
  const table = await readFile("/proc/kallsyms", "utf8").catch(() => "");
  if (table === "") return new Map();
  const names = new Set(table.split("\n").map((line) => line.split(/[\s.]/)[2]));
  return new Map(SYMBOLS.map((symbol) => [symbol, names.has(symbol)]));
}

/** Whether Cilium of this version runs on a kernel at all. */
export function judgeKernel(release: string, cilium: string): MachineFinding {
  const oldest = oldestKernelFor(cilium);
  const isOld = !isKernelAtLeast(release, oldest);
  return {
    subject: "kernel",
    // distributions carry what is newer to kernels of older numbers
    verdict: isOld ? "warning" : "pass",
    seen: isOld ? `${release}, and Cilium ${cilium} asks for ${oldest}` : release,
    matters: "all modes",
    ...(isOld ? { remedy: "boot a newer kernel, or set release to an older one" } : {}),
  };
}

/** What a kernel has of what Cilium can use. What is there, or not asked for, is no more than information. */
export function judgeFeatures(release: string, probes: Probes, needs: KernelNeeds): MachineFinding[] {
  return KERNEL_FEATURES.flatMap((feature) => {
    const { title, matters, isNeeded } = feature;
    const has = hasFeature(feature, release, probes);
    if (has === undefined && !isNeeded(needs)) return [];
    const needed = isNeeded(needs);
    const finding = { subject: title, matters };
    if (has === undefined)
      return { ...finding, verdict: "skipped" as const, seen: "not probed: Docker has no node image yet" };
    const why = reasonOf(feature, has, probes);
    if (has) return { ...finding, verdict: "pass" as const, seen: why };
    if (!needed) return { ...finding, verdict: "skipped" as const, seen: why };
    return { ...finding, verdict: "fail" as const, seen: why, remedy: remedyFor(feature) };
  });
}

function hasFeature({ since, probe }: KernelFeature, release: string, probes: Probes): boolean | undefined {
  const probed = probe === undefined ? undefined : probes.get(probe);
  const byVersion = since === undefined ? undefined : isKernelAtLeast(release, since);
  // a kernel may be built so that a function has no name of its own: a symbol shows that it is there, and nothing else
  return SYMBOLS.includes(probe ?? "") ? probed || byVersion : (probed ?? byVersion);
}

function reasonOf({ since, probe }: KernelFeature, has: boolean, probes: Probes): string {
  const isProbed = probe !== undefined && probes.get(probe) === has;
  const from = since === undefined ? "" : `Linux has it from ${since} on`;
  return `${has ? "there" : "not there"} (${isProbed ? "probed" : "by its version"}${from === "" || (isProbed && has) ? "" : `: ${from}`})`;
}

function remedyFor({ since, title }: KernelFeature): string {
  const kernel = since === undefined ? `a kernel with ${title}` : `Linux ${since} or newer`;
  return `boot ${kernel}, or leave out what asks for it`;
}
