import { MODE_CONTRACTS } from "../modes/contract";
import { pairText, type Ipv6Networks } from "../modes/ipFamily";
import type { KernelNeeds } from "../modes/kernels";
import type { DnsForward } from "../modes/kindConfig";
import type { RegistryMirrors } from "../modes/registryMirrors";
import { dockerProblem, judgeDaemon, readDaemon, type Daemon } from "./daemon";
import { countOtherNodes, listNodes } from "./docker";
import type { MachineFinding } from "./finding";
import { judgeFeatures, judgeKernel, probeKernel } from "./kernel";
import { judgeDisk, judgeLimits, readFreeBytes, readLimits } from "./limits";
import { ipv6Finding, judgeHostNetworks, networkConflicts, readHostNetworks, type ClusterNetworks } from "./networks";
import { readPemFiles } from "./pemFiles";
import { judgePorts, type HostPorts } from "./ports";
import { hostOf, judgeProxies, judgeSource, missingImages, type Proxies, type Source } from "./reach";
import { registrySources } from "./registries";
import { RESOLVER_REMEDY, resolversFor } from "./resolvers";
import { judgeKind, judgeKubectl, judgeNode, judgePulumi, missingPlugins, type Plugin } from "./tools";

/** What a stack needs of the machine that runs it. */
export interface StackNeeds extends KernelNeeds, ClusterNetworks, HostPorts {
  readonly clusterName: string;
  /** Cilium's version. */
  readonly cilium: string;
  readonly kubernetes: string;
  readonly nodeImage: string;
  readonly workers: number;
  /** Networks of the second family; undefined unless the cluster is dual-stack. */
  readonly ipv6?: Ipv6Networks | undefined;
  readonly registryMirrors: RegistryMirrors;
  /** Folder of relative paths in the mirrors. */
  readonly directory: string;
  /** All images that are pulled, and base images of builds. */
  readonly images: readonly string[];
  /** Source of the chart: a repository, or a path and the problem with it. */
  readonly chart: { readonly repository: string } | { readonly path: string; readonly problem: string | undefined };
  readonly exportKubeconfig: boolean;
  readonly dnsForward: DnsForward;
  /** Whether the stack creates a kind cluster; an external cluster needs only the program's tools here. */
  readonly isKind: boolean;
}

/** Environment of the process. */
export interface Surroundings {
  readonly nodeVersion: string;
  readonly path: string;
  readonly proxies: Proxies;
  /** The Pulumi providers that the program uses. */
  readonly plugins: readonly Plugin[];
  readonly pulumiHome?: string | undefined;
}

/** Findings on one topic. */
export interface Section {
  readonly title: string;
  readonly findings: readonly MachineFinding[];
}

/**
 * Check this machine for a stack.
 * @param at called with the current step
 */
export async function examine(
  needs: StackNeeds,
  around: Surroundings,
  at: (what: string) => void = () => undefined,
): Promise<Section[]> {
  at("checking tools");
  const asked = await Promise.all([
    judgePulumi(),
    ...(needs.isKind ? [judgeKind(needs.nodeImage)] : []),
    judgeKubectl(needs.exportKubeconfig),
  ]);
  at("checking Docker");
  // an external cluster needs Docker only to build the workload's image
  const daemon = needs.isKind || needs.images.length > 0 ? await readDaemon().catch(dockerProblem) : NOT_NEEDED;
  const there = daemon === undefined || "verdict" in daemon ? undefined : daemon;
  const docker =
    there === undefined ? [(daemon as MachineFinding | undefined) ?? UNREADABLE] : judgeDaemon(there, needs.kubernetes);
  const here = needs.isKind && there !== undefined ? await examineHost(needs, there, at) : [];
  at("checking registries and other sources");
  return [
    { title: "Tools", findings: [judgeNode(around.nodeVersion), ...asked] },
    { title: "Docker", findings: needs.isKind ? docker : docker.slice(0, 1) },
    ...here,
    { title: "Downloads", findings: await reach(needs, around, there) },
  ];
}

const NOT_NEEDED: MachineFinding = {
  subject: "Docker",
  verdict: "skipped",
  seen: "not needed",
  matters: "kind clusters, and building the workload's image",
};

