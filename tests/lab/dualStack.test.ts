import { labMissing, LabProject, longMissing, MINUTES } from "../support/lab";
import { describeIf } from "../support/project";
import { expectTraces } from "../support/traces";

/** Two nodes show what is between nodes. */
const TWO_NODES = { cluster: { workers: 1, ipFamily: "dual" } };

/** Each cluster's settings, and the changes in place after which it is traced again. */
const STACKS = {
  kubeproxy: [{ ...TWO_NODES, kubeProxyReplacement: false, bpf: { masquerade: false } }, []],
  replacement: [{ ...TWO_NODES, kubeProxyReplacement: true, bpf: { masquerade: false } }, ["bpf.masquerade"]],
  vxlan: [{ ...TWO_NODES, kubeProxyReplacement: true, bpf: { masquerade: true }, tunnel: "vxlan" }, []],
} as const;

describeIf([...labMissing(), ...longMissing()], "a dual-stack cluster", () => {
  const stackOf = (name: string) => `dual-${name}`;
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(...Object.keys(STACKS).map(stackOf)));

  it.each(Object.entries(STACKS))(
    "of the stack %s is traced by both families as its mode expects",
    async (name, [settings, changes]) => {
      const stack = stackOf(name);
      const cluster = await project.addStack(stack, settings);
      const traced = () => {
        // only what is recorded of IPv4 has three nodes
        expect(project.trace(stack, "--scenario", "all").code).toBe(0);
        expectTraces(project, stack, cluster, "ipv6");
      };
      await project.succeed("up", "--yes", "--skip-preview", "-s", stack);
      traced();
      for (const key of changes) {
        await project.succeed("config", "set", key, "true", "-s", stack);
        await project.succeed("up", "--yes", "--skip-preview", "-s", stack);
        traced();
      }
      await project.succeed("destroy", "--yes", "--skip-preview", "-s", stack);
    },
    10 * MINUTES,
  );
});
