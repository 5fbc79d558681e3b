import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Evidence } from "../../../datapath/evidence/gather";
import type { NodeEvidence, Section } from "../../../datapath/evidence/node";
import { judgeInspection } from "../../../datapath/inspect/inspect";
import type { Inspection, Row } from "../../../datapath/inspect/inspection";

export const PROBED = JSON.parse(
  gunzipSync(readFileSync(join(__dirname, "../evidence", "ebpf-1.20.2-evidence.json.gz"))).toString(),
) as Evidence;
/** The same without the traffic, which only --probe sends. */
export const HEALTHY: Evidence = { ...PROBED, traffic: undefined, before: [], between: [], after: [] };
export const WORKER = "cmlead-worker";

export const judged = (evidence: Evidence, logs: Readonly<Record<string, readonly string[]>> = {}) =>
  judgeInspection({ evidence, logs, readAt: "2026-11-29T23:00:00.000Z", seconds: 3.2 });

/** Evidence in which sections of a node (default: of all nodes) say something else. */
export function changed(changes: Partial<Record<Section, (text: string) => string>>, only?: string): Evidence {
  return {
    ...HEALTHY,
    nodes: HEALTHY.nodes.map((node): NodeEvidence => {
      if (only !== undefined && node.node !== only) return node;
      const sections = { ...node.sections };
      for (const [section, change] of Object.entries(changes)) {
        const reading = sections[section as Section]!;
        sections[section as Section] = "value" in reading ? { value: change(reading.value) } : reading;
      }
      return { ...node, sections };
    }),
  };
}

/** Evidence with another `cilium-config`, on the nodes and in the API server. */
export function configured(keys: Record<string, string>, evidence: Evidence = HEALTHY): Evidence {
  const lines = (text: string) => {
    const kept = text.split("\n").filter((line) => !Object.keys(keys).some((key) => line.startsWith(`${key}=`)));
    return [...kept, ...Object.entries(keys).map(([key, value]) => `${key}=${value}`)].join("\n");
  };
  const config = "value" in evidence.api.config ? evidence.api.config.value : { data: {}, writers: [] };
  const nodes = evidence.nodes.map((node) => {
    const own = node.sections.config;
    return own !== undefined && "value" in own
      ? { ...node, sections: { ...node.sections, config: { value: lines(own.value) } } }
      : node;
  });
  return {
    ...evidence,
    nodes,
    api: {
      ...evidence.api,
      config: { value: { ...config, data: { ...config.data, ...keys } } },
      rendered: { value: null },
    },
  };
}

export const rowOf = ({ rows }: Inspection, id: string): Row => rows.find((row) => row.id === id)!;
export const wrong = ({ rows }: Inspection) =>
  rows.flatMap(({ id, verdict, nodes }) =>
    verdict === "in force" || verdict === "not observable"
      ? []
      : [
          [
            id,
            verdict,
            [...new Set(nodes.filter((each) => each.verdict === verdict).map(({ reason }) => reason))].join("; "),
          ],
        ],
  );
export const status = (change: (status: Record<string, object>) => void) => (text: string) => {
  const found = JSON.parse(text) as Record<string, object>;
  change(found);
  return JSON.stringify(found);
};
