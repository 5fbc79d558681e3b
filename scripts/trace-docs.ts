// npx tsx scripts/trace-docs.ts: write docs/traces.md and the README's picture from the recorded traces.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readmeTraces, readRecordedTraces, traceDocs } from "../cli/trace/docs";
import { traceLanes } from "../cli/trace/lanes";

const docs = join(__dirname, "..", "docs");
const recorded = readRecordedTraces(join(docs, "traces"));
writeFileSync(join(docs, "traces.md"), traceDocs(recorded));
writeFileSync(join(docs, "modes.svg"), traceLanes(readmeTraces(recorded)));
