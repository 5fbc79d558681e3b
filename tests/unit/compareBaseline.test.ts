import { compareToBaseline } from "../../compare/analyse/baseline";
import type { Subject } from "../../compare/results";
import { sampleComparison, sampleSubject, slowed, thinned } from "./support/comparisons";

const only = (...subjects: Subject[]) => sampleComparison({ subjects: subjects.map(thinned) });
const BEFORE = only(sampleSubject("kubeproxy"), sampleSubject("ebpf"));
const EBPF = sampleSubject("ebpf", { growth: [] });
const isOutside = ({ path, metric }: Subject["series"][number]) => path === "outside" && metric === "latency-p50";
const regressions = (now: Subject, threshold: number, before: Subject = EBPF) =>
  compareToBaseline(only(now), only(before), threshold).rows.filter(({ isRegression }) => isRegression);

describe("a comparison with its own baseline", () => {
  const same = compareToBaseline(BEFORE, structuredClone(BEFORE), 5);

  it("has no changes, slow paths or missing measurements", () => {
    expect(same).toMatchObject({ changed: [], slowPaths: [], unmatched: [], blind: undefined });
  });

  it("has a row for every measurement of every subject, without a regression", () => {
    expect(same.rows.filter(({ unit }) => unit !== "MiB")).toHaveLength(2 * (15 + 9));
    expect(same.rows.filter(({ isRegression, ratio }) => isRegression || ratio.ratio !== 1)).toEqual([]);
  });

  it("is the same in every run", () => {
    expect(compareToBaseline(structuredClone(BEFORE), BEFORE, 5)).toEqual(same);
  });
});

describe("a baseline that cannot rule out regressions", () => {
  const blindness = (now: ReturnType<typeof only>, before: ReturnType<typeof only>) =>
    compareToBaseline(now, before, 5).blind;

  it("has no subject of the same mode and tunnel", () => {
    expect(blindness(only(EBPF), only(sampleSubject("kubeproxy")))).toBe(
      "no subject has the mode and tunnel of one in the baseline",
    );
    expect(blindness(only(EBPF), BEFORE)).toMatch(/kubeproxy.* was only measured in the baseline$/);
  });

  it("has measurements that are missing now", () => {
    const short = { ...EBPF, series: EBPF.series.slice(1) };
    expect(blindness(only(short), only(EBPF))).toMatch(/^1 measurements of the baseline are missing, such as /);
    expect(blindness(only(EBPF), only(short))).toBeUndefined();
  });

  it("has too few rounds", () => {
    const few = { ...EBPF, series: EBPF.series.map((each) => ({ ...each, values: each.values.slice(0, 3) })) };
    expect(blindness(only(few), only(EBPF))).toBeUndefined();
    expect(blindness(only(few), only(few))).toBe("with so few rounds, chance explains any difference");
  });
});

describe("a baseline whose ratios ended early", () => {
  const stopping = { first: 3, last: 5, errorRate: 0.05 };
  const early = (subject: Subject) => {
    const comparison = only({
      ...subject,
      series: subject.series.map((each) => ({ ...each, values: each.values.slice(0, 3) })),
    });
    return { ...comparison, method: { ...comparison.method, stopping } };
  };

  it("shows a regression with three rounds on each side, and no other", () => {
    const against = (now: Subject) => compareToBaseline(early(now), early(EBPF), 10);
    const { rows, blind } = against(slowed(EBPF, 1.5, isOutside));
    expect(blind).toBeUndefined();
    expect(rows.filter(({ isRegression }) => isRegression).map(({ title }) => title)).toEqual([
      "request and response on a kept connection, median: from outside the cluster to a NodePort of the pod's node",
    ]);
    expect(against(EBPF).rows.filter(({ isRegression }) => isRegression)).toEqual([]);
  });

  it("is named as another method", () => {
    expect(compareToBaseline(only(EBPF), early(EBPF), 10).changed).toEqual(["method: rounds 5 (baseline: 3 to 5)"]);
  });
});

describe("a regression", () => {
  it("is worse by more than the threshold", () => {
    const slow = slowed(EBPF, 1.3, isOutside);
    expect(regressions(slow, 20)).toEqual([
      expect.objectContaining({
        subject: "ebpf",
        title:
          "request and response on a kept connection, median: from outside the cluster to a NodePort of the pod's node",
        ratio: expect.objectContaining({ ratio: expect.closeTo(1.3), outcome: "worse" }) as unknown,
      }),
    ]);
    expect(regressions(slow, 40)).toEqual([]);
  });

  it("is a decrease if higher is better", () => {
    expect(
      regressions(
        slowed(EBPF, 2, ({ metric }) => metric === "connections"),
        40,
      ),
    ).toHaveLength(5);
    expect(
      regressions(
        slowed(EBPF, 2, ({ metric }) => metric === "connections"),
        60,
      ),
    ).toEqual([]);
  });

  it("is never an improvement", () => {
    expect(
      regressions(
        slowed(EBPF, 0.1, () => true),
        5,
      ),
    ).toEqual([]);
  });

  it("is significant", () => {
    const jittered = (subject: Subject, factors: readonly number[]) => ({
      ...subject,
      series: subject.series.map((each) => ({ ...each, values: each.values.map((value, at) => value * factors[at]!) })),
    });
    expect(regressions(jittered(EBPF, [1, 1.5, 0.7, 1.6, 1.4]), 5)).toEqual([]);
    const single = (subject: Subject): Subject => ({
      ...subject,
      growth: [],
      series: subject.series.map((each) => ({ ...each, values: each.values.slice(0, 1) })),
    });
    expect(regressions(single(slowed(EBPF, 9, () => true)), 5, single(EBPF))).toEqual([]);
  });

  it("can be a count that grew, even from zero", () => {
    const counted = (value: number): Subject => ({
      ...EBPF,
      series: [],
      growth: [{ services: 5000, metric: "iptables-rules", values: [value] }],
    });
    expect(regressions(counted(13), 5, counted(12))).toHaveLength(1);
    expect(regressions(counted(13), 10, counted(12))).toEqual([]);
    expect(regressions(counted(1), 10, counted(0))).toEqual([
      expect.objectContaining({ title: "iptables rules on the client's node, with 5,000 Services" }),
    ]);
  });
});

