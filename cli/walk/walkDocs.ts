import type { Walk } from "../../datapath/trace/walk";
import { SCENARIOS, STATION_ROLES, type Scenario } from "../../modes/tracePaths";
import { walkMermaid } from "./walkMermaid";
import { walksText } from "./walkText";

/** What the articles found out about a scenario by hand. */
const ARTICLES: Readonly<Record<Scenario, string>> = {
  "same-node":
    "Article 001 listens at both pods' eth0 and at both lxc: with host routing by BPF, the reply never shows at the lxc that it should come out of.",
  "cross-node":
    "Article 001 listens at the pod, its lxc, cilium_host and the nodes' eth0: nothing on cilium_host, and with BPF nothing at the lxc of the pod that is reached.",
  clusterip:
    "Articles 000 and 002 ask for the service's address. Where Cilium replaces kube-proxy, no packet ever has that address: the socket has another before.",
  "nodeport-own":
    "Article 000 asks every node for port 32000, and looks for its rules in iptables or in Cilium's service map.",
  "nodeport-other":
    "Article 000 as well. With kube-proxy the node that is asked translates, and the answer comes back through it; with Cilium the packet goes to the pod at once.",
  "node-nodeport":
    "The same from a node: with BPF host routing too, what the node itself sends to a pod of its own takes the lxc.",
  "host-nodeport": "The same from outside, where nobody has a socket of Cilium's: BPF translates at the node's eth0.",
  outside:
    "Article 000 masquerades by iptables or by BPF: who gives the packet the node's address, and who takes it away again.",
};

/** The walks of the README's picture: the scenario in which all three modes differ. */
export function readmeWalks(recorded: readonly Walk[]): readonly Walk[] {
  return recorded.filter(({ scenario, tunnel }) => scenario === "nodeport-other" && tunnel === "disabled");
}

/** A page of Markdown about recorded walks: each scenario's side by side, and a drawing of each. */
export function walkDocs(recorded: readonly Walk[]): string {
  const [first] = recorded;
  const scenarios = (Object.keys(SCENARIOS) as Scenario[]).flatMap((scenario) => {
    const walks = recorded.filter((walk) => walk.scenario === scenario);
    return walks.length === 0 ? [] : [section(scenario, walks)];
  });
  return [
    "# The ways of a packet",
    "",
    "What article 001 shows with tcpdump in six windows, traced in each mode, and in `ebpf` with VXLAN too. Written by",
    "`npx tsx scripts/walk-docs.ts` from `docs/walks/*.json`, which the tests on real clusters record",
    "(`CILIUM_MODES_RECORD_WALKS`), and hold to the way that each mode promises. Times are of one packet on a busy machine of two cores;",
    "what they are worth is which of them differ. The column with VXLAN is the stack `ebpf` with `tunnel: vxlan`.",
    "",
    `Recorded with Cilium ${[...new Set(recorded.map(({ version }) => version))].join(", ")}, ${first?.startedAt.slice(0, 10)}.`,
    "",
    "| interface | what it is for |",
    "| --- | --- |",
    ...Object.entries(STATION_ROLES).map(([role, purpose]) => `| ${role} | ${purpose} |`),
    "",
    scenarios.join("\n\n"),
    "",
  ].join("\n");
}

function section(scenario: Scenario, walks: readonly Walk[]): string {
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
    walksText(walks),
    "```",
    ...walks.flatMap((walk) => [
      "",
      `<details><summary>${nameOf(walk)}</summary>`,
      "",
      "```mermaid",
      walkMermaid(walk),
      "```",
      "",
      "</details>",
    ]),
  ].join("\n");
}

const nameOf = ({ mode, tunnel }: Walk) => (tunnel === "disabled" ? mode : `${mode}-${tunnel}`);
