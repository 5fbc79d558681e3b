import { mean } from "simple-statistics";
import { COMPONENTS, type Comparison, type ComponentUse, type Subject } from "../../datapath/compare/results";
import { numberText } from "../../datapath/compare/words";
import { MODE_CONTRACTS, type RoutingMode, type Tunnel } from "../../modes/contract";
import type { Card, Fact, Section } from "./blocks";

/** The modes, by the names that article 000 gives them where it has them. */
const MODES: Readonly<Record<RoutingMode, string>> = {
  kubeproxy:
    "Cilium as a plain CNI beside kube-proxy: Services and masquerading by the kernel's iptables (cilium-kubeproxy-mode)",
  replacement:
    "Cilium instead of kube-proxy: Services by eBPF, packets still through the host's stack (cilium-kubeproxy-replacement-mode)",
  ebpf: "Full eBPF: host routing past iptables and the host's stack, masquerading by eBPF (cilium-kubeproxy-replacement-ebpf-mode)",
  partial: "Cilium's services beside kube-proxy, feature by feature",
  probe: "Whatever of kube-proxy's work the kernel lets Cilium do, beside kube-proxy",
  "probe-ebpf": "Whatever of kube-proxy's work the kernel lets Cilium do, with masquerading by eBPF",
};

const TUNNELS: Readonly<Record<Tunnel, string>> = {
  disabled: "native routing",
  vxlan: "VXLAN tunnel",
  geneve: "Geneve tunnel",
};

/** Who is compared. */
export function subjectSection({ subjects }: Comparison): Section {
  return {
    id: "subjects",
    title: "What is compared",
    blocks: [{ kind: "cards", cards: subjects.map(cardOf) }],
  };
}

function cardOf({ name, mode, tunnel, cilium, kubernetes, verification, inventory }: Subject): Card {
  const isVerified = verification.verdict === "pass" && verification.failed.length === 0;
  const { services, masquerading, hostRouting } = MODE_CONTRACTS[mode];
  return {
    title: name,
    text: MODES[mode],
    tag: isVerified ? "verified" : `verification: ${verification.verdict}`,
    bad: !isVerified,
    facts: [
      ["mode", `${mode}, ${TUNNELS[tunnel]}`],
      ["services by", services === "cilium" ? "Cilium" : services],
      ["masquerading", masquerading],
      ["host routing", hostRouting],
      ["Cilium", cilium],
      ["Kubernetes", kubernetes],
      ...COMPONENTS.map((component): Fact => [component, useOf(component, inventory.components)]),
      ...(verification.failed.length === 0 ? [] : [["failed", verification.failed.join("; ")] as const]),
    ],
  };
}

/** What a component needs on a node, on average. */
function useOf(component: ComponentUse["component"], uses: readonly ComponentUse[]): string {
  const own = uses.filter((use) => use.component === component);
  if (own.length === 0) return uses.length === 0 ? "not measured" : "does not run";
  const memory = numberText(mean(own.map(({ memoryMiB }) => memoryMiB)));
  const cpu = numberText(mean(own.map(({ cpuMillis }) => cpuMillis)) / 10);
  return `${memory} MiB and ${cpu} % CPU${own.length > 1 ? " a node" : ""}`;
}
