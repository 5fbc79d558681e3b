import { agentStatuses, containersOf, labMissing, LabProject, longMissing, MINUTES } from "../support/lab";
import { describeIf } from "../support/project";

const UP = ["up", "--yes", "--skip-preview"];
const DESTROY = ["destroy", "--yes", "--skip-preview"];
const STACKS = {
  three1: { kubeProxyReplacement: false },
  three2: { kubeProxyReplacement: true },
  three3: { kubeProxyReplacement: true, "bpf.masquerade": true },
};

describeIf([...labMissing(), ...longMissing()], "three stacks on one machine", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(...Object.keys(STACKS)));

  it(
    "come up at the same time, each in its mode, and one goes while another changes",
    async () => {
      const names = Object.keys(STACKS) as (keyof typeof STACKS)[];
      const clusters: string[] = [];
      for (const stack of names) {
        clusters.push(await project.addStack(stack, { cluster: { workers: 0 }, ...STACKS[stack] }));
      }
      await Promise.all(names.map((stack) => project.succeed(...UP, "-s", stack)));
      const verdicts = names.map((stack) => project.verify(stack).code);
      expect(verdicts).toEqual([0, 0, 0]);
      const outputs = names.map((stack) =>
        project.json<{ apiEndpoint: string; nodes: { address: string }[] }>("stack", "output", "--json", "-s", stack),
      );
      expect(new Set(outputs.map(({ apiEndpoint }) => apiEndpoint)).size).toBe(3);
      expect(new Set(outputs.flatMap(({ nodes }) => nodes.map(({ address }) => address))).size).toBe(3);

      await project.succeed("config", "set", "bpf.masquerade", "true", "-s", "three2");
      await Promise.all([project.succeed(...DESTROY, "-s", "three1"), project.succeed(...UP, "-s", "three2")]);
      expect(containersOf(clusters[0]!)).toEqual([]);
      expect(
        clusters
          .slice(1)
          .flatMap(agentStatuses)
          .map(({ masquerading }) => masquerading.mode),
      ).toEqual(["BPF", "BPF"]);
      await Promise.all(["three2", "three3"].map((stack) => project.succeed(...DESTROY, "-s", stack)));
      expect(clusters.flatMap(containersOf)).toEqual([]);
    },
    20 * MINUTES,
  );
});
