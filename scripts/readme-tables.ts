// npx tsx scripts/readme-tables.ts: update the parts of docs/ that are generated from the code.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES, withParts } from "./readme/tables";

for (const page of PAGES) {
  const file = join(__dirname, "..", page);
  writeFileSync(file, withParts(readFileSync(file, "utf8")));
}
