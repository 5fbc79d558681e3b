// npx tsx scripts/trace-docs.ts: write docs/traces.md and the README's picture from the recorded traces.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readRecordedWalks } from "../cli/walk/recordedWalks";
import { readmeWalks, walkDocs } from "../cli/walk/walkDocs";
import { walkLanes } from "../cli/walk/walkLanes";

const docs = join(__dirname, "..", "docs");
const recorded = readRecordedWalks(join(docs, "traces"));
writeFileSync(join(docs, "traces.md"), walkDocs(recorded));
writeFileSync(join(docs, "modes.svg"), walkLanes(readmeWalks(recorded)));
