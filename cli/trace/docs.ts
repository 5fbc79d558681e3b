import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Trace } from "../../datapath/trace/result";
import type { AddressFamily } from "../../modes/ipFamily";
import { SCENARIOS, STATION_ROLES, type Scenario } from "../../modes/tracePaths";
import { traceMermaid } from "./mermaid";
import { tracesText } from "./text";

/** What the articles found out about a scenario by hand. */
const ARTICLES: Readonly<Record<Scenario, string>> = {
  "same-node":
    "Article 001 captures at both pods' eth0 and at both lxc interfaces. With BPF host routing, the reply never appears at the lxc of the pod that receives it.",
  "cross-node":
    "Article 001 captures at the pod, its lxc, cilium_host and the nodes' eth0. Nothing appears at cilium_host and, with BPF host routing, nothing at the lxc of the receiving pod.",
  clusterip:
    "Articles 000 and 002 connect to the Service's address. Where Cilium replaces kube-proxy, no packet ever carries that address: the socket rewrites it first.",
  "nodeport-own":
    "Article 000 connects to port 32000 of every node, and looks for the rules in iptables or in Cilium's service map.",
  "nodeport-other":
    "From article 000 as well. With kube-proxy, the node that receives the request rewrites its address, and the reply returns through that node. With Cilium, the packet goes to the pod directly.",
  "node-nodeport":
    "The same from a node. Packets from a node to one of its own pods pass the lxc, also with BPF host routing.",
  "host-nodeport":
    "The same from outside the cluster, where Cilium has no socket hooks: BPF rewrites the address at the node's eth0.",
  outside:
    "Article 000 masquerades with iptables or with BPF: one of them gives the packet the node's address, and restores the pod's address in the reply.",
};

/** The traces in the README's picture: the scenario in which all three modes differ. */
export function readmeTraces(recorded: readonly Trace[]): readonly Trace[] {
  return ofFamily(recorded, "ipv4").filter(
    ({ scenario, tunnel }) => scenario === "nodeport-other" && tunnel === "disabled",
  );
}

const ofFamily = (traces: readonly Trace[], wanted: AddressFamily) =>
  traces.filter(({ family = "ipv4" }) => family === wanted);

/** A Markdown page of recorded traces: the modes side by side for each scenario, and a diagram of each trace. */
export function traceDocs(recorded: readonly Trace[]): string {
  const [first] = recorded;
  const scenarios = (Object.keys(SCENARIOS) as Scenario[]).flatMap((scenario) => {
    const traces = recorded.filter((trace) => trace.scenario === scenario);
    return traces.length === 0 ? [] : [section(scenario, ofFamily(traces, "ipv4"), ofFamily(traces, "ipv6"))];
  });
  return [
    "# Recorded traces",
    "",
    "These traces show in each mode, and in `ebpf` with VXLAN, what [article 001](articles.md) shows with tcpdump in six windows. `npx tsx scripts/trace-docs.ts`",
    "writes this page from `docs/traces/*.json`. The tests on real clusters record these files (`CILIUM_MODES_RECORD_TRACES`) and compare each trace with the path",
    "that its mode should give. Times are of one packet on a busy machine with two cores: compare them with each other. The column with VXLAN is the",
    "stack `ebpf` with `tunnel: vxlan`.",
    "",
    `Recorded with Cilium ${[...new Set(recorded.map(({ version }) => version))].join(", ")}, ${first?.startedAt.slice(0, 10)}.`,
    "",
    "| interface | purpose |",
    "| --- | --- |",
    ...Object.entries(STATION_ROLES).map(([role, purpose]) => `| ${role} | ${purpose} |`),
    "",
    scenarios.join("\n\n"),
    "",
  ].join("\n");
}

function section(scenario: Scenario, traces: readonly Trace[], ofIpv6: readonly Trace[]): string {
  const title = SCENARIOS[scenario];
  return [
    `## ${title[0]!.toUpperCase()}${title.slice(1)}`,
    "",
    ARTICLES[scenario],
    "",
    "```sh",
    `npx cilium-modes trace kubeproxy --compare replacement,ebpf --scenario ${scenario}`,
    "```",
    "",
    "```text",
    tracesText(traces),
    "```",
    ...traces.flatMap((trace) => [
      "",
      `<details><summary>${nameOf(trace)}</summary>`,
      "",
      "```mermaid",
      traceMermaid(trace),
      "```",
      "",
      "</details>",
    ]),
    ...(ofIpv6.length === 0
      ? []
      : ["", "<details><summary>by IPv6</summary>", "", "```text", tracesText(ofIpv6), "```", "", "</details>"]),
  ].join("\n");
}

const nameOf = ({ mode, tunnel }: Trace) => (tunnel === "disabled" ? mode : `${mode}-${tunnel}`);

/** Recordings by IPv4, in the order of the page. */
const RECORDED: readonly string[] = ["kubeproxy", "replacement", "ebpf", "ebpf-vxlan"];

/** Read the traces that the tests on real clusters recorded: by IPv4, and those that there are by IPv6. */
export function readRecordedTraces(directory: string): Trace[] {
  const fileOf = (name: string) => join(directory, `${name}.json`);
  const ofIpv6 = RECORDED.map((name) => `${name}-ipv6`).filter((name) => existsSync(fileOf(name)));
  return [...RECORDED, ...ofIpv6].flatMap((name) => JSON.parse(readFileSync(fileOf(name), "utf8")) as Trace[]);
}
