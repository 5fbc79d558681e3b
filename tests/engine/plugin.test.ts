import { describeIf, engineMissing, missingPrograms, TestProject } from "../support/project";

interface Step {
  readonly op: string;
  readonly urn: string;
  readonly newState: {
    readonly type: string;
    readonly parent?: string;
    readonly deletedWith?: string;
    readonly inputs: object;
  };
}

const AT = ["-C", "examples/yaml", "-s", "dev"];
const nameOf = (urn = "") => urn.split("::").pop()!;

describeIf([...engineMissing(), ...missingPrograms("pulumi-language-yaml")], "a program without code", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = new TestProject();
    await project.succeed("-C", "examples/yaml", "stack", "init", "dev");
  });
  afterAll(() => project.remove());

  it("previews the components, which refer to one another, and all that they make", () => {
    const { steps } = project.json<{ steps: Step[] }>("preview", "--json", ...AT);
    const state = (name: string) => steps.find(({ urn }) => nameOf(urn) === name)!.newState;
    for (const [name, type] of Object.entries({
      cluster: "KindCluster",
      cilium: "Cilium",
      workload: "NettoolWorkload",
      verification: "Verification",
    })) {
      expect(state(name).type).toBe(`cilium-modes:index:${type}`);
    }
    expect(state("cilium-release")).toMatchObject({ inputs: { values: { bpf: { masquerade: true } } } });
    expect([nameOf(state("cilium-release").parent), nameOf(state("cilium-release").deletedWith)]).toEqual([
      "cilium",
      "cluster-nodes",
    ]);
    // as the program's folder finds it, where commands run
    const command = { create: "node ../../cli/cilium-modes.mjs verify-stack" };
    expect(state("verification-checks").inputs).toMatchObject(command);
  });

  it("reports an unknown mode", async () => {
    await project.succeed("config", "set", "mode", "epbf", ...AT);
    const { code, output } = await project.pulumi("preview", ...AT);
    expect(code).not.toBe(0);
    expect(output).toContain(
      'cluster: mode must be one of kubeproxy, replacement, ebpf, partial, probe, probe-ebpf, got "epbf"',
    );
  });
});
