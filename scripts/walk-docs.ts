// npx tsx scripts/walk-docs.ts: write docs/walks.md and the picture of the README anew from what was recorded.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readRecordedWalks } from "../cli/walk/recordedWalks";
import { readmeWalks, walkDocs } from "../cli/walk/walkDocs";
import { walkLanes } from "../cli/walk/walkLanes";

const docs = join(__dirname, "..", "docs");
const recorded = readRecordedWalks(join(docs, "walks"));
writeFileSync(join(docs, "walks.md"), walkDocs(recorded));
writeFileSync(join(docs, "modes.svg"), walkLanes(readmeWalks(recorded)));
