import { partsOfScript, partsOfUp, resourceSpans } from "../../bench/parts";
import { familyOf, parseStat, type ProcessFacts } from "../../bench/processes";
import { markdown, rowsOf, type Sample, type Subject } from "../../bench/report";

describe("parts", () => {
  const urn = (type: string, name: string) => `urn:pulumi:s::p::component$${type}::${name}`;
  const event = (at: number, sequence: number, kind: string, type: string, name: string, op = "create") => ({
    at,
    text: JSON.stringify({ sequence, [kind]: { metadata: { op, urn: urn(type, name), type } } }),
  });
  const began = (at: number, type: string, name: string, op?: string) =>
    event(at, 1, "resourcePreEvent", type, name, op);
  const ended = (at: number, type: string, name: string) => event(at, 2, "resOutputsEvent", type, name);
  const lines = [
    { at: 3, text: "{" },
    { at: 3, text: '    "steps": []' },
    { at: 3, text: "}" },
    began(5, "kind:index:Cluster", "cluster-nodes"),
    began(5, "docker:index/image:Image", "nettool-image"),
    began(5, "pulumi:pulumi:Stack", "same", "same"),
    ended(7, "docker:index/image:Image", "nettool-image"),
    ended(30, "kind:index:Cluster", "cluster-nodes"),
    ended(30, "pulumi:pulumi:Stack", "same"),
    began(31, "kind:index:NodeImages", "nettool-node-images"),
    began(31, "kind:index:NodeImages", "cilium-images"),
    ended(40, "kind:index:NodeImages", "nettool-node-images"),
    ended(50, "kind:index:NodeImages", "cilium-images"),
    began(51, "kubernetes:helm.sh/v3:Release", "cilium-release"),
    began(60, "kind:index:CiliumReadiness", "cilium-ready"),
    ended(70, "kind:index:CiliumReadiness", "cilium-ready"),
  ];

  test("a resource's span is from the start of its creation to its outputs; other operations have none", () => {
    expect(resourceSpans(lines)).toEqual([
      { name: "nettool-image", type: "docker:index/image:Image", from: 5, to: 7 },
      { name: "cluster-nodes", type: "kind:index:Cluster", from: 5, to: 30 },
      { name: "nettool-node-images", type: "kind:index:NodeImages", from: 31, to: 40 },
      { name: "cilium-images", type: "kind:index:NodeImages", from: 31, to: 50 },
      { name: "cilium-ready", type: "kind:index:CiliumReadiness", from: 60, to: 70 },
    ]);
  });

  test("the preview of an up ends with the first event, and a part with its last resource", () => {
    expect(partsOfUp(lines)).toEqual([
      { name: "preview", from: 0, to: 5 },
      { name: "kind cluster", from: 5, to: 30 },
      { name: "image build", from: 5, to: 7 },
      { name: "images to nodes", from: 31, to: 50 },
      { name: "Cilium", from: 60, to: 70 },
    ]);
  });

  test("a part of a script ends with the next one, or with the script", () => {
    const said = [
      { at: 0.1, text: "stage kind cluster" },
      { at: 12, text: "node/a untainted" },
      { at: 20, text: "stage Cilium" },
    ];
    expect(partsOfScript(said, 42)).toEqual([
      { name: "kind cluster", from: 0.1, to: 20 },
      { name: "Cilium", from: 20, to: 42 },
    ]);
  });
});

describe("processes", () => {
  const facts = (pid: number, parent: number, started = String(pid)): ProcessFacts => ({ pid, parent, started });

  test("the name of a process can contain separators", () => {
    const rest = Array.from({ length: 40 }, (_, index) => index + 5).join(" ");
    expect(parseStat(`42 (a) S b)) S 7 ${rest}`)).toEqual({ pid: 42, parent: 7, started: "22" });
  });

  test("orphans are counted, and later processes with the same id are not", () => {
    const known = new Map<number, string>();
    expect(familyOf(1, [facts(1, 0), facts(2, 1), facts(3, 2), facts(9, 0)], known)).toEqual([1, 2, 3]);
    expect(familyOf(1, [facts(1, 0), facts(3, 0), facts(4, 3)], known)).toEqual([1, 3, 4]);
    expect(familyOf(1, [facts(1, 0), facts(3, 0, "later"), facts(4, 0)], known)).toEqual([1, 4]);
  });
});

describe("report", () => {
  const sample = (contestant: Sample["contestant"], round: number, seconds: number): Sample => ({
    measurement: "up",
    contestant,
    round,
    seconds,
    peakMiB: seconds * 10,
    busyBefore: 0.05,
  });
  const samples = [
    sample("project", 1, 60),
    sample("articles", 1, 100),
    sample("project", 2, 80),
    sample("articles", 2, 80),
    sample("project", 3, 75),
    sample("articles", 3, 100),
  ];
  const subject: Subject = {
    date: "2026-01-02T03:04:05Z",
    machine: "2 × a processor, 8 GiB",
    kernel: "6.1",
    versions: { kind: "0.33.0" },
    nodes: 3,
    nodeImage: "kindest/node:v1.34.0",
    mode: "ebpf",
    cilium: "1.20.2",
    imagesMiB: { a: 12.3 },
    otherNodes: 0,
    rounds: 3,
  };

  test("a ratio compares medians, with the lowest and highest ratio of a round", () => {
    expect(rowsOf(samples, ["up"])).toEqual([
      {
        title: "from nothing to a verified NodePort answer",
        than: "articles",
        unit: "s",
        own: { median: 75, low: 60, high: 80 },
        other: { median: 100, low: 80, high: 100 },
        ratio: { median: 0.75, low: 0.6, high: 1 },
        aim: "≤ 0.75",
        isMet: true,
      },
    ]);
  });

  test("sections that are not selected are omitted", () => {
    expect(rowsOf(samples, ["memory"]).map(({ unit }) => unit)).toEqual(["MiB"]);
    expect(rowsOf(samples, ["load"])).toEqual([]);
  });

  test("a noisy run is reported", () => {
    expect(markdown({ subject, samples }, ["up"])).not.toContain("Noisy");
    const busy = [...samples, { ...sample("helm", 1, 50), busyBefore: 0.6 }];
    expect(markdown({ subject: { ...subject, otherNodes: 2 }, samples: busy }, ["up"])).toContain(
      "Noisy: before 1 of 7 measurements, other processes used up to 60 % of the CPUs.\n\nNoisy: 2 nodes of other clusters",
    );
  });
});
