import { expectExamined, expectForwarded } from "../support/commands";
import { expectObserved } from "../support/examples";
import { expectContract } from "../support/evidence";
import { containersOf, inNode, labMissing, LabProject, longMissing, MINUTES, timeMissing } from "../support/lab";
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

describeIf([...labMissing(), ...longMissing()], "a stack whose kube-proxy writes nftables", () => {
  const STACK = "nftables";
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(STACK));

  it(
    "comes up, is verified and traced by the table of kube-proxy, and is replaced for another mode",
    async () => {
      const cluster = await project.addStack(STACK, { cluster: { workers: 1 }, kubeProxy: { mode: "nftables" } });
      await project.succeed("up", "--yes", "--skip-preview", "-s", STACK);
      expectContract(project.settings(STACK));
      expect(project.verify(STACK)).toEqual({ code: 0, wrong: {} });
      expect(project.inspect(STACK)).toEqual({ code: 0, mode: "kubeproxy, native", wrong: {} });
      const { code, traces } = project.trace(STACK, "--scenario", "node-nodeport");
      expect([code, traces[0]!.lookups.map(({ table }) => table)]).toEqual([
        0,
        expect.arrayContaining(["kube-proxy's nftables"]) as string[],
      ]);

      const worker = `${cluster}-worker`;
      inNode(worker, "iptables", "-t", "nat", "-N", "KUBE-SVC-LEFTOVER");
      const { wrong } = project.verify(STACK, "--settle-seconds", "0");
      inNode(worker, "iptables", "-t", "nat", "-X", "KUBE-SVC-LEFTOVER");
      expect(wrong["kube-proxy-rules"]).toContain("rules of another mode are left over");

      await project.succeed("config", "set", "kubeProxy.mode", "iptables", "-s", STACK);
      expect(await project.succeed("preview", "-s", STACK)).toContain(
        "kubeProxyMode cannot change in a running cluster",
      );
    },
    10 * MINUTES,
  );
});
