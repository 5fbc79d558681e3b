import { at } from "../../../modes/tree";
import { firstOf } from "../../checks/check";
import { sectionOf, type NodeEvidence } from "../../evidence/node";
import { isOn, key, masqueradingOf, networkOf, onOff, type Config } from "./config";
import { only, textAt, word, type Dimension } from "./dimension";
import { programsOut, told } from "./node";

/** Cilium's rule that gives packets to the outside the node's address. */
const IPTABLES_MASQUERADE = /^(?:\[\d+:\d+\] )?-A CILIUM_POST_nat .*(?:(?:masquerade|snat) non-cluster|-j MASQUERADE)/m;

function masquerading(node: NodeEvidence, config: Config): string {
  if (IPTABLES_MASQUERADE.test(told(sectionOf(node, "iptables")))) return "iptables";
  // the same program serves NodePorts
  const isBpf = masqueradingOf(config) === "BPF" && programsOut(node, "to").length > 0;
  return isBpf ? "BPF" : "off";
}

/** The networks to which ip-masq-agent leaves pods' addresses where nobody configures others: pkg/ipmasq of Cilium. */
const NOT_MASQUERADED = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24"],
  ...["192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"],
];

/** Beside each list, unless its configuration says otherwise. */
const LINK_LOCAL = "169.254.0.0/16";

function ipMasqAgent(node: NodeEvidence, config: Config): string | undefined {
  if (!isOn(config["enable-ip-masq-agent"])) return undefined;
  const networks = [...told(sectionOf(node, "ipMasq")).matchAll(/^[\d.]+\/\d+/gm)].map(([network]) => network);
  const others = networks.filter((each) => each !== LINK_LOCAL && !NOT_MASQUERADED.includes(each));
  const isDefault = others.length === 0 && NOT_MASQUERADED.every((each) => networks.includes(each));
  if (isDefault) return "on, except to Cilium's default networks";
  return `on, except to ${firstOf(networks.sort(), 2) || "no network"}`;
}

export const masqueradingDimension: Dimension = {
  id: "masquerading",
  title: "Masquerading",
  shows: /CILIUM_POST_nat|to[_-]netdev/,
  configured: masqueradingOf,
  log: /masquerad/i,
  reported: (status) =>
    word({ bpf: "BPF", iptables: "iptables", disabled: "off" }, textAt(status, "masquerading.mode")),
  observed: (node, _api, config) => masquerading(node, config),
};

export const notMasqueradedDimension: Dimension = {
  id: "not-masqueraded",
  title: "Not masqueraded",
  configured: (config) =>
    networkOf(config) === "native" ? config["ipv4-native-routing-cidr"] || undefined : undefined,
  // without a network, each agent chooses its own
  reported: (status, config) =>
    networkOf(config) === "native" && config["ipv4-native-routing-cidr"]
      ? (textAt(status, "masquerading.snat-exclusion-cidr-v4") ?? textAt(status, "masquerading.snat-exclusion-cidr"))
      : undefined,
  observed: only("only the addresses that servers see show it: verify, with --with-workload on external clusters"),
};

export const ipMasqAgentDimension: Dimension = {
  id: "ip-masq-agent",
  title: "ip-masq-agent",
  configured: key("enable-ip-masq-agent"),
  reported: (status) => {
    const own = at(status, ["masquerading"]) as { readonly "ip-masq-agent"?: boolean } | undefined;
    return own === undefined ? undefined : onOff(own["ip-masq-agent"] === true);
  },
  // without a configuration of its own, which is no failure, it has networks all the same
  observed: (node, _api, config) => ipMasqAgent(node, config),
  isShown: (left, right) => right.startsWith(left),
};
