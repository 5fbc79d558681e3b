import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CLUSTER_PREFIX,
  containersOf,
  labMissing,
  LabProject,
  longMissing,
  MINUTES,
  removeCluster,
} from "../support/lab";
import { readMarkdown } from "../support/markdown";
import { describeIf } from "../support/project";
import { ROUTING_MODES } from "../../modes/contract";

describeIf([...labMissing(), ...longMissing()], "the README's commands", () => {
  let project: LabProject;
  // nobody answers Pulumi's prompts
  beforeAll(() => (project = new LabProject({ PULUMI_SKIP_CONFIRMATIONS: "true" })));
  const clusterOf = (mode: string) => `${CLUSTER_PREFIX}readme-${mode}`;
  /** The lines of the README's script that begins so, without comments. */
  const linesOf = (first: string) => {
    const { blocks } = readMarkdown(readFileSync(join(project.directory, "README.md"), "utf8"));
    const { text } = blocks.find((block) => block.language === "sh" && block.text.startsWith(first))!;
    return text
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/\s+# .*$/, ""));
  };
  afterAll(async () => {
    for (const mode of ROUTING_MODES) {
      await project.pulumi("cancel", "--yes", "-s", mode);
      await project.pulumi("destroy", "--yes", "--skip-preview", "-s", mode);
      removeCluster(clusterOf(mode));
    }
    project.remove();
  }, 5 * MINUTES);

  it(
    "the first two create a stack from nothing and prove its mode, a second time too",
    async () => {
      for (const mode of ROUTING_MODES)
        await project.addStack(mode, { cluster: { name: clusterOf(mode), workers: 1 } });
      const output = project.documented("README.md", "# cilium-modes", "ebpf");
      expect(output).toMatch(/^ebpf: PROVEN /m);
      // nothing has changed, so verify runs
      expect(project.bash("npm start")).toEqual({ code: 0, output: expect.stringMatching(/^ebpf: PROVEN /m) });
      expect(project.documented("README.md", "Without a cluster", "ebpf")).toMatch(/^Stack ebpf: mode ebpf$/m);
    },
    8 * MINUTES,
  );

  it(
    "those for a stack that is up succeed",
    () => {
      // drill needs two workers, and watch a quiet machine: see verify.test.ts and watch.test.ts
      for (const line of linesOf("npx cilium-modes trace ebpf").filter((each) => !/ (drill|watch) /.test(each))) {
        const { code, output } = project.bash(line);
        expect([line, code, output]).toEqual([line, 0, expect.stringMatching(/\S/)]);
      }
      expect(existsSync(join(project.directory, "trace.html"))).toBe(true);
      // until Ctrl-C
      expect(project.bash("timeout --signal INT 15 npx cilium-modes observe ebpf --follow --dropped").code).toBe(124);
    },
    6 * MINUTES,
  );

  it(
    "those for several stacks and for an external cluster succeed",
    async () => {
      for (const mode of ["kubeproxy", "replacement"])
        await project.succeed("up", "--yes", "--skip-preview", "-s", mode);

      expect(project.bash("npx cilium-modes status").output).toMatch(
        new RegExp(`^ebpf +ebpf +up +${clusterOf("ebpf")} \\(2 nodes\\)`, "m"),
      );
      expect(project.bash('eval "$(npx cilium-modes env ebpf)" && kubectl get nodes')).toEqual({
        code: 0,
        output: expect.stringContaining(`${clusterOf("ebpf")}-control-plane`),
      });
      // comparisons take long: see compare.test.ts
      for (const line of linesOf("npx cilium-modes trace kubeproxy").filter((each) => !each.includes(" compare "))) {
        const { code, output } = project.bash(line);
        expect([line, code, output]).toEqual([line, 0, expect.any(String)]);
      }

      const kubeconfig = join(project.directory, "kubeconfig.yaml");
      const command = ["get", "kubeconfig", "--name", clusterOf("replacement")];
      writeFileSync(kubeconfig, execFileSync("kind", command), { mode: 0o600 });
      for (const line of linesOf("npx cilium-modes verify --kubeconfig")) {
        const { code, output } = project.bash(line.replace("~/.kube/config", kubeconfig));
        expect([line, code, output]).toEqual([line, 0, expect.stringMatching(/: PROVEN /)]);
      }
    },
    10 * MINUTES,
  );

  it(
    "those of Pulumi preview, show and destroy a stack",
    () => {
      const output = project.documented("README.md", "## Get started", "ebpf");
      expect(output).toMatch(/^\s*clusterName\s+cmtest-readme-ebpf\s*$/m);
      expect(containersOf(clusterOf("ebpf"))).toEqual([]);
    },
    5 * MINUTES,
  );
});
