import fc from "fast-check";
import { ConfigurationError } from "../../settings/parse";
import { anyText } from "./support/anyText";
import {
  anyMistake,
  ARGUMENTS,
  dotted,
  FAMILIES,
  hostile,
  mistake,
  nested,
  NESTED_TEXTS,
  severalMistakes,
  survivesDots,
  weird,
  withMistakes,
  type Mistake,
} from "./support/mistakes";
import { parse, problemLines, type Config } from "./support/settings";

interface Reported {
  /** The setting that a line names. */
  readonly path: string;
  readonly rule: string;
}

/** The lines of the error, after a check of their form. @throws any error other than a ConfigurationError */
function reported(config: Config, secrets: readonly string[] = []): Reported[] {
  let error: unknown;
  try {
    parse(config, secrets);
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) throw new Error("was accepted");
  if (!(error instanceof ConfigurationError)) throw new Error(`threw ${String(error)}`, { cause: error });
  const [headline, ...lines] = problemLines(error);
  expect(headline).toMatch(/^The configuration of stack dev has (1 problem|\d+ problems); nothing was changed:$/);
  expect(Number(/\d+/.exec(headline!)![0])).toBe(lines.length);
  expect(error.message.length).toBeLessThan(6_000);
  return lines.map((line) => {
    // control sequences and line breaks
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(line.length).toBeLessThan(1_000);
    expect(line).toMatch(/^ {2}- ("(\\.|[^"\\])*"|[^"\s])+: /);
    const [, path, rule] = /^ {2}- ((?:"(?:\\.|[^"\\])*"|[^"\s])+): (.*)$/.exec(line)!;
    const words = rule!.replace(/, got [[{].*/, "").replace(/"(\\.|[^"\\])*"/g, '""');
    expect(words).toMatch(/^(is|must|has|requires|would|""|[\d./]+|\S+ (does|is)) /);
    expect(words).not.toMatch(/undefined|\[object|Zod|Invalid|expected|^\s+at /);
    return { path: path!, rule: rule! };
  });
}

function expectNamed(config: Config, mistakes: readonly Mistake[]): void {
  const found = reported(config);
  const isReported = ({ named }: Mistake) =>
    named === "" || found.some(({ path }) => path === named || path.startsWith(`${named}.`));
  const early = mistakes.filter(({ late }) => !late);
  for (const made of early.length > 0 ? early : mistakes) {
    if (!isReported(made))
      throw new Error(`${made.named} is not named, but ${found.map(({ path }) => path).join(", ")}`);
  }
  expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
}

