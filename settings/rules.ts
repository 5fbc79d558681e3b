import semver from "semver";
import { chartImages } from "../modes/chartKeys";
import { contains, overlap } from "../modes/cidr";
import { valueAt, type CiliumValuesArgs } from "../modes/ciliumValues";
import {
  isNewerThanKnown,
  isOlderThanKnown,
  minorOf,
  NEWEST_CILIUM_MINOR,
  OLDEST_CILIUM,
} from "../modes/ciliumVersion";
import { longestClusterName } from "../modes/clusterName";
import { DEFAULTS } from "../modes/defaults";
import { MODE_CONTRACTS, replacementProblem, routingModeOf, type RoutingMode } from "../modes/contract";
import { choiceProblems, choiceWarnings, OPTION_PATHS } from "../modes/datapathChoice";
import { portFindings } from "../modes/hostPorts";
import { ciliumImages, UNKNOWN_TAG } from "../modes/images";
import { kubeProxyModeProblem, kubeProxyModeWarning } from "../modes/kubeProxy";
import { NODE_POD_CIDR_MASK, nodeNetworks } from "../modes/ipam";
import { kubernetesOf, untestedPair } from "../modes/releases";
import type { ValueFinding } from "../modes/valueFinding";
import { lintValues } from "../modes/valuesLint";
import { choiceOf, ciliumArgs, switchesOf, type ModeSettings } from "./ciliumArgs";
import { shown, type IsSecretPath, type Problem, type Show } from "./problems";
import { isMissing, kindProblems, kindWarnings } from "./kindRules";
import { EPHEMERAL_PORTS, newClusterProblems, unprotectedNodePorts } from "./newClusterRules";
import { registryWarnings } from "./registryRules";
import { isExternal, type ReleasedSettings } from "./release";
import { NAME_HINT } from "./schema";
import { placeOf, type ValueSources } from "./valuesFiles";

/** Settings that contradict each other, or that the version of Cilium does not support. */
export function settingProblems(
  settings: ReleasedSettings,
  sources: ValueSources,
  isSecretPath: IsSecretPath,
): Problem[] {
  const show: Show = (key, value) => (isSecretPath(key) ? "(a secret value)" : String(value));
  const { version } = settings.cilium;
  if (isOlderThanKnown(version)) {
    const rule = `${show("cilium.version", version)} is older than ${OLDEST_CILIUM}, the oldest supported Cilium`;
    return [{ key: "cilium.version", rule }];
  }
  const mode = routingModeOf(switchesOf(settings));
  return [
    ...modeProblems(settings, show),
    ...kubeProxyProblems(settings, mode, show),
    ...networkProblems(settings, show),
    ...clusterProblems(settings, show),
    ...kindProblems(settings.cluster, show),
    ...imageProblems(settings, mode),
    ...hubbleProblems(settings),
    // values are checked against a mode
    ...(mode === undefined ? [] : valueFindings({ ...settings, mode }, sources, isSecretPath, "error")),
    ...(isExternal(settings.cluster) ? [] : newClusterProblems(settings, sources, showValue(isSecretPath))),
  ];
}

