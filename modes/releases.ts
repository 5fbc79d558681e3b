import semver from "semver";
import { minorOf } from "./ciliumVersion";

/** Versions of Cilium and Kubernetes that are tested together. */
export interface Release {
  /** Version of Cilium's chart and images. */
  readonly cilium: string;
  /** Version of Kubernetes, a key of {@link NODE_IMAGES}. */
  readonly kubernetes: string;
}

/**
 * Releases by name: a minor of Cilium with its newest patch and a Kubernetes that Cilium tests it with. 1.13 and 1.12 have
 * the versions of the articles that this project follows.
 */
export const RELEASES = {
  "1.20": { cilium: "1.20.2", kubernetes: "1.34.0" },
  "1.19": { cilium: "1.19.6", kubernetes: "1.34.0" },
  "1.18": { cilium: "1.18.12", kubernetes: "1.33.1" },
  "1.17": { cilium: "1.17.18", kubernetes: "1.32.2" },
  "1.16": { cilium: "1.16.19", kubernetes: "1.30.0" },
  "1.15": { cilium: "1.15.19", kubernetes: "1.29.2" },
  "1.14": { cilium: "1.14.19", kubernetes: "1.27.3" },
  "1.13": { cilium: "1.13.0-rc5", kubernetes: "1.23.4" },
  "1.12": { cilium: "1.12.4", kubernetes: "1.25.3" },
} as const satisfies Readonly<Record<string, Release>>;

export type ReleaseName = keyof typeof RELEASES;

export const RELEASE_NAMES = Object.keys(RELEASES) as [ReleaseName, ...ReleaseName[]];

/**
 * The current stable release, which the laboratory tests use. Kubernetes 1.34 is the last minor whose kind image also runs
 * on hosts with cgroup v1.
 */
export const DEFAULT_RELEASE: ReleaseName = "1.20";

/** A node image of kind. */
export interface NodeImage {
  readonly image: string;
  /** The kind release whose default it is; newer releases run it too, older ones may not. */
  readonly kind: string;
}

/**
 * kind's node images by Kubernetes version, pinned by digest. Each is the default image of a kind release, from that
 * release's `pkg/apis/config/defaults/image.go`
 * (https://github.com/kubernetes-sigs/kind/blob/v0.33.0/pkg/apis/config/defaults/image.go and its older tags).
 */
export const NODE_IMAGES: Readonly<Record<string, NodeImage>> = {
  "1.37.0": node("1.37.0", "a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5", "0.33.0"),
  "1.36.1": node("1.36.1", "3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5", "0.32.0"),
  "1.35.0": node("1.35.0", "452d707d4862f52530247495d180205e029056831160e22870e37e3f6c1ac31f", "0.31.0"),
  "1.34.0": node("1.34.0", "7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a", "0.30.0"),
  "1.33.1": node("1.33.1", "050072256b9a903bd914c0b2866828150cb229cea0efe5892e2b644d5dd3b34f", "0.29.0"),
  "1.32.2": node("1.32.2", "f226345927d7e348497136874b6d207e0b32cc52154ad8323129352923a3142f", "0.27.0"),
  "1.31.0": node("1.31.0", "53df588e04085fd41ae12de0c3fe4c72f7013bba32a20e7325357a1ac94ba865", "0.24.0"),
  "1.30.0": node("1.30.0", "047357ac0cfea04663786a612ba1eaba9702bef25227a794b52890dd8bcd692e", "0.23.0"),
  "1.29.2": node("1.29.2", "51a1434a5397193442f0be2a297b488b6c919ce8a3931be0ce822606ea5ca245", "0.22.0"),
  "1.27.3": node("1.27.3", "3966ac761ae0136263ffdb6cfd4db23ef8a83cba8a463690e98317add2c9ba72", "0.20.0"),
  "1.26.3": node("1.26.3", "61b92f38dff6ccc29969e7aa154d34e38b89443af1a2c14e6cfbd2df6419c66f", "0.18.0"),
  "1.25.3": node("1.25.3", "f52781bc0d7a19fb6c405c2af83abfeb311f130707a0e219175677e366cc45d1", "0.17.0"),
  "1.23.4": node("1.23.4", "0e34f0d0fd448aa2f2819cfd74e99fe5793a6e4938b328f657c8e3f81ee0dfb9", "0.12.0"),
};

function node(kubernetes: string, digest: string, kind: string): NodeImage {
  return { image: `kindest/node:v${kubernetes}@sha256:${digest}`, kind };
}

/**
 * The oldest kind that applies a patch of containerd's configuration only if its version matches, which registry mirrors
 * need (https://github.com/kubernetes-sigs/kind/blob/v0.32.0/pkg/internal/patch/toml.go). Older ones merge all patches.
 */
const OLDEST_KIND = "0.32.0";

/** The oldest kind that can create nodes from an image: the release with that default image, but at least 0.32. */
export function oldestKindFor(nodeImage: string): string {
  const own = Object.values(NODE_IMAGES).find(({ image }) => image === nodeImage)?.kind ?? OLDEST_KIND;
  return semver.gt(own, OLDEST_KIND) ? own : OLDEST_KIND;
}

/**
 * First and last Kubernetes minor that a minor of Cilium is tested with
 * (https://docs.cilium.io/en/v1.18/network/kubernetes/compatibility/ and other versions of this page).
 */
const TESTED_KUBERNETES: Readonly<Record<string, readonly [string, string]>> = {
  "1.12": ["1.16", "1.24"],
  "1.13": ["1.16", "1.26"],
  "1.14": ["1.19", "1.27"],
  "1.15": ["1.26", "1.29"],
  "1.16": ["1.27", "1.30"],
  "1.17": ["1.29", "1.32"],
  "1.18": ["1.30", "1.33"],
  "1.19": ["1.31", "1.34"],
  "1.20": ["1.33", "1.36"],
};

/** Warning about a pair of versions that Cilium does not test; undefined if it does, or if that is unknown. */
export function untestedPair(cilium: string, kubernetes: string): string | undefined {
  const tested = TESTED_KUBERNETES[minorOf(cilium)];
  if (tested === undefined) return undefined;
  const number = Number(minorOf(kubernetes).split(".")[1]);
  const [first, last] = tested.map((minor) => Number(minor.split(".")[1]));
  if (number >= first! && number <= last!) return undefined;
  return `Cilium ${minorOf(cilium)} is tested with Kubernetes ${tested[0]} to ${tested[1]}, not with ${minorOf(kubernetes)}; it may work nevertheless`;
}

/** The Kubernetes version in a node image's tag, such as `1.34.2` in `kindest/node:v1.34.2`. */
export function kubernetesOf(nodeImage: string): string | undefined {
  return /:v(\d+\.\d+\.\d+)/.exec(nodeImage)?.[1];
}

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
