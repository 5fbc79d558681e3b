import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readRecordedWalks } from "../../cli/walk/recordedWalks";
import { readmeWalks, walkDocs } from "../../cli/walk/walkDocs";
import { walkLanes } from "../../cli/walk/walkLanes";
import { differencesOf } from "../../datapath/trace/judgement";
import { MODE_CONTRACTS } from "../../modes/contract";
import { expectedPath, SCENARIOS, type PathFacts } from "../../modes/tracePaths";
import type { Walk } from "../../datapath/trace/walk";
import { xmlProblem } from "./support/xml";

const docs = join(__dirname, "..", "..", "docs");
const recorded = readRecordedWalks(join(docs, "walks"));

/** What decided about a recorded walk, found out from it alone. */
function factsOf({ mode, tunnel, scenario, probe, legs, nodes }: Walk): PathFacts {
  const { services, hostRouting, masquerading } = MODE_CONTRACTS[mode];
  const [request] = legs;
  const [first, last] = [request!.hops[0]!.station, request!.hops.at(-1)!.station];
  const asked = nodes.find(({ address }) => probe.to.startsWith(`${address}:`))?.name;
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

describe("the recorded walks", () => {
  it("are of every scenario in each mode, and in a tunnel", () => {
    const names = recorded.map(({ mode, tunnel, scenario }) => `${mode} ${tunnel} ${scenario}`);
    const modes = ["kubeproxy disabled", "replacement disabled", "ebpf disabled", "ebpf vxlan"];
    expect(names).toEqual(modes.flatMap((mode) => Object.keys(SCENARIOS).map((scenario) => `${mode} ${scenario}`)));
  });

  it.each(recorded.map((walk) => [`${walk.mode}, tunnel ${walk.tunnel}, ${walk.scenario}`, walk] as const))(
    "go the way that the mode promises: %s",
    (_name, walk) => {
      const promised = expectedPath(factsOf(walk));
      expect(promised).toBeDefined();
      expect(walk.legs.map(({ name, hops }) => [name, differencesOf(name, hops, promised)])).toEqual([
        ["request", []],
        ["reply", []],
      ]);
      expect(walk.verdict).toBe("pass");
    },
  );

  it("are what docs/walks.md shows", () => {
    expect(readFileSync(join(docs, "walks.md"), "utf8")).toBe(walkDocs(recorded));
  });

  describe("in the README's picture", () => {
    const walks = readmeWalks(recorded);
    const picture = walkLanes(walks);

    it("are what docs/modes.svg shows", () => {
      // written anew with: npx tsx scripts/walk-docs.ts
      expect(readFileSync(join(docs, "modes.svg"), "utf8")).toBe(picture);
    });

    it("are one of each mode, and no two the same", () => {
      expect(walks.map(({ mode }) => mode)).toEqual(["kubeproxy", "replacement", "ebpf"]);
      expect(new Set(walks.map(({ legs }) => legs[0]!.hops.length)).size).toBe(3);
    });

    it("have a box for each hop of the request, and a frame for each node that it comes by", () => {
      const hops = walks.flatMap(({ legs }) => legs[0]!.hops);
      expect(picture.match(/<rect class="box/g)).toHaveLength(hops.length);
      expect(picture.match(/<rect class="box rewrites"/g)).toHaveLength(
        hops.filter(({ rewritten }) => rewritten.length > 0).length,
      );
      const visits = walks.map(
        ({ legs: [request] }) =>
          request!.hops.filter(({ station }, index) => request!.hops[index - 1]?.station.node !== station.node).length,
      );
      expect(picture.match(/<rect class="node/g)).toHaveLength(visits.reduce((sum, each) => sum + each, 0));
    });

    it("are well-formed, narrow enough for a page, and have colours for light and dark", () => {
      expect(xmlProblem(picture)).toBeUndefined();
      expect(Number(/<svg [^>]*width="(\d+)"/.exec(picture)![1])).toBeLessThanOrEqual(900);
      expect(picture).toContain("prefers-color-scheme: dark");
      // an opaque ground of its own, whatever the page's
      expect(picture).toMatch(/<rect class="paper" width="\d+" height="\d+"\/>/);
    });
  });
});