/** Warnings about valid settings. */
export function settingWarnings(settings: ModeSettings, sources: ValueSources, isSecretPath: IsSecretPath): Problem[] {
  const { cilium, cluster } = settings;
  const warnings: Problem[] = [];
  if (isNewerThanKnown(cilium.version)) {
    const rule = `is newer than ${NEWEST_CILIUM_MINOR}, the newest supported Cilium; the rules of ${NEWEST_CILIUM_MINOR} apply`;
    warnings.push({ key: "cilium.version", rule });
  }
  if (!isExternal(cluster)) warnings.push(...kindWarnings(cluster), ...registryWarnings(cluster.registryMirrors));
  const kubernetes = isExternal(cluster) ? undefined : kubernetesOf(cluster.nodeImage);
  const untested = kubernetes === undefined ? undefined : untestedPair(cilium.version, kubernetes);
  if (untested !== undefined) warnings.push({ key: "cilium.version", rule: untested });
  const { mode: kubeProxyMode } = settings.kubeProxy;
  const ofKubeProxy =
    kubernetes === undefined || kubeProxyMode === undefined
      ? undefined
      : kubeProxyModeWarning(kubeProxyMode, kubernetes);
  if (ofKubeProxy !== undefined) warnings.push({ key: "kubeProxy.mode", rule: ofKubeProxy });
  const usesGateways = String(valueAt(cilium.values, "gatewayAPI.enabled")) === "true";
  if (usesGateways && !isExternal(cluster) && cilium.manifests.length === 0) {
    warnings.push({
      key: placeOf(sources, "gatewayAPI.enabled"),
      rule: "has no effect in a new cluster, which does not know the kinds of Gateway API; add their definitions to cilium.manifests",
    });
  }
  for (const [name, path] of Object.entries(IMAGE_TAGS)) {
    const own = valueAt(cilium.values, path);
    const tag = String(own ?? cilium.images[name as keyof typeof IMAGE_TAGS].tag ?? "").replace(/^v/, "");
    if (semver.valid(tag) !== null && minorOf(tag) !== minorOf(cilium.version)) {
      const rule = `is of Cilium ${minorOf(tag)}, and the chart, its values and the expected evidence are of ${cilium.version}; set cilium.version`;
      warnings.push({ key: own === undefined ? `cilium.images.${name}.tag` : placeOf(sources, path), rule });
    }
  }
  const host = valueAt(cilium.values, "k8sServiceHost");
  // without kube-proxy it is an error
  if ((host === "" || host === null) && !isExternal(cluster) && settings.kubeProxyReplacement !== true) {
    const rule = `is ${showValue(isSecretPath)(host)}, so agents reach the API server only through kube-proxy; remove it`;
    warnings.push({ key: placeOf(sources, "k8sServiceHost"), rule });
  }
  // in a new cluster it is an error
  const hasOtherNodes = settings.kubeProxyReplacement === true && isExternal(cluster);
  const unprotected = hasOtherNodes ? unprotectedNodePorts({ value: (key) => valueAt(cilium.values, key) }) : [];
  for (const key of unprotected) {
    const [first, last] = EPHEMERAL_PORTS;
    const rule = `ends agents on nodes whose net.ipv4.ip_local_port_range begins at or below the end of nodePort.range, as Linux' default ${first}-${last} does; remove it`;
    warnings.push({ key: placeOf(sources, key), rule });
  }
  const mtu = Number(valueAt(cilium.values, "MTU"));
  if (mtu > DOCKER_MTU && !isExternal(cluster)) {
    const rule = `is ${showValue(isSecretPath)(mtu)}, and the nodes' network takes packets of ${DOCKER_MTU} bytes unless Docker was told otherwise, so larger ones between nodes get lost; remove it, to use that of the nodes' devices`;
    warnings.push({ key: placeOf(sources, "MTU"), rule });
  }
  return [...warnings, ...valueFindings(settings, sources, isSecretPath, "warning")];
}

/** MTU of Docker's networks: https://docs.docker.com/engine/network/drivers/bridge/#options */
const DOCKER_MTU = 1500;

/** Helm values of images that have Cilium's version as their tag, by the setting of the image. */
const IMAGE_TAGS = { agent: "image.tag", operator: "operator.image.tag" };

/** Settings that become Helm values, so that messages about values may show them. */
const BEHIND_VALUES = ["values", "valuesFiles", "nativeRoutingCIDR", "images"].map((key) => `cilium.${key}`);
const hasSecretValues = (isSecretPath: IsSecretPath) =>
  [...BEHIND_VALUES, ...OPTION_PATHS, "cluster.name", "cluster.podCidr"].some(isSecretPath);

/** A value of Cilium's chart as messages may show it. */
const showValue = (isSecretPath: IsSecretPath) => (value: unknown) =>
  hasSecretValues(isSecretPath) ? "a secret value" : shown(value);

/** Problems that the chart would have with `cilium.values`. */
function valueFindings(
  settings: ModeSettings,
  sources: ValueSources,
  isSecretPath: IsSecretPath,
  wanted: ValueFinding["severity"],
): Problem[] {
  const args = ciliumArgs(settings);
  const show = showValue(isSecretPath);
  const isKind = !isExternal(settings.cluster);
  const ofChoice = [
    ...choiceProblems(choiceOf(settings), args, show),
    ...choiceWarnings(choiceOf(settings), settings.mode, isKind),
  ];
  // what the version or the mode cannot have is not judged further
  const refused = new Set(ofChoice.flatMap(({ severity, key }) => (severity === "error" ? [key] : [])));
  const ofValues = [...lintValues(args, show), ...portFindings(args, show, isKind)];
  return [...ofChoice, ...ofValues.filter(({ key }) => !refused.has(key))]
    .filter(({ severity }) => severity === wanted)
    .map(({ key, rule }) => ({ key: placeOfValue(args, sources, key), rule }));
}

