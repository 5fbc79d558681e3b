import { analyse, type Analysis, type DifferenceRow } from "../../compare/analyse/analysis";
import { agreement } from "../../compare/analyse/agreement";
import type { Comparison, PathId, Subject } from "../../compare/results";
import { sampleComparison, sampleSubject, slowed, thinned, withValues } from "./support/comparisons";

const ANALYSIS = analyse(sampleComparison());
const thin = (...subjects: Subject[]) => sampleComparison({ subjects: subjects.map(thinned) });
const of = (...subjects: Subject[]) => analyse(thin(...subjects));
/** Without what takes long to test for chance. */
const ofRead = (...subjects: Subject[]) => of(...subjects.map((subject) => ({ ...subject, series: [], growth: [] })));
const ofSpeed = (...subjects: Subject[]) =>
  of(
    ...subjects.map(({ series, ...subject }) => {
      return { ...subject, series: series.filter(({ metric }) => metric !== "connections"), growth: [] };
    }),
  );
const BETWEEN: readonly PathId[] = ["cross-node", "cluster-ip", "node-port"];

function delayed(subject: Subject, paths: readonly PathId[], factor = 40): Subject {
  return slowed(subject, factor, ({ path }) => paths.includes(path));
}

function withQueue(subject: Subject, node: number, queueing: string): Subject {
  const nodes = subject.inventory.nodes.map((each, index) =>
    index === node
      ? { ...each, interfaces: each.interfaces.map((link) => (link.name === "eth0" ? { ...link, queueing } : link)) }
      : each,
  );
  return { ...subject, inventory: { ...subject.inventory, nodes } };
}

const THIN = thin(sampleSubject("kubeproxy"), sampleSubject("ebpf"));

/** All subjects with their first rounds only. */
function shortened(comparison: Comparison, rounds: number): Comparison {
  const cut = <Series extends { values: number[] }>(series: Series) => ({
    ...series,
    values: series.values.slice(0, rounds),
  });
  const subjects = comparison.subjects.map((subject) => ({
    ...subject,
    series: subject.series.map(cut),
    growth: subject.growth.map(cut),
  }));
  return { ...comparison, subjects };
}

function cellsOf({ differences }: Analysis, group: DifferenceRow["group"], name: string) {
  const row = differences.find((each) => each.group === group && each.name === name);
  return row && { ...Object.fromEntries(row.cells), differs: row.differs };
}

describe("the reference", () => {
  it("is the subject in mode kubeproxy, at any position", () => {
    expect(ofRead(sampleSubject("ebpf"), sampleSubject("kubeproxy")).reference).toBe("kubeproxy");
  });

  it("is preferably one without a tunnel", () => {
    const tunnelled = sampleSubject("kubeproxy", { name: "vxlan", tunnel: "vxlan" });
    expect(ofRead(tunnelled, sampleSubject("kubeproxy")).reference).toBe("kubeproxy");
    expect(ofRead(sampleSubject("ebpf"), tunnelled).reference).toBe("vxlan");
  });

  it("is the first if none is in mode kubeproxy", () => {
    expect(ofRead(sampleSubject("replacement"), sampleSubject("ebpf")).reference).toBe("replacement");
  });
});

describe("the rows of a comparison", () => {
  it("include all benchmarks and growth, with a ratio of each subject but the reference", () => {
    expect(ANALYSIS.benchmarks).toHaveLength(25);
    expect(ANALYSIS.growth).toHaveLength(45);
    for (const { summaries, ratios } of [...ANALYSIS.benchmarks, ...ANALYSIS.growth]) {
      expect([...summaries.keys()]).toEqual(["kubeproxy", "replacement", "ebpf"]);
      expect([...ratios.keys()]).toEqual(["replacement", "ebpf"]);
    }
  });

  it("omit a subject that was not measured, and have no ratios without the reference", () => {
    const without = (subject: Subject) => ({
      ...subject,
      series: subject.series.flatMap((each) => (each.path === "outside" ? [] : [each])),
      growth: subject.growth.map((each) => ({ ...each, values: [] })),
    });
    const { benchmarks, growth } = of(without(sampleSubject("kubeproxy")), sampleSubject("ebpf"));
    const outside = benchmarks.filter(({ path }) => path === "outside");
    expect(outside).toHaveLength(3);
    for (const { summaries, ratios } of [...outside, ...growth]) {
      expect([...summaries.keys()]).toEqual(["ebpf"]);
      expect(ratios.size).toBe(0);
    }
    expect(of(without(sampleSubject("kubeproxy")), without(sampleSubject("ebpf"))).growth).toEqual([]);
  });

  it("are deterministic", () => {
    expect(analyse(THIN)).toEqual(analyse(THIN));
  });
});

