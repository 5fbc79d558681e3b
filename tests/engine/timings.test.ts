import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeIf, engineMissing, TestProject } from "../support/project";
import { readTimings, spansOf } from "../support/timings";

/** A program with the stack's parts that need no cluster: its provider, and a command that records a span. */
const PROGRAM = `
import { Command } from "@pulumi/command/local";
import { recordProgram } from "./components/programTimings";
import { StackIdentity } from "./providers/kind/resources";

recordProgram();
const identity = new StackIdentity("identity", { onNodes: false });
const create = "node -e 'require(\\"./host/timings.cjs\\").span(\\"a command\\", \\"wait\\", async () => {})'";
new Command("command", { create }, { dependsOn: identity });
`;

jest.setTimeout(180_000);

describeIf(engineMissing(), "timings under the real engine", () => {
  let project: TestProject;
  beforeAll(async () => {
    // as with pulumi up in the project's folder
    project = new TestProject({ CILIUM_MODES_TIMINGS: "up.json", PWD: undefined });
    writeFileSync(join(project.directory, "index.ts"), PROGRAM);
    await project.succeed("stack", "init", "ebpf");
  });
  afterAll(() => project.remove());
  const timings = (file = "up.json") => readTimings(join(project.directory, file));
  const IDENTITY = "identity (kind:index:StackMark)";

  it("the program, the provider and commands append to one file, which the next run begins anew", async () => {
    await project.succeed("up", "--yes", "-s", "ebpf");
    const first = timings();
    expect(first.title).toBe("pulumi up: ebpf");
    expect(spansOf(first, "Pulumi program")).toEqual([
      ...["start of Pulumi", "preview", "preview > load the program", "update", "update > load the program"],
    ]);
    expect(spansOf(first, IDENTITY)).toEqual(["preview", "update"]);
    expect(spansOf(first, "kind provider: identity")).toEqual(["create"]);
    expect(spansOf(first, "a command")).toEqual(["wait"]);
    await project.succeed("up", "--yes", "--skip-preview", "-s", "ebpf");
    const second = timings();
    expect(spansOf(second, IDENTITY)).toEqual(["update"]);
    expect(spansOf(second, "Pulumi program")[0]).toBe("start of Pulumi");
    expect(spansOf(second, "kind provider: identity")).toEqual([]);
  });

  it("a preview shows no change because of them", async () => {
    const { code, output } = project.bash(
      "CILIUM_MODES_TIMINGS=other.json pulumi preview --expect-no-changes --non-interactive -s ebpf",
    );
    expect([code, output]).toEqual([0, expect.stringContaining("unchanged")]);
    expect(spansOf(timings("other.json"), IDENTITY)).toEqual(["preview"]);
  });
});
