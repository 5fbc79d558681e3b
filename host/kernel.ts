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

/** Results of the kernel probes; probes that could not run are missing. */
export type Probes = ReadonlyMap<string, boolean>;

/** Names of kernel functions that are probed for, as in /proc/kallsyms. */
const SYMBOLS = KERNEL_FEATURES.flatMap(({ probe }) => (probe?.includes("_") ? probe : []));

/**
 * Prints `<probe> yes|no` for each probe. It runs in a container with its own network, which is removed with its devices;
 * every node image has these tools.
 */
const SCRIPT = `
probe() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
# the kernel rejects a device type that it does not know; an ip that lacks the option proves nothing
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
probe ipip ip link add cm7 type ipip remote 127.0.0.1
probe wireguard ip link add cm4 type wireguard
probe netkit ip link add cm5 type netkit
probe iptables-nat iptables -w -t nat -A OUTPUT -j RETURN
probe ipv6 test -e /proc/net/if_inet6
probe ip6tables-nat ip6tables -w -t nat -A OUTPUT -j RETURN
probe iptables-statistic iptables -w -t nat -A OUTPUT -m statistic --mode random --probability 0.5 -j RETURN
# what kube-proxy writes; an image without nft proves nothing
command -v nft >/dev/null && probe nftables nft 'table ip cm {
  map services { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain nat { type nat hook output priority -100; ip daddr . meta l4proto . th dport vmap @services; }
  chain ends { fib daddr type local meta mark set meta mark or 0x4000; numgen random mod 2 vmap { 0 : return, 1 : return }; }
}'
# the kernel loads its module for a rule that asks for it
iptables -w -t mangle -A OUTPUT -m ipvs --ipvs -j RETURN >/dev/null 2>&1
probe ipvs test -e /proc/net/ip_vs
probe dummy ip link add cm6 type dummy
true`;

/** Timeout of the container. */
const PROBE_SECONDS = 30;

/**
 * Probe the kernel that nodes will run on: in a container of the node image if Docker has it, otherwise without one if
 * Docker runs on this machine.
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

/** Parse the output of the probes. */
export function parseProbes(output: string): Probes {
  return new Map([...output.matchAll(/^(\S+) (yes|no)$/gm)].map(([, name, answer]) => [name!, answer === "yes"]));
}

/** The functions of this machine's kernel, which every user may list. */
export async function symbolsHere(): Promise<Probes> {
  const table = await readFile("/proc/kallsyms", "utf8").catch(() => "");
  if (table === "") return new Map();
  const names = new Set(table.split("\n").map((line) => line.split(/[\s.]/)[2]));
  return new Map(SYMBOLS.map((symbol) => [symbol, names.has(symbol)]));
}

/** Check whether a version of Cilium runs on a kernel. */
export function judgeKernel(release: string, cilium: string): MachineFinding {
  const oldest = oldestKernelFor(cilium);
  const isOld = !isKernelAtLeast(release, oldest);
  return {
    subject: "kernel",
    // distributions backport features to older kernels
    verdict: isOld ? "warning" : "pass",
    seen: isOld ? `${release}, and Cilium ${cilium} requires ${oldest}` : release,
    matters: "all modes",
    ...(isOld ? { remedy: "boot a newer kernel, or set release to an older Cilium" } : {}),
  };
}

/** Check the kernel for the features that Cilium can use; only a missing feature that the stack needs is a failure. */
export function judgeFeatures(release: string, probes: Probes, needs: KernelNeeds): MachineFinding[] {
  return KERNEL_FEATURES.flatMap((feature) => {
    const { title, matters, isNeeded, isRare } = feature;
    if (isRare && !isNeeded(needs)) return [];
    const has = hasFeature(feature, release, probes);
    if (has === undefined && !isNeeded(needs)) return [];
    const needed = isNeeded(needs);
    const finding = { subject: title, matters };
    if (has === undefined)
      return { ...finding, verdict: "skipped" as const, seen: "not probed: Docker does not have the node image yet" };
    const why = reasonOf(feature, has, probes);
    if (has) return { ...finding, verdict: "pass" as const, seen: why };
    if (!needed) return { ...finding, verdict: "skipped" as const, seen: why };
    return { ...finding, verdict: "fail" as const, seen: why, remedy: remedyFor(feature) };
  });
}

function hasFeature({ since, probe }: KernelFeature, release: string, probes: Probes): boolean | undefined {
  const probed = probe === undefined ? undefined : probes.get(probe);
  const byVersion = since === undefined ? undefined : isKernelAtLeast(release, since);
  // a function may be inlined: a symbol proves that it exists, a missing one proves nothing
  return SYMBOLS.includes(probe ?? "") ? probed || byVersion : (probed ?? byVersion);
}

function reasonOf({ since, probe }: KernelFeature, has: boolean, probes: Probes): string {
  const isProbed = probe !== undefined && probes.get(probe) === has;
  const from = since === undefined ? "" : `Linux ${since} or newer has it`;
  return `${has ? "available" : "not available"} (${isProbed ? "probed" : "by kernel version"}${from === "" || (isProbed && has) ? "" : `: ${from}`})`;
}

function remedyFor({ since, title }: KernelFeature): string {
  const kernel = since === undefined ? `a kernel with ${title}` : `Linux ${since} or newer`;
  return `boot ${kernel}, or remove the setting that needs it`;
}
