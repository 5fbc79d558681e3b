import { execFileSync } from "node:child_process";
import { labMissing, LabProject, longMissing, MINUTES } from "../support/lab";
import type { WatchReport } from "../../datapath/watch/watch";
import { describeIf } from "../support/project";

describeIf([...labMissing(), ...longMissing()], "a watch of a real cluster", () => {
  const stack = "replacement";
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(stack));

  const watch = (...options: string[]) => {
    const { code, output } = project.node("cli/cilium-modes.mjs", "watch", stack, "--json", ...options);
    return { code, report: JSON.parse(output.slice(output.indexOf("\n{\n") + 1)) as WatchReport };
  };
  const containersBeside = () =>
    execFileSync("docker", ["ps", "--quiet", "--filter", "label=cilium-modes.outside"], { encoding: "utf8" });

  it(
    "finds no interruption in a quiet cluster, names those of a mode switch, and leaves nothing",
    async () => {
      await project.addStack(stack);
      await project.succeed("up", "--yes", "--skip-preview", "-s", stack);

      const quiet = watch("--seconds", "20");
      expect(quiet.report.omitted).toEqual([]);
      expect(quiet.report.flows.filter(({ verdict }) => verdict !== "ok")).toEqual([]);
      expect(quiet.code).toBe(0);

      await project.succeed("config", "set", "bpf.masquerade", "true", "-s", stack);
      expect(await project.succeed("preview", "-s", stack)).toMatch(
        /Live change, replacement → ebpf: .*continuity\.md/,
      );
      const switched = watch("--while", `pulumi up --yes --skip-preview --non-interactive -s ${stack}`);
      const egress = switched.report.flows.find(({ id }) => id === "egress-kept")!;
      expect([switched.code, egress.verdict]).toEqual([1, "interrupted"]);
      expect(switched.report.flows.find(({ id }) => id === "same-node-kept")).toMatchObject({ breaks: [] });

      expect(containersBeside()).toBe("");
    },
    20 * MINUTES,
  );
});
