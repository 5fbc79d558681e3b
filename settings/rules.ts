import { chartImages } from "../modes/chartKeys";
import { contains, overlap } from "../modes/cidr";
import { NODE_POD_CIDR_MASK, nodeNetworks } from "../modes/ciliumValues";
import { isNewerThanKnown, isOlderThanKnown, NEWEST_CILIUM_MINOR, OLDEST_CILIUM } from "../modes/ciliumVersion";
import { longestClusterName } from "../modes/clusterName";
import { replacementProblem, routingModeOf, type RoutingMode } from "../modes/contract";
import { ciliumImages, UNKNOWN_TAG } from "../modes/images";
import { kubernetesOf, untestedPair } from "../modes/releases";
import { lintValues, type ValueFinding } from "../modes/valuesLint";
import { ciliumArgs, type ModeSettings } from "./ciliumArgs";
import { pathText, shown } from "./problems";
import type { IsSecretPath, Problem } from "./raw";
import { isExisting, type ReleasedSettings } from "./release";
import { NAME_DEFAULT } from "./schema";

/** A setting's value as a message may show it. */
type Show = (key: string, value: string | number) => string;

/** What the settings contradict among each other, or ask of a Cilium that cannot do it. */
export function settingProblems(settings: ReleasedSettings, isSecretPath: IsSecretPath): Problem[] {
  const show: Show = (key, value) => (isSecretPath(key) ? "(a secret value)" : String(value));
  const { version } = settings.cilium;
  if (isOlderThanKnown(version)) {
    const rule = `${show("cilium.version", version)} is older than ${OLDEST_CILIUM}, the oldest Cilium whose modes are known here`;
    return [{ key: "cilium.version", rule }];
  }
  const { kubeProxyReplacement, bpf } = settings;
  const mode = routingModeOf({ kubeProxyReplacement, bpfMasquerade: bpf.masquerade });
  return [
    ...modeProblems(settings, show),
    ...networkProblems(settings, show),
    ...clusterProblems(settings, show),
    ...imageProblems(settings, mode),
    ...hubbleProblems(settings),
    // without a mode there is nothing to measure values by
    ...(mode === undefined ? [] : valueFindings({ ...settings, mode }, isSecretPath, "error")),
  ];
}

/** What in checked settings may come out otherwise than meant. */
export function settingWarnings(settings: ModeSettings, isSecretPath: IsSecretPath): Problem[] {
  const { cilium, cluster } = settings;
  const warnings: Problem[] = [];
  if (isNewerThanKnown(cilium.version)) {
    const rule = `is newer than ${NEWEST_CILIUM_MINOR}, the newest Cilium whose rules are known here; those of ${NEWEST_CILIUM_MINOR} are used`;
    warnings.push({ key: "cilium.version", rule });
  }
  const kubernetes = isExisting(cluster) ? undefined : kubernetesOf(cluster.nodeImage);
  const untested = kubernetes === undefined ? undefined : untestedPair(cilium.version, kubernetes);
  if (untested !== undefined) warnings.push({ key: "cilium.version", rule: untested });
  return [...warnings, ...valueFindings(settings, isSecretPath, "warning")];
}

/** What the chart would make of `cilium.values`. */
function valueFindings(
  settings: ModeSettings,
  isSecretPath: IsSecretPath,
  wanted: ValueFinding["severity"],
): Problem[] {
  const show = (value: unknown) => (isSecretPath("cilium.values") ? "a secret value" : shown(value));
  return lintValues(ciliumArgs(settings), show)
    .filter(({ severity }) => severity === wanted)
    .map(({ key, rule }) => ({ key: pathText(["cilium", "values", ...key.split(".")]), rule }));
}

/** Settings of `cluster` that mean something for a cluster that exists. */
const OF_EXISTING = ["kubeconfig", "context", "name", "podCidr"];

