import { createHash } from "node:crypto";
import { longestClusterName } from "../modes/clusterName";
import { isExternal } from "../settings/release";
import { readStackFile } from "./stackFile";
import { UsageError } from "./usage";

/** A subject of a comparison before it is measured: a stack, or a variant of one. */
export interface Contender {
  /** Name in reports: the stack's, or the variant as it was given. */
  readonly name: string;
  /** Pulumi's stack; a variant has one of its own. */
  readonly stack: string;
  /** Settings that override the stack's file, `key=value`. */
  readonly set: readonly string[] | undefined;
  /** Whether its pods have IPv6 addresses too. */
  readonly isDualStack: boolean;
  /** Undefined for a stack. */
  readonly variant?: Variant;
}

/** A variant: the settings of a stack with others, in a cluster that exists only while it is compared. */
export interface Variant {
  /** Stack whose settings it has. */
  readonly of: string;
  /** Everything that overrides that stack's file, `key=value`. */
  readonly overrides: readonly string[];
  readonly clusterName: string;
}

/** What a variant may not share with its stack on this machine, and a verification that the comparison makes anyway. */
const OWN_SETTINGS: readonly string[] = [
  "cluster.exportKubeconfig=false",
  "cluster.apiServerPort=0",
  "cluster.portMappings=[]",
  "verify=off",
];

/** Settings that say which cluster a stack has. */
const NOT_OF_VARIANTS: ReadonlySet<string> = new Set(["cluster.name", "cluster.kubeconfig", "cluster.context"]);

const EXAMPLE = "a variant is STACK:KEY=VALUE[,KEY=VALUE...], such as ebpf:tunnel=vxlan";

/** A comma that begins another setting: a key and `=` follow. `\,` belongs to the value. */
const SEPARATOR = /(?<!\\),(?=[^,=\s"'{}[\]]+=)/;

/**
 * Read the names of stacks and variants, without duplicates, and check their settings.
 * @param set settings that override the files of all stacks, `key=value`
 * @throws UsageError naming every malformed variant
 * @throws Error with the problems of all settings
 */
export function contendersOf(named: readonly string[], set: readonly string[] | undefined): Contender[] {
  const words = [...new Set(named)].map((name) => ({ name, ...wordsOf(name) }));
  const malformed = words.flatMap(({ name, settings }) =>
    malformation(settings).map((problem) => `${name}: ${problem}; ${EXAMPLE}`),
  );
  if (malformed.length > 0) throw new UsageError(malformed.join("\n"));
  const problems: string[] = [];
  const contenders = words.flatMap(({ name, of, settings }) => {
    try {
      return settings === undefined ? stackOf(name, set) : variantOf(name, of, settings, set);
    } catch (error) {
      problems.push((error as Error).message);
      return [];
    }
  });
  if (problems.length > 0) throw new Error(problems.join("\n"));
  // the same settings in another order are the same variant
  return contenders.filter(({ stack }, at) => contenders.findIndex((each) => each.stack === stack) === at);
}

function wordsOf(name: string): { readonly of: string; readonly settings: readonly string[] | undefined } {
  const colon = name.indexOf(":");
  if (colon < 0) return { of: name, settings: undefined };
  const settings = name.slice(colon + 1).split(SEPARATOR);
  return { of: name.slice(0, colon), settings: settings.map((each) => each.replaceAll("\\,", ",")) };
}

function malformation(settings: readonly string[] = []): string[] {
  const keys = settings.map(keyOf);
  return [
    ...settings.filter((each) => !/^[^=]+=/.test(each)).map((each) => `"${each}" is not KEY=VALUE`),
    ...keys.filter((key, at) => keys.indexOf(key) < at).map((key) => `sets ${key} twice`),
    ...keys
      .filter((key) => NOT_OF_VARIANTS.has(key))
      .map((key) => `cannot set ${key}, because compare creates its cluster`),
  ];
}

const keyOf = (setting: string) => setting.split("=")[0]!;

function stackOf(name: string, set: readonly string[] | undefined): Contender {
  const { ipv6 } = readStackFile(name, set).settings;
  return { name, stack: name, set, isDualStack: ipv6 !== undefined };
}

function variantOf(name: string, of: string, own: readonly string[], set: readonly string[] | undefined): Contender {
  const { cluster, cilium, ipv6 } = readStackFile(of, [...(set ?? []), ...own], undefined, name).settings;
  if (isExternal(cluster))
    throw new Error(`${name}: the stack ${of} uses an external cluster, and a variant needs a kind cluster`);
  const id = createHash("sha256")
    .update(JSON.stringify([of, own.toSorted()]))
    .digest("hex")
    .slice(0, ID_LENGTH);
  const longest = longestClusterName(cilium.version) - ID_LENGTH - 1;
  const clusterName = `${cluster.name.slice(0, longest).replace(/-+$/, "")}-${id}`;
  return {
    name,
    stack: `${of}-${id}`,
    set: undefined,
    isDualStack: ipv6 !== undefined,
    variant: { of, overrides: [...OWN_SETTINGS, ...(set ?? []), ...own, `cluster.name=${clusterName}`], clusterName },
  };
}

/** Long enough to tell the variants of a machine apart, and short enough for names of clusters. */
const ID_LENGTH = 6;
