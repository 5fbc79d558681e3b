import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare, isSequential, type CompareOptions } from "../../cli/compare";
import { estimateMinutes, TimeLeft } from "../../cli/compareTime";
import { keepComparison, readComparison } from "../../cli/comparisonFile";
import type { Comparison, Subject } from "../../compare/results";
import { sampleComparison } from "./support/comparisons";

const OPTIONS: CompareOptions = {
  rounds: 5,
  seconds: 2,
  services: "1,10",
  benchmarks: true,
  growth: true,
  threshold: 10,
};

describe("cilium-modes compare", () => {
  let folder: string;
  let printed: string[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-compare-"));
    printed = [];
    jest.spyOn(console, "log").mockImplementation((text: string) => void printed.push(text));
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  const kept = async (comparison: Comparison, name = "results.json") => keepComparison(comparison, join(folder, name));
  const changed = (change: (subject: Subject) => Subject): Comparison => {
    const comparison = sampleComparison();
    return { ...comparison, subjects: comparison.subjects.map(change) };
  };
  /** One metric, so that the analysis is fast. */
  const slower = (by: number) =>
    changed((subject) => ({
      ...subject,
      growth: [],
      series: subject.series
        .filter(({ metric }) => metric === "latency-p50")
        .map((series) => ({ ...series, values: series.values.map((value) => value * by) })),
    }));

  it("keeps its results in a file from which every report can be created", async () => {
    const file = await kept(sampleComparison());
    expect(await readComparison(file)).toEqual(sampleComparison());
    const [html, markdown] = [join(folder, "a.html"), join(folder, "a.md")];
    expect(await compare([], { ...OPTIONS, from: file, html, markdown })).toBe(true);
    expect(printed.join("\n")).toContain("kubeproxy");
    expect(readFileSync(html, "utf8")).toMatch(/^<!doctype html>/i);
    expect(readFileSync(markdown, "utf8")).toMatch(/^# /);
    await compare([], { ...OPTIONS, from: file, json: true });
    const { alarms, verdicts, ratios, ...results } = JSON.parse(printed.at(-1)!) as Record<string, unknown>;
    expect([alarms, results]).toEqual([[], sampleComparison()]);
    expect((verdicts as string[]).length).toBeGreaterThan(0);
    const subjects = sampleComparison().subjects;
    expect((ratios as unknown[]).length).toBe(
      (subjects.length - 1) * (subjects[0]!.series.length + subjects[0]!.growth.length),
    );
    expect((ratios as unknown[])[0]).toMatchObject({
      subject: "replacement",
      reference: "kubeproxy",
      metric: "throughput-1",
      path: "same-node",
      outcome: "no difference",
    });
  });

  it("prints where its reports are", async () => {
    const error = jest.spyOn(console, "error").mockReturnValue(undefined);
    const html = join(folder, "report.html");
    await compare([], { ...OPTIONS, from: await kept(slower(1)), html });
    expect(error.mock.calls).toEqual([[`Report: ${html}`]]);
    expect(readFileSync(html, "utf8")).toMatch(/^<!doctype html>/i);
  });

  it("reports that a single stack has nothing to compare it with", async () => {
    const { subjects, ...rest } = sampleComparison();
    const name = subjects[0]!.name;
    await compare([], { ...OPTIONS, from: await kept({ ...rest, subjects: subjects.slice(0, 1) }) });
    expect(printed[0]).toContain(`Verdict:\n  - Only ${name} was measured, so there is nothing to compare it with`);
  });

  it("reads results of the first format", async () => {
    const file = await kept({ ...slower(1), resultsVersion: 1 });
    expect((await readComparison(file)).resultsVersion).toBe(1);
    expect(await compare([], { ...OPTIONS, from: file })).toBe(true);
  });

  it("prints ratios of pods to their nodes as JSON, after those to the reference", async () => {
    const withHost = changed((subject) => ({
      ...subject,
      growth: [],
      series: subject.series.flatMap((series) =>
        series.metric === "latency-p50" && series.path === "cross-node"
          ? [series, { ...series, path: "host", values: series.values.map((value) => value / 2) }]
          : [],
      ),
    }));
    await compare([], { ...OPTIONS, from: await kept(withHost), json: true });
    const { ratios } = JSON.parse(printed.at(-1)!) as { ratios: { subject: string }[] };
    const own = { metric: "latency-p50", path: "cross-node", referencePath: "host", ratio: 2, outcome: "worse" };
    expect(ratios.slice(-3)).toEqual(
      ["kubeproxy", "replacement", "ebpf"].map((subject) => expect.objectContaining({ subject, ...own }) as object),
    );
  });

  it("reports that nothing was measured", async () => {
    const { subjects, ...rest } = sampleComparison();
    const bare = subjects.map((subject) => ({ ...subject, series: [], growth: [] }));
    await compare([], { ...OPTIONS, from: await kept({ ...rest, subjects: bare }) });
    expect(printed[0]).toContain("Verdict:\n  - Nothing was measured");
  });

  it("ends ratios early for stacks side by side only, unless all rounds are asked for", () => {
    expect(isSequential(2, OPTIONS)).toBe(true);
    expect(isSequential(1, OPTIONS)).toBe(false);
    for (const option of [{ full: true }, { up: true }, { baseline: "before.json" }])
      expect(isSequential(2, { ...OPTIONS, ...option })).toBe(false);
  });

  describe("the estimated time", () => {
    const method = { rounds: 5, seconds: 1, warmUpSeconds: 0 };
    const request = { benchmarks: true, method, extras: [], services: [1, 10], stopping: undefined };
    const stopping = { first: 3, last: 5, errorRate: 0.05 };

    it("is less without benchmarks and growth, or if ratios end early, and more if it creates the clusters", () => {
      const none = { created: 0, isOneByOne: false };
      const whole = estimateMinutes(3, request, none);
      expect(estimateMinutes(3, { ...request, benchmarks: false, services: [] }, none)).toBeLessThan(whole);
      expect(estimateMinutes(3, { ...request, stopping }, none)).toBeLessThan(whole);
      expect(estimateMinutes(3, { ...request, extras: ["udp", "host", "outside"] }, none)).toBeGreaterThan(whole);
      // paths by IPv6 need clusters that have it
      expect(estimateMinutes(3, { ...request, extras: ["ipv6"] }, none)).toBe(whole);
      expect(estimateMinutes(3, { ...request, extras: ["ipv6"], dualStacks: 3 }, none)).toBeGreaterThan(whole);
      const oneVariant = estimateMinutes(3, request, { ...none, created: 1 });
      expect(oneVariant).toBeGreaterThan(whole);
      expect(estimateMinutes(3, request, { created: 3, isOneByOne: true })).toBeGreaterThan(oneVariant);
    });

    it("shrinks with each part, and follows how long the parts before took", () => {
      let seconds = 0;
      const growth = { ...request, benchmarks: false, services: [1] };
      const time = new TimeLeft(3, growth, () => seconds * 1000);
      time.finish("inspection");
      time.finish("inspection");
      time.finish("inspection");
      time.finish("creation");
      const before = time.minutes();
      seconds += 10 * 60;
      time.finish("growth");
      // four more rounds
      expect(time.minutes()).toBe(40);
      expect(before).toBeLessThan(5);
      // not needed, and therefore no evidence
      time.finish("growth", false);
      expect(time.minutes()).toBe(30);
    });
  });

  it("fails on a regression beyond the threshold", async () => {
    const [before, now] = [await kept(slower(1)), await kept(slower(1.3), "now.json")];
    expect(await compare([], { ...OPTIONS, from: before, baseline: before })).toBe(true);
    expect(await compare([], { ...OPTIONS, from: now, baseline: before })).toBe(false);
    expect(await compare([], { ...OPTIONS, from: now, baseline: before, threshold: 40 })).toBe(true);
    expect(await compare([], { ...OPTIONS, from: before, baseline: now })).toBe(true);
  });

  it("fails if a verification failed, or two modes show the same evidence", async () => {
    const measured = slower(1);
    const succeeds = async (change: (subject: Subject) => Subject) =>
      compare([], { ...OPTIONS, from: await kept({ ...measured, subjects: measured.subjects.map(change) }) });
    expect(await succeeds((subject) => subject)).toBe(true);
    const verification: Subject["verification"] = { verdict: "fail", failed: ["status"] };
    expect(await succeeds((subject) => ({ ...subject, verification }))).toBe(false);
    const [{ inventory }] = measured.subjects as [Subject];
    expect(await succeeds((subject) => ({ ...subject, inventory }))).toBe(false);
  });

  it("refuses files without results, and names them", async () => {
    const file = join(folder, "wrong.json");
    await expect(readComparison(file)).rejects.toThrow(`${file} cannot be read`);
    writeFileSync(file, "{");
    await expect(readComparison(file)).rejects.toThrow(`${file} is not JSON`);
    writeFileSync(file, "[]");
    await expect(readComparison(file)).rejects.toThrow(`${file} is not a results file of compare`);
    writeFileSync(file, '{"resultsVersion": 99}');
    await expect(readComparison(file)).rejects.toThrow(
      "was written by a newer cilium-modes (format 99; this version reads 1 to 2)",
    );
    // before anything is measured
    await expect(compare(["ebpf"], { ...OPTIONS, baseline: file })).rejects.toThrow("newer cilium-modes");
  });

  it("refuses to measure with --from", async () => {
    await expect(compare(["ebpf"], { ...OPTIONS, from: "a.json" })).rejects.toThrow("leave out the stacks");
  });

  it("refuses unwritable files before measuring", async () => {
    const file = join(folder, "none", "a");
    for (const option of ["out", "html", "markdown"] as const) {
      await expect(compare(["ebpf"], { ...OPTIONS, [option]: file })).rejects.toThrow(
        `${file} cannot be written: there is no folder ${join(folder, "none")}`,
      );
    }
    await expect(compare(["ebpf"], { ...OPTIONS, out: folder })).rejects.toThrow(`${folder} is a folder; name a file`);
  });

  it("refuses invalid numbers", async () => {
    const refused = (options: Partial<CompareOptions>) => expect(compare(["ebpf"], { ...OPTIONS, ...options })).rejects;
    await refused({ rounds: 0 }).toThrow("--rounds must be an integer of at least 1 (got 0)");
    await refused({ rounds: Number("x") }).toThrow("--rounds");
    await refused({ seconds: 0.5 }).toThrow("--seconds must be an integer of at least 1 (got 0.5)");
    await refused({ threshold: -1 }).toThrow("--threshold");
    await refused({ services: "1,many" }).toThrow(
      '--services must be integers from 1 to 20000, separated by commas (got "1,many")',
    );
    await refused({ services: "100000" }).toThrow("--services");
    await refused({ include: "udp,ipv4,tcp" }).toThrow(
      '--include must be udp, outside, host, ipv6, separated by commas, or all (got "ipv4" and "tcp")',
    );
    await refused({ include: "all", benchmarks: false }).toThrow("leave out one");
    await refused({ up: true, set: ["tunnel=vxlan"] }).toThrow("--up uses the stacks' files");
  });
});