/** What is set, though it is kind's or Docker's to do, and the cluster is neither's. */
export function existingClusterProblems(settings: ReleasedSettings, raw: Readonly<Record<string, unknown>>): Problem[] {
  const { cilium, nettool } = settings;
  if (!isExisting(settings.cluster)) {
    if (!cilium.adopt) return [];
    return [{ key: "cilium.adopt", rule: "needs cluster.kubeconfig or cluster.context: a new cluster has no Cilium" }];
  }
  const rawOf = (section: string) => (raw[section] ?? {}) as Readonly<Record<string, unknown>>;
  const refuse = (key: string, why: string) => ({ key, rule: `cannot be set for a cluster that exists: ${why}` });
  const problems = Object.keys(rawOf("cluster"))
    .filter((key) => !OF_EXISTING.includes(key))
    .map((key) => refuse(`cluster.${key}`, "it is decided there"));
  if (rawOf("dns")["forward"] !== undefined) problems.push(refuse("dns.forward", "its CoreDNS is not this stack's"));
  if (cilium.images.load) problems.push(refuse("cilium.images.load", "its nodes pull their images"));
  if (String(rawOf("nettool")["loadImage"]) === "true") {
    problems.push(refuse("nettool.loadImage", "its nodes pull their images"));
  }
  if (nettool.image === undefined) {
    problems.push({
      key: "nettool.image",
      rule: "must be set for a cluster that exists: build images/nettool, push it to a registry that the nodes reach, and name it here",
    });
  }
  return problems;
}

/** Brought into a node, an image has a tag and no digest: one asked for by digest would be pulled all the same. */
function imageProblems(settings: ReleasedSettings, mode: RoutingMode | undefined): Problem[] {
  const { images, version } = settings.cilium;
  if (!images.load) return [];
  const byDigest = (["agent", "operator", "envoy"] as const).filter((name) => images[name].useDigest);
  const problems = byDigest.map((name) => ({
    key: `cilium.images.${name}.useDigest`,
    rule: "must be false with cilium.images.load: nodes cannot find a loaded image by its digest",
  }));
  // the images are the same in every mode
  const { envoy } = ciliumImages(ciliumArgs({ ...settings, mode: mode ?? "kubeproxy" }));
  if (envoy?.includes(UNKNOWN_TAG)) {
    const rule = `must be set with cilium.images.load: Envoy's tag in the chart of Cilium ${version} is not known here`;
    problems.push({ key: "cilium.images.envoy.tag", rule });
  }
  return problems;
}

function hubbleProblems({ hubble, cilium }: ReleasedSettings): Problem[] {
  if (!hubble.ui) return [];
  if (!hubble.relay) return [{ key: "hubble.ui", rule: "needs hubble.relay: true, which it asks for the flows" }];
  if (!cilium.images.load || chartImages(cilium.version) !== undefined) return [];
  const rule = `must be false with cilium.images.load: its tag in the chart of Cilium ${cilium.version} is not known here`;
  return [{ key: "hubble.ui", rule }];
}

function modeProblems({ tunnel, kubeProxyReplacement, bpf, cilium }: ReleasedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
  const replacement = replacementProblem(kubeProxyReplacement, cilium.version);
  if (replacement !== undefined) {
    const word = show("kubeProxyReplacement", String(kubeProxyReplacement));
    problems.push({ key: "kubeProxyReplacement", rule: `${JSON.stringify(word)} ${replacement}` });
  } else if (routingModeOf({ kubeProxyReplacement, bpfMasquerade: bpf.masquerade }) === undefined) {
    problems.push({
      key: "bpf.masquerade",
      rule: "needs kubeProxyReplacement: true, since BPF masquerading is part of Cilium's NodePort implementation",
    });
  }
  if (tunnel !== "disabled" && cilium.autoDirectNodeRoutes) {
    problems.push({
      key: "cilium.autoDirectNodeRoutes",
      rule: `needs tunnel: disabled, since traffic in ${show("tunnel", tunnel)} does not use routes to the nodes; remove one of the two`,
    });
  }
  return problems;
}

/**
 * Prefixes of a service network that kubeadm accepts: at most 20 bits of addresses, and at least 10 of them
 * (https://github.com/kubernetes/kubernetes/blob/v1.34.0/cmd/kubeadm/app/constants/constants.go).
 */
