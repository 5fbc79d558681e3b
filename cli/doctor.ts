import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chartProblem, isChartPath } from "../components/chartSource";
import type { Verdict } from "../datapath/facts";
import { examine, type Section, type StackNeeds, type Surroundings } from "../host/examine";
import { renderWarnings, type Settings } from "../settings/parse";
import { choiceOf } from "../settings/ciliumArgs";
import { isExternal } from "../settings/release";
import { doctorText } from "./doctorText";
import { lookOf, machineEnvironment } from "./environment";
import { withProgress } from "./progress";
import { PROJECT_DIRECTORY, readStackFile } from "./stackFile";
import { planStack } from "./stackPlan";

export interface DoctorOptions {
  readonly set?: readonly string[];
  readonly json?: boolean;
  /** Only problems and warnings. */
  readonly quiet?: boolean;
}

/** Check whether this machine can run a stack, and print the findings. @returns whether it can */
export async function doctor(stack: string, options: DoctorOptions): Promise<boolean> {
  const { settings, warnings } = readStackFile(stack, options.set);
  if (warnings.length > 0) console.error(renderWarnings(stack, warnings));
  const sections = await withProgress("Checking this machine", ({ at }) => sectionsOf(settings, at));
  const verdict = sections.some(({ findings }) => findings.some(isProblem)) ? "fail" : "pass";
  if (options.json) console.log(JSON.stringify({ stack, verdict, sections }, undefined, 2));
  else console.log(doctorText(stack, sections, lookOf(process.stdout), options.quiet));
  return verdict === "pass";
}

/** Why this machine cannot run a stack with these settings, one line each. */
export async function machineProblems(settings: Settings): Promise<string[]> {
  const findings = (await sectionsOf(settings, () => undefined)).flatMap((section) => section.findings);
  return findings
    .filter(isProblem)
    .map(({ subject, seen, remedy }) => `${subject}: ${seen}${remedy === undefined ? "" : `; ${remedy}`}`);
}

async function sectionsOf(settings: Settings, at: (what: string) => void): Promise<Section[]> {
  const sections = await examine(needsOf(settings), around(), at);
  if (!isExternal(settings.cluster)) return sections;
  at("Reading the external cluster");
  const { existingClusterFinding }: typeof import("./existingClusterFinding") = require("./existingClusterFinding");
  return [...sections, { title: "Cluster", findings: [await existingClusterFinding(settings)] }];
}

const isProblem = ({ verdict }: { verdict: Verdict }) => verdict === "fail";

function needsOf(settings: Settings): StackNeeds {
  const { mode, kubeProxy, tunnel, cluster, cilium } = settings;
  const { nettool, nettoolBase, node, rendered: _rendered, ...others } = planStack(settings).images;
  const isKind = !isExternal(cluster);
  return {
    mode,
    kubeProxyMode: kubeProxy.mode,
    tunnel,
    extraValues: cilium.values,
    choice: choiceOf(settings),
    clusterName: cluster.name,
    cilium: cilium.version,
    kubernetes: cluster.kubernetesVersion,
    nodeImage: cluster.nodeImage,
    workers: cluster.workers,
    podCidr: cluster.podCidr,
    serviceCidr: cluster.serviceCidr,
    nativeRoutingCIDR: cilium.nativeRoutingCIDR,
    ipv6: settings.ipv6,
    portMappings: cluster.portMappings,
    apiServerAddress: cluster.apiServerAddress,
    apiServerPort: cluster.apiServerPort,
    registryMirrors: cluster.registryMirrors,
    directory: PROJECT_DIRECTORY,
    // an external cluster pulls its images itself, perhaps from where this machine cannot
    images: (isKind ? [node, ...Object.values(others), nettoolBase ?? nettool] : [nettoolBase]).filter(
      (image) => image !== undefined,
    ),
    chart: chartOf(cilium),
    exportKubeconfig: cluster.exportKubeconfig,
    dnsForward: settings.dns.forward,
    isKind,
  };
}

function chartOf({ chart, repository }: Settings["cilium"]): StackNeeds["chart"] {
  if (isChartPath(chart)) return { path: chart, problem: chartProblem(chart, PROJECT_DIRECTORY) };
  return { repository: chart.startsWith("oci://") ? chart : repository };
}

/** The engine's providers that this program uses; their versions are those of the packages of the same name. */
const PROVIDERS = ["kubernetes", "command", "docker"];

function around(): Surroundings {
  const { dependencies = {} } = JSON.parse(readFileSync(join(PROJECT_DIRECTORY, "package.json"), "utf8")) as {
    dependencies?: Record<string, string>;
  };
  const plugins = PROVIDERS.flatMap((name) => {
    const version = dependencies[`@pulumi/${name}`];
    return version === undefined ? [] : { name, version };
  });
  return { nodeVersion: process.versions.node, plugins, ...machineEnvironment() };
}
