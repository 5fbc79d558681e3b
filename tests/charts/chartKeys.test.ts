import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { chartImages, ChartKeys, type ChartTable } from "../../modes/chartKeys";
import table from "../../modes/chartKeys.json";
import { withoutDigest } from "../../modes/images";
import { CHARTS, chartsMissing } from "../support/charts";
import { describeIf } from "../support/project";

const present = CHARTS.filter((version) => chartsMissing(version).length === 0);

describeIf(present.length === 0 ? chartsMissing(...CHARTS) : [], "the table of charts", () => {
  let read: ChartTable;
  beforeAll(() => {
    const script = join(__dirname, "../../scripts/chart-keys.mjs");
    const written = execFileSync(process.execPath, [script, process.env["CILIUM_CHARTS"]!], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    read = JSON.parse(written) as ChartTable;
  });

  it.each(present.length === 0 ? CHARTS : present)(
    "says of %s what its templates, values and schema say",
    (version) => {
      const [ours, theirs] = [new ChartKeys(version), new ChartKeys(version, read)];
      expect([ours.chart, theirs.chart]).toEqual([version, version]);
      const keys = [...new Set([...Object.keys(table.read), ...Object.keys(read.read)])];
      const all = (of: ChartKeys) => Object.fromEntries(keys.map((key) => [key, [of.typesOf(key), of.refuses(key)]]));
      expect(all(ours)).toEqual(all(theirs));
      const names = (images: ReturnType<typeof chartImages>) => Object.values(images!).map(withoutDigest);
      expect(names(chartImages(version))).toEqual(names(read.images[version]));
    },
  );
});
