// npx tsx scripts/readme-chinese.ts [--done]: list the sections of README.zh-CN.md that are older than README.md. With
// --done, mark all of them as translated.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { markedTranslation, outdatedSections } from "./readme/translation";

const [english, chinese] = ["README.md", "README.zh-CN.md"].map((page) => join(__dirname, "..", page)) as [
  string,
  string,
];
const original = readFileSync(english, "utf8");
if (process.argv[2] === "--done") {
  writeFileSync(chinese, markedTranslation(original, readFileSync(chinese, "utf8")));
}
for (const heading of outdatedSections(original, readFileSync(chinese, "utf8"))) console.log(`outdated: ${heading}`);
