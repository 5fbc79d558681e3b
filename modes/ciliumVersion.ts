import semver from "semver";

/** The oldest supported Cilium. */
export const OLDEST_CILIUM = "1.12.0";

/** The newest supported minor of Cilium, whose rules apply to newer versions too. */
export const NEWEST_CILIUM_MINOR = "1.20";

/** First versions with a change that several minors received in patch releases, oldest first. */
export type Since = readonly string[];

/** `1.16` of `1.16.0-rc.1`. */
export function minorOf(version: string): string {
  const { major, minor } = new semver.SemVer(version);
  return `${major}.${minor}`;
}

/**
 * Whether a version has a change: an entry of `since` decides for its minor, and all minors after the last entry have the
 * change.
 */
export function has(since: Since, version: string): boolean {
  const minor = minorOf(version);
  const sameMinor = since.find((first) => minorOf(first) === minor);
  return semver.gte(version, sameMinor ?? since.at(-1)!);
}

/** Whether a version is newer than the newest supported minor. */
export function isNewerThanKnown(version: string): boolean {
  return semver.gt(`${minorOf(version)}.0`, `${NEWEST_CILIUM_MINOR}.0`);
}

/** Whether a version or its release candidate is older than the oldest supported Cilium. */
export function isOlderThanKnown(version: string): boolean {
  return semver.lt(`${minorOf(version)}.0`, OLDEST_CILIUM);
}

/** The known version, of a list in ascending order, whose rules apply: the nearest of the same minor, otherwise the nearest older one. */
export function nearest(versions: readonly string[], version: string): string {
  const minor = minorOf(version);
  const sameMinor = versions.filter((known) => minorOf(known) === minor);
  return (
    sameMinor.find((known) => semver.gte(known, version)) ??
    versions.findLast((known) => semver.lte(known, version)) ??
    versions[0]!
  );
}
