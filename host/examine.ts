import { MODE_CONTRACTS } from "../modes/contract";
import type { KernelNeeds } from "../modes/kernels";
import type { KindPortMapping, RegistryMirror } from "../modes/kindConfig";
import { countOtherNodes, listNodes } from "./docker";
import type { DnsForward } from "../providers/kind/inputs";
import { clusterNetworkFailures } from "../providers/kind/networks";
import { resolversFor } from "../providers/kind/nodeSetup";
import { dockerProblem, judgeDaemon, readDaemon, type Daemon } from "./daemon";
import { judgeDisk, readFreeBytes } from "./disk";
import type { MachineFinding } from "./finding";
import { judgeFeatures, judgeKernel, probeKernel } from "./kernel";
import { judgeLimits, readLimits } from "./limits";
import { judgeHostNetworks, readHostNetworks, type ClusterNetworks } from "./networks";
import { takenPorts } from "./ports";
import { judgeProxies, judgeSource, missingImages, registrySources, type Proxies, type Source } from "./reach";
import { judgeKind, judgeKubectl, judgeNode, judgePulumi, missingPlugins, type Plugin } from "./tools";

/** What a stack asks of the machine that it is brought up on. */
export interface StackNeeds extends KernelNeeds, ClusterNetworks {
  readonly clusterName: string;
  /** Cilium's version. */
  readonly cilium: string;
  readonly kubernetes: string;
  readonly nodeImage: string;
  readonly workers: number;
  readonly portMappings: readonly KindPortMapping[];
  readonly registryMirrors: Readonly<Record<string, RegistryMirror>>;
  /** Every image that is pulled, or built from. */
  readonly images: readonly string[];
  /** Where the chart comes from: a repository, or a path with what is wrong with it. */
  readonly chart: { readonly repository: string } | { readonly path: string; readonly problem: string | undefined };
  readonly exportKubeconfig: boolean;
  readonly dnsForward: DnsForward;
  /** Whether nodes are made here; a cluster that exists needs of this machine only what runs the program. */
  readonly isKind: boolean;
}

/** What is known of the process that asks. */
export interface Surroundings {
  readonly nodeVersion: string;
  readonly path: string;
  readonly proxies: Proxies;
  /** The engine's providers that the program uses. */
  readonly plugins: readonly Plugin[];
  readonly pulumiHome?: string | undefined;
}

/** Findings that belong together. */
export interface Section {
  readonly title: string;
  readonly findings: readonly MachineFinding[];
}

/** Look at this machine with the eyes of a stack. @param at told what is being looked at */
export async function examine(
  needs: StackNeeds,
  around: Surroundings,
  at: (what: string) => void = () => undefined,
): Promise<Section[]> {
  at("tools are asked for their versions");
  const asked = await Promise.all([
    judgePulumi(),
    ...(needs.isKind ? [judgeKind(needs.nodeImage)] : []),
    judgeKubectl(needs.exportKubeconfig),
  ]);
  at("Docker is asked about itself");
  // for a cluster that exists it only builds the workload's image
  const daemon = needs.isKind || needs.images.length > 0 ? await readDaemon().catch(dockerProblem) : NOT_NEEDED;
  const there = daemon === undefined || "verdict" in daemon ? undefined : daemon;
  const docker =
    there === undefined ? [(daemon as MachineFinding | undefined) ?? UNREADABLE] : judgeDaemon(there, needs.kubernetes);
  const here = needs.isKind && there !== undefined ? await examineHost(needs, there, at) : [];
  at("registries and other sources are asked for an answer");
  return [
    { title: "Tools", findings: [judgeNode(around.nodeVersion), ...asked] },
    { title: "Docker", findings: needs.isKind ? docker : docker.slice(0, 1) },
    ...here,
    { title: "What is fetched", findings: await reach(needs, around, there) },
  ];
}

const NOT_NEEDED: MachineFinding = {
  subject: "Docker",
  verdict: "skipped",
  seen: "is not needed",
  matters: "clusters of kind, and the workload's image where it is built",
};

const UNREADABLE: MachineFinding = {
  subject: "Docker",
  verdict: "inconclusive",
  seen: "docker info says nothing that can be read",
  matters: "all modes: nodes are containers",
};

