import { CONFIG_MAP } from "../../cluster/agents";
import { at } from "../../modes/tree";
import { valueOf } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import {
  COUNTERS,
  MAP_COMMANDS,
  NODE_COMMANDS,
  type Moment,
  type NodeCounters,
  type NodeEvidence,
} from "../evidence/node";
import type { KeptEvidence } from "../verify";
import { DIMENSIONS } from "./dimensions/all";
import type { Dimension } from "./dimensions/dimension";
import { requestedIn, whatIsSeen } from "./inspect";
import type { Column } from "./inspection";
import { OWN_ROWS, type OwnRow } from "./ownRows";
import { viewOf, type View } from "./view";

/** Something that a cell was read from. */
export interface Source {
  /** A command in the node's agent, or an object of the API server. */
  readonly from: string;
  /** What it says of the cell. */
  readonly lines: readonly string[];
  /** Number of its further lines. */
  readonly left: number;
}

/** What the cells of one node in a row were read from. */
export type Sources = Readonly<Partial<Record<Column, readonly Source[]>>>;

const HELM = "Helm's record of the release";
const STATUS = NODE_COMMANDS.status;

/** Lines of one source: more of them say the same of other pods or Services. */
const MOST_LINES = 12;

/**
 * What the cells of an inspection were read from, by row and node. The functions that judge a cell run once more, on evidence
 * that notes what they read of it.
 */
export function sourcesIn({ evidence, logs }: KeptEvidence): (row: string, node: string) => Sources {
  return (row, name) => {
    const node = evidence.nodes.find((each) => each.node === name);
    if (node === undefined) return {};
    const view = viewOf(node, evidence, logs[name] ?? []);
    const dimension = DIMENSIONS.find(({ id }) => id === row);
    if (dimension !== undefined) return sourcesOf(dimension, view, evidence);
    const ownRow = OWN_ROWS.find(({ id }) => id === row);
    if (ownRow !== undefined) return ofOwnRow(ownRow, view, evidence);
    return row === "version" ? ofVersion(view) : row === "configuration" ? ofConfiguration(view, evidence) : {};
  };
}

function sourcesOf(dimension: Dimension, view: View, whole: Evidence): Sources {
  const { own, current, requested, values, status, evidence } = view;
  const [rendered, given, used] = [noted(requested ?? {}), noted(values), noted(own ?? current ?? {})];
  if (requested !== undefined) requestedIn(dimension, { ...view, requested: rendered.seen, values: given.seen });
  const asked = [
    source(`${HELM}: values`, linesOf(given.read)),
    source(`${HELM}: ${CONFIG_MAP}`, linesOf(rendered.read)),
  ];
  dimension.configured?.(used.seen);
  const configured = [configSource(used.read, view)];

  const byAgent = noted(own ?? current ?? {});
  const said = noted(typeof status === "object" && status !== null ? status : {});
  if (status !== undefined) dimension.reported?.(said.seen, byAgent.seen);
  const reported = [source(STATUS, linesOf(said.read, "(absent)")), configSource(byAgent.read, view)];

  const byNode = noted(own ?? current ?? {});
  const node = notedNode(evidence);
  const around = notedCounters(whole, evidence.node);
  if (own !== undefined || current !== undefined)
    whatIsSeen(() => dimension.observed?.(node.seen, whole.api, byNode.seen, around.seen));
  const observed = [...node.read, ...around.read].map(([from, text]) => excerpt(from, text, dimension.shows));
  return {
    ...{ requested: told(asked), configured: told(configured), reported: told(reported) },
    observed: [...observed, ...told([configSource(byNode.read, view)])],
  };
}

function ofOwnRow({ judge, shows }: OwnRow, view: View, { api }: Evidence): Sources {
  const config = noted(view.own ?? view.current ?? {});
  const node = notedNode(view.evidence);
  const { observed } = judge({ ...view, own: config.seen, evidence: node.seen }, api);
  const outputs = [...node.read].map(([from, text]) => excerpt(from, text, shows));
  return {
    [observed === undefined ? "reported" : "observed"]: [...outputs, ...told([configSource(config.read, view)])],
  };
}

function ofVersion({ image, renderedImage, status }: View): Sources {
  const said = at(status, ["cilium", "msg"]);
  return {
    requested: told([source(`${HELM}: image of the agents`, renderedImage === undefined ? [] : [renderedImage])]),
    configured: told([source("image of the agent's container", image === undefined ? [] : [image])]),
    reported: told([source(STATUS, typeof said === "string" ? [`cilium.msg: ${said}`] : [])]),
  };
}

function ofConfiguration({ configuredAt, isLive }: View, { api }: Evidence): Sources {
  const writers = valueOf(api.config, undefined)?.writers ?? [];
  const since = isLive ? "start of the agent's container" : "time at which the agent's init container copied it";
  return {
    configured: told([
      source(
        `managedFields of the ConfigMap ${CONFIG_MAP}`,
        writers.map(({ manager, time, keys }) => `${time} ${manager}: ${keys.length} keys`),
      ),
    ]),
    reported: told([source(since, configuredAt === undefined ? [] : [configuredAt])]),
  };
}

const source = (from: string, lines: readonly string[]): Source => ({ from, lines, left: 0 });

/** The sources of which something was read. */
const told = (sources: readonly Source[]) => sources.filter(({ lines }) => lines.length > 0);

/** Keys of the agent's configuration, with the ConfigMap's value where that is another. */
function configSource(read: ReadonlyMap<string, unknown>, { own, current, overrides, node }: View): Source {
  if (own === undefined) return source(`ConfigMap ${CONFIG_MAP}`, linesOf(read));
  const lines = [...read].map(([key, value]) => {
    const isOther = current !== undefined && current[key] !== own[key];
    const by = key in overrides ? ", by an argument or variable of the agent" : "";
    return `${key}: ${shown(value)}${by}${isOther ? `; the ConfigMap has ${shown(current[key])}` : ""}`;
  });
  return source(`${CONFIG_MAP} as the agent on ${node} has it`, lines);
}

