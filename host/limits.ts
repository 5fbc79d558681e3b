import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Daemon } from "./daemon";
import type { MachineFinding } from "./finding";

/** What the machine that a cluster's nodes run on gives them; undefined where it cannot be known. */
export interface Limits {
  /** The kernel's `fs.inotify.max_user_instances`. */
  readonly inotifyInstances?: number | undefined;
  /** The kernel's `fs.inotify.max_user_watches`. */
  readonly inotifyWatches?: number | undefined;
  /** All of Docker's memory, used or free. */
  readonly memoryBytes?: number | undefined;
  /** What programs could still take of it. */
  readonly availableBytes?: number | undefined;
}

/**
 * inotify's limits hold for all of a user's processes together, and root's in every node are one user's. `recommended`
 * is kind's own (https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files), which calls
 * Ubuntu's 128 instances "not enough to create a cluster with many nodes", and no number of nodes. `perNode` is less
 * than what systemd, containerd and kubelet of a worker hold before any pod runs (13 instances with Kubernetes 1.23 as
 * with 1.34, and 123 watches; with Cilium on a control plane 27 and 283): without even that, nodes cannot start.
 */
const INOTIFY = [
  { of: "inotifyInstances", name: "fs.inotify.max_user_instances", recommended: 512, perNode: 10 },
  { of: "inotifyWatches", name: "fs.inotify.max_user_watches", recommended: 524_288, perNode: 100 },
] as const;

/** So many times what nodes need at least is no matter for a warning: others, and other clusters, need some too. */
const AMPLE = 4;

/** An estimate: with Cilium 1.20 and this project's workload, a control plane takes 1.0 to 1.4 GB, a worker 0.6 to 0.9 GB. */
const BYTES_PER_NODE = 1e9;

/** What these limits mean for a cluster of so many nodes, beside those of other clusters that run already. */
export function judgeLimits(limits: Limits, own: number, others = 0): MachineFinding[] {
  const nodes = own + others;
  const them = `${nodes === 1 ? "1 node" : `${nodes} nodes`}${others === 0 ? "" : ` (${others} of other clusters)`}`;
  const findings: MachineFinding[] = [];
  for (const { of, name, recommended, perNode } of INOTIFY) {
    const value = limits[of];
    if (value === undefined) continue;
    const least = nodes * perNode;
    const isShort = value < Math.min(recommended, AMPLE * least);
    findings.push({
      subject: name,
      verdict: value < least ? "fail" : isShort ? "warning" : "pass",
      seen:
        value < least
          ? `is ${value}, and ${them} cannot start with fewer than ${least}`
          : isShort
            ? `is ${value}, and kind recommends ${recommended}`
            : String(value),
      matters: `all modes: with ${them}, pods may fail with "too many open files"`,
      ...(isShort ? { remedy: `run: sudo sysctl ${name}=${Math.max(recommended, least)}` } : {}),
    });
  }
  const { memoryBytes, availableBytes } = limits;
  if (memoryBytes !== undefined) {
    const wanted = nodes * BYTES_PER_NODE;
    const isSmall = memoryBytes < wanted;
    const isTaken = !isSmall && availableBytes !== undefined && availableBytes < own * BYTES_PER_NODE;
    const free = availableBytes === undefined ? "" : `, ${gigabytes(availableBytes)} GB free`;
    const estimate = isSmall
      ? `, and ${them} with Cilium take an estimated ${gigabytes(wanted)} GB`
      : isTaken
        ? `, and ${own === 1 ? "1 node takes" : `${own} nodes take`} an estimated ${gigabytes(own * BYTES_PER_NODE)} GB`
        : "";
    findings.push({
      subject: "memory",
      verdict: isSmall || isTaken ? "warning" : "pass",
      seen: `Docker has ${gigabytes(memoryBytes)} GB${free}${estimate}`,
      matters: "all modes: without it, pods are killed or evicted",
      ...(isSmall ? { remedy: "give Docker more memory, or set cluster.workers lower" } : {}),
      ...(isTaken ? { remedy: "end other programs or clusters, or set cluster.workers lower" } : {}),
    });
  }
  return findings;
}

const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);

/** The limits where Docker's daemon runs; what cannot be read is left out. */
export async function readLimits(
  daemon: Daemon | undefined,
  inotify = "/proc/sys/fs/inotify",
  meminfo = "/proc/meminfo",
): Promise<Limits> {
  if (daemon === undefined) return {};
  const { memoryBytes } = daemon;
  if (!daemon.isHere) return { memoryBytes };
  const [inotifyInstances, inotifyWatches, availableBytes] = await Promise.all([
    readNumber(join(inotify, "max_user_instances")),
    readNumber(join(inotify, "max_user_watches")),
    readAvailable(meminfo),
  ]);
  return { memoryBytes, inotifyInstances, inotifyWatches, availableBytes };
}

async function readAvailable(meminfo: string): Promise<number | undefined> {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile(meminfo, "utf8").catch(() => ""))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** The number that a file of the kernel holds; undefined without one. */
async function readNumber(file: string): Promise<number | undefined> {
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
