// node scripts/chart-keys.mjs <folder of Cilium's packaged charts> > modes/chartKeys.json
//
// For every chart since 1.12: the Helm values that its templates read, with their types, the values that it refuses, and
// its images. The lint of cilium.values uses the table; tests/charts compares the table with the charts.
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import semver from "semver";
import { readChart } from "./chart.mjs";

const OLDEST = "1.12.0-0";

/** Releases and release candidates, without snapshots. */
const WANTED = /^\d+\.\d+\.\d+(-rc\.?\d+)?$/;

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("Usage: node scripts/chart-keys.mjs <folder of cilium-<version>.tgz>");
  process.exit(2);
}
const charts = readdirSync(folder)
  .flatMap((file) => /^cilium-(.+)\.tgz$/.exec(file)?.[1] ?? [])
  .filter((version) => WANTED.test(version) && semver.gte(version, OLDEST))
  .sort(semver.compare)
  .map((version) => ({ version, ...readChart(join(folder, `cilium-${version}.tgz`)) }));
const versions = charts.map(({ version }) => version);

/** Key to its history: `<first>..<last> <types>` for each range of charts that treat it alike. The latest range has no end. */
function histories(entriesOf) {
  const found = new Map();
  charts.forEach((chart, index) => {
    for (const [key, kind] of entriesOf(chart)) {
      const runs = found.get(key) ?? found.set(key, []).get(key);
      const last = runs.at(-1);
      if (last?.kind === kind && last.to === index - 1) last.to = index;
      else runs.push({ kind, from: index, to: index });
    }
  });
  const shown = ({ kind, from, to }) =>
    `${versions[from]}..${to === versions.length - 1 ? "" : versions[to]}${kind === "" ? "" : ` ${kind}`}`;
  return Object.fromEntries(
    [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, runs]) => [key, runs.map(shown).join(", ")]),
  );
}

const table = {
  "//": `Written by scripts/${basename(import.meta.url)} from ${charts.length} packaged charts, ${versions[0]} to ${versions.at(-1)}`,
  versions,
  read: histories(({ read }) => read),
  refused: histories(({ refused }) => refused.map((key) => [key, ""])),
  images: Object.fromEntries(charts.map(({ version, images }) => [version, images])),
};
console.log(JSON.stringify(table, undefined, 2));
