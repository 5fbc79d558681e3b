// npx tsx scripts/readme-tables.ts: update the generated parts of docs/, docs/scale.svg and stack.schema.json.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readScale, scaleSvg } from "./readme/scale";
import { PAGES, stackSchemaText, withParts } from "./readme/tables";

for (const page of PAGES) {
  const file = join(__dirname, "..", page);
  writeFileSync(file, withParts(readFileSync(file, "utf8")));
}
writeFileSync(join(__dirname, "..", "stack.schema.json"), stackSchemaText());
const scale = readScale();
if (scale !== undefined) writeFileSync(join(__dirname, "..", "docs", "scale.svg"), scaleSvg(scale));
