// npx tsx scripts/continuity-table.ts: write modes/continuity.json, the measured interruptions, from docs/continuity/*.json.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { measuredChanges, type RecordedRun } from "./readme/continuity";

const folder = join(__dirname, "../docs/continuity");
const runs = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .sort()
  .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as RecordedRun);
writeFileSync(join(__dirname, "../modes/continuity.json"), `${JSON.stringify(measuredChanges(runs), undefined, 2)}\n`);
