import fc from "fast-check";
import { aligned } from "../../cli/walk/sequences";
import { commonPairs } from "../../datapath/trace/comparison";
import { stationIds } from "../../cli/walk/walkGraph";
import { walkHtml } from "../../cli/walk/walkHtml";
import { walkMermaid } from "../../cli/walk/walkMermaid";
import { stepsOf } from "../../cli/walk/walkSteps";
import { walksSvg, walkSvg } from "../../cli/walk/walkSvg";
import { walksText, walkText } from "../../cli/walk/walkText";
import type { Station, Walk } from "../../datapath/trace/walk";
import { STATION_ROLES } from "../../modes/tracePaths";
import { randomWalk } from "./support/randomWalk";
import {
  BROKEN,
  EBPF_PING,
  HOST_NODEPORT,
  KUBEPROXY_NODEPORT,
  KUBEPROXY_PING,
  REPLACEMENT_CLUSTERIP,
  REPLACEMENT_PING,
  SAMPLE_WALKS,
  TWO_CLOCKS,
  UNSEEN,
  VXLAN_PING,
} from "./support/walks";
import { xmlProblem } from "./support/xml";

const samples = Object.entries(SAMPLE_WALKS);
const numbersOf = (walk: Walk) => stepsOf(walk).map(({ number }) => number);
const found = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map(([, first, second]) => Number(first ?? second)).sort((left, right) => left - right);
const drawingOf = (walk: Walk) =>
  walkText(walk)
    .split("\n")
    .filter((line) => /^[┌│└]/.test(line));
