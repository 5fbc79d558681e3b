import semver from "semver";
import { minorOf } from "./ciliumVersion";
import { RELEASES } from "./releases";

/**
 * Why a running Cilium cannot become another version in place; undefined when it can. Cilium is upgraded, and rolled
 * back, between consecutive minors only: https://docs.cilium.io/en/v1.18/operations/upgrade/
 */
export function upgradeProblem(installed: string, wanted: string): string | undefined {
  if (semver.valid(wanted) === null) return undefined; // not known yet
  const [from, to] = [semver.minor(installed), semver.minor(wanted)];
  if (semver.major(installed) === semver.major(wanted) && Math.abs(to - from) <= 1) return undefined;
  const next = `${semver.major(installed)}.${from + Math.sign(to - from)}`;
  const known = Object.values(RELEASES).find(({ cilium }) => minorOf(cilium) === next)?.cilium ?? `${next}.<patch>`;
  return `Cilium ${installed} is installed, and goes one minor at a time: set cilium.version to ${known} and run pulumi up before ${wanted}, or pulumi destroy first for a new cluster`;
}
