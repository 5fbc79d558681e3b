// npx tsx scripts/readme-tables.ts: regenerate the tables of README.md, README.zh-CN.md and docs/, and stack.schema.json.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES, stackSchemaText, withParts } from "./readme/tables";

const root = join(__dirname, "..");
for (const [page, language] of Object.entries(PAGES)) {
  const file = join(root, page);
  writeFileSync(file, withParts(readFileSync(file, "utf8"), language));
}
writeFileSync(join(root, "stack.schema.json"), stackSchemaText());