/** Characters of a value: lists may be long. */
const MOST_CHARACTERS = 200;

const shown = (value: unknown, missing = "(not set)") => {
  if (value === undefined) return missing;
  const text = typeof value === "string" ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)} …` : text;
};
const linesOf = (read: ReadonlyMap<string, unknown>, missing?: string) =>
  [...read].map(([key, value]) => `${key}: ${shown(value, missing)}`);

/** An object that notes the paths that are read of it, with their values. */
interface Noted<T> {
  readonly seen: T;
  /** The innermost paths: without `a` where `a.b` was read. */
  readonly read: ReadonlyMap<string, unknown>;
}

function noted<T extends object>(whole: T): Noted<T> {
  const read = new Map<string, unknown>();
  const seen = <O extends object>(value: O, path: string): O =>
    new Proxy(value, {
      get(target, key) {
        const inner = Reflect.get(target, key) as unknown;
        if (typeof key === "symbol" || typeof inner === "function") return inner;
        // a list's length is no statement of the agent's
        if (Array.isArray(target) && key === "length") return inner;
        const own = path === "" ? key : `${path}.${key}`;
        read.delete(path);
        read.set(own, inner);
        return typeof inner === "object" && inner !== null ? seen(inner, own) : inner;
      },
    });
  return { seen: seen(whole, ""), read };
}

/** Texts by the commands that printed them. */
type Texts = Map<string, string>;

/** A node's evidence that notes which sections are read. */
function notedNode(node: NodeEvidence): { seen: NodeEvidence; read: Texts } {
  const read: Texts = new Map();
  const sections = notedSections(node.sections, read, (name) =>
    commandText({ ...NODE_COMMANDS, ...MAP_COMMANDS }, name),
  );
  const seen: NodeEvidence = {
    ...node,
    sections,
    get nftables() {
      if (node.nftables !== undefined && "value" in node.nftables)
        read.set("nft list table of every table that is not of iptables", node.nftables.value);
      return node.nftables;
    },
  };
  return { seen, read };
}

const MOMENTS: Readonly<Record<Moment, string>> = {
  before: "before the pings",
  between: "after the pings",
  after: "after all probes",
};

/** Evidence that notes which counters of a node, and whose pings, are read. */
function notedCounters(whole: Evidence, name: string): { seen: Evidence; read: Texts } {
  const read: Texts = new Map();
  const counters = (moment: Moment): NodeCounters[] =>
    whole[moment].map((each) => {
      if (each.node !== name) return each;
      const from = (counter: string) => `${commandText(COUNTERS[moment], counter)} (${MOMENTS[moment]})`;
      return { ...each, sections: notedSections(each.sections, read, from) };
    });
  const seen: Evidence = {
    ...whole,
    ...{ before: counters("before"), between: counters("between"), after: counters("after") },
    get traffic() {
      const pings = (whole.traffic?.pods ?? []).flatMap(({ pod, node, pinged }) =>
        pinged === undefined ? [] : [`${pod} on ${node} to ${pinged.address}: ${pinged.lost}`],
      );
      if (pings.length > 0) read.set("pings between pods", pings.join("\n"));
      return whole.traffic;
    },
  };
  return { seen, read };
}

function notedSections<T extends NodeEvidence["sections"] | NodeCounters["sections"]>(
  sections: T,
  read: Texts,
  from: (name: string) => string,
): T {
  return new Proxy(sections, {
    get(target, key) {
      const reading = Reflect.get(target, key) as { value: string } | { error: string } | undefined;
      if (typeof key === "string" && reading !== undefined && "value" in reading) read.set(from(key), reading.value);
      return reading;
    },
  });
}

/** Scripts that say less than what they do. */
const NAMES: Readonly<Record<string, string>> = {
  iptables: "iptables-save -c",
  tcx: "bpf(BPF_PROG_QUERY) of every device",
};

/** A command without its time limit and what keeps it quiet. */
const commandText = (commands: Readonly<Record<string, string>>, name: string) =>
  NAMES[name] ??
  (commands[name] ?? name)
    .replace(/^timeout \d+ /, "")
    .replaceAll(" 2>/dev/null", "")
    .replace(/; true$/, "");

/** Fields of devices and programs by which rows are judged; the others are counters and addresses. */
const FIELDS = [
  ...[
    "devname",
    "ifname",
    "kind",
    "name",
    "mode",
    "mtu",
    "gso_max_size",
    "linkinfo",
    "info_kind",
    "addr_info",
    "local",
  ],
  ...["cgroup", "attach_type"],
];

/** The lines of a text; of JSON, its elements. */
function recordsOf(text: string): string[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return text.split("\n").filter((line) => line.trim() !== "");
  }
  if (!Array.isArray(list)) return [text.trim()];
  const records = list as object[];
  // bpftool puts several programs into one element: by kind, or by cgroup
  const inner = records.flatMap((record): object[] => {
    const parts = Object.values(record) as unknown[];
    if (parts.every(Array.isArray)) return parts.flat() as object[];
    const { programs, ...others } = record as { readonly programs?: readonly object[] };
    return programs === undefined ? [record] : programs.map((program) => ({ ...others, ...program }));
  });
  return inner.map((record) => JSON.stringify(record, FIELDS));
}

function excerpt(from: string, text: string, shows: RegExp | undefined): Source {
  const records = recordsOf(text);
  const lines = records.filter((record) => shows?.test(record) ?? true).slice(0, MOST_LINES);
  return { from, lines, left: records.length - lines.length };
}
