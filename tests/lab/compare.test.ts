import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { inNode, labMissing, LabProject, longMissing, MINUTES } from "../support/lab";
import { expectMeasured } from "../support/comparison";
import { describeIf } from "../support/project";

const STACKS = ["kubeproxy", "ebpf"] as const;

describeIf([...labMissing(), ...longMissing()], "a comparison of two modes on real clusters", () => {
  let project: LabProject;
  const clusters = new Map<string, string>();
  beforeAll(async () => {
    project = new LabProject();
    for (const stack of STACKS) {
      clusters.set(stack, await project.addStack(stack, { cluster: { workers: 1 } }));
      await project.succeed("up", "--yes", "--skip-preview", "-s", stack);
    }
  }, 10 * MINUTES);
  afterAll(() => project.close(...STACKS), 4 * MINUTES);

  it(
    "measures everything, distinguishes the modes, and leaves nothing behind",
    () => {
      const options = ["--rounds", "2", "--seconds", "1", "--services", "1,20"];
      const { code, found, text } = project.compare(STACKS, ...options);
      expect(code).toBe(0);
      expect(found.method.interleaved).toBe(true);
      expectMeasured(found, 2, [1, 20], ({ name }) => clusters.get(name)!);
      const [kubeproxy, ebpf] = found.subjects.map(({ inventory }) => inventory);
      const rulesOf = ({ nodes }: typeof kubeproxy & {}) => nodes.map(({ iptables }) => iptables["kube-proxy"]!.rules);
      expect(Math.min(...rulesOf(kubeproxy!))).toBeGreaterThan(0);
      expect(rulesOf(ebpf!)).toEqual([0, 0]);
      expect(kubeproxy!.components.filter(({ component }) => component === "kube-proxy")).toHaveLength(2);
      expect(text).toContain("With 2 rounds, chance explains any difference");
    },
    20 * MINUTES,
  );

  it(
    "creates a variant beside its stack, measures more of both, and leaves nothing of the variant",
    () => {
      const variant = "ebpf:loadBalancer.mode=dsr";
      const options = ["--rounds", "1", "--seconds", "1", "--no-growth", "--include", "udp,outside,host"];
      const { found } = project.compare(["ebpf", variant], ...options);
      expect(found.subjects.map(({ name }) => name)).toEqual(["ebpf", variant]);
      for (const { series, omitted, verification } of found.subjects) {
        expect(omitted).toEqual([]);
        expect(verification).toEqual({ verdict: "pass", failed: [] });
        // five basic metrics and three by UDP
        expect(series).toHaveLength(7 * 8);
      }
      const seen = found.subjects.map(({ inventory }) => inventory.outside);
      const own = { node: "own", address: "client" };
      expect(seen).toEqual([
        [own, { node: "other", address: "node" }],
        [own, { node: "other", address: "client" }],
      ]);
      const files = readdirSync(project.directory).filter((file) => /^Pulumi\.ebpf-/.test(file));
      const state = join(project.directory, ".cilium-modes", "state");
      const states = existsSync(state) ? readdirSync(state, { recursive: true, encoding: "utf8" }) : [];
      expect([...files, ...states.filter((file) => /ebpf-[0-9a-f]{6}/.test(file))]).toEqual([]);
      const clusters = execFileSync("kind", ["get", "clusters"], { encoding: "utf8" });
      expect(clusters).not.toMatch(/ebpf-[0-9a-f]{6}/);
    },
    20 * MINUTES,
  );

  it(
    "attributes a slow device of one node to the path between the nodes",
    () => {
      const quick = ["--rounds", "5", "--seconds", "1", "--no-growth"];
      const before = join(project.directory, "before.json");
      expect(project.compare(["ebpf"], ...quick).code).toBe(0);
      copyFileSync(join(project.directory, "comparison.json"), before);
      const device = ["dev", "eth0", "root"];
      const shape = ["tbf", "rate", "20mbit", "burst", "4kb", "latency", "200ms"];
      inNode(`${clusters.get("ebpf")}-worker`, "tc", "qdisc", "add", ...device, ...shape);
      try {
        const { code, text } = project.compare(["ebpf"], ...quick, "--baseline", before);
        expect(code).toBe(1);
        expect(text).toMatch(/between the nodes/);
        expect(text).toMatch(/tbf/);
      } finally {
        inNode(`${clusters.get("ebpf")}-worker`, "tc", "qdisc", "del", ...device);
      }
    },
    25 * MINUTES,
  );
});
