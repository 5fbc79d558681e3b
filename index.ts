import * as pulumi from "@pulumi/pulumi";
import { Cilium } from "./components/cilium";
import { renderChart } from "./components/chartRendering";
import { ExistingCluster, inspectCluster } from "./components/existingCluster";
import { KindCluster } from "./components/kindCluster";
import { NettoolWorkload } from "./components/nettoolWorkload";
import { PROGRAM_ROW, recordProgram } from "./components/programTimings";
import { ProgramError } from "./components/programError";
import { logVerification, Verification } from "./components/verification";
import { fittingCluster } from "./datapath/clusterFit";
import { span } from "./host/timings.cjs";
import { loadedImages } from "./modes/images";
import type { ChartAnswer } from "./modes/rendering";
import { joinNodes, nodePortUrls, SCHEMA_VERSION, type StackExports } from "./outputs";
import { loadSettings } from "./settings";
import { choiceOf, ciliumArgs, kindNetworks, wantedOfCluster } from "./settings/ciliumArgs";
import { readManifests } from "./settings/manifests";
import { kubeconfigOf, kubeconfigProblems } from "./settings/kubeconfig";
import type { Settings } from "./settings/parse";
import { isExternal, kubernetesToAsk } from "./settings/release";

const NO_ANSWER: ChartAnswer = { findings: [], contradictions: [] };

export = async (): Promise<StackExports> => {
  recordProgram();
  const { settings, isValid, refusal } = loadSettings();
  const { mode, tunnel, kubeProxyReplacement, bpf, hubble, nettool } = settings;
  const manifests = await readManifests(settings.cilium.manifests, process.cwd());
  const ofManifests = [...manifests.problems, ...manifests.unread];
  const ofKubeconfig = kubeconfigProblems(settings.cluster);
  const isRight = isValid && ofManifests.length + ofKubeconfig.length === 0;
  if (!isRight && isExternal(settings.cluster)) throw refusal([], [...ofKubeconfig, ...ofManifests]);
  const external = isExternal(settings.cluster) ? await existingCluster(settings) : undefined;
  const names = imagesTaken(settings, { isRight, external, manifests: manifests.objects, ofManifests, refusal });
  // nothing is created before the chart has taken the values; a preview goes on meanwhile
  if (!isRight || !pulumi.runtime.isDryRun()) await names;
  const cluster = external ?? kindCluster(settings, names);
  const images = { ...settings.cilium.images, names: await names };
  const cilium = new Cilium("cilium", {
    ...settings.cilium,
    images,
    manifests: manifests.objects,
    cluster,
    tunnel,
    hubble,
    ...choiceOf(settings),
  });
  const workload = new NettoolWorkload("nettool", { ...nettool, cluster, cilium });
  const verification = new Verification("verification", {
    cluster,
    cilium,
    workload,
    verify: settings.verify,
    when: settings.verifyWhen,
    maxNodes: settings.verifyNodes,
  });
  logVerification(verification.summary);
  const { version, nativeRoutingCIDR, podCidr, ipv6 } = cilium.valuesArgs;
  return {
    schemaVersion: SCHEMA_VERSION,
    mode,
    clusterName: cluster.clusterName,
    clusterIdentifier: cluster.instance,
    kubeconfig: cluster.kubeconfig,
    apiEndpoint: cluster.endpoint,
    nodes: joinNodes(cluster.nodes, cilium.nodes),
    cilium: {
      ...{ version, tunnel, kubeProxyReplacement, bpfMasquerade: bpf.masquerade, nativeRoutingCIDR, podCidr },
      ...(ipv6 === undefined ? {} : { ipv6 }),
    },
    verification: verification.summary,
    datapath: verification.datapath,
    nodePortUrls: pulumi
      .all([cluster.nodes, verification.summary])
      .apply(([nodes]) => nodePortUrls(nodes, workload.nodePort)),
    workload: workload.names,
  };
};

interface Ground {
  readonly isRight: boolean;
  readonly external: ExistingCluster | undefined;
  readonly manifests: Awaited<ReturnType<typeof readManifests>>["objects"];
  /** What is wrong with the manifests. */
  readonly ofManifests: Parameters<ReturnType<typeof loadSettings>["refusal"]>[1];
  readonly refusal: ReturnType<typeof loadSettings>["refusal"];
}

/**
 * The images of all pods of Cilium's chart; undefined where the chart could not be asked.
 * @throws pulumi.RunError if settings are wrong, or if the chart does not take the values
 */
async function imagesTaken(
  settings: Settings,
  { isRight, external, manifests, ofManifests, refusal }: Ground,
): Promise<readonly string[] | undefined> {
  const answer = await span(PROGRAM_ROW, "render the chart", () =>
    renderChart("cilium-chart", ciliumArgs(settings, external), settings.cilium, {
      kubernetes: external === undefined ? kubernetesToAsk(settings.cluster) : undefined,
      provider: external?.provider,
      manifests,
    }),
  ).catch((error: Error) => {
    throw isRight ? error : refusal([], ofManifests);
  });
  if ("notAsked" in answer && isRight) void pulumi.log.warn(`The chart did not check the values: ${answer.notAsked}`);
  const { findings, contradictions, images } = "notAsked" in answer ? NO_ANSWER : answer;
  // settings that are wrong may well be rendered against the mode
  if (!isRight) throw refusal(findings, ofManifests);
  const found = [...findings, ...contradictions];
  if (found.length > 0) throw refusal(found, []);
  return images;
}

function kindCluster(settings: Settings, names: ReturnType<typeof imagesTaken>): KindCluster {
  const { mode, kubeProxy, cluster, cilium, dns } = settings;
  const { load } = cilium.images;
  // if the chart refuses the values, the program ends with its reason while this is still open
  const images = new Promise<readonly string[]>((resolve) => {
    names.then((known) => resolve(known ?? (load ? loadedImages(ciliumArgs(settings)) : []))).catch(() => undefined);
  });
  return new KindCluster("cluster", {
    ...cluster,
    mode,
    kubeProxyMode: kubeProxy.mode,
    clusterName: cluster.name,
    ipam: cilium.ipam.mode,
    ...kindNetworks(settings),
    dnsForward: dns.forward,
    ...(load ? { images } : { pulledImages: images }),
  });
}

/** @throws pulumi.RunError if the cluster does not respond, or if Cilium cannot be installed in it */
async function existingCluster(settings: Settings): Promise<ExistingCluster> {
  const { mode, cluster, cilium, podNetworks } = settings;
  try {
    const kubeconfig = kubeconfigOf(cluster);
    const facts = await span(PROGRAM_ROW, "read the external cluster", () => inspectCluster(kubeconfig));
    // the component does not know the tunnel, which decides what native routing must contain
    fittingCluster(wantedOfCluster(settings), facts);
    return new ExistingCluster("cluster", {
      mode,
      kubeconfig,
      facts,
      clusterName: cluster.name,
      ...podNetworks,
      nativeRoutingCIDR: cilium.nativeRoutingCIDR,
    });
  } catch (error) {
    throw new ProgramError((error as Error).message);
  }
}