const UNREADABLE: MachineFinding = {
  subject: "Docker",
  verdict: "inconclusive",
  seen: "docker info prints no readable output",
  matters: "all modes: nodes are containers",
};

async function examineHost(needs: StackNeeds, daemon: Daemon, at: (what: string) => void): Promise<Section[]> {
  const { clusterName, workers, nodeImage } = needs;
  const nodes = await listNodes(clusterName);
  const isUp = nodes.length > 0;
  const limits = await readLimits(daemon);
  at("probing the kernel in a container");
  const probes = await probeKernel(daemon, nodeImage);
  return [
    {
      title: "Limits",
      findings: [
        // a running cluster has its memory and disk already
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
        ...(isUp ? [] : await judgePorts(needs)),
      ],
    },
  ];
}

function clusterFinding(name: string, nodes: number): MachineFinding {
  return {
    subject: `cluster ${name}`,
    verdict: "pass",
    seen:
      nodes === 0
        ? "name is free"
        : `exists with ${nodes === 1 ? "1 node" : `${nodes} nodes`}; pulumi up changes it only if this stack created it`,
    matters: "all modes: a cluster of another owner is never changed",
  };
}

async function kindNetworkFindings(needs: StackNeeds): Promise<MachineFinding[]> {
  const { podCidr, serviceCidr, ipv6 } = needs;
  const conflicts = await networkConflicts({
    podCidr: pairText(podCidr, ipv6?.podCidr),
    serviceCidr: pairText(serviceCidr, ipv6?.serviceCidr),
  });
  const found = conflicts.map(({ property, seen, remedy }): MachineFinding => ({
    subject: `cluster.${property}`,
    verdict: "fail",
    seen,
    matters: "all modes: node addresses",
    remedy,
  }));
  return ipv6 === undefined ? found : [await ipv6Finding(), ...found];
}

async function resolverFindings({ mode, dnsForward, nativeRoutingCIDR }: StackNeeds): Promise<MachineFinding[]> {
  if (dnsForward === "auto" && !MODE_CONTRACTS[mode].bypassDockerResolver) return [];
  const { addresses, problem } = await resolversFor(dnsForward, nativeRoutingCIDR);
  const finding = { subject: "resolvers", matters: "replacement, ebpf: pods resolve external names with them" };
  if (problem !== undefined) return [{ ...finding, verdict: "warning", seen: problem, remedy: RESOLVER_REMEDY }];
  return [{ ...finding, verdict: "pass", seen: addresses.join(", ") || "the nodes' own resolver" }];
}

/** Host of Pulumi's provider downloads. */
const PLUGINS_HOST = "https://get.pulumi.com";

const CHART = {
  what: "Cilium's chart",
  matters: "all modes: Cilium's Helm release",
  remedy: "set cilium.repository, or set cilium.chart to the path of a chart",
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
  return {
    subject,
    verdict: "fail",
    seen: problem,
    matters,
    remedy: "set cilium.chart to a chart's folder or .tgz file",
  };
}

async function reach(needs: StackNeeds, around: Surroundings, daemon: Daemon | undefined): Promise<MachineFinding[]> {
  const missing = daemon === undefined ? needs.images : await missingImages(needs.images);
  const plugins = await missingPlugins(around.plugins, around.path, around.pulumiHome);
  const { mirrors } = readPemFiles(needs.registryMirrors, needs.directory);
  const sources: Source[] = [
    ...registrySources(missing, mirrors),
    ...("repository" in needs.chart
      ? [{ ...CHART, hosts: [hostOf(needs.chart.repository.replace(/^oci:/, "https:"))] }]
      : []),
    ...(plugins.length === 0
      ? []
      : [
          {
            what: "Pulumi's providers",
            hosts: [hostOf(PLUGINS_HOST)],
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
    seen: `Docker has ${needs.images.length - missing.length} of ${needs.images.length}`,
    matters: "duration of the first start",
  };
  return [
    ...(daemon === undefined ? [] : [present]),
    ...findings,
    ...judgeProxies(around.proxies, daemon?.proxies ?? {}),
  ];
}

/** Whether doctor has examined this machine for the command that runs, as it does for `npm start`. */
export const isExamined = () => process.env["CILIUM_MODES_EXAMINED"] !== undefined;
