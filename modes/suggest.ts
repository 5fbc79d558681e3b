import { closest, distance } from "fastest-levenshtein";

/** Largest number of typing errors that a suggestion corrects. */
const MAX_DISTANCE = 4;

/** The known word that a misspelt word probably means; undefined if none is close enough. */
export function suggest(text: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const lower = new Map(known.map((word) => [word.toLowerCase(), word]));
  const best = closest(text.toLowerCase(), [...lower.keys()]);
  const allowed = Math.min(MAX_DISTANCE, Math.ceil(Math.max(text.length, best.length) / 3));
  return distance(text.toLowerCase(), best) <= allowed ? lower.get(best) : undefined;
}
