import semver from "semver";
import { minorOf } from "./ciliumVersion";
import { RELEASES } from "./releases";

/**
 * Why a running Cilium cannot change to another version in place; undefined if it can. Cilium supports upgrades and
 * rollbacks between consecutive minors only: https://docs.cilium.io/en/v1.18/operations/upgrade/
 */
export function upgradeProblem(installed: string, wanted: string): string | undefined {
  if (semver.valid(wanted) === null) return undefined; // unknown in a preview
  const [from, to] = [semver.minor(installed), semver.minor(wanted)];
  if (semver.major(installed) === semver.major(wanted) && Math.abs(to - from) <= 1) return undefined;
  const next = `${semver.major(installed)}.${from + Math.sign(to - from)}`;
  const known = Object.values(RELEASES).find(({ cilium }) => minorOf(cilium) === next)?.cilium ?? `${next}.<patch>`;
  return `Cilium ${installed} is installed and can only be upgraded one minor at a time: set cilium.version to ${known} and run pulumi up before ${wanted}, or run pulumi destroy first`;
}
