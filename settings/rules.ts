import { contains, overlap } from "../modes/cidr";
import { NODE_POD_CIDR_MASK } from "../modes/ciliumValues";
import type { IsSecretPath, Problem } from "./raw";
import type { ParsedSettings } from "./schema";

/** A setting's value as a message may show it. */
type Show = (key: string, value: string | number) => string;

/** What the settings contradict among each other. */
export function settingProblems(settings: ParsedSettings, isSecretPath: IsSecretPath): Problem[] {
  const show: Show = (key, value) => (isSecretPath(key) ? "(a secret value)" : String(value));
  return [...modeProblems(settings, show), ...networkProblems(settings, show), ...clusterProblems(settings, show)];
}

function modeProblems({ tunnel, kubeProxyReplacement, bpf, cilium }: ParsedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
  if (bpf.masquerade && !kubeProxyReplacement) {
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

function networkProblems({ tunnel, cluster, cilium }: ParsedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
  const podCidr = show("cluster.podCidr", cluster.podCidr);
  const serviceCidr = show("cluster.serviceCidr", cluster.serviceCidr);
  const nativeRoutingCIDR = show("cilium.nativeRoutingCIDR", cilium.nativeRoutingCIDR);
  const { min, max } = SERVICE_PREFIXES;
  const servicePrefix = prefixOf(cluster.serviceCidr);
  if (servicePrefix < min || servicePrefix > max) {
    problems.push({
      key: "cluster.serviceCidr",
      rule: `${serviceCidr} is none that Kubernetes takes; it must have a prefix from /${min} to /${max}`,
    });
  }
  if (overlap(cluster.podCidr, cluster.serviceCidr)) {
    problems.push({
      key: "cluster.podCidr",
      rule: `${podCidr} overlaps cluster.serviceCidr ${serviceCidr}; a pod could get a service's address`,
    });
  }
  const podPrefix = prefixOf(cluster.podCidr);
  const nodes = cluster.workers + 1;
  const blocks = Math.floor(2 ** (NODE_POD_CIDR_MASK - podPrefix));
  if (podPrefix < MIN_POD_PREFIX) {
    problems.push({
      key: "cluster.podCidr",
      rule: `${podCidr} is larger than Kubernetes takes; its prefix must be at least /${MIN_POD_PREFIX}`,
    });
  }
  if (blocks < nodes) {
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
  if (contains(cluster.serviceCidr, cilium.nativeRoutingCIDR)) {
    problems.push({
      key: "cilium.nativeRoutingCIDR",
      rule: `${nativeRoutingCIDR} lies inside cluster.serviceCidr ${serviceCidr}; services have no routable addresses`,
    });
  }
  return problems;
}

function clusterProblems({ cluster, nettool }: ParsedSettings, show: Show): Problem[] {
  const problems: Problem[] = [];
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
      rule: "a name with a digest cannot be loaded into nodes; use a tag, or set nettool.loadImage: false",
    });
  }
  return problems;
}
