import { stringify } from "yaml";
import { oldestKindFor } from "../modes/releases";
import { datapathOptions } from "../modes/datapathChoice";
import { choiceOf } from "../settings/ciliumArgs";
import type { Settings } from "../settings/parse";
import type { Difference } from "./planDiff";
import type { StackPlan } from "./stackPlan";
import { PLAIN, table, type Look } from "../render/terminal";

/** One YAML document for Helm or kind, without line breaks in long lines. */
export function asYaml(value: unknown): string {
  // Helm and Kubernetes read YAML 1.1, in which yes, on and 1_000 are no texts
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, compat: "yaml-1.1" });
}

/** A plan in a few lines. */
export function summary(
  stack: string,
  { settings, contract, kindConfig, images }: StackPlan,
  chart?: string,
  look: Look = PLAIN,
): string {
  const { cilium, tunnel, nettool, ipv6 } = settings;
  const native = both(cilium.nativeRoutingCIDR, ipv6?.nativeRoutingCIDR);
  const chosen = datapathOptions(choiceOf(settings)).map(({ path, value }) => `${path} ${value}`);
  const rows: [string, string][] = [
    ...(kindConfig === undefined ? externalRows(settings) : kindRows(settings, kindConfig)),
    ["Cilium", `${cilium.version}, ${tunnel === "disabled" ? `native routing in ${native}` : `tunnel ${tunnel}`}`],
    ...(chart === undefined ? [] : [["", `chart ${chart}`] as [string, string]]),
    ["workload", `NodePort ${nettool.nodePort} on every node, image ${images.nettool}`],
    [
      "expected",
      `services by ${contract.services}, host routing ${contract.hostRouting}, masquerading ${contract.masquerading}`,
    ],
    ...(chosen.length === 0 ? [] : [["", chosen.join(", ")] as [string, string]]),
    ...contract.evidence.statusRows.map((row): [string, string] => ["", readable(row)]),
  ];
  return [
    look.colors.bold(`Stack ${stack}: mode ${contract.mode}`),
    table(rows, look, "  "),
    "",
    "More: --values, --kind-config, --contract, --images, --json; --diff compares two stacks",
  ].join("\n");
}

function kindRows(
  { cluster, podNetworks, ipv6 }: Settings,
  kindConfig: Readonly<Record<string, unknown>>,
): [string, string][] {
  const { kubeProxyMode } = kindConfig["networking"] as { kubeProxyMode: string };
  const nodes = cluster.workers === 0 ? "one node" : `${cluster.workers + 1} nodes`;
  const ipam = podNetworks.ipam === "kubernetes" ? " by Kubernetes" : "";
  return [
    ["cluster", `${cluster.name}: ${nodes} of ${cluster.nodeImage.split("@")[0]!}, kube-proxy ${kubeProxyMode}`],
    [
      "",
      `pods ${both(cluster.podCidr, ipv6?.podCidr)}${ipam}, services ${both(cluster.serviceCidr, ipv6?.serviceCidr)}; kind ${oldestKindFor(cluster.nodeImage)} or newer`,
    ],
  ];
}

const both = (ipv4: string, ipv6: string | undefined) => (ipv6 === undefined ? ipv4 : `${ipv4} and ${ipv6}`);

/** A plan is made without the cluster, so it says what the preview reads there. */
function externalRows({ cluster, cilium, podNetworks }: Settings): [string, string][] {
  const where = cluster.context === undefined ? "the current context" : `context ${cluster.context}`;
  const pods = podNetworks.podCidr ?? "those of its Cilium if it has one";
  return [
    ["cluster", `external, ${where} of ${cluster.kubeconfig === undefined ? "your kubeconfig" : "cluster.kubeconfig"}`],
    [
      "",
      `pods ${pods}; nodes, devices and services are read by pulumi preview${cilium.adopt ? "; adopts its Cilium" : ""}`,
    ],
  ];
}

/** The regular expression of a status row, without its escapes. */
function readable(row: string): string {
  return row
    .replace(/^\^/, "")
    .replaceAll(" +", " ")
    .replaceAll(".*", "… ")
    .replaceAll("\\S+", "…")
    .replaceAll("\\", "");
}

/** The differences between two stacks, in lines below the names of the sections. */
export function diffText(
  left: string,
  right: string,
  differences: readonly Difference[],
  { colors: { bold } }: Look = PLAIN,
): string {
  if (differences.length === 0) return `Stacks ${left} and ${right} do not differ`;
  const width = Math.max(...differences.map(({ path }) => path.length));
  const titles: Readonly<Record<Difference["section"], string>> = {
    settings: "settings",
    kindConfig: "kind configuration",
    values: "Helm values",
    contract: "expected evidence",
    images: "images",
  };
  let section: Difference["section"] | undefined;
  const lines = differences.flatMap((difference) => {
    const line = `  ${difference.path.padEnd(width)}  ${shown(difference.left)} → ${shown(difference.right)}`;
    if (difference.section === section) return [line];
    section = difference.section;
    return ["", bold(titles[section]), line];
  });
  return [`${left} → ${right}`, ...lines].join("\n");
}

function shown(value: unknown): string {
  if (value === undefined) return "(not set)";
  return typeof value === "string" && value.startsWith("^") ? readable(value) : JSON.stringify(value);
}