/** Where a value is set: by a setting of the same name, or else among the values. */
function placeOfValue({ extraValues }: CiliumValuesArgs, sources: ValueSources, key: string): string {
  const isSetting = OPTION_PATHS.includes(key) && valueAt(extraValues, key) === undefined;
  return isSetting ? key : placeOf(sources, key);
}

/** What the chart itself has against `cilium.values`; its words may hold values. */
export function chartProblems(
  findings: readonly ValueFinding[],
  sources: ValueSources,
  isSecretPath: IsSecretPath,
): Problem[] {
  return findings.map(({ key, setting, rule }) => ({
    key: setting ?? placeOf(sources, key),
    rule:
      hasSecretValues(isSecretPath) && setting === undefined
        ? "the chart refuses these values, which are secret; try them with helm template"
        : rule,
  }));
}

/** Settings of `cluster` that apply to an external cluster. */
const OF_EXTERNAL = ["kubeconfig", "context", "name", "podCidr"];

/** Settings that apply only to kind clusters but are set for an external one, and the reverse. */
export function externalClusterProblems(settings: ReleasedSettings, raw: Readonly<Record<string, unknown>>): Problem[] {
  const { cilium, nettool } = settings;
  if (!isExternal(settings.cluster)) {
    if (!cilium.adopt) return [];
    return [
      { key: "cilium.adopt", rule: "requires cluster.kubeconfig or cluster.context: a new cluster has no Cilium" },
    ];
  }
  const rawOf = (section: string) => (raw[section] ?? {}) as Readonly<Record<string, unknown>>;
  const refuse = (key: string, why: string) => ({ key, rule: `cannot be set for an external cluster: ${why}` });
  const problems = Object.keys(rawOf("cluster"))
    .filter((key) => !OF_EXTERNAL.includes(key))
    .map((key) => refuse(`cluster.${key}`, "the cluster has its own"));
  if (rawOf("dns")["forward"] !== undefined)
    problems.push(refuse("dns.forward", "this stack does not configure its CoreDNS"));
  if (rawOf("kubeProxy")["mode"] !== undefined)
    problems.push(refuse("kubeProxy.mode", "its kube-proxy keeps its mode, which the verification reads"));
  if (cilium.images.load) problems.push(refuse("cilium.images.load", "its nodes pull images"));
  if (String(rawOf("nettool")["loadImage"]) === "true") {
    problems.push(refuse("nettool.loadImage", "its nodes pull images"));
  }
  if (nettool.image === undefined) {
    problems.push({
      key: "nettool.image",
      rule: "must be set for an external cluster: build images/nettool, push it to a registry that the nodes can reach, and set its name here",
    });
  }
  return problems;
}

/** A loaded image has a tag and no digest: the nodes would pull an image with a digest nevertheless. */
function imageProblems(settings: ReleasedSettings, mode: RoutingMode | undefined): Problem[] {
  const { images, version } = settings.cilium;
  const { repository } = images.operator;
  if (repository?.endsWith("-generic")) {
    const rule = `must be without -generic, which the chart appends, got ${shown(repository)}`;
    return [{ key: "cilium.images.operator.repository", rule }];
  }
  if (!images.load) return [];
  const byDigest = (["agent", "operator", "envoy"] as const).filter((name) => images[name].useDigest);
  const problems = byDigest.map((name) => ({
    key: `cilium.images.${name}.useDigest`,
    rule: "must be false with cilium.images.load: nodes cannot find a loaded image by its digest",
  }));
  // all modes use the same images
  const { envoy } = ciliumImages(ciliumArgs({ ...settings, mode: mode ?? "kubeproxy" }));
  if (envoy?.includes(UNKNOWN_TAG)) {
    const rule = `must be set with cilium.images.load: Envoy's tag in the chart of Cilium ${version} is unknown`;
    problems.push({ key: "cilium.images.envoy.tag", rule });
  }
  return problems;
}

function hubbleProblems({ hubble, cilium }: ReleasedSettings): Problem[] {
  if (!hubble.ui) return [];
  if (!hubble.relay) return [{ key: "hubble.ui", rule: "requires hubble.relay: true, from which it reads the flows" }];
  if (!cilium.images.load || chartImages(cilium.version) !== undefined) return [];
  const rule = `must be false with cilium.images.load: its tag in the chart of Cilium ${cilium.version} is unknown`;
  return [{ key: "hubble.ui", rule }];
}

