import fc from "fast-check";
import { CHARTS, chartsMissing, render } from "../support/charts";
import { CILIUM_ARGS } from "../support/ciliumArgs";
import { FIELD_INPUTS, switchInputs } from "../support/chartInputs";
import { describeIf } from "../support/project";
import { ciliumValues, mergeValues, type HelmValues } from "../../modes/ciliumValues";
import { chartAnswer } from "../../modes/rendering";
import { lintValues } from "../../modes/valuesLint";

/** All inputs of every chart; a sample otherwise, since each takes Helm a third of a second. */
const isWhole = process.env["CILIUM_MODES_CHARTS"] === "all";
const SAMPLE = 97;

/** Random pairs of inputs, which nobody has thought of together. */
function pairs(all: readonly HelmValues[]): HelmValues[] {
  const one = fc.constantFrom(...all);
  return fc.sample(
    fc.tuple(one, one).map(([a, b]) => mergeValues(a, b)),
    isWhole ? 60 : 2,
  );
}

const MODES = ["kubeproxy", "replacement", "ebpf"] as const;

interface Outcome {
  readonly input: string;
  readonly mode: string;
  /** What is said without the chart. */
  readonly offline: readonly string[];
  /** What is said with it. */
  readonly asked: readonly string[];
  readonly isRefused: boolean;
}

async function outcome(version: string, extraValues: HelmValues, mode: (typeof MODES)[number]): Promise<Outcome> {
  const args = { ...CILIUM_ARGS, version, mode, extraValues };
  const errors = lintValues(args).filter(({ severity }) => severity === "error");
  const rendered = (values: HelmValues) => {
    const { manifests = [], error } = render(version, ciliumValues({ ...args, extraValues: values }));
    return error ?? manifests;
  };
  const first = rendered(extraValues);
  const answer = await chartAnswer(first, args, async (values) => rendered(values));
  const asked = [...answer.findings, ...answer.contradictions];
  const told = ({ key, rule }: { key: string; rule: string }) => `${key}: ${rule}`;
  return {
    input: JSON.stringify(extraValues),
    mode,
    offline: errors.map(told),
    asked: asked.map(told),
    isRefused: typeof first === "string",
  };
}

describe.each(CHARTS)("of Cilium %s", (version) => {
  describeIf(chartsMissing(version), `values of users, in the real chart ${version}`, () => {
    const all = [...FIELD_INPUTS, ...switchInputs(version)];
    const inputs = [...(isWhole ? all : all.filter((_, index) => index % SAMPLE === 0)), ...pairs(all)];
    let outcomes: Outcome[];
    beforeAll(async () => {
      outcomes = await Promise.all(inputs.map((input, index) => outcome(version, input, MODES[index % MODES.length]!)));
    }, 1_800_000);

    it("are refused in the chart's own words where Helm refuses them, with the key", () => {
      const refused = outcomes.filter(({ isRefused }) => isRefused);
      const silent = refused.filter(({ asked }) => asked.length === 0 || asked.some((said) => !/: \S/.test(said)));
      expect(silent).toEqual([]);
      // somebody is always to blame
      expect(refused.filter(({ asked }) => asked.some((said) => said.startsWith(":")))).toEqual([]);
    });

    it("render what the contract expects, or are refused", () => {
      // the rules of this project refuse whatever takes the mode away before the chart is asked
      const wrong = outcomes.filter(
        ({ isRefused, offline, asked }) => !isRefused && offline.length === 0 && asked.length > 0,
      );
      expect(
        wrong.filter(({ asked }) =>
          asked.some(
            (said) =>
              !/takes (?:BPF host routing )?away|ends the agent|makes Kubernetes refuse|keeps Hubble|without permissions|which a new cluster does not (?:know|have)/.test(
                said,
              ),
          ),
        ),
      ).toEqual([]);
    });
  });
});
