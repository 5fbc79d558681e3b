const byName = new Intl.Collator("en", { numeric: true });

/** Names of the nodes to look at; those of a large cluster are spread over all of them by name. */
export function sampled(names: readonly string[], maxNodes: number): string[] {
  const sorted = [...names].sort((a, b) => byName.compare(a, b));
  if (sorted.length <= maxNodes) return sorted;
  return Array.from({ length: maxNodes }, (_, index) => sorted[Math.floor((index * sorted.length) / maxNodes)]!);
}
