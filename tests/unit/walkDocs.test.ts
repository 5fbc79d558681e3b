import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readRecordedWalks } from "../../cli/walk/recordedWalks";
import { walkDocs } from "../../cli/walk/walkDocs";
import { differencesOf } from "../../datapath/trace/judgement";
import { MODE_CONTRACTS } from "../../modes/contract";
import { promisedWalk, SCENARIOS, type WalkFacts } from "../../modes/walks";
import type { Walk } from "../../datapath/trace/walk";

const docs = join(__dirname, "..", "..", "docs");
const recorded = readRecordedWalks(join(docs, "walks"));

/** What decided about a recorded walk, found out from it alone. */
function factsOf({ mode, tunnel, scenario, probe, legs, nodes }: Walk): WalkFacts {
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
      const promised = promisedWalk(factsOf(walk));
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
});
