import { mergeValues, type HelmValues } from "../../modes/ciliumValues";
import { expectContract } from "../support/evidence";
import {
  inNode,
  kubectl,
  labMissing,
  LabProject,
  longMissing,
  MINUTES,
  otherCilium,
  restartAgents,
  selectServers,
  timeMissing,
  withoutRoutes,
} from "../support/lab";
import { describeIf } from "../support/project";
import { expectTraces } from "../support/traces";

/** Two nodes show what is between nodes. */
const TWO_NODES = { cluster: { workers: 1 } };

/** One cluster and the settings that it goes through, each in its turn. */
type Walk = readonly (readonly [changed: string, value: string])[];

/** Hold a running stack to its contract, and see that an inspection names its mode without being told. */
function expectMode(project: LabProject, stack: string): void {
  const settings = project.settings(stack);
  expectContract(settings);
  const network = settings.tunnel === "disabled" ? "native" : settings.tunnel;
  expect(project.inspect(stack)).toEqual({ code: 0, mode: `${settings.mode}, ${network}`, wrong: {} });
}

/** Bring a stack up, and hold it to its contract after each of the changes; every `up` verifies it too. */
async function walk(
  project: LabProject,
  stack: string,
  settings: HelmValues,
  changes: Walk,
  atEnd: (cluster: string) => void = () => undefined,
): Promise<void> {
  const cluster = await project.addStack(stack, settings);
  await project.succeed("up", "--yes", "--skip-preview", "-s", stack);
  expectMode(project, stack);
  for (const [key, value] of changes) {
    await project.succeed("config", "set", key, value, "-s", stack);
    await project.succeed("up", "--yes", "--skip-preview", "-s", stack);
    expectMode(project, stack);
  }
  atEnd(cluster);
  await project.succeed("destroy", "--yes", "--skip-preview", "-s", stack);
}

/** Faults that the forms of old versions must show too. */
function expectFaultsToShow(project: LabProject, stack: string, cluster: string): void {
  const worker = `${cluster}-worker`;
  const during = (fault: () => void, repair: () => void) => {
    fault();
    const { wrong } = project.verify(stack, "--settle-seconds", "0");
    repair();
    return wrong;
  };
  const leftover = during(
    () => inNode(worker, "iptables", "-t", "nat", "-N", "KUBE-SVC-LEFTOVER"),
    () => inNode(worker, "iptables", "-t", "nat", "-X", "KUBE-SVC-LEFTOVER"),
  );
  expect(leftover["kube-proxy-rules"]).toContain("kube-proxy's rules are still on this node");
  const nobody = during(
    () => selectServers(cluster, "nobody"),
    () => selectServers(cluster, "nettool"),
  );
  expect(nobody["service"]).toContain("selector");
  const routes = inNode(worker, "ip", "route").split("\n");
  const route = routes.find((line) => /^10\..* via 172\.\S+ dev eth0/.test(line))!.trim();
  const lost = withoutRoutes(worker, [route], () => project.verify(stack, "--settle-seconds", "0").wrong);
  expect(lost["routes"]).toContain(`must be ${route.split(" ")[0]} via`);
  kubectl(
    cluster,
    "-n",
    "kube-system",
    "patch",
    "configmap",
    "cilium-config",
    "-p",
    '{"data":{"enable-bpf-masquerade":"false"}}',
  );
  restartAgents(cluster);
  const fallen = project.verify(stack, "--settle-seconds", "10").wrong;
  expect(Object.keys(fallen)).toEqual(expect.arrayContaining(["config", "status", "packet-path", "masquerading"]));
  expect(fallen["status"]).toContain("expected Host Routing BPF, Masquerading BPF");
}

describeIf([...labMissing(), ...longMissing()], "a stack in a tunnel", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close("tunnel"));

  it(
    "comes up in the mode replacement, and changes to ebpf in place",
    () =>
      walk(
        project,
        "tunnel",
        { ...TWO_NODES, tunnel: "vxlan", kubeProxyReplacement: true },
        [["bpf.masquerade", "true"]],
        (cluster) => expectTraces(project, "tunnel", cluster),
      ),
    6 * MINUTES,
  );
});

/** Each old Cilium with its clusters: the words that it begins with, and the changes in place. */
const OLD: Readonly<Record<string, readonly (readonly [first: string, settings: HelmValues, changes: Walk])[]>> = {
  "1.13.0-rc5": [["replacement", { kubeProxyReplacement: "strict" }, [["bpf.masquerade", "true"]]]],
  "1.12.4": [
    // the way beside kube-proxy is the same cluster
    ["kubeproxy", { kubeProxyReplacement: "disabled" }, [["kubeProxyReplacement", "probe"]]],
  ],
};

describe.each(Object.entries(OLD))("Cilium %s", (version, clusters) => {
  const { settings, missing } = otherCilium(version);
  const release = version.split(".").slice(0, 2).join(".");
  const stackOf = (first: string) => `v${release.replace(".", "")}-${first}`;

  // they take about as long each, and one of them is enough to notice what is new
  describeIf([...missing, ...(version === "1.12.4" ? longMissing() : timeMissing(8))], `release ${release}`, () => {
    let project: LabProject;
    beforeAll(() => (project = new LabProject()));
    afterAll(() => project.close(...clusters.map(([first]) => stackOf(first))));

    it.each(clusters)(
      "comes up in the mode %s with %j, and changes in place by %j",
      (first, switches, changes) =>
        walk(
          project,
          stackOf(first),
          mergeValues({ ...settings, ...TWO_NODES, release }, switches),
          changes,
          (cluster) => {
            if (project.settings(stackOf(first)).bpf.masquerade) expectFaultsToShow(project, stackOf(first), cluster);
          },
        ),
      12 * MINUTES,
    );
  });
});
