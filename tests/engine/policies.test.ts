import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeIf, engineMissing, TestProject } from "../support/project";

const PACK = ["--policy-pack", "policies"];

describeIf(engineMissing(), "the policy pack, under the real engine", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = new TestProject();
    for (const stack of ["kubeproxy", "replacement", "ebpf"]) {
      project.configure(stack, { "cilium.chart": "./tests/engine/chart", "nettool.image": "nettool:test" });
      await project.succeed("stack", "init", stack);
    }
  });
  afterAll(() => project.remove());

  it.each(["kubeproxy", "replacement", "ebpf"])("finds nothing in the stack %s", async (stack) => {
    const output = await project.succeed("preview", ...PACK, "-s", stack);
    expect(output).toMatch(/✅ cilium-modes@\S+ \(local: policies\)/);
  });

  it("stops a preview with every violation, and where it was", async () => {
    await project.succeed("config", "set", "nettool.image", "nettool:latest", "-s", "ebpf");
    const port = JSON.stringify([{ containerPort: 32000, hostPort: 32000, listenAddress: "0.0.0.0" }]);
    await project.succeed("config", "set", "cluster.portMappings", port, "-s", "ebpf");
    const { code, output } = await project.pulumi("preview", ...PACK, "-s", "ebpf");
    expect(code).not.toBe(0);
    expect(output).toMatch(/\[mandatory\]\s+no-open-ports\s+\(kind:index:Cluster: cluster-nodes\)/);
    expect(output).toContain(
      "port 32000 listens on 0.0.0.0, which other machines can reach; set listenAddress to 127.0.0.1",
    );
    expect(output).toMatch(/\[mandatory\]\s+no-unpinned-images\s+\(kubernetes:apps\/v1:DaemonSet: nettool-server\)/);
    expect(output).toContain("nettool:latest can change at any time; use a tag other than latest, or a digest");
  });

  it("lets open ports pass where its configuration says so", async () => {
    await project.succeed("config", "set", "nettool.image", "nettool:test", "-s", "ebpf");
    const file = join(project.directory, "policy-config.json");
    writeFileSync(file, JSON.stringify({ "no-open-ports": { openPorts: true } }));
    await project.succeed("preview", ...PACK, "--policy-pack-config", file, "-s", "ebpf");
  });
});
