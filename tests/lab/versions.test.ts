import { mergeValues, type HelmValues } from "../../modes/ciliumValues";
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

/** Each old Cilium with its clusters: the words that it begins with, and the changes in place. */
const OLD: Readonly<Record<string, readonly (readonly [first: string, settings: HelmValues, changes: Walk])[]>> = {
  "1.13.0-rc5": [
    ["replacement", { kubeProxyReplacement: "strict" }, [["bpf.masquerade", "true"]]],
    ["kubeproxy", { kubeProxyReplacement: "disabled" }, []],
  ],
  "1.12.4": [
    ["ebpf", { kubeProxyReplacement: "strict", bpf: { masquerade: true } }, []],
    // the way beside kube-proxy is the same cluster
    ["kubeproxy", { kubeProxyReplacement: "disabled" }, [["kubeProxyReplacement", "probe"]]],
  ],
  "1.15.19": [["ebpf", { kubeProxyReplacement: "strict", bpf: { masquerade: true } }, []]],
};

describe.each(Object.entries(OLD))("Cilium %s", (version, clusters) => {
  const { settings, missing } = otherCilium(version);
  const release = version.split(".").slice(0, 2).join(".");
  const stackOf = (first: string) => `v${release.replace(".", "")}-${first}`;

  describeIf(missing, `release ${release}`, () => {
    let project: LabProject;
    beforeAll(() => (project = new LabProject()));
    afterAll(() => project.close(...clusters.map(([first]) => stackOf(first))));

    it.each(clusters)(
      "comes up in the mode %s with %j, and changes in place by %j",
      (first, switches, changes) =>
        walk(project, stackOf(first), mergeValues({ ...settings, ...TWO_NODES, release }, switches), changes),
      8 * MINUTES,
    );
  });
});
