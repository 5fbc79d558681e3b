import type { HelmValues } from "../../modes/ciliumValues";
import { expectContract } from "../support/evidence";
import { labMissing, LabProject, otherCilium } from "../support/lab";
import { describeIf } from "../support/project";

/** Two nodes show what is between nodes. */
const TWO_NODES = { cluster: { workers: 1 } };
const MINUTES = 60_000;

/** One cluster and the settings that it goes through, each in its turn. */
type Walk = readonly (readonly [changed: string, value: string])[];

/** Bring a stack up, and hold it to its contract after each of the changes. */
async function walk(project: LabProject, stack: string, settings: HelmValues, changes: Walk): Promise<void> {
  await project.addStack(stack, settings);
  await project.succeed("up", "--yes", "--skip-preview", "-s", stack);
  expectContract(project.settings(stack));
  for (const [key, value] of changes) {
    await project.succeed("config", "set", key, value, "-s", stack);
    await project.succeed("up", "--yes", "--skip-preview", "-s", stack);
    expectContract(project.settings(stack));
  }
  await project.succeed("destroy", "--yes", "--skip-preview", "-s", stack);
}

describeIf(labMissing(), "a stack in a tunnel", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close("tunnel", "tunnel-proxy"));

  it(
    "comes up in the mode replacement, and changes to ebpf in place",
    () =>
      walk(project, "tunnel", { ...TWO_NODES, tunnel: "vxlan", kubeProxyReplacement: true }, [
        ["bpf.masquerade", "true"],
      ]),
    6 * MINUTES,
  );

  it(
    "comes up in the mode kubeproxy",
    () => walk(project, "tunnel-proxy", { ...TWO_NODES, tunnel: "vxlan", kubeProxyReplacement: false }, []),
    5 * MINUTES,
  );
});

describe.each(["1.13.0-rc5", "1.12.4", "1.15.19"])("Cilium %s", (version) => {
  const { settings, missing } = otherCilium(version);
  const release = version.split(".").slice(0, 2).join(".");
  const name = (stack: string) => `v${release.replace(".", "")}-${stack}`;

  describeIf(missing, `release ${release}`, () => {
    let project: LabProject;
    beforeAll(() => (project = new LabProject()));
    afterAll(() => project.close(name("replaced"), name("proxy")));

    it(
      "comes up in the mode replacement, and changes to ebpf in place",
      () =>
        walk(project, name("replaced"), { ...settings, ...TWO_NODES, release, kubeProxyReplacement: "strict" }, [
          ["bpf.masquerade", "true"],
        ]),
      7 * MINUTES,
    );

    // where the words mean something, the ways beside kube-proxy are the same cluster
    const beside: Walk =
      release === "1.12"
        ? [
            ["kubeProxyReplacement", "partial"],
            ["kubeProxyReplacement", "probe"],
          ]
        : [];
    it(
      `comes up in the mode kubeproxy${beside.map(([, word]) => `, and changes to ${word} in place`).join("")}`,
      () =>
        walk(project, name("proxy"), { ...settings, ...TWO_NODES, release, kubeProxyReplacement: "disabled" }, beside),
      8 * MINUTES,
    );
  });
});