async function examineHost(needs: StackNeeds, daemon: Daemon, at: (what: string) => void): Promise<Section[]> {
  const { clusterName, workers, nodeImage } = needs;
  const nodes = await listNodes(clusterName);
  const isUp = nodes.length > 0;
  const limits = await readLimits(daemon);
  at("the kernel is probed in a container");
  const probes = await probeKernel(daemon, nodeImage);
  return [
    {
      title: "Limits",
      findings: [
        // what a cluster that stands has taken is not taken again
        ...judgeLimits(
          isUp ? { ...limits, availableBytes: undefined } : limits,
          workers + 1,
          await countOtherNodes(clusterName),
        ),
        ...(isUp ? [] : judgeDisk(await readFreeBytes(daemon), workers + 1)),
      ],
    },
    {
      title: "Kernel",
      findings: [judgeKernel(daemon.kernel, needs.cilium), ...judgeFeatures(daemon.kernel, probes, needs)],
    },
    {
      title: "Networks and names",
      findings: [
        clusterFinding(clusterName, nodes.length),
        ...(await kindNetworkFindings(needs)),
        ...(await resolverFindings(needs)),
        ...judgeHostNetworks(daemon.isHere ? await readHostNetworks() : [], needs),
        ...(isUp ? [] : await takenPorts(needs.portMappings)),
      ],
    },
  ];
}

function clusterFinding(name: string, nodes: number): MachineFinding {
  const seen = nodes === 0 ? "is free" : `has ${nodes === 1 ? "1 node" : `${nodes} nodes`}`;
  return {
    subject: `cluster ${name}`,
    verdict: "pass",
    seen: nodes === 0 ? seen : `${seen}: this stack's own, or up refuses to touch it`,
    matters: "all modes: another's cluster of that name is never touched",
  };
}

async function kindNetworkFindings(needs: StackNeeds): Promise<MachineFinding[]> {
  const failures = await clusterNetworkFailures(needs);
  return failures.map(({ property, reason }) => {
    const [seen, remedy] = reason.split("; ") as [string, string];
    return { subject: `cluster.${property}`, verdict: "fail", seen, matters: "all modes: nodes' addresses", remedy };
  });
}

async function resolverFindings({ mode, dnsForward, nativeRoutingCIDR }: StackNeeds): Promise<MachineFinding[]> {
  if (dnsForward === "auto" && !MODE_CONTRACTS[mode].bypassDockerResolver) return [];
  const warnings: string[] = [];
  const log = { status: () => undefined, warn: (message: string) => void warnings.push(message) };
  const resolvers = await resolversFor(dnsForward, nativeRoutingCIDR, log);
  const finding = { subject: "names outside the cluster", matters: "replacement, ebpf: pods ask these resolvers" };
  const [warning] = warnings;
  if (warning === undefined)
    return [{ ...finding, verdict: "pass", seen: resolvers.join(", ") || "asked for at the nodes' own resolver" }];
  const [seen] = warning.split(". ");
  return [{ ...finding, verdict: "warning", seen: seen!, remedy: "set dns.forward to resolvers that pods reach" }];
}

/** Where Pulumi's own providers come from. */
const PLUGINS_HOST = "https://get.pulumi.com";

const CHART = {
  what: "Cilium's chart",
  matters: "all modes: its Helm release",
  remedy: "set cilium.repository, or cilium.chart to the path of a chart",
};

function chartFinding({
  path,
  problem,
}: {
  readonly path: string;
  readonly problem: string | undefined;
}): MachineFinding {
  const { what: subject, matters } = CHART;
  if (problem === undefined) return { subject, verdict: "pass", seen: path, matters };
  return { subject, verdict: "fail", seen: problem, matters, remedy: "set cilium.chart to a chart's folder or .tgz" };
}

async function reach(needs: StackNeeds, around: Surroundings, daemon: Daemon | undefined): Promise<MachineFinding[]> {
  const missing = daemon === undefined ? needs.images : await missingImages(needs.images);
  const plugins = await missingPlugins(around.plugins, around.path, around.pulumiHome);
  const sources: Source[] = [
    ...registrySources(missing, needs.registryMirrors),
    ...("repository" in needs.chart ? [{ ...CHART, urls: [needs.chart.repository.replace(/^oci:/, "https:")] }] : []),
    ...(plugins.length === 0
      ? []
      : [
          {
            what: "Pulumi's providers",
            urls: [PLUGINS_HOST],
            matters: `all modes: ${plugins.map(({ name, version }) => `${name} ${version}`).join(", ")}`,
            remedy: "put the programs pulumi-resource-<name> on the PATH",
          },
        ]),
  ];
  const findings = await Promise.all(sources.map(judgeSource));
  if ("path" in needs.chart) findings.push(chartFinding(needs.chart));
  const present: MachineFinding = {
    subject: "images",
    verdict: "pass",
    seen: `${needs.images.length - missing.length} of ${needs.images.length} are in Docker`,
    matters: "time of the first start",
  };
  return [
    ...(daemon === undefined ? [] : [present]),
    ...findings,
    ...judgeProxies(around.proxies, daemon?.proxies ?? {}),
  ];
}
