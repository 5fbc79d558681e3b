import { posix } from "node:path";
import { kubeadmPatchProblems } from "../modes/kubeadmPatches";
import { labelProblem } from "../modes/nodeLabels";
import { pathText, type Problem, type Show } from "./problems";
import type { ReleasedSettings } from "./release";

type Cluster = ReleasedSettings["cluster"];

/** What kind, kubeadm or the kubelet have against the settings that kind passes on. */
export function kindProblems(cluster: Cluster, show: Show): Problem[] {
  return [...labelProblems(cluster, show), ...patchProblems(cluster, show), ...mountProblems(cluster)];
}

/** Paths in nodes that have two mounts, which Docker refuses. */
function mountProblems({ mounts }: Cluster): Problem[] {
  const paths = mounts.map(({ containerPath }) => posix.normalize(`${containerPath}/`));
  return paths.flatMap((path, index) => {
    const first = paths.indexOf(path);
    return first === index
      ? []
      : [
          {
            key: `cluster.mounts.${index}.containerPath`,
            rule: `is the path of cluster.mounts.${first} too; set another path`,
          },
        ];
  });
}

function labelProblems({ nodeLabels, workers }: Cluster, show: Show): Problem[] {
  return Object.entries(nodeLabels).flatMap(([node, labels]) => {
    const path = ["cluster", "nodeLabels", node];
    const missing = isMissing(node, workers)
      ? [
          {
            key: pathText(path),
            rule: `is a node that does not exist; the cluster has ${show("cluster.workers", workers)} workers`,
          },
        ]
      : [];
    const wrong = Object.entries(labels).flatMap(([label, value]) => {
      const rule = labelProblem(label, value);
      return rule === undefined ? [] : [{ key: pathText([...path, label]), rule }];
    });
    return [...missing, ...wrong];
  });
}

/** Whether a node's name, such as `worker-3`, is that of a worker which the cluster does not have. */
export function isMissing(node: string, workers: number): boolean {
  const number = /^worker-(\d+)$/.exec(node)?.[1];
  return number !== undefined && Number(number) > workers;
}

function patchProblems(
  { kubeadmConfigPatches, nodeLabels, featureGates, apiServerAddress }: Cluster,
  show: Show,
): Problem[] {
  const settings = {
    hasNodeLabels: Object.keys(nodeLabels).length > 0,
    hasFeatureGates: Object.keys(featureGates).length > 0,
    apiServerAddress,
    shownAddress: show("cluster.apiServerAddress", apiServerAddress),
  };
  return kubeadmConfigPatches.flatMap((patch, index) =>
    kubeadmPatchProblems(patch, settings).map((rule) => ({ key: `cluster.kubeadmConfigPatches.${index}`, rule })),
  );
}

/** Settings that expose the API server beyond this machine. */
export function kindWarnings({ apiServerAddress }: Cluster): Problem[] {
  if (apiServerAddress.startsWith("127.")) return [];
  const rule = "lets other machines reach the API server through this machine; use 127.0.0.1 unless they need it";
  return [{ key: "cluster.apiServerAddress", rule }];
}
