import { nearest } from "./ciliumVersion";
import table from "./chartKeys.json";

/** One run of charts that treat a key alike. */
interface Run {
  readonly first: string;
  /** Undefined: up to the newest known chart. */
  readonly last: string | undefined;
  /** JSON types in one letter each (`b`, `s`, `i`, `n`, `o`, `a`, `0` null), `?` for unknown, `*` for an object of free keys. */
  readonly types: string;
}

const READ: Readonly<Record<string, string>> = table.read;
const REFUSED: Readonly<Record<string, string>> = table.refused;
const IMAGES: Readonly<Record<string, { agent: string; operator: string; envoy?: string }>> = table.images;

const index = new Map(table.versions.map((version, position) => [version, position]));

/** What Cilium's chart of a version knows of Helm values: which it reads, and which it refuses. */
export class ChartKeys {
  /** The known chart whose rules the version shares. */
  readonly chart: string;
  private readonly position: number;

  constructor(version: string) {
    this.chart = nearest(table.versions, version);
    this.position = index.get(this.chart)!;
  }

  /** A key's types where the chart reads it; undefined where it does not. */
  typesOf(key: string): string | undefined {
    return runsOf(READ[key]).find((run) => this.isIn(run))?.types;
  }

  /** Whether rendering fails as soon as the key has a value. */
  refuses(key: string): boolean {
    return runsOf(REFUSED[key]).some((run) => this.isIn(run));
  }

  /** The keys that the chart reads below another, by their last step; at the top for "". */
  childrenOf(key: string): string[] {
    const prefix = key === "" ? "" : `${key}.`;
    return Object.keys(READ)
      .filter((known) => known.startsWith(prefix) && !known.slice(prefix.length).includes("."))
      .filter((known) => this.typesOf(known) !== undefined)
      .map((known) => known.slice(prefix.length));
  }

  /** The keys anywhere in the chart that end with this step. */
  endingWith(step: string): string[] {
    return Object.keys(READ).filter((known) => known.endsWith(`.${step}`) && this.typesOf(known) !== undefined);
  }

  private isIn({ first, last }: Run): boolean {
    return index.get(first)! <= this.position && (last === undefined || this.position <= index.get(last)!);
  }
}

/** The charts that read a key, for a message: `1.12.0 to 1.14.19`; undefined when none does. */
export function chartsThatRead(key: string): string | undefined {
  const runs = runsOf(READ[key]);
  if (runs.length === 0) return undefined;
  const { last } = runs.at(-1)!;
  return last === undefined ? `${runs[0]!.first} and newer` : `${runs[0]!.first} to ${last}`;
}

/** The images that the chart of exactly this version names, with digests where they are known. */
export function chartImages(version: string): { agent: string; operator: string; envoy?: string } | undefined {
  return IMAGES[version];
}

function runsOf(history: string | undefined): Run[] {
  if (history === undefined) return [];
  return history.split(", ").map((run) => {
    const [range, types] = run.split(" ");
    const [first, last] = range!.split("..");
    return { first: first!, last: last || undefined, types: types ?? "" };
  });
}
