import { mean } from "simple-statistics";
import { COMPONENTS, type Comparison, type ComponentUse, type Subject } from "../results";
import { seenRows } from "../analyse/differences";
import { numberText } from "../analyse/words";
import { MODE_CONTRACTS, type RoutingMode, type Tunnel } from "../../modes/contract";
import type { Card, Fact, Section } from "./blocks";

/** Descriptions of the modes, with the names that article 000 uses. */
const MODES: Readonly<Record<RoutingMode, string>> = {
  kubeproxy:
    "Cilium as a plain CNI with kube-proxy: iptables handles Services and masquerading (cilium-kubeproxy-mode)",
  replacement:
    "Cilium replaces kube-proxy: eBPF handles Services, packets still pass the host's stack (cilium-kubeproxy-replacement-mode)",
  ebpf: "Full eBPF: host routing bypasses iptables and the host's stack, eBPF masquerades (cilium-kubeproxy-replacement-ebpf-mode)",
  "ebpf-legacy": "Cilium replaces kube-proxy and masquerades in eBPF, packets still pass the host's stack",
  partial: "Cilium takes over some of kube-proxy's features, kube-proxy keeps running",
  probe: "Cilium takes over the features of kube-proxy that the kernel supports, kube-proxy keeps running",
  "probe-ebpf": "Cilium takes over the features of kube-proxy that the kernel supports, eBPF masquerades",
};

const TUNNELS: Readonly<Record<Tunnel, string>> = {
  disabled: "native routing",
  vxlan: "VXLAN tunnel",
  geneve: "Geneve tunnel",
};

/** What handles Services in a mode of kube-proxy that a stack sets. */
const HANDLERS: Readonly<Record<string, string>> = { nftables: "nftables", ipvs: "IPVS" };

/** A subject's mode in one sentence. */
function describe({ mode, inventory }: Subject): string {
  const handler = HANDLERS[inventory.settings["kubeProxy.mode"] ?? ""];
  return handler === undefined
    ? MODES[mode]
    : `Cilium as a plain CNI with kube-proxy: ${handler} handles Services, iptables masquerading`;
}

/** The compared subjects. */
export function subjectSection({ subjects }: Comparison): Section {
  return {
    id: "subjects",
    title: "Subjects",
    blocks: [{ kind: "cards", cards: subjects.map(cardOf) }],
  };
}

function cardOf(subject: Subject): Card {
  const { name, mode, tunnel, cilium, kubernetes, verification, inventory } = subject;
  const kubeProxy = inventory.settings["kubeProxy.mode"];
  const isVerified = verification.verdict === "pass" && verification.failed.length === 0;
  const { services, masquerading, hostRouting } = MODE_CONTRACTS[mode];
  return {
    title: name,
    text: describe(subject),
    tag: isVerified ? "verified" : `verification: ${verification.verdict}`,
    bad: !isVerified,
    facts: [
      ["mode", `${mode}, ${TUNNELS[tunnel]}`],
      [
        "services by",
        services === "cilium" ? "Cilium" : kubeProxy === undefined ? services : `${services} (${kubeProxy})`,
      ],
      ["masquerading", masquerading],
      ["host routing", hostRouting],
      ["Cilium", cilium],
      ["Kubernetes", kubernetes],
      ...Object.entries(seenRows(inventory.outside)),
      ...COMPONENTS.map((component): Fact => [component, useOf(component, inventory.components)]),
      ...(verification.failed.length === 0 ? [] : [["failed", verification.failed.join("; ")] as const]),
    ],
  };
}

/** A component's average usage per node. */
function useOf(component: ComponentUse["component"], uses: readonly ComponentUse[]): string {
  const own = uses.filter((use) => use.component === component);
  if (own.length === 0) return uses.length === 0 ? "not measured" : "not running";
  const memory = numberText(mean(own.map(({ memoryMiB }) => memoryMiB)));
  const cpu = numberText(mean(own.map(({ cpuMillis }) => cpuMillis)) / 10);
  return `${memory} MiB and ${cpu} % CPU${own.length > 1 ? " per node" : ""}`;
}
