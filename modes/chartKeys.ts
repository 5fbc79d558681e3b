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

/** The table that `scripts/chart-keys.mjs` writes. */
export interface ChartTable {
  /** Every chart that was read, oldest first. */
  readonly versions: readonly string[];
  /** Key to the runs of charts whose templates read it. */
  readonly read: Readonly<Record<string, string>>;
  /** Key to the runs of charts that fail when it has a value. */
  readonly refused: Readonly<Record<string, string>>;
  readonly images: Readonly<Record<string, ChartImages>>;
}

/** References of a chart's images, with digests where the chart has them. */
export interface ChartImages {
  readonly agent: string;
  readonly operator: string;
  readonly envoy?: string;
  /** Hubble's. */
  readonly relay: string;
  readonly uiBackend: string;
  readonly uiFrontend: string;
}

const TABLE: ChartTable = table;

/** What Cilium's chart of a version knows of Helm values: which it reads, and which it refuses. */
export class ChartKeys {
  /** The known chart whose rules the version shares. */
  readonly chart: string;
  private readonly position: number;

  constructor(
    version: string,
    private readonly table = TABLE,
  ) {
    this.chart = nearest(table.versions, version);
    this.position = table.versions.indexOf(this.chart);
  }

  /** A key's types where the chart reads it; undefined where it does not. */
  typesOf(key: string): string | undefined {
    return runsOf(this.table.read[key]).find((run) => this.isIn(run))?.types;
  }

  /** Whether rendering fails as soon as the key has a value. */
  refuses(key: string): boolean {
    return runsOf(this.table.refused[key]).some((run) => this.isIn(run));
  }

  /** The keys that the chart reads below another, by their last step; at the top for "". */
  childrenOf(key: string): string[] {
    const prefix = key === "" ? "" : `${key}.`;
    return Object.keys(this.table.read)
      .filter((known) => known.startsWith(prefix) && !known.slice(prefix.length).includes("."))
      .filter((known) => this.typesOf(known) !== undefined)
      .map((known) => known.slice(prefix.length));
  }

  /** The keys anywhere in the chart that end with this step. */
  endingWith(step: string): string[] {
    return Object.keys(this.table.read).filter(
      (known) => known.endsWith(`.${step}`) && this.typesOf(known) !== undefined,
    );
  }

  private isIn({ first, last }: Run): boolean {
    const { versions } = this.table;
    return versions.indexOf(first) <= this.position && (last === undefined || this.position <= versions.indexOf(last));
  }
}

/** The charts that read a key, for a message: `1.12.0 to 1.14.19`; undefined when none does. */
export function chartsThatRead(key: string): string | undefined {
  const runs = runsOf(TABLE.read[key]);
  if (runs.length === 0) return undefined;
  const { last } = runs.at(-1)!;
  return last === undefined ? `${runs[0]!.first} and newer` : `${runs[0]!.first} to ${last}`;
}

/** The images that the chart of exactly this version names. */
export function chartImages(version: string): ChartImages | undefined {
  return TABLE.images[version];
}

function runsOf(history: string | undefined): Run[] {
  if (history === undefined) return [];
  return history.split(", ").map((run) => {
    const [range, types] = run.split(" ");
    const [first, last] = range!.split("..");
    return { first: first!, last: last || undefined, types: types ?? "" };
  });
}
