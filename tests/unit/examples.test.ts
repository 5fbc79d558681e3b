import { readdirSync, readFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { program } from "../../cli/main";
import { ROUTING_MODES } from "../../modes/contract";

const ROOT = join(__dirname, "../..");
const EXAMPLES = readdirSync(join(ROOT, "examples"));
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), "utf8");

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}
const OWN = JSON.parse(read("package.json")) as Package;

describe.each(EXAMPLES)("the example %s", (name) => {
  it("has a README with commands", () => {
    expect(read("examples", name, "README.md")).toMatch(/^# \S.*\n\n\S[^]*```sh\n[^]+```/);
  });

  it("depends on the same versions as this project", () => {
    if (!existsSync(join(ROOT, "examples", name, "package.json"))) return;
    const { dependencies = {} } = JSON.parse(read("examples", name, "package.json")) as Package;
    for (const [dependency, version] of Object.entries(dependencies)) {
      expect([dependency, version]).toEqual([
        dependency,
        dependency === "cilium-modes" ? "file:../.." : OWN.dependencies![dependency],
      ]);
    }
  });
});

describe("the CI workflow", () => {
  const { jobs } = parse(read("examples", "ci", "cilium-modes.yml")) as {
    jobs: Record<string, { strategy: { matrix: { mode: string[] } }; steps: { run?: string }[] }>;
  };
  const { strategy, steps } = jobs["mode"]!;

  it("runs every mode", () => {
    expect(strategy.matrix.mode).toEqual([...ROUTING_MODES]);
  });

  it.each(steps.flatMap(({ run }) => run ?? []))("runs an existing command: %s", (run) => {
    const [program_, first, second] = run.split(" ");
    if (program_ === "npx") {
      const verb = program().commands.find((command) => command.name() === second);
      expect([first, verb?.name()]).toEqual(["cilium-modes", second]);
      for (const option of run.match(/--[a-z-]+/g) ?? []) {
        expect(verb!.options.map(({ long }) => long)).toContain(option);
      }
    } else {
      expect(program_).toBe("npm");
      if (first !== "ci") expect(Object.keys(OWN.scripts!)).toContain(first === "run" ? second : first);
    }
  });
});
