import type { RoutingMode } from "../../modes/contract";
import { DEVIATIONS, type DatapathDeviation, type DatapathSummary } from "../facts";
import type { Layout } from "./layout";

/** How a row, or one node in it, was found. */
export const ROW_VERDICTS = ["in force", "not observable", ...DEVIATIONS] as const;
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
  readonly name?: RoutingMode | undefined;
  /** `native`, `vxlan` or `geneve`. */
  readonly network?: string | undefined;
  readonly nearest?: RoutingMode | undefined;
  /** What separates it from the nearest mode, such as `masquerading is iptables instead of BPF`. */
  readonly differences: readonly string[];
}

/** The values of a summary, and the rows that they are from. */
const SUMMARIZED = {
  services: "services",
  hostRouting: "host-routing",
  masquerading: "masquerading",
  deviceMode: "device-mode",
  attachment: "attachment",
  socketLb: "socket-lb",
  loadBalancer: "lb-mode",
  mtu: "mtu",
  encryption: "encryption",
} as const satisfies Partial<Record<keyof DatapathSummary, string>>;

/** An inspection as a stack's output has it. */
export function datapathOf({ mode, rows }: Inspection): DatapathSummary {
  const values = Object.entries(SUMMARIZED).flatMap(([key, id]) => {
    const nodes = rows.find((row) => row.id === id)?.nodes ?? [];
    const own = [...new Set(nodes.flatMap((node) => runningOn(node) ?? []))];
    return own.length === 0 ? [] : [[key, own.join(", ")] as const];
  });
  return {
    ...{ mode: mode.name, nearest: mode.nearest, differences: mode.differences, network: mode.network },
    ...(Object.fromEntries(values) as Partial<Record<keyof typeof SUMMARIZED, string>>),
    deviations: rows.flatMap(({ title, nodes }) => {
      const reasons = new Map<string, DatapathDeviation>();
      for (const { node, verdict, reason = "" } of nodes) {
        if (verdict === "in force" || verdict === "not observable") continue;
        const key = `${verdict} ${reason}`;
        reasons.set(key, { title, verdict, reason, nodes: [...(reasons.get(key)?.nodes ?? []), node] });
      }
      return [...reasons.values()];
    }),
  };
}

/** What a node runs with. Programs show that a feature is on, and only the agent where it is. */
const runningOn = ({ reported, observed }: NodeRow) =>
  observed === "on" && reported !== "off" ? (reported ?? observed) : (observed ?? reported);
