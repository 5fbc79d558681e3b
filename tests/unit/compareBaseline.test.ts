import { compareToBaseline } from "../../datapath/compare/baseline";
import type { Subject } from "../../datapath/compare/results";
import { sampleComparison, sampleSubject, slowed, thinned } from "./support/comparisons";

const only = (...subjects: Subject[]) => sampleComparison({ subjects: subjects.map(thinned) });
const BEFORE = only(sampleSubject("kubeproxy"), sampleSubject("ebpf"));
const EBPF = sampleSubject("ebpf", { growth: [] });
const isOutside = ({ path, metric }: Subject["series"][number]) => path === "outside" && metric === "latency-p50";
const regressions = (now: Subject, threshold: number, before: Subject = EBPF) =>
  compareToBaseline(only(now), only(before), threshold).rows.filter(({ isRegression }) => isRegression);

describe("a comparison with its own baseline", () => {
  const same = compareToBaseline(BEFORE, structuredClone(BEFORE), 5);

  it("has nothing that changed, is slow, or is missing", () => {
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

describe("a baseline that cannot show that nothing became worse", () => {
  const blindness = (now: ReturnType<typeof only>, before: ReturnType<typeof only>) =>
    compareToBaseline(now, before, 5).blind;

  it("has no subject of the same mode and tunnel", () => {
    expect(blindness(only(EBPF), only(sampleSubject("kubeproxy")))).toBe(
      "no subject has the mode and tunnel of one before",
    );
    expect(blindness(only(EBPF), BEFORE)).toMatch(/kubeproxy.* was measured before only$/);
  });

  it("has measurements that are missing now", () => {
    const short = { ...EBPF, series: EBPF.series.slice(1) };
    expect(blindness(only(short), only(EBPF))).toMatch(/^1 measurements of before are missing, such as /);
    expect(blindness(only(EBPF), only(short))).toBeUndefined();
  });

  it("has too few rounds", () => {
    const few = { ...EBPF, series: EBPF.series.map((each) => ({ ...each, values: each.values.slice(0, 3) })) };
    expect(blindness(only(few), only(EBPF))).toBeUndefined();
    expect(blindness(only(few), only(few))).toBe("the rounds are too few: chance explains any difference");
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

  it("is less of what is better when it is more", () => {
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

  it("is no improvement, however large", () => {
    expect(
      regressions(
        slowed(EBPF, 0.1, () => true),
        5,
      ),
    ).toEqual([]);
  });

  it("is not what chance explains", () => {
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

  it("is a count that grew, even from nothing", () => {
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

describe("what changed", () => {
  it("is told of the machine, the method and the versions", () => {
    const now = sampleComparison({
      machine: { ...BEFORE.machine, kernel: "6.19.1", cpus: 4, memoryGiB: 31.3, load: 3 },
      method: { ...BEFORE.method, rounds: 10, interleaved: false, services: [] },
      subjects: [thinned(sampleSubject("ebpf", { cilium: "1.21.0", growth: [] }))],
    });
    expect(compareToBaseline(now, BEFORE, 10).changed).toEqual([
      "the machine's number of CPUs: 4, before 8",
      "the machine's kernel: 6.19.1, before 6.18.0-test",
      "the method's rounds: 10, before 5",
      "the method's order: one after the other, before in turns",
      "the method's numbers of Services: none, before 1, 10, 100, 1,000, 5,000",
      "ebpf's Cilium: 1.21.0, before 1.20.2",
    ]);
  });
});

describe("subjects of two comparisons", () => {
  it("are matched by mode and tunnel, whatever they are called", () => {
    const { rows, unmatched } = compareToBaseline(only({ ...EBPF, name: "mine" }), only(EBPF), 10);
    expect(new Set(rows.map(({ subject }) => subject))).toEqual(new Set(["mine"]));
    expect(unmatched).toEqual([]);
  });

  it("are matched by name too where mode and tunnel are not enough", () => {
    const older = sampleSubject("ebpf", { name: "older", cilium: "1.19.0", growth: [] });
    const { rows, unmatched, changed } = compareToBaseline(only(older, EBPF), only(EBPF), 10);
    expect(new Set(rows.map(({ subject }) => subject))).toEqual(new Set(["ebpf"]));
    expect(unmatched).toEqual(["older (ebpf, tunnel disabled) was measured now only"]);
    expect(changed).toEqual([]);
  });

  it("are unmatched where the other comparison has none", () => {
    const vxlan = sampleSubject("ebpf", { tunnel: "vxlan" });
    expect(compareToBaseline(only(vxlan), only(EBPF), 10)).toMatchObject({
      rows: [],
      unmatched: [
        "ebpf (ebpf, tunnel vxlan) was measured now only",
        "ebpf (ebpf, tunnel disabled) was measured before only",
      ],
    });
  });

  it("tell what was measured of one of them only", () => {
    const fewer = { ...EBPF, series: EBPF.series.filter((each) => !isOutside(each)) };
    const title =
      "request and response on a kept connection, median: from outside the cluster to a NodePort of the pod's node";
    expect(compareToBaseline(only(fewer), only(EBPF), 10).unmatched).toEqual([
      `ebpf: ${title} was measured before only`,
    ]);
    expect(compareToBaseline(only(EBPF), only(fewer), 10).unmatched).toEqual([`ebpf: ${title} was measured now only`]);
  });
});

describe("slowness against before", () => {
  it("is attributed to where it comes from", () => {
    const slow = slowed(EBPF, 40, ({ path }) => path === "cluster-ip" || path === "node-port");
    const { slowPaths } = compareToBaseline(only(slow), only(EBPF), 10);
    expect(slowPaths).toEqual([
      expect.stringMatching(/^ebpf is slow against itself before in the translation of services: /),
    ]);
  });
});

describe("memory", () => {
  it("stands beside what it was, without a judgement", () => {
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
