import { at } from "../../../modes/tree";
import type { ApiEvidence } from "../../evidence/api";
import { sectionOf, type NodeEvidence } from "../../evidence/node";
import { waysOfAttachment } from "../../evidence/programs";
import { isOn, key, onOff, type Config } from "./config";
import { Hidden, only, textAt, type Dimension } from "./dimension";
import { deviceOut, linesOf, linksOf, told } from "./node";

function deviceMode(node: NodeEvidence): string | Hidden {
  const links = linksOf(node).filter(({ ifname }) => /^lxc/.test(ifname));
  const kinds = [...new Set(links.map(({ linkinfo }) => linkinfo?.info_kind ?? "unknown"))];
  return kinds.length === 0 ? new Hidden("no pod on this node") : kinds.sort().join(" and ");
}

/** By which way Cilium's programs are attached. */
function attachment(node: NodeEvidence): string | undefined {
  const ways = waysOfAttachment(told(sectionOf(node, "network")), told(sectionOf(node, "tcx")));
  return ways.join(" and ") || undefined;
}

/** The pods' MTU, and the device's where it is another one. */
function mtu(node: NodeEvidence, api: ApiEvidence, config: Config): string | Hidden | undefined {
  const links = linksOf(node);
  const name = deviceOut(node, api);
  const out = links.find(({ ifname }) => ifname === name);
  if (out === undefined) return undefined;
  const pods = [
    ...new Set(links.filter(({ ifname }) => /^lxc(?!_health)/.test(ifname)).map(({ mtu: own }) => String(own))),
  ];
  if (pods.length === 0) {
    return size(config["mtu"]) === undefined
      ? String(out.mtu)
      : new Hidden("no pod on this node has the configured MTU");
  }
  const own = pods.sort().join(" and ");
  return own === String(out.mtu) ? own : `${own} (${out.ifname} ${out.mtu})`;
}

function bigTcp(node: NodeEvidence, api: ApiEvidence, config: Config): string | undefined {
  const out = deviceOut(node, api);
  const size = linksOf(node).find(({ ifname }) => ifname === out)?.gso_max_size;
  // somebody else may allow larger segments, of which Cilium makes nothing
  return size === undefined ? undefined : onOff(isOn(config["enable-ipv6-big-tcp"]) && size > 65536);
}

const size = (value: string | undefined) => (value === undefined || value === "0" || value === "" ? undefined : value);

const big = (status: unknown, name: string) =>
  at(status, [name]) === undefined ? undefined : onOff(isOn(textAt(status, `${name}.enabled`)));

export const deviceModeDimension: Dimension = {
  id: "device-mode",
  title: "Pods' devices",
  shows: /"ifname":"lxc/,
  configured: (config) => config["datapath-mode"] ?? "veth",
  reported: (status) => textAt(status, "datapath-mode"),
  observed: deviceMode,
  isSame: (left, right) => left === right || (left === "auto" && right.startsWith("netkit")),
  isShown: (left, right) => left === right || (left === "netkit-l2" && right === "netkit"),
  log: /netkit/i,
};

export const attachmentDimension: Dimension = {
  id: "attachment",
  title: "Attachment",
  shows: /"name":"cil_/,
  configured: (config) => (config["enable-tcx"] === undefined ? undefined : isOn(config["enable-tcx"]) ? "tcx" : "tc"),
  reported: (status) => {
    const mode = textAt(status, "attach-mode");
    return mode === undefined ? undefined : /tcx/i.test(mode) ? "tcx" : "tc";
  },
  observed: attachment,
  // the chart's default, which older kernels (before 6.6) do not have
  isSame: (left, right) => left === right || (left === "tcx" && right === "tc"),
  isShown: (left, right) => left === right,
  log: /TCX/i,
};

export const mtuDimension: Dimension = {
  id: "mtu",
  title: "MTU",
  shows: /"ifname":"(?!lo"|cilium_)/,
  configured: (config) => size(config["mtu"]),
  observed: mtu,
  isSame: (left, right) => left === right || right.startsWith(`${left} (`),
};

export const bandwidthManagerDimension: Dimension = {
  id: "bandwidth-manager",
  title: "Bandwidth manager",
  shows: /^qdisc \S+ \S+ dev (?!lo |cilium_|lxc)/,
  configured: key("enable-bandwidth-manager"),
  reported: (status) =>
    at(status, ["bandwidth-manager"]) === undefined
      ? undefined
      : onOff(isOn(textAt(status, "bandwidth-manager.enabled"))),
  observed: (node, api) => {
    const out = deviceOut(node, api);
    return onOff(/^qdisc fq /m.test(linesOf(told(sectionOf(node, "qdiscs")), `dev ${out} `)));
  },
  // a system may have the same queues without the manager
  isShown: (left, right) => left === right || left === "off",
  log: /bandwidth/i,
};

export const bigTcpV4Dimension: Dimension = {
  id: "big-tcp-v4",
  title: "BIG TCP (IPv4)",
  configured: key("enable-ipv4-big-tcp"),
  reported: (status) => big(status, "ipv4-big-tcp"),
  observed: only("iproute2 in agents does not show its size"),
};

export const bigTcpV6Dimension: Dimension = {
  id: "big-tcp-v6",
  title: "BIG TCP (IPv6)",
  shows: /"ifname":"(?!lo"|cilium_|lxc)/,
  configured: key("enable-ipv6-big-tcp"),
  reported: (status) => big(status, "ipv6-big-tcp"),
  observed: bigTcp,
};
