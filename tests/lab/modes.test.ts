import { ROUTING_MODES } from "../../modes/contract";
import { expectMeasured } from "../support/comparison";
import { expectExamined, expectForwarded } from "../support/commands";
import { expectExamples, expectObserved } from "../support/examples";
import { containersOf, inNode, labMissing, LabProject } from "../support/lab";
import { expectNothingLeft, expectStanding } from "../support/mode";
import { describeIf } from "../support/project";
import { brokenTrace } from "../support/traces";

/** verify.test.ts has the third, ebpf, and breaks its cluster in every way. */
const MODES = ROUTING_MODES.filter((mode) => mode !== "ebpf");

describeIf(labMissing(), "a stack on a real cluster", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(...MODES));

  it.each(MODES)(
    "%s comes up in its mode, changes nothing when repeated, and leaves nothing",
    async (mode) => {
      const cluster = await project.addStack(mode);
      expectExamined(project, mode);
      await project.succeed("up", "--yes", "--skip-preview", "-s", mode);
      await expectStanding(project, mode, cluster);
      // whichever node the client is on; with BPF host routing, it would stop nothing
      const drop = (action: string) =>
        containersOf(cluster).forEach((node) =>
          inNode(node, "iptables", action, "FORWARD", "-p", "icmp", "-j", "DROP"),
        );
      const { last, reasons } = brokenTrace(
        project,
        mode,
        () => drop("-I"),
        () => drop("-D"),
      );
      expect(last).toBe("veth");
      expect(reasons).toContain(" drops: -A FORWARD -p icmp -j DROP");
      expectObserved(project, mode);
      if (mode === MODES[0]) await expectForwarded(project, mode, cluster);
      if (mode === "replacement") await expectExamples(project, mode, cluster);
      if (mode === MODES[0]) {
        const { code, found } = project.compare([mode], ...["--rounds", "1", "--seconds", "1", "--services", "5"]);
        expect(code).toBe(0);
        expectMeasured(found, 1, [5], () => cluster);
      }
      await expectNothingLeft(project, mode, cluster);
    },
    900_000,
  );
});
