import { chartsMissing, render, renderedConfig } from "../support/charts";
import { describeIf } from "../support/project";
import { VALUE_TABLE } from "../support/valueTable";

const plain = new Map<string, Readonly<Record<string, string>>>();

/** What a chart renders without any value. */
function plainConfig(version: string): Readonly<Record<string, string>> {
  const config = plain.get(version) ?? renderedConfig(version, {});
  plain.set(version, config);
  return config;
}

describeIf(chartsMissing(), "the real chart", () => {
  describe.each(VALUE_TABLE)("makes of $name", ({ values, outcomes }) => {
    it.each(Object.entries(outcomes))("in Cilium %s: %j", (version, outcome) => {
      if (outcome === "refused") {
        expect(render(version, values).error).toMatch(/Error: (execution error|template|values don't meet|.*schema)/);
        return;
      }
      const config = renderedConfig(version, values);
      if (outcome === "ignored") expect(config).toEqual(plainConfig(version));
      else expect(config).toMatchObject(outcome);
    });
  });
});
