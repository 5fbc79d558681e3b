import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import {
  agentStatuses,
  CLUSTER_PREFIX,
  containersOf,
  labMissing,
  LabProject,
  longMissing,
  MINUTES,
  removeCluster,
} from "../support/lab";
import { expectExamples } from "../support/examples";
import { expectNothingLeft, expectStanding } from "../support/mode";
import { describeIf, missingPrograms } from "../support/project";

const MISSING = [...labMissing(), ...longMissing(), ...missingPrograms("pulumi-language-yaml")];

describeIf(MISSING, "an example without code", () => {
  const CLUSTER = `${CLUSTER_PREFIX}yaml`;
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(async () => {
    await project.pulumi("-C", "examples/yaml", "destroy", "--yes", "-s", "dev");
    removeCluster(CLUSTER);
    project.remove();
  });

  it(
    "makes a cluster, Cilium, the workload and the proof by the components",
    async () => {
      await project.addStack("plan");
      const { cluster, cilium, nettool } = project.settings("plan");
      // what this machine needs beside what the example says
      const file = join(project.directory, "examples/yaml/Pulumi.yaml");
      const program = parse(readFileSync(file, "utf8")) as { resources: Record<string, { properties: object }> };
      Object.assign(program.resources["cluster"]!.properties, { clusterName: CLUSTER, nodeImage: cluster.nodeImage });
      const { version, chart, images, values } = cilium;
      Object.assign(program.resources["cilium"]!.properties, { version, chart, images, values });
      Object.assign(program.resources["workload"]!.properties, { baseImage: nettool.baseImage });
      writeFileSync(file, stringify(program));

      const at = ["-C", "examples/yaml", "-s", "dev"];
      await project.succeed("-C", "examples/yaml", "stack", "init", "dev");
      await project.succeed("up", "--yes", "--skip-preview", ...at);
      const { verification } = project.json<{ verification: { verdict: string } }>("stack", "output", "--json", ...at);
      expect(verification.verdict).toBe("pass");
      expect(agentStatuses(CLUSTER).map(({ masquerading }) => masquerading.mode)).toEqual(["BPF"]);
      await project.succeed("preview", "--expect-no-changes", ...at);
      await project.succeed("destroy", "--yes", "--skip-preview", ...at);
      expect(containersOf(CLUSTER)).toEqual([]);
    },
    6 * MINUTES,
  );
});

describeIf([...labMissing(), ...longMissing()], "an example that drives the stacks", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close("ebpf"));

  it(
    "brings a mode up, verifies it with a JUnit report, and destroys it",
    async () => {
      const cluster = await project.addStack("ebpf");
      const { code, output } = project.node("--import", "tsx", "examples/automation/index.ts", "ebpf");
      expect([code, output]).toEqual([0, expect.stringMatching(/^ebpf: verified, 3 NodePorts; /m)]);
      expect(readFileSync(join(project.directory, "reports", "ebpf.xml"), "utf8")).toMatch(/<testsuites? /);
      expect(containersOf(cluster)).toEqual([]);
    },
    6 * MINUTES,
  );
});

describeIf([...labMissing(), ...longMissing()], "examples that use a stack's cluster", () => {
  const MODE = "replacement";
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(MODE));

  it(
    "come up on it, change nothing when repeated, and leave nothing",
    async () => {
      const cluster = await project.addStack(MODE);
      await project.succeed("up", "--yes", "--skip-preview", "-s", MODE);
      await expectStanding(project, MODE, cluster);
      await expectExamples(project, MODE, cluster);
      await expectNothingLeft(project, MODE, cluster);
    },
    15 * MINUTES,
  );
});
