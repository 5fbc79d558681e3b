import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StackOutputs } from "../../outputs";
import { OUTPUTS } from "../support/outputs";
import { describeIf, engineMissing, TestProject } from "../support/project";

const STACK = "organization/cilium-modes/ebpf";
const EXAMPLE = "examples/hello-app";
const AT = ["-C", EXAMPLE, "-s", "consumer"];

describeIf(engineMissing(), "a program that connects to a stack, under the real engine", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = new TestProject();
    project.linkPackage(EXAMPLE);
    await project.succeed("stack", "init", "ebpf");
    await project.succeed("-C", EXAMPLE, "stack", "init", "consumer");
    await project.succeed("config", "set", "stack", STACK, ...AT);
  }, 120_000);
  afterAll(() => project.remove());

  /** Let the stack have these outputs, as if it had been brought up. */
  async function give(outputs: Partial<StackOutputs>): Promise<void> {
    const urn = "urn:pulumi:ebpf::cilium-modes::pulumi:pulumi:Stack::cilium-modes-ebpf";
    const resources = [{ urn, type: "pulumi:pulumi:Stack", custom: false, outputs }];
    const manifest = { time: new Date(0).toISOString(), magic: "", version: "" };
    const file = join(project.directory, "outputs.json");
    writeFileSync(file, JSON.stringify({ version: 3, deployment: { manifest, resources } }));
    await project.succeed("stack", "import", "--file", file, "-s", "ebpf");
  }

  /** What the preview says is wrong, without Pulumi's decoration. */
  async function diagnostics(): Promise<string> {
    const { code, output } = await project.pulumi("preview", ...AT);
    expect(code).not.toBe(0);
    expect(output).not.toMatch(/\n\s+at .*\.[jt]s/);
    expect(output).not.toContain("error serializing property");
    return output.slice(output.indexOf("Diagnostics:")).replaceAll(/\n\s+/g, "\n");
  }

  it("previews what it would make, with the kubeconfig as a secret", async () => {
    await give(OUTPUTS);
    const { steps } = project.json<{ steps: { op: string; newState: { type: string; inputs: object } }[] }>(
      "preview",
      "--json",
      ...AT,
    );
    const { newState } = steps.find(({ newState: { type } }) => type === "pulumi:providers:kubernetes")!;
    expect(newState.inputs).toMatchObject({
      clusterIdentifier: "5f4a",
      deleteUnreachable: "true",
      kubeconfig: "[secret]",
    });
    expect(steps.map(({ newState: { type } }) => type)).toEqual(
      expect.arrayContaining(["kind:index:NodeImages", "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Service"]),
    );
  });

  it("fails in the preview when the stack was destroyed", async () => {
    await give({});
    expect(await diagnostics()).toContain(
      `Stack ${STACK} has no outputs: it was destroyed, or never deployed; run: pulumi up -s ebpf`,
    );
  });

  it("fails in the preview when the stack's mode is not proven", async () => {
    await give({ ...OUTPUTS, verification: { ...OUTPUTS.verification, verdict: "fail" } });
    expect(await diagnostics()).toContain(`Stack ${STACK} is not as expected:
- its mode is not proven: the verification at 2026-11-26T05:40:00.000Z failed; see: npx cilium-modes verify ebpf`);
  });

  it("fails in the preview when the stack is in another mode", async () => {
    await give({ ...OUTPUTS, mode: "replacement" });
    await project.succeed("config", "set", "mode", "ebpf", ...AT);
    expect(await diagnostics()).toContain(`Stack ${STACK} is not as expected:
- its mode is replacement, expected ebpf; refer to a stack in that mode`);
    await project.succeed("config", "rm", "mode", ...AT);
  });

  it("fails in the preview when the stack does not exist", async () => {
    await project.succeed("stack", "rm", "--yes", "--force", "ebpf");
    expect(await diagnostics()).toContain(`unknown stack "${STACK}"`);
  });
});
