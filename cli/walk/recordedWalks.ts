import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Walk } from "../../datapath/trace/walk";

/** What was recorded, in the order in which it is shown. */
const RECORDED = ["kubeproxy", "replacement", "ebpf", "ebpf-vxlan"] as const;

/** The walks that tests on real clusters have recorded. */
export function readRecordedWalks(directory: string): Walk[] {
  return RECORDED.flatMap((name) => JSON.parse(readFileSync(join(directory, `${name}.json`), "utf8")) as Walk[]);
}
