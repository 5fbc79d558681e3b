import type { Row } from "./rows";
import { NOISY } from "./statistics";
import { listed, spreadText } from "./words";

/** A sentence for each measurement whose values lie too far apart, and one for all that have too few. */
export function noiseOf(rows: readonly Row[]): readonly string[] {
  const noisy = rows.map(({ title, unit, summaries }) => ({
    title,
    unit,
    all: [...summaries].filter(([, { isNoisy }]) => isNoisy),
  }));
  const scattered = noisy.flatMap(({ title, unit, all }) => {
    const wide = all.filter(([, { count }]) => count >= NOISY.values);
    if (wide.length === 0) return [];
    const subjects = listed(wide.map(([subject, summary]) => `${subject} (${spreadText(summary, unit)})`));
    return [`${title}: too noisy in ${subjects}`];
  });
  const scarce = noisy.flatMap(({ all }) => all.filter(([, { count }]) => count < NOISY.values));
  if (scarce.length === 0) return scattered;
  const subjects = listed([...new Set(scarce.map(([subject]) => subject))]);
  return [
    ...scattered,
    `${scarce.length} series of ${subjects} have fewer than ${NOISY.values} values: how far they scatter is unknown`,
  ];
}
