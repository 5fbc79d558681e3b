import fc from "fast-check";
import { aligned } from "../../cli/trace/comparison";
import { commonPairs } from "../../datapath/trace/comparison";
import { stationIds } from "../../cli/trace/graph";
import { tracesHtml } from "../../cli/trace/html";
import { traceMermaid } from "../../cli/trace/mermaid";
import { stepsOf } from "../../cli/trace/steps";
import { tracesSvg } from "../../cli/trace/svg";
import { tracesText, traceText } from "../../cli/trace/text";
import type { Station, Trace } from "../../datapath/trace/result";
import { STATION_ROLES } from "../../modes/tracePaths";
import { randomTrace } from "./support/randomTrace";
import {
  BROKEN,
  EBPF_PING,
  HOST_NODEPORT,
  KUBEPROXY_NODEPORT,
  KUBEPROXY_PING,
  REPLACEMENT_CLUSTERIP,
  REPLACEMENT_PING,
  SAMPLE_TRACES,
  TWO_CLOCKS,
  UNSEEN,
  VXLAN_PING,
} from "./support/traces";
import { xmlProblem } from "./support/xml";

const samples = Object.entries(SAMPLE_TRACES);
const numbersOf = (trace: Trace) => stepsOf(trace).map(({ number }) => number);
const found = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map(([, first, second]) => Number(first ?? second)).sort((left, right) => left - right);
const drawingOf = (trace: Trace) =>
  traceText(trace)
    .split("\n")
    .filter((line) => /^[┌│└]/.test(line));
