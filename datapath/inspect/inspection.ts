import type { Layout } from "./layout";

/** How a row, or one node in it, was found. */
export const ROW_VERDICTS = ["in force", "not observable", "fallback", "drift", "contradiction"] as const;
/** `in force`: the datapath shows it; `not observable`: nothing contradicts, and nothing shows it; `fallback`: agents run with something else than configured; `drift`: changed since, or nodes that differ; `contradiction`: the datapath has something else than agents report. */
export type RowVerdict = (typeof ROW_VERDICTS)[number];

/** The columns of the matrix, in the order in which they follow from each other. */
export const COLUMNS = ["requested", "configured", "reported", "observed"] as const;
/** A column: one of {@link COLUMNS}. */
export type Column = (typeof COLUMNS)[number];

/** What one node says of a dimension. A column is undefined where nothing is known of it. */
export interface NodeRow extends Readonly<Partial<Record<Column, string | undefined>>> {
  readonly node: string;
  readonly verdict: RowVerdict;
  /** Why the verdict is not `in force`. */
  readonly reason?: string | undefined;
}

/** One dimension of the datapath on all nodes that were looked at. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** The worst of the nodes'. */
  readonly verdict: RowVerdict;
  readonly nodes: readonly NodeRow[];
}

/** What a cluster's datapath is. */
export interface Inspection {
  /** Changes when a reader of older JSON would misunderstand it. */
  readonly schemaVersion: 1;
  /** The mode's name, or what separates the cluster from the nearest. */
  readonly mode: ModeFound;
  readonly rows: readonly Row[];
  /** Where Cilium runs. */
  readonly layout: Layout;
  /** Nodes that could not be asked, with the reason. */
  readonly silent: Readonly<Record<string, string>>;
  readonly nodes: { readonly looked: number; readonly all: number };
  readonly seconds: number;
  /** ISO time at which the evidence was complete. */
  readonly inspectedAt: string;
}

/** A mode of this project, or the nearest one. */
export interface ModeFound {
  /** Undefined where no mode is like this cluster. */
  readonly name?: string | undefined;
  /** `native`, `vxlan` or `geneve`. */
  readonly network?: string | undefined;
  readonly nearest?: string | undefined;
  /** What separates it from the nearest mode, such as `masquerading is iptables instead of BPF`. */
  readonly differences: readonly string[];
}
