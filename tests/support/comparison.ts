import { execFileSync } from "node:child_process";
import { BASIC_METRICS, BASIC_PATHS, GROWTH_METRICS, type Comparison, type Subject } from "../../compare/results";
import { kubectl } from "./lab";

/** Expect complete measurements of every subject, and no leftovers. */
export function expectMeasured(
  { subjects }: Comparison,
  rounds: number,
  services: readonly number[],
  clusterOf: (subject: Subject) => string,
): void {
  for (const subject of subjects) {
    expect(subject.omitted).toEqual([]);
    expect(subject.verification).toEqual({ verdict: "pass", failed: [] });
    expect(subject.inventory.walks.map(({ verdict }) => verdict)).toEqual(Array(5).fill("pass"));
    const counts = subject.series.map(({ path, metric, values }) => [path, metric, values.length]);
    const wanted = Object.keys(BASIC_PATHS).flatMap((path) =>
      Object.keys(BASIC_METRICS).map((metric) => [path, metric, rounds]),
    );
    expect(counts).toHaveLength(wanted.length);
    expect(counts).toEqual(expect.arrayContaining(wanted));
    const grown = subject.growth.map(({ services: number, metric, values }) => [number, metric, values.length]);
    const all = services.flatMap((number) => Object.keys(GROWTH_METRICS).map((metric) => [number, metric, rounds]));
    expect(grown).toHaveLength(all.length);
    expect(grown).toEqual(expect.arrayContaining(all));
    for (const { values } of [...subject.series, ...subject.growth])
      for (const value of values) expect(value).toBeGreaterThan(0);
    const left = kubectl(clusterOf(subject), "get", "namespaces,services", "-A", "-o", "name");
    expect(left).not.toMatch(/nettool-bench|growth/);
  }
  const outside = ["ps", "--all", "--quiet", "--filter", "label=cilium-modes.outside"];
  expect(execFileSync("docker", outside, { encoding: "utf8" })).toBe("");
}
