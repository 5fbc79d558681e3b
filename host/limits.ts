import { readFile, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Daemon } from "./daemon";
import type { MachineFinding } from "./finding";

/** Limits of the machine that Docker runs on; undefined where they cannot be read. */
export interface Limits {
  /** The kernel's `fs.inotify.max_user_instances`. */
  readonly inotifyInstances?: number | undefined;
  /** The kernel's `fs.inotify.max_user_watches`. */
  readonly inotifyWatches?: number | undefined;
  /** Docker's total memory. */
  readonly memoryBytes?: number | undefined;
  /** Memory that programs can still allocate. */
  readonly availableBytes?: number | undefined;
}

/**
 * inotify's limits apply to a user, and root in all nodes is the same user. `recommended` is kind's
 * (https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files), which calls Ubuntu's 128
 * instances "not enough to create a cluster with many nodes". `perNode` is less than systemd, containerd and kubelet of
 * a worker use before any pod runs: 13 instances and 123 watches with Kubernetes 1.23 and 1.34 (27 and 283 on a control
 * plane with Cilium). With fewer, nodes cannot start.
 */
const INOTIFY = [
  { of: "inotifyInstances", name: "fs.inotify.max_user_instances", recommended: 512, perNode: 10 },
  { of: "inotifyWatches", name: "fs.inotify.max_user_watches", recommended: 524_288, perNode: 100 },
] as const;

/** Warn below this multiple of what nodes need at least, since other programs and clusters need some too. */
const AMPLE = 4;

/** Estimated memory of a node: with Cilium 1.20 and the workload, a control plane takes 1.0 to 1.4 GB, a worker 0.6 to 0.9 GB. */
const MEMORY_BYTES_PER_NODE = 1e9;

/**
 * Check the limits for a new cluster.
 * @param own number of its nodes
 * @param others number of running nodes in other clusters
 */
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
    const wanted = nodes * MEMORY_BYTES_PER_NODE;
    const isSmall = memoryBytes < wanted;
    const isTaken = !isSmall && availableBytes !== undefined && availableBytes < own * MEMORY_BYTES_PER_NODE;
    const free = availableBytes === undefined ? "" : `, ${gigabytes(availableBytes)} GB free`;
    const estimate = isSmall
      ? `, and ${them} with Cilium need an estimated ${gigabytes(wanted)} GB`
      : isTaken
        ? `, and ${own === 1 ? "1 node needs" : `${own} nodes need`} an estimated ${gigabytes(own * MEMORY_BYTES_PER_NODE)} GB`
        : "";
    findings.push({
      subject: "memory",
      verdict: isSmall || isTaken ? "warning" : "pass",
      seen: `Docker has ${gigabytes(memoryBytes)} GB${free}${estimate}`,
      matters: "all modes: with too little, pods are killed or evicted",
      ...(isSmall ? { remedy: "give Docker more memory, or reduce cluster.workers" } : {}),
      ...(isTaken ? { remedy: "stop other programs or clusters, or reduce cluster.workers" } : {}),
    });
  }
  return findings;
}

const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);

/** The limits of the machine that Docker's daemon runs on; those that cannot be read are left out. */
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

/** The number in a file of the kernel; undefined if there is none. */
async function readNumber(file: string): Promise<number | undefined> {
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Estimated disk of a node: 1.2 GB for the unpacked images of Cilium 1.20 and the workload, the rest for logs and etcd. */
const DISK_BYTES_PER_NODE = 1.5e9;

/** With less disk, not even the images of a single node fit. */
const LEAST_DISK_BYTES = 1e9;

/** Free disk of Docker's folder; undefined where it cannot be read. */
export async function readFreeBytes(daemon: Daemon | undefined): Promise<number | undefined> {
  if (daemon === undefined || !daemon.isHere || daemon.folder === "") return undefined;
  // often only root may read Docker's folder; its parent is on the same disk
  for (const folder of [daemon.folder, dirname(daemon.folder)]) {
    const found = await statfs(folder).catch(() => undefined);
    if (found !== undefined) return found.bavail * found.bsize;
  }
  return undefined;
}

/** Check the free disk for a new cluster with this number of nodes. */
export function judgeDisk(freeBytes: number | undefined, nodes: number): MachineFinding[] {
  if (freeBytes === undefined) return [];
  const wanted = nodes * DISK_BYTES_PER_NODE;
  const free = `${gigabytes(freeBytes)} GB free for Docker`;
  const isFull = freeBytes < LEAST_DISK_BYTES;
  const isShort = freeBytes < wanted;
  return [
    {
      subject: "disk",
      verdict: isFull ? "fail" : isShort ? "warning" : "pass",
      seen: isShort
        ? `${free}, and ${nodes === 1 ? "1 node needs" : `${nodes} nodes need`} an estimated ${gigabytes(wanted)} GB`
        : free,
      matters: "all modes: every node unpacks its images",
      ...(isShort ? { remedy: "run: docker system prune, or give Docker more disk" } : {}),
    },
  ];
}
