import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLUSTER_PREFIX, containersOf, labMissing, LabProject, longMissing, removeCluster } from "../support/lab";
import { readMarkdown } from "../support/markdown";
import { describeIf } from "../support/project";
import { ROUTING_MODES } from "../../modes/contract";

const MINUTES = 60_000;

describeIf([...labMissing(), ...longMissing()], "the README's commands", () => {
  let project: LabProject;
  // nobody is there to be asked
  beforeAll(() => (project = new LabProject({ PULUMI_SKIP_CONFIRMATIONS: "true" })));
  const clusterOf = (mode: string) => `${CLUSTER_PREFIX}readme-${mode}`;
  const linesOf = (first: string) => {
    const { blocks } = readMarkdown(readFileSync(join(project.directory, "README.md"), "utf8"));
    return blocks
      .find(({ text }) => text.startsWith(first))!
      .text.trimEnd()
      .split("\n");
  };
  const shell = (line: string) => {
    const options = { cwd: project.directory, encoding: "utf8", maxBuffer: 2 ** 26 } as const;
    const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", line], options);
    return { status, output: stdout + stderr };
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
    "bring a stack up from nothing, and verify it",
    async () => {
      for (const mode of ROUTING_MODES)
        await project.addStack(mode, { cluster: { name: clusterOf(mode), workers: 1 } });
      const output = project.readme("## Start", "ebpf");
      expect(output).toContain("The stack ebpf is up");
      expect(output).toMatch(/^ebpf: PROVEN /m);
      const again = shell("npm start");
      expect([again.status, again.output]).toEqual([
        0,
        expect.stringMatching(
          /did not verify again[^]*^ebpf: PROVEN [^]*by cilium-modes verify\. Mode in force: proven$/m,
        ),
      ]);
      expect(project.readme("## Can this machine run it?", "ebpf")).toContain("This machine can run the stack ebpf");
    },
    8 * MINUTES,
  );

  it(
    "look at stacks that stand beside each other",
    async () => {
      for (const mode of ["kubeproxy", "replacement"])
        await project.succeed("up", "--yes", "--skip-preview", "-s", mode);

      expect(shell("npx cilium-modes status").output).toMatch(
        new RegExp(`^ebpf +ebpf +up +${clusterOf("ebpf")} \\(2 nodes\\)`, "m"),
      );
      expect(shell('eval "$(npx cilium-modes env ebpf)" && kubectl get nodes')).toEqual({
        status: 0,
        output: expect.stringContaining(`${clusterOf("ebpf")}-control-plane`),
      });

      const kubeconfig = join(project.directory, "kubeconfig.yaml");
      const command = ["get", "kubeconfig", "--name", clusterOf("replacement")];
      writeFileSync(kubeconfig, execFileSync("kind", command), { mode: 0o600 });
      for (const line of linesOf("npx cilium-modes verify")) {
        const { status, output } = shell(line.replace("~/.kube/config", kubeconfig));
        expect([line, status, output]).toEqual([line, 0, expect.stringMatching(/: PROVEN /)]);
      }

      for (const line of linesOf("npx cilium-modes trace")) {
        const { status, output } = shell(line);
        expect([line, status, output]).toEqual([line, 0, expect.any(String)]);
      }
      expect(existsSync(join(project.directory, "walk.html"))).toBe(true);

      const [probe, follow] = linesOf("npx cilium-modes observe");
      expect(shell(probe!)).toEqual({ status: 0, output: expect.stringMatching(/\bnet\b/) });
      // until Ctrl-C
      expect(shell(`timeout --signal INT 15 ${follow}`).status).toBe(124);
    },
    12 * MINUTES,
  );

  it(
    "preview, show and destroy",
    () => {
      const output = project.readme("The same tools and the same state", "ebpf");
      expect(output).toMatch(/^\s*clusterName\s+cmtest-readme-ebpf\s*$/m);
      expect(containersOf(clusterOf("ebpf"))).toEqual([]);
    },
    5 * MINUTES,
  );
});