describe("an invalid configuration", () => {
  it("is derived from a valid one, nested and dotted alike", () => {
    expect(parse(dotted(withMistakes()))).toEqual(parse(nested(withMistakes())));
    expect(Object.keys(dotted(withMistakes())).length).toBeGreaterThan(25);
  });

  it.each(Object.entries(FAMILIES))("is reported with the name of the setting: %s", (_family, mistakes) => {
    const property = fc.property(mistakes, (made) => expectNamed(nested(withMistakes(made)), [made]));
    fc.assert(property, { numRuns: 30 });
  });

  it("is reported with dotted keys too", () => {
    const property = fc.property(anyMistake.filter(survivesDots), (made) =>
      expectNamed(dotted(withMistakes(made)), [made]),
    );
    fc.assert(property, { numRuns: 100 });
  });

  it("is reported completely with up to three mistakes", () => {
    const property = fc.property(severalMistakes(3), (several) => {
      // one contradiction may hide another one
      const alone = several.length === 1 || several.some(({ late }) => !late);
      if (alone) expectNamed(nested(withMistakes(...several)), several);
      else reported(nested(withMistakes(...several)));
    });
    fc.assert(property, { numRuns: 100 });
  });

  it.each(["bpf", "cluster", "dns", "cilium", "nettool", "cluster.registryMirrors", "cilium.values"])(
    "is reported where JSON is invalid: %s",
    (path) => {
      const text = fc.oneof(
        fc.constantFrom("{", "[", "{workers: 1}", "{'a':1}", '{"a":1,}', '{"a":1}}', "[1", '{"a":NaN}', "{}x", "[]]"),
        anyText(20).map((rest) => `{${rest}\u0000`),
      );
      const property = fc.property(text, (invalid) => {
        expect(reported({ [path]: invalid })).toEqual([
          { path, rule: expect.stringMatching(/^must be an object.*; it is not valid JSON$/) },
        ]);
      });
      fc.assert(property, { numRuns: 20 });
    },
  );

  it("is reported where a setting is nested and dotted with different values", () => {
    const property = fc.property(fc.constantFrom(...NESTED_TEXTS), (path) => {
      const config = { ...nested(withMistakes()), [path.join(".")]: "other" };
      expect(reported(config)).toEqual([{ path: path.join("."), rule: expect.stringMatching(/^is set twice/) }]);
    });
    fc.assert(property, { numRuns: 30 });
  });

  it("is reported where a number is too large for JSON", () => {
    expect(reported({ "cilium.values": '{"bpf":{"mapDynamicSizeRatio":1e999}}' })).toEqual([
      { path: "cilium.values.bpf.mapDynamicSizeRatio", rule: "must be a JSON value, got Infinity" },
    ]);
  });

  it("is reported in one line for each problem, whatever its keys", () => {
    const above = fc.constantFrom("", "cluster.", "bpf.", "tunnel.", "cilium.images.");
    const key = fc.tuple(above, weird).map((parts) => parts.join(""));
    const property = fc.property(
      key.filter((text) => text !== ""),
      weird,
      (made, value) => expect(reported({ tunnel: "vxlan", [made]: value }).length).toBeLessThan(3),
    );
    fc.assert(property, { numRuns: 100 });
  });

  it("is reported for the wrong element of a long list only", () => {
    const forward = [...Array<string>(500).fill("192.0.2.1"), "x"];
    expect(reported({ "dns.forward": JSON.stringify(forward) })).toEqual([
      { path: "dns.forward.500", rule: 'must be an IPv4 address, got "x"' },
    ]);
  });
});

describe("a string that becomes an argument of a command", () => {
  it.each(ARGUMENTS)("is rejected if it looks like an option or like two arguments: %s", (path) => {
    const property = fc.property(hostile, (text) => {
      const config = nested(withMistakes(mistake(path.split("."), text)));
      expect(reported(config).map((problem) => problem.path)).toEqual([path]);
    });
    fc.assert(property, { numRuns: 20 });
  });

  it.each(["-", "--post-renderer=x", "-x", "a\nb", "\u0000", "a\u001b[2J"])("is rejected as a chart: %j", (chart) => {
    expect(reported({ "cilium.chart": chart }).map(({ path }) => path)).toEqual(["cilium.chart"]);
  });

  it.each(["cilium", "./charts/my cilium", "/a/b", "oci://quay.io/cilium/charts/cilium"])(
    "is accepted as a chart: %s",
    (chart) => {
      expect(parse({ "cilium.chart": chart }).cilium.chart).toBe(chart);
    },
  );

  it.each(["kindest/node:v1.34.0", "localhost:5000/a/b_c:1.2-3", "quay.io:443/a@sha256:00", "a:b@sha256:00", "Own"])(
    "is accepted as an image: %s",
    (image) => {
      const { cluster, nettool } = parse({ "cluster.nodeImage": image, "nettool.baseImage": image });
      expect([cluster.nodeImage, nettool.baseImage]).toEqual([image, image]);
    },
  );
});

describe("a registry host, which becomes a folder on nodes", () => {
  const mirrors = (host: string): Config => ({
    "cluster.registryMirrors": JSON.stringify({ [host]: { endpoints: ["http://mirror"] } }),
  });

  it.each([
    "..",
    "../..",
    "../../kubernetes",
    "a/../../b",
    "/etc",
    ".",
    "-x",
    "a b",
    "a\nb",
    "a;b",
    "",
    "$(a)",
    "a\u0000",
  ])("is rejected if it escapes from its folder: %j", (host) => {
    const [problem, ...others] = reported(mirrors(host));
    expect(problem!.path).toMatch(/^cluster\.registryMirrors\../);
    expect(others).toEqual([]);
  });

  it.each(["docker.io", "quay.io", "localhost:5000", "10.0.0.1:5000", "[::1]:5000", "_default", "a-b.example"])(
    "is accepted if containerd supports it: %s",
    (host) => {
      expect(Object.keys(parse(mirrors(host)).cluster.registryMirrors)).toEqual([host]);
    },
  );
});
