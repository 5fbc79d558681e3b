import { ROUTING_MODES } from "../../modes/contract";
import { parseStackOutputs } from "../../outputs";
import { expectContract } from "../support/evidence";
import { attachedOf, containersOf, existingVolumes, kubectl, labMissing, LabProject, volumesOf } from "../support/lab";
import { describeIf } from "../support/project";

describeIf(labMissing(), "a stack on a real cluster", () => {
  let project: LabProject;
  const stacks: string[] = [];
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(...stacks));

  it.each(ROUTING_MODES)(
    "%s comes up in its mode, changes nothing when repeated, and leaves nothing",
    async (mode) => {
      stacks.push(mode);
      const cluster = await project.addStack(mode);
      await project.succeed("up", "--yes", "--skip-preview", "-s", mode);

      expectContract(project.settings(mode));
      expect(project.verify(mode)).toEqual({ code: 0, wrong: {} });

      const outputs = parseStackOutputs(mode, project.json("stack", "output", "--json", "--show-secrets", "-s", mode));
      expect(outputs).toMatchObject({ mode, clusterName: cluster });
      expect(outputs.nodes.map(({ role }) => role)).toEqual(["control-plane", "worker", "worker"]);
      for (const { podCidrs } of outputs.nodes)
        expect(podCidrs).toEqual([expect.stringMatching(/^10\.0\.\d+\.0\/24$/)]);
      expect(outputs.nodePortUrls).toHaveLength(3);
      for (const url of outputs.nodePortUrls) {
        expect(await (await fetch(url)).text()).toMatch(/^PodName: nettool-\w+ \| PodIP: eth0 10\.0\.\d+\.\d+\/32$/m);
      }
      const look = project.readme("After, look around", mode);
      expect(look).toMatch(/^KubeProxyReplacement: +(True|False)\b/m);
      expect(look.match(/^PodName: nettool-\w+ \| PodIP: eth0 /gm)).toHaveLength(2);

      // no taint keeps the workload from the control plane
      const places = kubectl(
        cluster,
        "get",
        "pods",
        "-l",
        "app=nettool",
        "-o",
        "jsonpath={.items[*].spec.nodeName}",
      ).split(" ");
      expect(places.sort()).toEqual(outputs.nodes.map(({ name }) => name).sort());

      await project.succeed("preview", "--expect-no-changes", "-s", mode);
      expect(await project.succeed("up", "--yes", "-s", mode)).toMatch(/Resources:\s+\d+ unchanged/);

      const volumes = volumesOf(cluster);
      expect([containersOf(cluster).length, attachedOf(cluster).length, volumes.length]).toEqual([3, 3, 3]);
      await project.succeed("destroy", "--yes", "-s", mode);
      expect([containersOf(cluster), attachedOf(cluster), existingVolumes(volumes)]).toEqual([[], [], []]);
      const { deployment } = project.json<{ deployment: { resources?: unknown[] } }>("stack", "export", "-s", mode);
      expect(deployment.resources ?? []).toEqual([]);
    },
    600_000,
  );
});