describe("changes", () => {
  it("include the machine, the method and the versions", () => {
    const now = sampleComparison({
      machine: { ...BEFORE.machine, kernel: "6.19.1", cpus: 4, memoryGiB: 31.3, load: 3 },
      method: { ...BEFORE.method, rounds: 10, interleaved: false, services: [] },
      subjects: [thinned(sampleSubject("ebpf", { cilium: "1.21.0", growth: [] }))],
    });
    expect(compareToBaseline(now, BEFORE, 10).changed).toEqual([
      "machine: number of CPUs 4 (baseline: 8)",
      "machine: kernel 6.19.1 (baseline: 6.18.0-test)",
      "method: rounds 10 (baseline: 5)",
      "method: order one after the other (baseline: interleaved)",
      "method: numbers of Services none (baseline: 1, 10, 100, 1,000, 5,000)",
      "ebpf: Cilium 1.21.0 (baseline: 1.20.2)",
    ]);
  });
});

describe("subjects of two comparisons", () => {
  it("are matched by mode and tunnel, whatever their names", () => {
    const { rows, unmatched } = compareToBaseline(only({ ...EBPF, name: "mine" }), only(EBPF), 10);
    expect(new Set(rows.map(({ subject }) => subject))).toEqual(new Set(["mine"]));
    expect(unmatched).toEqual([]);
  });

  it("are also matched by name if mode and tunnel are ambiguous", () => {
    const older = sampleSubject("ebpf", { name: "older", cilium: "1.19.0", growth: [] });
    const { rows, unmatched, changed } = compareToBaseline(only(older, EBPF), only(EBPF), 10);
    expect(new Set(rows.map(({ subject }) => subject))).toEqual(new Set(["ebpf"]));
    expect(unmatched).toEqual(["older (ebpf, tunnel disabled) was not measured in the baseline"]);
    expect(changed).toEqual([]);
  });

  it("are unmatched if the other comparison has none", () => {
    const vxlan = sampleSubject("ebpf", { tunnel: "vxlan" });
    expect(compareToBaseline(only(vxlan), only(EBPF), 10)).toMatchObject({
      rows: [],
      unmatched: [
        "ebpf (ebpf, tunnel vxlan) was not measured in the baseline",
        "ebpf (ebpf, tunnel disabled) was only measured in the baseline",
      ],
    });
  });

  it("report measurements of only one of them", () => {
    const fewer = { ...EBPF, series: EBPF.series.filter((each) => !isOutside(each)) };
    const title =
      "request and response on a kept connection, median: from outside the cluster to a NodePort of the pod's node";
    expect(compareToBaseline(only(fewer), only(EBPF), 10).unmatched).toEqual([
      `ebpf: ${title} was only measured in the baseline`,
    ]);
    expect(compareToBaseline(only(EBPF), only(fewer), 10).unmatched).toEqual([
      `ebpf: ${title} was not measured in the baseline`,
    ]);
  });
});

describe("slowness since the baseline", () => {
  it("is attributed to its cause", () => {
    const slow = slowed(EBPF, 40, ({ path }) => path === "cluster-ip" || path === "node-port");
    const { slowPaths } = compareToBaseline(only(slow), only(EBPF), 10);
    expect(slowPaths).toEqual([expect.stringMatching(/^ebpf is slower than in the baseline in service translation: /)]);
  });
});

describe("memory", () => {
  it("is shown without a judgement", () => {
    const components = EBPF.inventory.components.map((each) => ({ ...each, memoryMiB: each.memoryMiB * 3 }));
    const now = { ...EBPF, inventory: { ...EBPF.inventory, components } };
    const { rows } = compareToBaseline(only(now), only(EBPF), 10);
    expect(rows.find(({ title }) => title === "memory of cilium-agent on all nodes")).toMatchObject({
      ratio: { ratio: expect.closeTo(3) as unknown, outcome: "no difference" },
      isRegression: false,
    });
    expect(rows.some(({ title }) => title.includes("kube-proxy on all nodes"))).toBe(false);
  });
});