function modeProblems(settings: ReleasedSettings, show: Show): Problem[] {
  const { tunnel, kubeProxyReplacement, cilium } = settings;
  const switches = switchesOf(settings);
  const problems: Problem[] = [];
  const replacement = replacementProblem(kubeProxyReplacement, cilium.version);
  if (replacement !== undefined) {
    const word = show("kubeProxyReplacement", String(kubeProxyReplacement));
    problems.push({ key: "kubeProxyReplacement", rule: `${JSON.stringify(word)} ${replacement}` });
  } else if (routingModeOf({ ...switches, hostLegacyRouting: false }) === undefined) {
    problems.push({
      key: "bpf.masquerade",
      rule: "requires kubeProxyReplacement: true, since BPF masquerading is part of Cilium's NodePort implementation",
    });
  }
  if (problems.length === 0 && routingModeOf(switches) === undefined) {
    problems.push({
      key: "bpf.hostLegacyRouting",
      rule: "requires kubeProxyReplacement: true with BPF masquerading; remove it",
    });
  }
  if (tunnel !== "disabled" && cilium.autoDirectNodeRoutes) {
    problems.push({
      key: "cilium.autoDirectNodeRoutes",
      rule: `requires tunnel: disabled, since traffic in ${show("tunnel", tunnel)} does not use routes between nodes; remove one of the two`,
    });
  }
  return problems;
}

/** A mode of kube-proxy that this cluster cannot have. */
function kubeProxyProblems(
  { kubeProxy, cluster }: ReleasedSettings,
  mode: RoutingMode | undefined,
  show: Show,
): Problem[] {
  const key = "kubeProxy.mode";
  // an external cluster's is refused with its other settings
  if (kubeProxy.mode === undefined || isExternal(cluster)) return [];
  if (mode !== undefined && MODE_CONTRACTS[mode].switches.kubeProxyReplacement !== false) {
    const rule = `requires mode kubeproxy, and this stack's mode is ${mode}; remove it, or set kubeProxyReplacement: false`;
    return [{ key, rule: `${show(key, kubeProxy.mode)} ${rule}` }];
  }
  const kubernetes = kubernetesOf(cluster.nodeImage);
  const problem = kubernetes === undefined ? undefined : kubeProxyModeProblem(kubeProxy.mode, kubernetes);
  return problem === undefined ? [] : [{ key, rule: `${show(key, kubeProxy.mode)} ${problem}` }];
}

/**
 * Prefixes of a service network that kubeadm accepts: at most 20 bits for addresses, and at least 10 addresses
 * (https://github.com/kubernetes/kubernetes/blob/v1.34.0/cmd/kubeadm/app/constants/constants.go).
 */
const SERVICE_PREFIXES = { min: 12, max: 28 };

/** Prefix of the largest pod network: kubeadm (same file) allows networks of 2^16 nodes in it. */
const MIN_POD_PREFIX = NODE_POD_CIDR_MASK - 16;

const prefixOf = (cidr: string) => Number(cidr.split("/")[1]);

/** Networks whose addresses no pod and no Service can have: https://www.iana.org/assignments/iana-ipv4-special-registry/ */
const RESERVED: Readonly<Record<string, string>> = {
  "0.0.0.0/8": "this network",
  "127.0.0.0/8": "loopback addresses",
  "169.254.0.0/16": "link-local addresses",
  "224.0.0.0/4": "multicast",
  "240.0.0.0/4": "future use",
};

