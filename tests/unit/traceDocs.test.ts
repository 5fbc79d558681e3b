import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readmeTraces, readRecordedTraces, traceDocs } from "../../cli/trace/docs";
import { traceLanes } from "../../cli/trace/lanes";
import { differencesOf } from "../../datapath/trace/judgement";
import { MODE_CONTRACTS } from "../../modes/contract";
import { withPort } from "../../modes/ipFamily";
import { expectedPath, SCENARIOS, type PathFacts } from "../../modes/tracePaths";
import type { Trace } from "../../datapath/trace/result";
import { xmlProblem } from "./support/xml";

const docs = join(__dirname, "..", "..", "docs");
const recorded = readRecordedTraces(join(docs, "traces"));

/** What decides the expected path of a recorded trace, derived from the trace itself. */
function factsOf({ mode, tunnel, scenario, probe, legs, nodes }: Trace): PathFacts {
  const { services, hostRouting, masquerading } = MODE_CONTRACTS[mode];
  const [request] = legs;
  const [first, last] = [request!.hops[0]!.station, request!.hops.at(-1)!.station];
  const asked = nodes.find(({ address }) => probe.to.startsWith(withPort(address, "")))?.name;
  const arrived = last.role === "pod" ? { node: last.node, pod: last.pod! } : undefined;
  return {
    services,
    hostRouting,
    masquerading,
    tunnel,
    sender:
      scenario === "host-nodeport"
        ? { kind: "machine" }
        : first.role === "pod"
          ? { kind: "pod", node: first.node, pod: first.pod! }
          : { kind: "node", node: first.node },
    target:
      asked !== undefined
        ? { kind: "nodePort", node: asked }
        : scenario === "clusterip"
          ? { kind: "clusterIP" }
          : scenario === "outside"
            ? { kind: "outside" }
            : { kind: "pod", ...arrived! },
    arrived,
  };
}

describe("the recorded traces", () => {
  it("every scenario is recorded in each mode, and in a tunnel", () => {
    const namesOf = (wanted: "ipv4" | "ipv6") =>
      recorded.flatMap(({ family = "ipv4", mode, tunnel, scenario }) =>
        family === wanted ? [`${mode} ${tunnel} ${scenario}`] : [],
      );
    const all = ["kubeproxy disabled", "replacement disabled", "ebpf disabled", "ebpf vxlan"].map((mode) =>
      Object.keys(SCENARIOS).map((scenario) => `${mode} ${scenario}`),
    );
    expect(namesOf("ipv4")).toEqual(all.flat());
    // where one scenario is recorded by IPv6, all of them are
    const ofIpv6 = namesOf("ipv6");
    expect(ofIpv6).toEqual(all.filter((names) => names.some((name) => ofIpv6.includes(name))).flat());
  });

  it("traces by IPv6 have addresses of IPv6 only, but those of the tunnel", () => {
    const isIpv6 = (text: string) => /^(?:[\da-f:]+|\[[\da-f:]+\]:\d+)$/.test(text);
    for (const { family, legs, probe, title } of recorded) {
      const ends = legs.flatMap(({ hops }) => hops.flatMap(({ source, destination }) => [source, destination]));
      expect([title, [...ends, probe.to].every((end) => isIpv6(end) === (family === "ipv6"))]).toEqual([title, true]);
      expect(title.endsWith(" by IPv6")).toBe(family === "ipv6");
    }
  });

  it.each(
    recorded.map(
      (trace) =>
        [`${trace.mode}, tunnel ${trace.tunnel}, ${trace.scenario}, ${trace.family ?? "ipv4"}`, trace] as const,
    ),
  )("the recorded trace has the path that its mode should give: %s", (_name, trace) => {
    const promised = expectedPath(factsOf(trace));
    expect(promised).toBeDefined();
    expect(trace.legs.map(({ name, hops }) => [name, differencesOf(name, hops, promised)])).toEqual([
      ["request", []],
      ["reply", []],
    ]);
    expect(trace.verdict).toBe("pass");
  });

  it("traces by IPv6 are shown below those of their scenario by IPv4, and in no other table", () => {
    const ofIpv4 = recorded.filter(({ family }) => family === undefined);
    const ofIpv6 = ofIpv4
      .filter(({ scenario }) => scenario === "outside")
      .map((trace) => ({ ...trace, family: "ipv6" }) as const);
    const [plain, page] = [traceDocs(ofIpv4), traceDocs([...ofIpv4, ...ofIpv6])];
    expect(plain).not.toContain("by IPv6");
    const [before, after] = page.split("\n<details><summary>by IPv6</summary>\n") as [string, string];
    expect(plain.startsWith(before)).toBe(true);
    expect(after).toMatch(/^family +IPv6 +IPv6 +IPv6 +IPv6$/m);
    expect(readmeTraces([...ofIpv4, ...ofIpv4.map((trace) => ({ ...trace, family: "ipv6" }) as const)])).toEqual(
      readmeTraces(ofIpv4),
    );
  });

  it("docs/traces.md is current; if not, run: npx tsx scripts/trace-docs.ts", () => {
    expect(readFileSync(join(docs, "traces.md"), "utf8")).toBe(traceDocs(recorded));
  });

  describe("the README's picture", () => {
    const traces = readmeTraces(recorded);
    const picture = traceLanes(traces);

    it("docs/modes.svg is current; if not, run: npx tsx scripts/trace-docs.ts", () => {
      expect(readFileSync(join(docs, "modes.svg"), "utf8")).toBe(picture);
    });

    it("it shows one trace of each mode, and no two are alike", () => {
      expect(traces.map(({ mode }) => mode)).toEqual(["kubeproxy", "replacement", "ebpf"]);
      expect(new Set(traces.map(({ legs }) => legs[0]!.hops.length)).size).toBe(3);
    });

    it("it has a box for each hop of the request, and a frame for each node that the request visits", () => {
      const hops = traces.flatMap(({ legs }) => legs[0]!.hops);
      expect(picture.match(/<rect class="box/g)).toHaveLength(hops.length);
      expect(picture.match(/<rect class="box rewrites"/g)).toHaveLength(
        hops.filter(({ rewritten }) => rewritten.length > 0).length,
      );
      const visits = traces.map(
        ({ legs: [request] }) =>
          request!.hops.filter(({ station }, index) => request!.hops[index - 1]?.station.node !== station.node).length,
      );
      expect(picture.match(/<rect class="node/g)).toHaveLength(visits.reduce((sum, each) => sum + each, 0));
    });

    it("it is well-formed, narrow enough for a page, and has colors for light and dark pages", () => {
      expect(xmlProblem(picture)).toBeUndefined();
      expect(Number(/<svg [^>]*width="(\d+)"/.exec(picture)![1])).toBeLessThanOrEqual(900);
      expect(picture).toContain("prefers-color-scheme: dark");
      // an opaque ground of its own, whatever the page's
      expect(picture).toMatch(/<rect class="paper" width="\d+" height="\d+"\/>/);
    });
  });
});