/** The visible text of HTML or XML. */
const readable = (markup: string) =>
  markup
    .replace(/<(style|script)>[^]*?<\/\1>/g, "")
    .replace(/<[^>]*>/g, "\n")
    .replace(/&gt;/g, ">")
    .replace(/&lt;/g, "<")
    .replace(/&quot;/g, '"')
    .replace(/&#39;|&#45;/g, (entity) => (entity === "&#39;" ? "'" : "-"))
    .replace(/&amp;/g, "&");

describe("a trace's text", () => {
  it.each(samples)("has each hop's number once in the drawing and once in the timeline: %s", (_, trace) => {
    const text = traceText(trace);
    expect(found(drawingOf(trace).join("\n"), /→(\d+)|(\d+)→/g)).toEqual(numbersOf(trace));
    expect(found(text, /^(\d+) +\d+ +(?:request|reply) /gm)).toEqual(numbersOf(trace));
  });

  it("draws two nodes side by side within 100 columns, however long their names are", () => {
    const long = JSON.parse(
      JSON.stringify(KUBEPROXY_NODEPORT).replaceAll("worker", "cilium-kubeproxy-replacement-ebpf-worker"),
    ) as Trace;
    for (const trace of [long, ...samples.map(([, each]) => each)]) {
      const lines = drawingOf(trace);
      expect(new Set(lines.map((line) => [...line].length))).toEqual(new Set([100]));
    }
    expect(found(drawingOf(long).join("\n"), /→(\d+)|(\d+)→/g)).toEqual(numbersOf(long));
  });

  it("draws a wire between nodes only where a packet went from one to the other", () => {
    expect(drawingOf(EBPF_PING).filter((line) => line.includes("│────│"))).toHaveLength(1);
    expect(drawingOf(UNSEEN).join("\n")).not.toContain("│────│");
  });

  it("draws three nodes below each other", () => {
    const third = { ...EBPF_PING.nodes[1]!, name: "control-plane", pods: [], stations: [] };
    const lines = drawingOf({ ...EBPF_PING, nodes: [...EBPF_PING.nodes, third] });
    expect(lines.filter((line) => line.startsWith("┌")).map((line) => line.split(" ")[1])).toEqual([
      "worker",
      "worker2",
      "control-plane",
    ]);
  });

  it("shows interfaces that saw nothing", () => {
    expect(drawingOf(EBPF_PING).join("\n")).toMatch(/cilium_host +· /);
    expect(drawingOf(KUBEPROXY_PING).join("\n")).not.toMatch(/lxc\S+ of net +· /);
  });

  it("shows rewrites and encapsulation", () => {
    expect(traceText(REPLACEMENT_CLUSTERIP)).toMatch(
      /^1 .*destination 10\.96\.0\.1:80 → 10\.0\.1\.15:80 by socket LB/m,
    );
    expect(traceText(KUBEPROXY_NODEPORT)).toMatch(/^3 .*source 10\.0\.2\.32:39204 → 172\.18\.0\.3:61022 by kernel/m);
    expect(traceText(VXLAN_PING)).toMatch(/^4 .*encapsulated in 172\.18\.0\.3 → 172\.18\.0\.2/m);
  });

  it("notes a decremented TTL, and nothing about an unchanged one", () => {
    const lines = traceText(EBPF_PING).split("\n");
    const noted = lines.filter((line) => line.endsWith("decremented TTL")).map((line) => Number(line.split(" ")[0]));
    expect(noted).toEqual([3, 5, 8, 10]);
  });

  it("confirms the expected path of a pass, and lists the differences of a failure", () => {
    expect(traceText(EBPF_PING)).toContain("the packet took the expected path of mode ebpf");
    const text = traceText(BROKEN);
    expect(text).not.toContain("the expected path of mode ebpf");
    expect(text).toContain("  - eth0 of server-xtzwx on worker2 did not see it come in");
    expect(text).toMatch(/eth0 +→missing/);
    expect(text).toMatch(/cilium_host +5→ unexpected/);
    expect(text).toContain("  - worker2 routes through its host's stack");
  });

  it("reports what each node's netfilter saw, or that it is unknown", () => {
    expect(traceText(KUBEPROXY_PING)).toContain("worker2: saw the packet");
    expect(traceText(EBPF_PING)).toContain("worker2: did not see the packet");
    expect(traceText(VXLAN_PING)).toContain("worker: unknown, since its connection tracking cannot be read");
  });

  it("warns about times only if the machines' clocks differ", () => {
    expect(traceText(TWO_CLOCKS)).toContain("Times on different machines cannot be compared");
    expect(traceText(EBPF_PING)).not.toContain("cannot be compared");
  });

  it("reports that the packet was not seen at all", () => {
    expect(traceText(UNSEEN)).toContain("The packet was not seen anywhere.");
  });

  it("contains no control characters from the trace", () => {
    fc.assert(
      fc.property(randomTrace, (trace) => {
        expect(traceText(trace) + tracesText([trace, trace])).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      }),
      // measuring the width of a table's cells takes long in a sandbox
      { numRuns: 20 },
    );
  });
});

describe("a broken trace", () => {
  const place = "last seen at step 5, leaving cilium_host of worker2";

  it("shows in every format where the packet was last seen", async () => {
    expect(traceText(BROKEN)).toContain(place);
    expect(readable(await tracesHtml([BROKEN]))).toContain(place);
    expect(traceMermaid(BROKEN)).toContain(place);
    expect(readable(await tracesSvg([BROKEN]))).toContain("LAST SEEN at step 5");
    expect(readable(await tracesSvg([EBPF_PING]))).not.toContain("LAST SEEN");
  });

  it("labels missing and unexpected hops", async () => {
    const svg = readable(await tracesSvg([BROKEN]));
    expect(svg.match(/MISSING: request in/g)).toHaveLength(1);
    expect(svg.match(/^UNEXPECTED$/gm)).toHaveLength(1);
    expect(readable(await tracesSvg([EBPF_PING]))).not.toMatch(/MISSING|UNEXPECTED/);
  });

  it("marks a missing hop at the veth of its own pod", () => {
    const [request] = KUBEPROXY_PING.legs;
    const early = { ...request!, hops: request!.hops.slice(0, 4), differences: ["it ends at worker2"] };
    const other = { node: "worker2", interface: "lxc0", role: "veth" } as const;
    const [worker, worker2] = KUBEPROXY_PING.nodes;
    const nodes = [worker!, { ...worker2!, stations: [other, ...worker2!.stations] }];
    const reply = KUBEPROXY_PING.legs[1]!;
    const lines = drawingOf({ ...KUBEPROXY_PING, nodes, legs: [early, reply] });
    expect(lines.find((line) => line.includes("lxc3d8b8c4b"))).toContain("missing→");
    expect(lines.find((line) => line.includes("lxc0"))).not.toContain("missing");
  });
});

describe("traces of several modes side by side", () => {
  const pings = [KUBEPROXY_PING, REPLACEMENT_PING, EBPF_PING];

  it("have one column each, and marks at the places where they diverge", () => {
    const text = tracesText(pings);
    expect(text).toMatch(/^ +kubeproxy +replacement +ebpf$/m);
    expect(text).toMatch(/^request hops +6 +6 +5$/m);
    expect(text).toMatch(/^request arrived after +108 µs +108 µs +58 µs$/m);
    expect(text).toMatch(/^reply arrived after +220 µs +220 µs +112 µs$/m);
    expect(text).toMatch(/^node 2: lxc out +5 lxc3d8b8c4b9039 +5 lxc3d8b8c4b9039 +– +≠ paths diverge$/m);
    expect(text.match(/≠/g)).toHaveLength(2);
  });

  it("are not marked if their paths are the same", () => {
    const text = tracesText([KUBEPROXY_PING, REPLACEMENT_PING]);
    expect(text).not.toContain("≠");
    expect(text.match(/same path in all/g)).toHaveLength(2);
  });

  it("show no times of different clocks, and no arrival of a lost packet", () => {
    const text = tracesText([TWO_CLOCKS, { ...BROKEN, mode: "kubeproxy" }]);
    expect(text).toMatch(/^request arrived after +unknown: two clocks +did not arrive$/m);
    expect(text).toMatch(/^reply arrived after +112 µs +no reply$/m);
  });

  it("show what rewrote in which", () => {
    expect(tracesText([REPLACEMENT_CLUSTERIP, EBPF_PING])).toMatch(
      /^rewrites +destination by socket LB \(step 1\) +none$/m,
    );
  });

  it("are named by more than the mode if they share it", () => {
    expect(tracesText([EBPF_PING, VXLAN_PING])).toMatch(/^ +ebpf, native +ebpf, vxlan$/m);
  });

  it("have a row for the family only where one of them is of IPv6", () => {
    const both = tracesText([EBPF_PING, { ...EBPF_PING, family: "ipv6" }]);
    expect(both).toMatch(/^ +ebpf, IPv4 +ebpf, IPv6$/m);
    expect(both).toMatch(/^family +IPv4 +IPv6$/m);
    expect(tracesText(pings)).not.toMatch(/^family/m);
  });

  it("share one picture and one page, each with its mode", async () => {
    const svg = readable(await tracesSvg(pings));
    const html = readable(await tracesHtml(pings));
    for (const { mode } of pings) {
      expect(svg).toContain(`mode ${mode}\n`);
      expect(html).toContain(`Mode ${mode} `);
    }
    expect(html.indexOf("Comparison")).toBeLessThan(html.indexOf("Mode kubeproxy"));
    expect(readable(await tracesHtml([EBPF_PING]))).not.toContain("Comparison");
  });
});

describe("a trace's SVG", () => {
  it.each(samples)("shows each hop's number once: %s", async (_, trace) => {
    expect(found(await tracesSvg([trace]), /<text[^>]*font-weight="bold"[^>]*>(\d+)<\/text>/g)).toEqual(
      numbersOf(trace),
    );
  });

  it("is well-formed XML without references for any names", async () => {
    await fc.assert(
      fc.asyncProperty(randomTrace, randomTrace, async (left, right) => {
        const svg = await tracesSvg([left, right]);
        expect(xmlProblem(svg)).toBeUndefined();
        expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/\shref=|xlink|url\(|<script|<!/);
        const numbers = found(svg, /<g id="trace-1-step-(\d+)"/g);
        expect(numbers).toEqual(numbersOf(left));
      }),
      { numRuns: 30 },
    );
  });

  it("shows the purpose of each interface, and has unique ids", async () => {
    const svg = await tracesSvg([VXLAN_PING]);
    for (const role of ["pod", "veth", "device", "tunnel", "cilium_host", "cilium_net", "loopback"] as const)
      expect(readable(svg)).toContain(`: ${STATION_ROLES[role]}`);
    const ids = [...svg.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("draws replies dashed, requests solid, and fades interfaces that saw nothing", async () => {
    const svg = await tracesSvg([EBPF_PING]);
    const path = (id: string) => new RegExp(`<g id="${id}"[^]*?<path[^>]*>`).exec(svg)![0];
    expect(path("trace-1-step-2")).not.toContain("stroke-dasharray");
    expect(path("trace-1-step-7")).toContain("stroke-dasharray");
    expect(svg.match(/class="node station unseen"/g)).toHaveLength(6);
  });

  it("points each hop's arrow at the interface that saw it", async () => {
    const svg = await tracesSvg([KUBEPROXY_PING]);
    const heightOf = (id: string, pattern: RegExp) => {
      const drawn = svg.slice(svg.indexOf(`<g id="${id}"`));
      return Number(pattern.exec(drawn.slice(0, drawn.indexOf("</g>")))![1]);
    };
    const idOf = stationIds(KUBEPROXY_PING, "trace-1");
    const away = (number: number, station: Station) =>
      Math.abs(
        heightOf(`trace-1-step-${number}`, /<polygon[^>]* points="[-\d.]+,([-\d.]+)/) -
          heightOf(idOf(station), /<text[^>]* y="([-\d.]+)"/),
      );
    for (const { hops } of KUBEPROXY_PING.legs)
      for (const [index, { station }] of hops.slice(1).entries()) {
        const before = hops[index]!;
        const number = stepsOf(KUBEPROXY_PING).find(({ hop }) => hop === hops[index + 1])!.number;
        expect(away(number, station)).toBeLessThan(away(number, before.station));
      }
  });

  it("draws a sender outside the cluster outside of its nodes", async () => {
    const svg = readable(await tracesSvg([HOST_NODEPORT]));
    expect(svg).toMatch(/^this machine$/m);
    expect(readable(await tracesSvg([EBPF_PING]))).toMatch(/^sends$/m);
  });

  it("draws a reply whose request was not seen", async () => {
    const [request, reply] = EBPF_PING.legs;
    const svg = await tracesSvg([{ ...EBPF_PING, legs: [{ ...request!, hops: [] }, reply!] }]);
    expect(found(svg, /<g id="trace-1-step-(\d+)"/g)).toEqual([1, 2, 3, 4, 5]);
    expect(readable(svg)).toMatch(/^answers$/m);
  });

  it("has colors for light and dark, by the reader's preference", async () => {
    expect(await tracesSvg([EBPF_PING])).toContain("prefers-color-scheme: dark");
  });
});

describe("a trace's page", () => {
  it.each(samples)("shows each hop once in the picture and once in the table: %s", async (_, trace) => {
    const html = await tracesHtml([trace]);
    expect(found(html, /<g id="trace1-1-step-(\d+)"/g)).toEqual(numbersOf(trace));
    expect(found(html, /<tr data-step="trace1-1-step-(\d+)"/g)).toEqual(numbersOf(trace));
    const ids = new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    for (const [, id] of html.matchAll(/data-station="([^"]*)"/g)) expect(ids).toContain(id);
  });

  it("loads nothing", async () => {
    const html = await tracesHtml([KUBEPROXY_PING, EBPF_PING, VXLAN_PING]);
    expect(html.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/https?:|\/\/\w/);
    expect(html).not.toMatch(/\s(?:src|href|srcset|action)=|url\(|@import/);
  });

  it("escapes every field of a trace", async () => {
    const evil = "</title></style></script><img src=x onerror=alert(1)>&\"'";
    const seen = new Set(["request", "reply", "in", "out", "source", "destination", "BPF", "kernel", "socket LB"]);
    const roles = new Set<string>([...Object.keys(STATION_ROLES), "pass", "disabled", "vxlan", "kubeproxy", "ebpf"]);
    const hostile = JSON.parse(JSON.stringify(KUBEPROXY_NODEPORT), (_, value: unknown) =>
      typeof value === "string" && !seen.has(value) && !roles.has(value) ? `${value}${evil}` : value,
    ) as Trace;
    const html = await tracesHtml([hostile, { ...hostile, mode: "ebpf" }]);
    expect(html).toContain("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;");
    expect(html).not.toContain("<img");
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.match(/<\/(?:script|style|title)>/g)!.filter((tag) => tag !== "</title>")).toHaveLength(2);
  });

  it("is balanced markup for any trace", async () => {
    await fc.assert(
      fc.asyncProperty(randomTrace, async (trace) => {
        const html = await tracesHtml([trace, trace]);
        const body = html.slice(html.indexOf("<main>"), html.indexOf("</main>") + 7);
        expect(xmlProblem(body)).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  });

  it("is readable without JavaScript and without a mouse", async () => {
    const html = (await tracesHtml([BROKEN])).replace(/<script>[^]*<\/script>/, "");
    expect(html).toMatch(/class="stepper" hidden=""/);
    const text = readable(html);
    for (const { role } of BROKEN.nodes[0]!.stations) expect(text).toContain(`\n${STATION_ROLES[role]}\n`);
    for (const sentence of BROKEN.legs[0]!.differences) expect(text).toContain(sentence);
    for (const reason of BROKEN.reasons) expect(text).toContain(reason);
    for (const [, tag] of html.matchAll(/(<div class="scroll"[^>]*>)/g))
      expect(tag).toMatch(/tabindex="0" role="region" aria-label="[^"]+"/);
  });

  it("allows its own script only", async () => {
    const html = await tracesHtml([EBPF_PING]);
    expect(html).toMatch(/script-src 'sha256-[\w+/]{43}='/);
    expect(html).not.toMatch(/script-src[^"]*unsafe/);
  });

  it("shows table entries", async () => {
    expect(readable(await tracesHtml([REPLACEMENT_CLUSTERIP]))).toContain(
      "service map of worker: 10.96.0.1:80 (1) -> 10.0.1.15:80",
    );
  });
});

describe("a trace's Mermaid", () => {
  it.each(samples)("has a message for each hop, in order: %s", (_, trace) => {
    expect([...traceMermaid(trace).matchAll(/>>s\d+: (\d+)\./g)].map(([, number]) => Number(number))).toEqual(
      numbersOf(trace),
    );
  });

  it("does not interpret names", () => {
    fc.assert(
      fc.property(randomTrace, (trace) => {
        for (const line of traceMermaid(trace).split("\n"))
          expect(line).toMatch(
            /^(sequenceDiagram| +(participant \w+ as |box transparent |end$|Note over \w+: |\w+--?>>\w+: ))/,
          );
      }),
    );
  });
});

describe("aligned sequences", () => {
  const letters = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 8 });

  it("keep each sequence complete and in order", () => {
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 4 }), (sequences) => {
        const rows = aligned(sequences);
        for (const [index, sequence] of sequences.entries()) {
          const own = rows.filter(({ positions }) => positions.has(index));
          expect(own.map(({ element }) => element)).toEqual(sequence);
          expect(own.map(({ positions }) => positions.get(index))).toEqual(sequence.map((_, position) => position));
        }
      }),
    );
  });

  it("share as many elements as possible", () => {
    expect(commonPairs([..."abcd"], [..."acbd"])).toHaveLength(3);
    expect(aligned([[..."abc"], [..."abc"]]).every(({ positions }) => positions.size === 2)).toBe(true);
  });
});
