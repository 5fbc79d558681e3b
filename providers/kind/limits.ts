import { readFile } from "node:fs/promises";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { run } from "./exec";

/** What the machine that a cluster's nodes run on gives them; undefined where it cannot be known. */
export interface Limits {
  /** The kernel's `fs.inotify.max_user_instances`. */
  readonly inotifyInstances?: number | undefined;
  /** The kernel's `fs.inotify.max_user_watches`. */
  readonly inotifyWatches?: number | undefined;
  /** All of Docker's memory, used or free. */
  readonly memoryBytes?: number | undefined;
}

/** What limits say of a cluster: problems without which nothing works, and warnings about what may not. */
export interface LimitFindings {
  /** A line each, as the preflight lists them. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
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
export function judgeLimits(limits: Limits, own: number, others = 0): LimitFindings {
  const nodes = own + others;
  const problems: string[] = [];
  const warnings: string[] = [];
  const them = `${nodes === 1 ? "1 node" : `${nodes} nodes`}${others === 0 ? "" : ` (${others} of other clusters)`}`;
  for (const { of, name, recommended, perNode } of INOTIFY) {
    const value = limits[of];
    if (value === undefined) continue;
    const least = nodes * perNode;
    const remedy = `sudo sysctl ${name}=${Math.max(recommended, least)}`;
    if (value < least) {
      problems.push(`  - ${name}: is ${value}, and ${them} cannot start with fewer than ${least}; run: ${remedy}`);
    } else if (value < Math.min(recommended, AMPLE * least)) {
      warnings.push(
        `${name} is ${value} on this machine, and kind recommends ${recommended}: with ${them}, pods may fail with "too many open files". To raise it until the next boot, run: ${remedy}`,
      );
    }
  }
  const { memoryBytes } = limits;
  if (memoryBytes !== undefined && memoryBytes < nodes * BYTES_PER_NODE) {
    const wanted = (nodes * BYTES_PER_NODE) / 1e9;
    warnings.push(
      `Docker has ${(memoryBytes / 1e9).toFixed(1)} GB of memory, and ${them} with Cilium take an estimated ${wanted} GB. If pods are killed or evicted, give Docker more memory, or set cluster.workers lower.`,
    );
  }
  return { problems, warnings };
}

/** What Docker tells of the machine that it runs on. */
const Daemon = z.object({ kernel: z.string(), name: z.string(), memory: z.number() });
const DAEMON_FORMAT = '{"kernel":{{json .KernelVersion}},"name":{{json .Name}},"memory":{{json .MemTotal}}}';

/** The limits where Docker's daemon runs; what cannot be read is left out. */
export async function readLimits(inotify = "/proc/sys/fs/inotify"): Promise<Limits> {
  const daemon = await run("docker", ["info", "--format", DAEMON_FORMAT])
    .then((output) => Daemon.parse(JSON.parse(output)))
    .catch(() => undefined);
  if (daemon === undefined) return {};
  const memoryBytes = daemon.memory > 0 ? daemon.memory : undefined;
  // Docker Desktop's nodes run in a virtual machine and a remote daemon's elsewhere: this kernel's values say nothing of them
  const isHere = process.platform === "linux" && daemon.name === hostname() && daemon.kernel === release();
  if (!isHere) return { memoryBytes };
  const [inotifyInstances, inotifyWatches] = await Promise.all(
    ["max_user_instances", "max_user_watches"].map((file) => readNumber(join(inotify, file))),
  );
  return { memoryBytes, inotifyInstances, inotifyWatches };
}

/** The number that a file of the kernel holds; undefined without one. */
async function readNumber(file: string): Promise<number | undefined> {
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
