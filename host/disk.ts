import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Daemon } from "./daemon";
import type { MachineFinding } from "./finding";

/** An estimate: Cilium 1.20 and the workload unpacked in a node take 1.2 GB, logs and etcd the rest. */
const BYTES_PER_NODE = 1.5e9;

/** Below this even a single node's images do not fit. */
const LEAST_BYTES = 1e9;

/** How much is free where Docker keeps images and containers; undefined where that cannot be known. */
export async function readFreeBytes(daemon: Daemon | undefined): Promise<number | undefined> {
  if (daemon === undefined || !daemon.isHere || daemon.folder === "") return undefined;
  // Docker's own folder is often closed to others than root, and the one above it on the same disk
  for (const folder of [daemon.folder, dirname(daemon.folder)]) {
    const found = await statfs(folder).catch(() => undefined);
    if (found !== undefined) return found.bavail * found.bsize;
  }
  return undefined;
}

/** What free disk means for a cluster of so many nodes that is yet to be made. */
export function judgeDisk(freeBytes: number | undefined, nodes: number): MachineFinding[] {
  if (freeBytes === undefined) return [];
  const wanted = nodes * BYTES_PER_NODE;
  const free = `${(freeBytes / 1e9).toFixed(1)} GB free for Docker`;
  const isFull = freeBytes < LEAST_BYTES;
  const isShort = freeBytes < wanted;
  return [
    {
      subject: "disk",
      verdict: isFull ? "fail" : isShort ? "warning" : "pass",
      seen: isShort
        ? `${free}, and ${nodes === 1 ? "1 node takes" : `${nodes} nodes take`} an estimated ${(wanted / 1e9).toFixed(1)} GB`
        : free,
      matters: "all modes: every node unpacks its images",
      ...(isShort ? { remedy: "run: docker system prune, or give Docker more disk" } : {}),
    },
  ];
}
