import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { comparisonHtml } from "../../cli/compare/comparisonHtml";
import { comparisonMarkdown } from "../../cli/compare/comparisonMarkdown";
import { readComparison } from "../../cli/comparisonFile";
import { compareToBaseline } from "../../datapath/compare/baseline";
import { analyse } from "../../datapath/compare/analysis";

const FOLDER = join(__dirname, "../../docs/comparisons");
const COMPARISONS = readdirSync(FOLDER).flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? []);
/** Per cent, as the command has it. */
const THRESHOLD = 10;
const INTRODUCTION = readFileSync(`${FOLDER}.md`, "utf8");

describe.each(COMPARISONS)("the recorded comparison %s", (name) => {
  const file = (ending: string) => join(FOLDER, `${name}.${ending}`);

  it.each([
    ["md", comparisonMarkdown],
    ["html", comparisonHtml],
  ] as const)("is shown as its results say, as %s", async (ending, render) => {
    const comparison = await readComparison(file("json"));
    const analysis = analyse(comparison);
    const first = /^(.+)-again$/.exec(name)?.[1];
    const baseline = first && (await readComparison(join(FOLDER, `${first}.json`)));
    const against = baseline ? compareToBaseline(comparison, baseline, THRESHOLD, analysis) : undefined;
    // written anew with: npx cilium-modes compare --from <name>.json [--baseline <first>.json] --html <name>.html --markdown <name>.md
    expect(readFileSync(file(ending), "utf8") === render(comparison, analysis, against)).toBe(true);
  });

  it("is introduced, with its report beside it", () => {
    for (const ending of ["json", "md", "html"]) {
      expect(existsSync(file(ending))).toBe(true);
      expect(INTRODUCTION).toContain(`(comparisons/${name}.${ending})`);
    }
  });
});
