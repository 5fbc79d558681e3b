import { expectExamined, expectForwarded } from "../support/commands";
import { expectObserved } from "../support/examples";
import { containersOf, inNode, labMissing, LabProject, timeMissing } from "../support/lab";
import { expectNothingLeft, expectStanding } from "../support/mode";
import { describeIf } from "../support/project";
import { brokenTrace } from "../support/traces";

/** verify.test.ts has the other modes on one cluster, which changes between them in place. */
const MODE = "kubeproxy";

describeIf([...labMissing(), ...timeMissing(7)], "a stack on a real cluster", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(MODE));

  it("comes up in its mode, changes nothing when repeated, and leaves nothing", async () => {
    const cluster = await project.addStack(MODE);
    expectExamined(project, MODE);
    await project.succeed("up", "--yes", "--skip-preview", "-s", MODE);
    await expectStanding(project, MODE, cluster);
    // whichever node the client is on; with BPF host routing, it would stop nothing
    const drop = (action: string) =>
      containersOf(cluster).forEach((node) => inNode(node, "iptables", action, "FORWARD", "-p", "icmp", "-j", "DROP"));
    const { last, reasons } = brokenTrace(
      project,
      MODE,
      () => drop("-I"),
      () => drop("-D"),
    );
    expect(last).toBe("veth");
    expect(reasons).toContain(" drops: -A FORWARD -p icmp -j DROP");
    expectObserved(project, MODE);
    await expectForwarded(project, MODE, cluster);
    await expectNothingLeft(project, MODE, cluster);
  }, 900_000);
});