const SERVICE_PREFIXES = { min: 12, max: 28 };

/** Prefix of the largest pod network: kubeadm (same file) lets it hold 2^16 nodes' networks. */
const MIN_POD_PREFIX = NODE_POD_CIDR_MASK - 16;

const prefixOf = (cidr: string) => Number(cidr.split("/")[1]);

function networkProblems({ tunnel, cluster, cilium }: ReleasedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
  const podCidr = show("cluster.podCidr", cluster.podCidr);
  const serviceCidr = show("cluster.serviceCidr", cluster.serviceCidr);
  const nativeRoutingCIDR = show("cilium.nativeRoutingCIDR", cilium.nativeRoutingCIDR);
  // what stands for them is the cluster's own; whether it fits is seen there
  const existing = isExisting(cluster);
  const { min, max } = SERVICE_PREFIXES;
  const servicePrefix = prefixOf(cluster.serviceCidr);
  if (servicePrefix < min || servicePrefix > max) {
    problems.push({
      key: "cluster.serviceCidr",
      rule: `${serviceCidr} is none that Kubernetes takes; it must have a prefix from /${min} to /${max}`,
    });
  }
  if (!existing && overlap(cluster.podCidr, cluster.serviceCidr)) {
    problems.push({
      key: "cluster.podCidr",
      rule: `${podCidr} overlaps cluster.serviceCidr ${serviceCidr}; a pod could get a service's address`,
    });
  }
  const podPrefix = prefixOf(cluster.podCidr);
  const nodes = cluster.workers + 1;
  const blocks = nodeNetworks(cluster.podCidr);
  if (podPrefix < MIN_POD_PREFIX) {
    problems.push({
      key: "cluster.podCidr",
      rule: `${podCidr} is larger than Kubernetes takes; its prefix must be at least /${MIN_POD_PREFIX}`,
    });
  }
  if (!existing && blocks < nodes) {
    const room = show("cluster.podCidr", blocks);
    problems.push({
      key: "cluster.podCidr",
      rule: `${podCidr} has room for ${room} nodes of a /${NODE_POD_CIDR_MASK} each, and the cluster has ${show("cluster.workers", nodes)}`,
    });
  }
  if (tunnel === "disabled" && !contains(cilium.nativeRoutingCIDR, cluster.podCidr)) {
    problems.push({
      key: "cilium.nativeRoutingCIDR",
      rule: `${nativeRoutingCIDR} does not contain cluster.podCidr ${podCidr}; traffic between pods would be masqueraded`,
    });
  }
  // contained is common (the articles' own 10.0.0.0/8 and 10.96.0.0/16) and harmless; a native network inside the services' is not
  if (!existing && contains(cluster.serviceCidr, cilium.nativeRoutingCIDR)) {
    problems.push({
      key: "cilium.nativeRoutingCIDR",
      rule: `${nativeRoutingCIDR} lies inside cluster.serviceCidr ${serviceCidr}; services have no routable addresses`,
    });
  }
  return problems;
}

function clusterProblems({ cluster, cilium, nettool }: ReleasedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
  const longest = longestClusterName(cilium.version);
  if (cluster.name.length > longest) {
    const rule = `must have at most ${longest} characters with Cilium ${cilium.version}, got ${show("cluster.name", shown(cluster.name))}; ${NAME_DEFAULT}`;
    problems.push({ key: "cluster.name", rule });
  }
  cluster.portMappings.forEach(({ node }, index) => {
    const worker = /^worker-(\d+)$/.exec(node);
    if (worker && Number(worker[1]) > cluster.workers) {
      const workers = show("cluster.workers", cluster.workers);
      problems.push({
        key: `cluster.portMappings.${index}.node`,
        rule: `${show("cluster.portMappings", node)} does not exist; the cluster has ${workers} workers`,
      });
    }
  });
  if (nettool.image?.includes("@") && nettool.loadImage) {
    problems.push({
      key: "nettool.image",
      rule: "has a digest, and cannot be loaded into nodes; use a tag, or set nettool.loadImage: false",
    });
  }
  return problems;
}