/** What a reader sees of HTML or XML. */
const readable = (markup: string) =>
  markup
    .replace(/<(style|script)>[^]*?<\/\1>/g, "")
    .replace(/<[^>]*>/g, "\n")
    .replace(/&gt;/g, ">")
    .replace(/&lt;/g, "<")
    .replace(/&quot;/g, '"')
    .replace(/&#39;|&#45;/g, (entity) => (entity === "&#39;" ? "'" : "-"))
    .replace(/&amp;/g, "&");

describe("a walk's text", () => {
  it.each(samples)("has each hop's number once in the drawing and once in the timeline: %s", (_, walk) => {
    const text = walkText(walk);
    expect(found(drawingOf(walk).join("\n"), /→(\d+)|(\d+)→/g)).toEqual(numbersOf(walk));
    expect(found(text, /^(\d+) +\d+ +(?:request|reply) /gm)).toEqual(numbersOf(walk));
  });

  it("draws two nodes beside each other within 100 columns, however long their names are", () => {
    const long = JSON.parse(
      JSON.stringify(KUBEPROXY_NODEPORT).replaceAll("worker", "cilium-kubeproxy-replacement-ebpf-worker"),
    ) as Walk;
    for (const walk of [long, ...samples.map(([, each]) => each)]) {
      const lines = drawingOf(walk);
      expect(new Set(lines.map((line) => [...line].length))).toEqual(new Set([100]));
    }
    expect(found(drawingOf(long).join("\n"), /→(\d+)|(\d+)→/g)).toEqual(numbersOf(long));
  });

  it("draws a wire between nodes only where a packet went from one to the other", () => {
    expect(drawingOf(EBPF_PING).filter((line) => line.includes("│────│"))).toHaveLength(1);
    expect(drawingOf(UNSEEN).join("\n")).not.toContain("│────│");
  });

  it("draws three nodes under each other", () => {
    const third = { ...EBPF_PING.nodes[1]!, name: "control-plane", pods: [], stations: [] };
    const lines = drawingOf({ ...EBPF_PING, nodes: [...EBPF_PING.nodes, third] });
    expect(lines.filter((line) => line.startsWith("┌")).map((line) => line.split(" ")[1])).toEqual([
      "worker",
      "worker2",
      "control-plane",
    ]);
  });

  it("names the interfaces that saw nothing", () => {
    expect(drawingOf(EBPF_PING).join("\n")).toMatch(/cilium_host +· /);
    expect(drawingOf(KUBEPROXY_PING).join("\n")).not.toMatch(/lxc\S+ of net +· /);
  });

  it("says who rewrote what, and what a packet was encapsulated in", () => {
    expect(walkText(REPLACEMENT_CLUSTERIP)).toMatch(/^1 .*destination 10\.96\.0\.1:80 → 10\.0\.1\.15:80 by socket LB/m);
    expect(walkText(KUBEPROXY_NODEPORT)).toMatch(/^3 .*source 10\.0\.2\.32:39204 → 172\.18\.0\.3:61022 by kernel/m);
    expect(walkText(VXLAN_PING)).toMatch(/^4 .*encapsulated in 172\.18\.0\.3 → 172\.18\.0\.2/m);
  });

  it("says of a lower TTL that it was decremented, and of the same one nothing", () => {
    const lines = walkText(EBPF_PING).split("\n");
    const noted = lines.filter((line) => line.endsWith("decremented TTL")).map((line) => Number(line.split(" ")[0]));
    expect(noted).toEqual([3, 5, 8, 10]);
  });

  it("says of a pass that it is what the mode promises, and of a failure what is not", () => {
    expect(walkText(EBPF_PING)).toContain("the packet took the way that mode ebpf promises");
    const text = walkText(BROKEN);
    expect(text).not.toContain("the way that mode ebpf promises");
    expect(text).toContain("  - eth0 of server-xtzwx on worker2 did not see it come in");
    expect(text).toMatch(/eth0 +→not seen/);
    expect(text).toMatch(/cilium_host +5→ not promised/);
    expect(text).toContain("  - worker2 routes through its host's stack");
  });

  it("says what each node's netfilter saw, and where that cannot be read", () => {
    expect(walkText(KUBEPROXY_PING)).toContain("the kernel's netfilter saw it on worker2");
    expect(walkText(EBPF_PING)).toContain("no netfilter on worker2");
    expect(walkText(VXLAN_PING)).toContain("whether the kernel's netfilter saw it on worker cannot be read");
  });

  it("warns of times only where the machines' clocks differ", () => {
    expect(walkText(TWO_CLOCKS)).toContain("Times of different machines are not comparable");
    expect(walkText(EBPF_PING)).not.toContain("not comparable");
  });

  it("says so when nothing was seen at all", () => {
    expect(walkText(UNSEEN)).toContain("The packet was not seen anywhere.");
  });

  it("holds no control characters of the walk's", () => {
    fc.assert(
      fc.property(randomWalk, (walk) => {
        expect(walkText(walk) + walksText([walk, walk])).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      }),
    );
  });
});

describe("a broken walk", () => {
  const place = "last seen at step 5, going out at cilium_host of worker2";

  it("says everywhere where the packet was last seen", async () => {
    expect(walkText(BROKEN)).toContain(place);
    expect(readable(await walkHtml([BROKEN]))).toContain(place);
    expect(walkMermaid(BROKEN)).toContain(place);
    expect(readable(await walkSvg(BROKEN))).toContain("LAST SEEN at step 5");
    expect(readable(await walkSvg(EBPF_PING))).not.toContain("LAST SEEN");
  });

  it("shows in words what was promised and not seen, and what was seen and not promised", async () => {
    const svg = readable(await walkSvg(BROKEN));
    expect(svg.match(/PROMISED, NOT SEEN: request in/g)).toHaveLength(1);
    expect(svg.match(/^NOT PROMISED$/gm)).toHaveLength(1);
    expect(readable(await walkSvg(EBPF_PING))).not.toContain("PROMISED");
  });

  it("asks of several veths the one of the pod beside which the mode promises it", () => {
    const [request] = KUBEPROXY_PING.legs;
    const early = { ...request!, hops: request!.hops.slice(0, 4), differences: ["it ends at worker2"] };
    const other = { node: "worker2", interface: "lxc0", role: "veth" } as const;
    const [worker, worker2] = KUBEPROXY_PING.nodes;
    const nodes = [worker!, { ...worker2!, stations: [other, ...worker2!.stations] }];
    const reply = KUBEPROXY_PING.legs[1]!;
    const lines = drawingOf({ ...KUBEPROXY_PING, nodes, legs: [early, reply] });
    expect(lines.find((line) => line.includes("lxc3d8b8c4b"))).toContain("not seen→");
    expect(lines.find((line) => line.includes("lxc0"))).not.toContain("not seen");
  });
});

describe("walks of several modes beside each other", () => {
  const pings = [KUBEPROXY_PING, REPLACEMENT_PING, EBPF_PING];

  it("have a column each, and a mark at the places where they part", () => {
    const text = walksText(pings);
    expect(text).toMatch(/^ +kubeproxy +replacement +ebpf$/m);
    expect(text).toMatch(/^steps of the request +6 +6 +5$/m);
    expect(text).toMatch(/^request arrived after +108 µs +108 µs +58 µs$/m);
    expect(text).toMatch(/^answer was back after +220 µs +220 µs +112 µs$/m);
    expect(text).toMatch(/^node 2: lxc out +5 lxc3d8b8c4b9039 +5 lxc3d8b8c4b9039 +– +≠ they part here$/m);
    expect(text.match(/≠/g)).toHaveLength(2);
  });

  it("are not said to part where they do not", () => {
    const text = walksText([KUBEPROXY_PING, REPLACEMENT_PING]);
    expect(text).not.toContain("≠");
    expect(text.match(/the same way in all/g)).toHaveLength(2);
  });

  it("compare no times of different clocks, and tell no arrival of what was lost", () => {
    const text = walksText([TWO_CLOCKS, { ...BROKEN, mode: "kubeproxy" }]);
    expect(text).toMatch(/^request arrived after +not comparable: two clocks +did not arrive$/m);
    expect(text).toMatch(/^answer was back after +112 µs +did not come$/m);
  });

  it("say who rewrote in which", () => {
    expect(walksText([REPLACEMENT_CLUSTERIP, EBPF_PING])).toMatch(
      /^rewritten by +destination by socket LB \(step 1\) +nobody$/m,
    );
  });

  it("are told apart by more than the mode where they have it in common", () => {
    expect(walksText([EBPF_PING, VXLAN_PING])).toMatch(/^ +ebpf, native +ebpf, vxlan$/m);
  });

  it("stand in one picture and on one page, each with its mode", async () => {
    const svg = readable(await walksSvg(pings));
    const html = readable(await walkHtml(pings));
    for (const { mode } of pings) {
      expect(svg).toContain(`mode ${mode}\n`);
      expect(html).toContain(`Mode ${mode} `);
    }
    expect(html.indexOf("Compared")).toBeLessThan(html.indexOf("Mode kubeproxy"));
    expect(readable(await walkHtml([EBPF_PING]))).not.toContain("Compared");
  });
});

describe("a walk's SVG", () => {
  it.each(samples)("has each hop's number once: %s", async (_, walk) => {
    expect(found(await walkSvg(walk), /<text[^>]*font-weight="bold"[^>]*>(\d+)<\/text>/g)).toEqual(numbersOf(walk));
  });

  it("is well-formed XML without references, whatever a walk's names are", async () => {
    await fc.assert(
      fc.asyncProperty(randomWalk, randomWalk, async (left, right) => {
        const svg = await walksSvg([left, right]);
        expect(xmlProblem(svg)).toBeUndefined();
        expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/\shref=|xlink|url\(|<script|<!/);
        const numbers = found(svg, /<g id="walk-1-step-(\d+)"/g);
        expect(numbers).toEqual(numbersOf(left));
      }),
      { numRuns: 30 },
    );
  });

  it("says what each interface is for, and gives no id twice", async () => {
    const svg = await walkSvg(VXLAN_PING);
    for (const role of ["pod", "veth", "device", "tunnel", "cilium_host", "cilium_net", "loopback"] as const)
      expect(readable(svg)).toContain(`: ${STATION_ROLES[role]}`);
    const ids = [...svg.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("draws replies dashed and requests not, and fades what saw nothing", async () => {
    const svg = await walkSvg(EBPF_PING);
    const path = (id: string) => new RegExp(`<g id="${id}"[^]*?<path[^>]*>`).exec(svg)![0];
    expect(path("walk-1-step-2")).not.toContain("stroke-dasharray");
    expect(path("walk-1-step-7")).toContain("stroke-dasharray");
    expect(svg.match(/class="node station unseen"/g)).toHaveLength(6);
  });

  it("points each hop's arrow at the interface that saw it", async () => {
    const svg = await walkSvg(KUBEPROXY_PING);
    const heightOf = (id: string, pattern: RegExp) => {
      const drawn = svg.slice(svg.indexOf(`<g id="${id}"`));
      return Number(pattern.exec(drawn.slice(0, drawn.indexOf("</g>")))![1]);
    };
    const idOf = stationIds(KUBEPROXY_PING, "walk-1");
    const away = (number: number, station: Station) =>
      Math.abs(
        heightOf(`walk-1-step-${number}`, /<polygon[^>]* points="[-\d.]+,([-\d.]+)/) -
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
    const svg = readable(await walkSvg(HOST_NODEPORT));
    expect(svg).toMatch(/^this machine$/m);
    expect(readable(await walkSvg(EBPF_PING))).toMatch(/^sends$/m);
  });

  it("draws an answer whose request nobody saw", async () => {
    const [request, reply] = EBPF_PING.legs;
    const svg = await walkSvg({ ...EBPF_PING, legs: [{ ...request!, hops: [] }, reply!] });
    expect(found(svg, /<g id="walk-1-step-(\d+)"/g)).toEqual([1, 2, 3, 4, 5]);
    expect(readable(svg)).toMatch(/^answers$/m);
  });

  it("keeps light and dark apart by the reader's preference", async () => {
    expect(await walkSvg(EBPF_PING)).toContain("prefers-color-scheme: dark");
  });
});

describe("a walk's page", () => {
  it.each(samples)("has each hop once in the drawing and once in the table: %s", async (_, walk) => {
    const html = await walkHtml([walk]);
    expect(found(html, /<g id="walk1-1-step-(\d+)"/g)).toEqual(numbersOf(walk));
    expect(found(html, /<tr data-step="walk1-1-step-(\d+)"/g)).toEqual(numbersOf(walk));
    const ids = new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    for (const [, id] of html.matchAll(/data-station="([^"]*)"/g)) expect(ids).toContain(id);
  });

  it("refers to nothing outside itself", async () => {
    const html = await walkHtml([KUBEPROXY_PING, EBPF_PING, VXLAN_PING]);
    expect(html.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/https?:|\/\/\w/);
    expect(html).not.toMatch(/\s(?:src|href|srcset|action)=|url\(|@import/);
  });

  it("holds no unescaped text of a walk's, in no field", async () => {
    const evil = "</title></style></script><img src=x onerror=alert(1)>&\"'";
    const seen = new Set(["request", "reply", "in", "out", "source", "destination", "BPF", "kernel", "socket LB"]);
    const roles = new Set<string>([...Object.keys(STATION_ROLES), "pass", "disabled", "vxlan", "kubeproxy", "ebpf"]);
    const hostile = JSON.parse(JSON.stringify(KUBEPROXY_NODEPORT), (_, value: unknown) =>
      typeof value === "string" && !seen.has(value) && !roles.has(value) ? `${value}${evil}` : value,
    ) as Walk;
    const html = await walkHtml([hostile, { ...hostile, mode: "ebpf" }]);
    expect(html).toContain("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;");
    expect(html).not.toContain("<img");
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.match(/<\/(?:script|style|title)>/g)!.filter((tag) => tag !== "</title>")).toHaveLength(2);
  });

  it("is balanced markup for any walk", async () => {
    await fc.assert(
      fc.asyncProperty(randomWalk, async (walk) => {
        const html = await walkHtml([walk, walk]);
        const body = html.slice(html.indexOf("<main>"), html.indexOf("</main>") + 7);
        expect(xmlProblem(body)).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  });

  it("can be read without JavaScript and without a mouse", async () => {
    const html = (await walkHtml([BROKEN])).replace(/<script>[^]*<\/script>/, "");
    expect(html).toMatch(/class="stepper" hidden=""/);
    const text = readable(html);
    for (const { role } of BROKEN.nodes[0]!.stations) expect(text).toContain(`\n${STATION_ROLES[role]}\n`);
    for (const sentence of BROKEN.legs[0]!.differences) expect(text).toContain(sentence);
    for (const reason of BROKEN.reasons) expect(text).toContain(reason);
    for (const [, tag] of html.matchAll(/(<div class="scroll"[^>]*>)/g))
      expect(tag).toMatch(/tabindex="0" role="region" aria-label="[^"]+"/);
  });

  it("lets its own script run and no other", async () => {
    const html = await walkHtml([EBPF_PING]);
    expect(html).toMatch(/script-src 'sha256-[\w+/]{43}='/);
    expect(html).not.toMatch(/script-src[^"]*unsafe/);
  });

  it("shows lookups", async () => {
    expect(readable(await walkHtml([REPLACEMENT_CLUSTERIP]))).toContain(
      "service map of worker: 10.96.0.1:80 (1) -> 10.0.1.15:80",
    );
  });
});

describe("a walk's Mermaid", () => {
  it.each(samples)("has a message for each hop, in order: %s", (_, walk) => {
    expect([...walkMermaid(walk).matchAll(/>>s\d+: (\d+)\./g)].map(([, number]) => Number(number))).toEqual(
      numbersOf(walk),
    );
  });

  it("gives no name the power to say something of its own", () => {
    fc.assert(
      fc.property(randomWalk, (walk) => {
        for (const line of walkMermaid(walk).split("\n"))
          expect(line).toMatch(
            /^(sequenceDiagram| +(participant \w+ as |box transparent |end$|Note over \w+: |\w+--?>>\w+: ))/,
          );
      }),
    );
  });
});

describe("sequences side by side", () => {
  const letters = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 8 });

  it("keep each sequence whole and in order", () => {
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

  it("share as much as they can", () => {
    expect(commonPairs([..."abcd"], [..."acbd"])).toHaveLength(3);
    expect(aligned([[..."abc"], [..."abc"]]).every(({ positions }) => positions.size === 2)).toBe(true);
  });
});
