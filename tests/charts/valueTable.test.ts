import { chartsMissing, render, renderedConfig } from "../support/charts";
import { describeIf } from "../support/project";
import { TABLE_VERSIONS, VALUE_TABLE } from "../support/valueTable";

const plain = new Map<string, Readonly<Record<string, string>>>();

/** What a chart renders without any value. */
function plainConfig(version: string): Readonly<Record<string, string>> {
  const config = plain.get(version) ?? renderedConfig(version, {});
  plain.set(version, config);
  return config;
}

describe.each(TABLE_VERSIONS)("of Cilium %s", (version) => {
  const rows = VALUE_TABLE.flatMap(({ name, values, outcomes }) => {
    const outcome = outcomes[version];
    return outcome === undefined ? [] : [{ name, values, outcome }];
  });

  describeIf(chartsMissing(version), `the real chart ${version}`, () => {
    it.each(rows)("makes of $name: $outcome", ({ values, outcome }) => {
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