describe("the verdicts", () => {
  it("are few, and the first names the machine", () => {
    expect(ANALYSIS.verdicts.length).toBeLessThanOrEqual(8);
    expect(ANALYSIS.verdicts[0]).toMatch(
      /^On this machine \(8 × Invented Test CPU 9000, Linux 6.18.0-test\), at 5,000 Serv/,
    );
    expect(ANALYSIS.verdicts.filter((sentence) => sentence.includes("On this machine"))).toHaveLength(1);
  });

  it("have figures with uncertainty, and counts without", () => {
    expect(ANALYSIS.verdicts).toContainEqual(
      "At 5,000 Services, a new Service answers a pod after 2.08 s in kubeproxy, 48 ms in replacement (0.023 times, " +
        "0.022–0.024) and 41 ms in ebpf (0.02 times, 0.019–0.02)",
    );
    expect(ANALYSIS.verdicts[0]).toMatch(
      /40,092 rules in kubeproxy, 24 rules in replacement \(0\.0006 times\) and 12 /,
    );
  });

  it("cover paths and growth", () => {
    const isGrowth = (sentence: string) => /at 5,000 Services,/i.test(sentence);
    expect(ANALYSIS.verdicts.filter(isGrowth)).toHaveLength(4);
    expect(ANALYSIS.verdicts.filter((sentence) => !isGrowth(sentence) && !sentence.startsWith("No diff"))).not.toEqual(
      [],
    );
  });

  it("start with the largest difference", () => {
    const slow = of(sampleSubject("kubeproxy", { growth: [] }), delayed(sampleSubject("ebpf"), BETWEEN, 1000));
    expect(slow.verdicts[0]).toMatch(/across nodes, .* in kubeproxy and .* in ebpf \(/);
  });

  it("have no ratio to zero", () => {
    const counted = (subject: Subject, value: number): Subject => ({
      ...subject,
      growth: [{ services: 5000, metric: "iptables-rules", values: [value] }],
      series: [],
    });
    const { verdicts } = of(counted(sampleSubject("kubeproxy"), 0), counted(sampleSubject("ebpf"), 12));
    expect(verdicts).toEqual([expect.stringMatching(/has 0 rules in kubeproxy and 12 rules in ebpf$/)]);
  });

  it("report that no difference was shown between similar subjects", () => {
    const twin = { ...sampleSubject("kubeproxy"), name: "twin" };
    expect(of(sampleSubject("kubeproxy"), twin).verdicts).toEqual([
      "No difference was shown between kubeproxy and twin in any measurement",
    ]);
  });

  it("name metrics without a difference besides those with one", () => {
    const twin = slowed({ ...sampleSubject("kubeproxy"), name: "twin" }, 2, ({ metric }) => metric === "connections");
    const [claim, none] = of(sampleSubject("kubeproxy"), twin).verdicts;
    expect(claim).toMatch(/, new connections are served at .* \(0\.50 times, /);
    expect(none).toMatch(/^No difference was shown between kubeproxy and twin in throughput, one stream; /);
    expect(none).not.toContain("new connections");
  });

  it.each([1, 2, 3])("report that %i rounds are too few, and claim only counts", (rounds) => {
    const { verdicts, benchmarks } = analyse(shortened(THIN, rounds));
    expect(verdicts[0]).toMatch(new RegExp(`^With ${rounds} rounds?, chance explains any difference`));
    expect(verdicts.slice(1)).toEqual([expect.stringContaining("iptables")]);
    for (const { ratios } of benchmarks) {
      expect(new Set([...ratios.values()].map(({ outcome }) => outcome))).toEqual(new Set(["no difference"]));
    }
  });

  it("report that a single subject has nothing to compare it with", () => {
    expect(of(sampleSubject("ebpf"))).toMatchObject({
      reference: "ebpf",
      verdicts: [expect.stringContaining("Only ebpf was measured, so there is nothing to compare it with")],
      slowPaths: [],
    });
  });
});

describe("noise", () => {
  it("is reported with quartiles, and not claimed", () => {
    const scattered = withValues(sampleSubject("ebpf"), "connections", [9500, 12100, 9600, 12000, 11900]);
    const steady = withValues(sampleSubject("kubeproxy"), "connections", [9000, 9010, 9020, 9030, 9040]);
    const { noisy, verdicts } = of(steady, scattered);
    expect(noisy).toHaveLength(5);
    expect(noisy[0]).toBe(
      "new connections, a request each: pod to pod on its own node: too noisy in ebpf (quartiles 9,600 per second and " +
        "12,000 per second around 11,900 per second)",
    );
    expect(verdicts.join("\n")).not.toContain("new connections are served");
  });

  it("is claimed as noisy if the difference exceeds the noise", () => {
    const far = withValues(sampleSubject("ebpf"), "connections", [200000, 900000, 300000, 800000, 500000]);
    expect(of(sampleSubject("kubeproxy"), far).verdicts.join("\n")).toMatch(/new connections are served.*; noisy\)/);
  });

  it("of too few values is reported once", () => {
    expect(analyse(shortened(THIN, 2)).noisy).toEqual([
      "44 series of kubeproxy and ebpf have fewer than 3 values, so their noise is unknown",
    ]);
  });

  it("is absent in the sample", () => expect(ANALYSIS.noisy).toEqual([]));
});

describe("the differences", () => {
  it("compare settings and cilium-config, with a dash for missing ones", () => {
    const vxlan = ofRead(sampleSubject("kubeproxy"), sampleSubject("ebpf", { tunnel: "vxlan" }));
    expect(cellsOf(vxlan, "settings", "tunnel")).toEqual({ kubeproxy: "disabled", ebpf: "vxlan", differs: true });
    expect(cellsOf(vxlan, "cilium-config", "ipam")).toMatchObject({ differs: false });
    expect(cellsOf(vxlan, "interfaces", "cilium_vxlan")).toEqual({
      kubeproxy: "–",
      ebpf: "3 (1 per node)",
      differs: true,
    });
  });

  it("count rules by owner and services by type, in total and per node", () => {
    expect(cellsOf(ANALYSIS, "rules", "rules of kube-proxy")).toEqual({
      kubeproxy: "276 (92 per node)",
      replacement: "0",
      ebpf: "0",
      differs: true,
    });
    expect(cellsOf(ANALYSIS, "rules", "nftables tables")).toMatchObject({ kubeproxy: "ip docker", ebpf: "none" });
    expect(cellsOf(ANALYSIS, "service map", "NodePort")).toMatchObject({ kubeproxy: "–", ebpf: "18 (6 per node)" });
  });

  it("name a slowing queue with its node", () => {
    const slow = ofRead(sampleSubject("kubeproxy"), withQueue(sampleSubject("ebpf"), 1, "netem delay 5ms"));
    expect(cellsOf(slow, "interfaces", "eth0")).toEqual({
      kubeproxy: "3 (1 per node)",
      ebpf: "3 (1 per node); netem delay 5ms on cilium-ebpf-worker",
      differs: true,
    });
  });

  it.each(["fq, mq", "none", "fq_codel"])("ignore a default queue: %s", (queueing) => {
    const usual = ofRead(sampleSubject("kubeproxy"), withQueue(sampleSubject("ebpf"), 1, queueing));
    expect(cellsOf(usual, "interfaces", "eth0")).toMatchObject({ differs: false });
  });

  it("include packet paths", () => {
    expect(cellsOf(ANALYSIS, "hops", "cross-node: stations")).toEqual({
      kubeproxy: "6 in the request, 6 in the reply",
      replacement: "6 in the request, 6 in the reply",
      ebpf: "5 in the request, 5 in the reply",
      differs: true,
    });
    expect(cellsOf(ANALYSIS, "hops", "clusterip: rewrites")).toMatchObject({
      kubeproxy: "destination by BPF",
      ebpf: "destination by socket LB",
    });
    expect(cellsOf(ANALYSIS, "hops", "same-node: netfilter")).toMatchObject({ kubeproxy: "yes", ebpf: "no" });
    expect(cellsOf(ANALYSIS, "hops", "same-node: TTL at arrival")).toMatchObject({ ebpf: "63", differs: false });
  });

  it("include whose address a server sees of a client outside, if that was read", () => {
    const seen = (subject: Subject, address: "client" | "node"): Subject => {
      const outside = [
        { node: "own", address: "client" },
        { node: "other", address },
      ] as const;
      return { ...subject, inventory: { ...subject.inventory, outside: [...outside] } };
    };
    const analysis = ofRead(seen(sampleSubject("kubeproxy"), "node"), seen(sampleSubject("ebpf"), "client"));
    expect(cellsOf(analysis, "outside", "source of outside clients through the pod's node")).toMatchObject({
      differs: false,
    });
    expect(cellsOf(analysis, "outside", "source of outside clients through another node")).toEqual({
      kubeproxy: "a node's",
      ebpf: "the client's own",
      differs: true,
    });
    expect(ANALYSIS.differences.filter(({ group }) => group === "outside")).toEqual([]);
  });

  it("sum the usage of components, and tolerate small differences", () => {
    expect(cellsOf(ANALYSIS, "resources", "memory of kube-proxy")).toEqual({
      kubeproxy: "86.4 MiB",
      replacement: "–",
      ebpf: "–",
      differs: true,
    });
    const agents = (factor: number): Subject => {
      const { inventory, ...subject } = sampleSubject("ebpf");
      const components = inventory.components.map((each) => ({ ...each, memoryMiB: each.memoryMiB * factor }));
      return { ...subject, inventory: { ...inventory, components } };
    };
    const differs = (factor: number) =>
      cellsOf(ofRead(sampleSubject("kubeproxy"), agents(factor)), "resources", "memory of cilium-agent")?.differs;
    expect([differs(1.05), differs(1.5)]).toEqual([false, true]);
  });
});

describe("indistinguishable subjects", () => {
  it("do not exist among the sample's modes and tunnels", () => {
    expect(ANALYSIS.indistinguishable).toEqual([]);
    expect(
      ofRead(sampleSubject("ebpf"), sampleSubject("ebpf", { name: "x", tunnel: "vxlan" })).indistinguishable,
    ).toEqual([]);
  });

  it("have different modes and the same evidence", () => {
    const { inventory } = sampleSubject("replacement");
    const [sentence, ...others] = ofRead(
      sampleSubject("replacement"),
      sampleSubject("ebpf", { inventory }),
    ).indistinguishable;
    expect(others).toEqual([]);
    expect(sentence).toMatch(
      /^replacement \(replacement, tunnel disabled\) and ebpf \(ebpf, tunnel disabled\) show the same evidence/,
    );
    expect(sentence).toContain("rules of kube-proxy (no)");
    expect(sentence).toMatch(/the traces same-node, cross-node, .* and outside$/);
  });

  it("can be two of the same mode", () => {
    expect(ofRead(sampleSubject("ebpf"), sampleSubject("ebpf", { name: "older" })).indistinguishable).toEqual([]);
  });

  it("ignore which of a service's pods answered, and inconclusive traces", () => {
    const { inventory } = sampleSubject("replacement");
    const walks = inventory.walks.map((trace) =>
      trace.scenario === "clusterip"
        ? { ...trace, request: ["pod>", "veth<"], ttl: 61 }
        : trace.scenario === "outside"
          ? { ...trace, verdict: "inconclusive", request: [] }
          : trace,
    );
    const alike = sampleSubject("ebpf", { inventory: { ...inventory, walks } });
    const [sentence] = ofRead(sampleSubject("replacement"), alike).indistinguishable;
    expect(sentence).not.toContain("outside");
    const none = sampleSubject("ebpf", { inventory: { ...inventory, walks: [] } });
    expect(ofRead(sampleSubject("replacement"), none).indistinguishable[0]).toContain("no traces");
  });
});

describe("slow paths", () => {
  const slowOn = (paths: readonly PathId[], factor?: number) =>
    ofSpeed(sampleSubject("kubeproxy"), delayed(sampleSubject("ebpf"), paths, factor)).slowPaths;

  it.each<[string, PathId[], string]>([
    ["the client's node", [...BETWEEN], "between the nodes, not within a node, and not from outside"],
    ["the server's node", [...BETWEEN, "outside"], "between the nodes, not within a node, and from outside too"],
    ["services", ["cluster-ip", "node-port"], "in service translation: on cluster-ip and node-port, not from pod"],
    ["everything", ["same-node", ...BETWEEN, "outside"], "on every path, which points to the nodes or the machine"],
    ["the path from outside", ["outside"], "only on the path from outside the cluster"],
    ["a node itself", ["same-node"], "within a node, not between nodes"],
    [
      "no single part",
      ["same-node", "cluster-ip"],
      "on same-node and cluster-ip, not on cross-node, node-port and outside",
    ],
  ])("point to %s", (_, paths, place) => {
    const sentences = slowOn(paths);
    expect(sentences).toEqual([expect.stringMatching(/^ebpf is slower than kubeproxy /)]);
    expect(sentences[0]).toContain(place);
    expect(sentences[0]).toContain("request and response on a kept connection, median: ");
  });

  it("name a queue as likely cause", () => {
    const slow = withQueue(delayed(sampleSubject("ebpf"), BETWEEN), 2, "netem delay 5ms");
    const [sentence] = ofSpeed(sampleSubject("kubeproxy"), slow).slowPaths;
    expect(sentence).toMatch(/; likely cause: the queueing discipline netem delay 5ms on eth0 of cilium-ebpf-worker2$/);
  });

  it("are found by throughput if latency is unchanged", () => {
    const limited = slowed(
      sampleSubject("ebpf"),
      20,
      ({ path, metric }) => metric.startsWith("throughput") && BETWEEN.includes(path),
    );
    expect(ofSpeed(sampleSubject("kubeproxy"), limited).slowPaths).toEqual([
      expect.stringMatching(/ between the nodes, .*\(throughput, one stream: 0\.0/),
    ]);
  });

  it("are found in the reference if it is slower than all others", () => {
    const slow = withQueue(delayed(sampleSubject("kubeproxy"), BETWEEN), 0, "netem delay 5ms");
    expect(ofSpeed(slow, sampleSubject("replacement"), sampleSubject("ebpf")).slowPaths).toEqual([
      expect.stringMatching(
        /^kubeproxy is slower than all others between the nodes, .* of cilium-kubeproxy-control-plane/,
      ),
    ]);
    expect(ofSpeed(slow, sampleSubject("ebpf")).slowPaths).toEqual([
      expect.stringMatching(/^kubeproxy is slower than ebpf /),
    ]);
    expect(ofSpeed(slow, delayed(sampleSubject("replacement"), BETWEEN), sampleSubject("ebpf")).slowPaths).toEqual([]);
  });

  it("are not claimed for the modes' usual differences, nor for few rounds", () => {
    expect(ANALYSIS.slowPaths).toEqual([]);
    expect(slowOn(BETWEEN, 1.2)).toEqual([]);
    const slow = thin(sampleSubject("kubeproxy"), delayed(sampleSubject("ebpf"), BETWEEN));
    expect(analyse(shortened(slow, 3)).slowPaths).toEqual([]);
  });

  it("between nodes are compared with the path without pods, if that was measured", () => {
    const withHost = (subject: Subject, factor: number): Subject => {
      const hosts = subject.series
        .filter(({ path }) => path === "same-node")
        .map((series) => ({ ...series, path: "host" as const }));
      return delayed({ ...subject, series: [...subject.series, ...hosts] }, ["host"], factor);
    };
    const slow = delayed(sampleSubject("ebpf"), BETWEEN);
    const sentenceWith = (factor: number) =>
      ofSpeed(withHost(sampleSubject("kubeproxy"), 1), withHost(slow, factor)).slowPaths[0];
    expect(sentenceWith(1)).toMatch(
      /between the nodes, not within a node.*; the nodes are not slower without pods, which points to Cilium's datapath$/,
    );
    expect(sentenceWith(40)).toMatch(
      /between the nodes, not within a node.*; the nodes are slower too, without pods, which points to their network$/,
    );
  });

  it("consider only measured paths", () => {
    const near = (subject: Subject) => ({
      ...subject,
      series: subject.series.filter(({ path }) => BETWEEN.includes(path)),
    });
    const { slowPaths } = ofSpeed(near(sampleSubject("kubeproxy")), near(delayed(sampleSubject("ebpf"), BETWEEN)));
    expect(slowPaths).toEqual([expect.stringContaining("between the nodes; paths within a node were not measured (")]);
  });
});

describe("the cost of pods over their nodes", () => {
  const withHost = (comparison: Comparison, rounds: number): Comparison => ({
    ...comparison,
    subjects: comparison.subjects.map((subject) => ({
      ...subject,
      series: subject.series.flatMap((series) =>
        series.path === "cross-node"
          ? [series, { ...series, path: "host", values: series.values.slice(0, rounds).map((value) => value / 2) }]
          : [series],
      ),
    })),
  });

  it("is a ratio of each subject's own paths, by metric", () => {
    const { overhead } = analyse(withHost(THIN, 5));
    expect(overhead.map(({ metric }) => metric)).toEqual(["throughput-1", "latency-p50", "connections"]);
    const [throughput, latency] = overhead;
    for (const subject of ["kubeproxy", "ebpf"]) {
      expect(throughput!.ratios.get(subject)).toMatchObject({ ratio: 2, outcome: "better" });
      expect(latency!.ratios.get(subject)).toMatchObject({ ratio: 2, outcome: "worse" });
      expect(latency!.pods.get(subject)!.median).toBe(2 * latency!.nodes.get(subject)!.median);
    }
  });

  it("is known too if a sequential comparison took fewer rounds of one path", () => {
    const stopping = { first: 3, last: 5, errorRate: 0.05 };
    const { overhead } = analyse(withHost({ ...THIN, method: { ...THIN.method, stopping } }, 3));
    const { ratio, low, high, outcome } = overhead[1]!.ratios.get("ebpf")!;
    expect(outcome).toBe("worse");
    expect(low).toBeLessThan(ratio);
    expect(high).toBeGreaterThan(ratio);
  });

  it("is unknown without the path between nodes", () => expect(ANALYSIS.overhead).toEqual([]));
});

describe("agreement of two runs", () => {
  it("is complete with itself, and with a run that is slightly faster or slower in all", () => {
    const again = THIN.subjects.map((subject) => slowed(subject, 1.3, () => true));
    for (const second of [THIN, sampleComparison({ subjects: again })]) {
      expect(agreement(THIN, second)).toMatchObject({ agreeing: 24, disagreeing: 0, unknown: 0 });
    }
  });

  it("lists disagreeing ratios", () => {
    const ebpf = slowed(
      sampleSubject("ebpf"),
      1.5,
      ({ path, metric }) => path === "outside" && metric === "connections",
    );
    const { rows, disagreeing } = agreement(THIN, thin(sampleSubject("kubeproxy"), ebpf));
    expect(disagreeing).toBe(1);
    expect(rows.filter(({ agrees }) => !agrees)).toEqual([
      expect.objectContaining({
        subject: "ebpf",
        title: "new connections, a request each: from outside the cluster to a NodePort of the pod's node",
      }),
    ]);
  });

  it("is unknown for ratios in only one run, or without an interval", () => {
    const other = thin(sampleSubject("kubeproxy"), sampleSubject("replacement"));
    expect(agreement(THIN, other)).toMatchObject({ agreeing: 0, disagreeing: 0, unknown: 48 });
    const counted = 2;
    expect(agreement(THIN, shortened(THIN, 1))).toMatchObject({ agreeing: counted, unknown: 48 - 2 * counted });
  });
});
