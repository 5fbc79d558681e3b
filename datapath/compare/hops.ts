import type { TraceSummary } from "./results";

/** What was seen of each walk, by scenario and question. */
export function hopRows(walks: readonly TraceSummary[]): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const { scenario, verdict, request, reply, rewrites, ttl, netfilter } of walks) {
    texts[`${scenario}: stations`] = `${request.length} of the request, ${reply.length} of the reply`;
    texts[`${scenario}: request`] = request.join(" ") || "not seen";
    texts[`${scenario}: reply`] = reply.join(" ") || "not seen";
    texts[`${scenario}: rewrites`] = rewrites.join(", ") || "none";
    texts[`${scenario}: TTL at the end`] = ttl === undefined ? "not seen" : String(ttl);
    texts[`${scenario}: netfilter`] = netfilter === undefined ? "cannot be read" : netfilter ? "yes" : "no";
    texts[`${scenario}: verdict`] = verdict;
  }
  return texts;
}
