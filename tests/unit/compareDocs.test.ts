import { readdirSync } from "node:fs";
import { join } from "node:path";
import { comparisonHtml } from "../../cli/compare/comparisonHtml";
import { comparisonMarkdown } from "../../cli/compare/comparisonMarkdown";
import { readComparison } from "../../cli/comparisonFile";
import { analyse } from "../../datapath/compare/analysis";

const FOLDER = join(__dirname, "../../docs/comparisons");

describe("recorded comparisons", () => {
  it.each(readdirSync(FOLDER).filter((file) => file.endsWith(".json")))("%s can be read and reported", async (file) => {
    const comparison = await readComparison(join(FOLDER, file));
    const analysis = analyse(comparison);
    const reports = [comparisonMarkdown(comparison, analysis), comparisonHtml(comparison, analysis)];
    for (const { name } of comparison.subjects) {
      for (const report of reports) expect(report).toContain(name);
    }
  });
});
