// npx tsx scripts/readme-tables.ts: write the parts of README.md, README.zh-CN.md and docs/ anew that come from the code.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES, withParts } from "./readme/tables";

const root = join(__dirname, "..");
for (const [page, language] of Object.entries(PAGES)) {
  const file = join(root, page);
  writeFileSync(file, withParts(readFileSync(file, "utf8"), language));
}
