import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readComparison } from "../../cli/comparisonFile";
import { analyse } from "../../compare/analyse/analysis";
import { reportHtml } from "../../compare/report/html";
import { reportMarkdown } from "../../compare/report/markdown";
import { reportOf } from "../../compare/report/report";

const FOLDER = join(__dirname, "../../docs/comparisons");

describe("recorded comparisons", () => {
  it.each(readdirSync(FOLDER).filter((file) => file.endsWith(".json")))("%s can be read and reported", async (file) => {
    const comparison = await readComparison(join(FOLDER, file));
    const report = reportOf(comparison, analyse(comparison));
    for (const render of [reportMarkdown, reportHtml]) {
      const text = render(report);
      for (const { name } of comparison.subjects) expect(text).toContain(name);
    }
  });
});
