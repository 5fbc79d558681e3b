import { contains, overlap } from "../modes/cidr";
import type { Problem } from "./raw";
import type { ParsedSettings } from "./schema";

/** What the settings contradict among each other. */
export function settingProblems(settings: ParsedSettings): Problem[] {
  return [...modeProblems(settings), ...networkProblems(settings), ...clusterProblems(settings)];
}

function modeProblems({ tunnel, kubeProxyReplacement, bpf, cilium }: ParsedSettings): Problem[] {
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
      rule: `needs tunnel: disabled, since traffic in ${tunnel} does not use routes to the nodes; remove one of the two`,
    });
  }
  return problems;
}

function networkProblems({ tunnel, cluster, cilium }: ParsedSettings): Problem[] {
  const problems: Problem[] = [];
  if (overlap(cluster.podCidr, cluster.serviceCidr)) {
    problems.push({
      key: "cluster.podCidr",
      rule: `${cluster.podCidr} overlaps cluster.serviceCidr ${cluster.serviceCidr}; a pod could get a service's address`,
    });
  }
  const nodes = cluster.workers + 1;
  const blocks = 2 ** (24 - Number(cluster.podCidr.split("/")[1]));
  if (blocks < nodes) {
    problems.push({
      key: "cluster.podCidr",
      rule: `${cluster.podCidr} has room for ${Math.floor(blocks)} nodes of a /24 each, and the cluster has ${nodes}`,
    });
  }
  if (tunnel === "disabled" && !contains(cilium.nativeRoutingCIDR, cluster.podCidr)) {
    problems.push({
      key: "cilium.nativeRoutingCIDR",
      rule: `${cilium.nativeRoutingCIDR} does not contain cluster.podCidr ${cluster.podCidr}; traffic between pods would be masqueraded`,
    });
  }
  // contained is common (the articles' own 10.0.0.0/8 and 10.96.0.0/16) and harmless; a native network inside the services' is not
  if (contains(cluster.serviceCidr, cilium.nativeRoutingCIDR)) {
    problems.push({
      key: "cilium.nativeRoutingCIDR",
      rule: `${cilium.nativeRoutingCIDR} lies inside cluster.serviceCidr ${cluster.serviceCidr}; services have no routable addresses`,
    });
  }
  return problems;
}

function clusterProblems({ cluster, nettool }: ParsedSettings): Problem[] {
  const problems: Problem[] = [];
  cluster.portMappings.forEach(({ node }, index) => {
    const worker = /^worker-(\d+)$/.exec(node);
    if (worker && (Number(worker[1]) < 1 || Number(worker[1]) > cluster.workers)) {
      problems.push({
        key: `cluster.portMappings.${index}.node`,
        rule: `${node} does not exist; the cluster has ${cluster.workers} workers`,
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
