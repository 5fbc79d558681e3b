import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readStackFile } from "../../cli/stackFile";
import { planStack } from "../../cli/stackPlan";
import { chartsMissing, renderedConfig } from "../support/charts";
import { describeIf } from "../support/project";

/** What all three installations of article 000 have in common. */
const COMMON = [
  "k8sServiceHost=172.18.0.4",
  "k8sServicePort=6443",
  "debug.enabled=true",
  "debug.verbose=datapath",
  "monitorAggregation=none",
  "ipam.mode=cluster-pool",
  "tunnel=disabled",
  "autoDirectNodeRoutes=true",
  "ipv4NativeRoutingCIDR=10.0.0.0/8",
];

/** The articles' installations, and the stack that stands for each. */
const ARTICLES: Readonly<Record<string, { stack: string; version: string; cluster: string; sets: readonly string[] }>> =
  {
    "000 kubeproxy": {
      stack: "kubeproxy",
      version: "1.13.0-rc5",
      cluster: "cilium-kubeproxy",
      sets: [...COMMON, "cluster.name=cilium-kubeproxy"],
    },
    "000 replacement": {
      stack: "replacement",
      version: "1.13.0-rc5",
      cluster: "cilium-kubeproxy-replacement",
      sets: [...COMMON, "cluster.name=cilium-kubeproxy-replacement", "kubeProxyReplacement=strict"],
    },
    "000 ebpf": {
      stack: "ebpf",
      version: "1.13.0-rc5",
      cluster: "cilium-kubeproxy-replacement-ebpf",
      sets: [
        ...COMMON,
        "cluster.name=cilium-kubeproxy-replacement-ebpf",
        "kubeProxyReplacement=strict",
        "bpf.masquerade=true",
      ],
    },
    "002": {
      stack: "ebpf",
      version: "1.12.4",
      cluster: "default",
      sets: [
        "tunnel=disabled",
        "autoDirectNodeRoutes=true",
        "ipv4NativeRoutingCIDR=10.0.0.0/8",
        "kubeProxyReplacement=strict",
        "k8sServiceHost=172.18.0.4",
        "k8sServicePort=6443",
        "bpf.masquerade=true",
      ],
    },
  };

/** The corrections as the docs tell them: article's stack to key to both values. */
function documented(): Record<string, Record<string, [string | undefined, string | undefined]>> {
  const text = readFileSync(join(__dirname, "../../docs/articles.md"), "utf8");
  const rows = [...text.matchAll(/^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|/gm)];
  const value = (cell: string) => (cell === "(not set)" ? undefined : cell.replaceAll("`", ""));
  const found: Record<string, Record<string, [string | undefined, string | undefined]>> = {};
  for (const [, key, articles, theirs, ours] of rows)
    for (const article of articles!.split(", ")) (found[article] ??= {})[key!] = [value(theirs!), value(ours!)];
  return found;
}

const versions = [...new Set(Object.values(ARTICLES).map(({ version }) => version))];

describeIf(chartsMissing(...versions), "the articles' own helm install", () => {
  it.each(Object.entries(ARTICLES))(
    "of %s renders the cilium-config of its stack, but for the corrections in docs/articles.md",
    (article, { stack, version, cluster, sets }) => {
      const release = version.split(".").slice(0, 2).join(".");
      const { settings } = readStackFile(stack, [`release=${release}`, `cluster.name=${cluster}`]);
      expect(settings.cilium.version).toBe(version);
      const theirs = renderedConfig(version, sets);
      const ours = renderedConfig(version, planStack(settings).values);
      const keys = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
      const differing = keys.filter((key) => theirs[key] !== ours[key]).map((key) => [key, [theirs[key], ours[key]]]);
      expect(Object.fromEntries(differing)).toEqual(documented()[article]);
    },
  );
});
