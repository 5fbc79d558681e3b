import semver from "semver";

/** The oldest Cilium whose rules are known. */
export const OLDEST_CILIUM = "1.12.0";

/** The newest minor of Cilium whose rules are known; later versions get its rules. */
export const NEWEST_CILIUM_MINOR = "1.20";

/** First versions of something that came into several minors by patch releases, oldest first. */
export type Since = readonly string[];

/** `1.16` of `1.16.0-rc.1`. */
export function minorOf(version: string): string {
  return `${semver.major(version)}.${semver.minor(version)}`;
}

/**
 * Whether a version has what came with `since`: the first version of a minor that has it decides for that minor, and
 * minors after the last one have it too.
 */
export function has(since: Since, version: string): boolean {
  const sameMinor = since.find((first) => minorOf(first) === minorOf(version));
  return semver.gte(version, sameMinor ?? since.at(-1)!);
}

/** Whether a version's minor is past the last one whose rules are known. */
export function isNewerThanKnown(version: string): boolean {
  return semver.gt(`${minorOf(version)}.0`, `${NEWEST_CILIUM_MINOR}.0`);
}

/** Whether a version, or a candidate of one, is older than any whose rules are known. */
export function isOlderThanKnown(version: string): boolean {
  return semver.lt(`${minorOf(version)}.0`, OLDEST_CILIUM);
}

/** Of versions in ascending order the one whose rules a version shares: itself, else its minor's nearest, else the nearest older. */
export function nearest(versions: readonly string[], version: string): string {
  const sameMinor = versions.filter((known) => minorOf(known) === minorOf(version));
  return (
    sameMinor.find((known) => semver.gte(known, version)) ??
    versions.findLast((known) => semver.lte(known, version)) ??
    versions[0]!
  );
}
