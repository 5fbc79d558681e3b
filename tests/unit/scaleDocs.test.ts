import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readScale, scaleSubject, scaleSvg, scaleTable, type ScaleResults } from "../../scripts/readme/scale";

const sample = (nodes: number, stacks: number, round: number, upSeconds: number) => ({
  ...{ nodes, stacks, round, upSeconds, cilium: "1.20.2", upPeakMiB: 900 },
  ...{ previewSeconds: 4, verifySeconds: 2 * nodes, destroySeconds: 5 },
});

/** Invented: only how results are shown is tested. */
const RESULTS: ScaleResults = {
  startedAt: "2026-12-01T10:00:00.000Z",
  machine: "2 CPUs",
  otherNodes: 0,
  samples: [sample(1, 1, 1, 50), sample(3, 1, 1, 80), sample(3, 1, 2, 84), sample(3, 2, 1, 150)],
};

describe("the table of larger clusters", () => {
  it("has a row for each size, with the spread of several rounds", () => {
    const { head, rows } = scaleTable(RESULTS);
    expect(rows).toEqual([
      ["1", "1", "50.0 s", "4.0 s", "2.0 s", "5.0 s", "900 MiB"],
      ["1", "3", "82.0 s (80.0–84.0)", "4.0 s", "6.0 s", "5.0 s", "900 MiB"],
      ["2", "3", "150.0 s", "4.0 s", "6.0 s", "5.0 s", "900 MiB"],
    ]);
    expect(head).toHaveLength(rows[0]!.length);
  });

  it("says when, where and how often was measured, and what disturbed it", () => {
    expect(scaleSubject(RESULTS)).toBe(
      "2026-12-01, 2 CPUs, Cilium 1.20.2 in mode `ebpf`; 2 rounds: medians, with the lowest and highest in parentheses.",
    );
    const once = { ...RESULTS, otherNodes: 3, samples: [sample(1, 1, 1, 50)] };
    expect(scaleSubject(once)).toMatch(/; one round; 3 nodes of other clusters were running\.$/);
  });
});

describe("the chart of larger clusters", () => {
  const svg = scaleSvg(RESULTS);

  it("shows one stack's times by its nodes, as a picture that needs nothing else", () => {
    expect(svg).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*aria-label="up: 1 node 50\.0 s, 3 nodes 82\.0 s; /,
    );
    expect(svg).not.toContain("150.0 s");
    for (const name of ["up", "preview", "verify", "destroy"]) expect(svg).toContain(`>${name}</text>`);
    for (const [, variable] of svg.matchAll(/var\((--[\w-]+)\)/g)) expect(svg).toContain(`${variable}: `);
  });

  it("docs/scale.svg is current; if not, run: npx tsx scripts/readme-tables.ts", () => {
    const file = join(__dirname, "../../docs/scale.svg");
    const published = readScale();
    expect(existsSync(file) ? readFileSync(file, "utf8") : undefined).toBe(published && scaleSvg(published));
  });
});
