// npx tsx scripts/walk-docs.ts: write docs/walks.md anew from what was recorded.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readRecordedWalks } from "../cli/walk/recordedWalks";
import { walkDocs } from "../cli/walk/walkDocs";

const docs = join(__dirname, "..", "docs");
writeFileSync(join(docs, "walks.md"), walkDocs(readRecordedWalks(join(docs, "walks"))));
