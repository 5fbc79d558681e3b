import { nearest } from "./ciliumVersion";
import table from "./chartKeys.json";

/** A range of charts that treat a key alike. */
interface Run {
  readonly first: string;
  /** Undefined for the newest known chart. */
  readonly last: string | undefined;
  /** Letters of JSON types (`b`, `s`, `i`, `n`, `o`, `a`, `0` null), `?` for unknown, `*` for an object whose keys users choose. */
  readonly types: string;
}

/** The table of charts, written by `scripts/chart-keys.mjs`. */
export interface ChartTable {
  /** All charts in the table, oldest first. */
  readonly versions: readonly string[];
  /** Ranges of charts whose templates read a key, by key. */
  readonly read: Readonly<Record<string, string>>;
  /** Ranges of charts that fail if a key has a value, by key. */
  readonly refused: Readonly<Record<string, string>>;
  readonly images: Readonly<Record<string, ChartImages>>;
}

/** Image references of a chart, with digests where the chart has them. */
export interface ChartImages {
  readonly agent: string;
  readonly operator: string;
  readonly envoy?: string;
  /** Hubble Relay. */
  readonly relay: string;
  readonly uiBackend: string;
  readonly uiFrontend: string;
}

const TABLE: ChartTable = table;

/** The Helm values that Cilium's chart of a version reads and rejects. */
export class ChartKeys {
  /** The known chart whose rules apply to the version. */
  readonly chart: string;
  private readonly position: number;

  constructor(
    version: string,
    private readonly table = TABLE,
  ) {
    this.chart = nearest(table.versions, version);
    this.position = table.versions.indexOf(this.chart);
  }

  /** Types of a key; undefined if the chart does not read it. */
  typesOf(key: string): string | undefined {
    return runsOf(this.table.read[key]).find((run) => this.isIn(run))?.types;
  }

  /** Whether any known chart reads the key. */
  wasEverRead(key: string): boolean {
    return this.table.read[key] !== undefined;
  }

  /** Whether rendering fails if the key has a value. */
  refuses(key: string): boolean {
    return runsOf(this.table.refused[key]).some((run) => this.isIn(run));
  }

  /** Last steps of the keys that the chart reads below a key; "" for the top level. */
  childrenOf(key: string): string[] {
    const prefix = key === "" ? "" : `${key}.`;
    return Object.keys(this.table.read)
      .filter((known) => known.startsWith(prefix) && !known.slice(prefix.length).includes("."))
      .filter((known) => this.typesOf(known) !== undefined)
      .map((known) => known.slice(prefix.length));
  }

  /** All keys of the chart with this last step. */
  endingWith(step: string): string[] {
    return Object.keys(this.table.read).filter(
      (known) => known.endsWith(`.${step}`) && this.typesOf(known) !== undefined,
    );
  }

  /** Which other charts read a key, and what to do about it. */
  historyOf(key: string): string {
    const runs = runsOf(this.table.read[key]);
    const later = runs.find(({ first }) => this.table.versions.indexOf(first) > this.position);
    if (later !== undefined) return `charts ${later.first} and newer read it; choose a newer version, or remove it`;
    const last = runs.at(-1);
    return last === undefined
      ? "no known chart reads it; remove it"
      : `only charts ${runs[0]!.first} to ${last.last ?? last.first} read it; remove it`;
  }

  private isIn({ first, last }: Run): boolean {
    const { versions } = this.table;
    return versions.indexOf(first) <= this.position && (last === undefined || this.position <= versions.indexOf(last));
  }
}

/** The images of the chart of exactly this version; undefined if it is not in the table. */
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
