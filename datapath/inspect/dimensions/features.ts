import { at } from "../../../modes/tree";
import { sectionOf, type NodeEvidence } from "../../evidence/node";
import { isOn, key, onOff, type Config } from "./config";
import { Hidden, only, textAt, word, type Dimension } from "./dimension";
import { linksOf, told } from "./node";

const encrypted = (config: Config) =>
  isOn(config["enable-wireguard"]) ? "WireGuard" : isOn(config["enable-ipsec"]) ? "IPsec" : "off";

function encryption(node: NodeEvidence, config: Config): string | Hidden {
  const links = linksOf(node);
  const policies = told(sectionOf(node, "xfrm"));
  if (links.some(({ ifname }) => ifname === "cilium_wg0")) return "WireGuard";
  if (policies.trim() === "") return "off";
  return encrypted(config) === "IPsec" ? "IPsec" : new Hidden("there are IPsec policies, perhaps of another program");
}

const families = (v4: boolean, v6: boolean) =>
  [...(v4 ? ["IPv4"] : []), ...(v6 ? ["IPv6"] : [])].join(" and ") || "none";

export const ipFamiliesDimension: Dimension = {
  id: "ip-families",
  title: "IP families",
  configured: (config) => families(config["enable-ipv4"] !== "false", isOn(config["enable-ipv6"])),
  reported: (status) => {
    const ipam = at(status, ["ipam"]) as { ipv4?: unknown; ipv6?: unknown } | undefined;
    return ipam === undefined ? undefined : families(Boolean(ipam.ipv4), Boolean(ipam.ipv6));
  },
  observed: only("addresses of IPv6 are not read"),
};

export const ipamDimension: Dimension = {
  id: "ipam",
  title: "IPAM",
  configured: (config) => config["ipam"],
  observed: only("agents do not report it"),
};

export const encryptionDimension: Dimension = {
  id: "encryption",
  title: "Encryption",
  shows: /cilium_wg0|^src /,
  configured: encrypted,
  reported: (status) =>
    word({ disabled: "off", wireguard: "WireGuard", ipsec: "IPsec" }, textAt(status, "encryption.mode")),
  observed: (node, _api, config) => encryption(node, config),
};

export const hostFirewallDimension: Dimension = {
  id: "host-firewall",
  title: "Host firewall",
  configured: key("enable-host-firewall"),
  reported: (status) => {
    const mode = textAt(status, "host-firewall.mode");
    return mode === undefined ? undefined : onOff(!/disabled/i.test(mode));
  },
  observed: only("only a refused connection shows it"),
};

export const egressGatewayDimension: Dimension = {
  id: "egress-gateway",
  title: "Egress gateway",
  configured: key("enable-egress-gateway", "enable-ipv4-egress-gateway"),
  observed: only("only a policy's traffic shows it"),
};

export const l7ProxyDimension: Dimension = {
  id: "l7-proxy",
  title: "L7 proxy",
  configured: (config) => {
    if (config["enable-l7-proxy"] === undefined) return undefined;
    if (!isOn(config["enable-l7-proxy"])) return "off";
    return isOn(config["external-envoy-proxy"]) ? "Envoy DaemonSet" : "Envoy in the agent";
  },
  observed: only("only a policy's traffic shows it"),
};
