import { closest, distance } from "fastest-levenshtein";

/** How many typing slips a suggestion may repair. */
const MAX_DISTANCE = 4;

/** The known word that a text is a likely slip of. */
export function likely(text: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const lower = new Map(known.map((word) => [word.toLowerCase(), word]));
  const best = closest(text.toLowerCase(), [...lower.keys()]);
  const slips = Math.min(MAX_DISTANCE, Math.ceil(Math.max(text.length, best.length) / 3));
  return distance(text.toLowerCase(), best) <= slips ? lower.get(best) : undefined;
}