function networkProblems({ tunnel, cluster, cilium, podNetworks }: ReleasedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
  for (const key of ["podCidr", "serviceCidr"] as const) {
    const [network, purpose] = Object.entries(RESERVED).find(([each]) => overlap(each, cluster[key])) ?? [];
    if (network === undefined) continue;
    const rule = `${show(`cluster.${key}`, cluster[key])} overlaps ${network}, which is reserved for ${purpose}; set another network, such as ${DEFAULTS.cluster[key]}`;
    problems.push({ key: `cluster.${key}`, rule });
  }
  const podCidr = show("cluster.podCidr", cluster.podCidr);
  const serviceCidr = show("cluster.serviceCidr", cluster.serviceCidr);
  const nativeRoutingCIDR = show("cilium.nativeRoutingCIDR", cilium.nativeRoutingCIDR);
  // an external cluster has its own networks, which its inspection checks
  const external = isExternal(cluster);
  const { min, max } = SERVICE_PREFIXES;
  const servicePrefix = prefixOf(cluster.serviceCidr);
  if (servicePrefix < min || servicePrefix > max) {
    problems.push({
      key: "cluster.serviceCidr",
      rule: `${serviceCidr} is not accepted by Kubernetes; the prefix must be from /${min} to /${max}`,
    });
  }
  if (!external && overlap(cluster.podCidr, cluster.serviceCidr)) {
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
      rule: `${podCidr} is larger than Kubernetes accepts; the prefix must be at least /${MIN_POD_PREFIX}`,
    });
  }
  if (!external && blocks < nodes) {
    const room = show("cluster.podCidr", blocks);
    problems.push({
      key: "cluster.podCidr",
      rule: `${podCidr} has room for ${room} nodes with a /${NODE_POD_CIDR_MASK} each, and the cluster has ${show("cluster.workers", nodes)}`,
    });
  }
  const isKnown = !external || podNetworks.podCidr !== undefined;
  if (tunnel === "disabled" && isKnown && !contains(cilium.nativeRoutingCIDR, cluster.podCidr)) {
    problems.push({
      key: "cilium.nativeRoutingCIDR",
      rule: `${nativeRoutingCIDR} does not contain cluster.podCidr ${podCidr}; traffic between pods would be masqueraded`,
    });
  }
  // the reverse is common (10.0.0.0/8 and 10.96.0.0/16 in the articles) and harmless
  if (!external && contains(cluster.serviceCidr, cilium.nativeRoutingCIDR)) {
    problems.push({
      key: "cilium.nativeRoutingCIDR",
      rule: `${nativeRoutingCIDR} is inside cluster.serviceCidr ${serviceCidr}; ClusterIPs are not routable addresses`,
    });
  }
  return problems;
}

type HostPort = Pick<ReleasedSettings["cluster"]["portMappings"][number], "listenAddress" | "hostPort" | "protocol">;

/** Whether two need the same port of this machine. */
function takesPortOf(a: HostPort, b: HostPort): boolean {
  const isSameAddress = [a.listenAddress, b.listenAddress].includes("0.0.0.0") || a.listenAddress === b.listenAddress;
  return a.hostPort !== 0 && a.hostPort === b.hostPort && a.protocol === b.protocol && isSameAddress;
}

function clusterProblems({ cluster, cilium, nettool }: ReleasedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
  const longest = longestClusterName(cilium.version);
  if (cluster.name.length > longest) {
    const rule = `must have at most ${longest} characters with Cilium ${cilium.version}, got ${show("cluster.name", shown(cluster.name))}; ${NAME_HINT}`;
    problems.push({ key: "cluster.name", rule });
  }
  cluster.portMappings.forEach((mapping, index) => {
    const { node, hostPort } = mapping;
    if (isMissing(node, cluster.workers)) {
      const workers = show("cluster.workers", cluster.workers);
      problems.push({
        key: `cluster.portMappings.${index}.node`,
        rule: `${show("cluster.portMappings", node)} does not exist; the cluster has ${workers} workers`,
      });
    }
    const earlier = cluster.portMappings.findIndex((other) => takesPortOf(other, mapping));
    if (earlier >= 0 && earlier < index) {
      problems.push({
        key: `cluster.portMappings.${index}.hostPort`,
        rule: `${show("cluster.portMappings", hostPort)} is taken by cluster.portMappings.${earlier}; set another port, or 0 for a free one`,
      });
    }
  });
  const { apiServerAddress, apiServerPort } = cluster;
  const apiServer = { listenAddress: apiServerAddress, hostPort: apiServerPort, protocol: "TCP" } as const;
  const taken = cluster.portMappings.findIndex((mapping) => takesPortOf(mapping, apiServer));
  if (taken >= 0) {
    const port = show("cluster.apiServerPort", apiServerPort);
    problems.push({
      key: "cluster.apiServerPort",
      rule: `${port} is taken by cluster.portMappings.${taken}; set another port, or 0 for a free one`,
    });
  }
  if (nettool.image?.includes("@") && nettool.loadImage) {
    problems.push({
      key: "nettool.image",
      rule: "has a digest and cannot be loaded into nodes; use a tag, or set nettool.loadImage: false",
    });
  }
  return problems;
}
