import ipaddr from "ipaddr.js";
import { containsAddress, isIpv4Address, isIpv6Address } from "../../modes/cidr";
import type { AddressFamily } from "../../modes/ipFamily";
import type { Scenario } from "../../modes/tracePaths";
import { WORKLOAD } from "../../modes/workload";
import type { ClusterReader } from "../../cluster/read";
import type { Place } from "../probes";
import type { Places } from "./namespaces";
import type { Sender } from "./probe";
import { askNode, type TraceCluster } from "./traceCluster";

/** The target of a probe. */
export type Target =
  | { readonly kind: "pod"; readonly address: string; readonly place: Place; readonly port?: number | undefined }
  | { readonly kind: "clusterIP"; readonly address: string; readonly port: number }
  | { readonly kind: "nodePort"; readonly address: string; readonly port: number; readonly node: string }
  | { readonly kind: "outside"; readonly address: string; readonly port?: number | undefined }
  /** In the cluster, but without an expected path: a node, another service, another pod. */
  | { readonly kind: "other"; readonly address: string; readonly port?: number | undefined };

/** Networks that do not count as outside: of pods, of services, and those that pods reach without masquerading. */
export type Inside = readonly string[];

/** Sender and target. */
export interface Route {
  readonly sender: Sender;
  readonly target: Target;
}

/** The workload's service. */
export interface ServiceAddress {
  readonly address: string;
  readonly port: number;
  readonly nodePort: number;
}

/** Read the workload's service. @throws Error if it does not exist, or has no address of this family */
export async function readService(cluster: ClusterReader, family: AddressFamily): Promise<ServiceAddress> {
  const service = await cluster.service(WORKLOAD.namespace, WORKLOAD.service);
  const port = service?.spec?.ports?.[0];
  const { clusterIP, clusterIPs = clusterIP === undefined ? [] : [clusterIP] } = service?.spec ?? {};
  if (clusterIP === undefined || port?.nodePort === undefined) {
    throw new Error(`The NodePort service ${WORKLOAD.service} is missing; run pulumi up --refresh`);
  }
  const address = clusterIPs.find(family === "ipv4" ? isIpv4Address : isIpv6Address);
  if (address === undefined) {
    const missing = `has no ${FAMILY_NAMES[family]} address (it has ${clusterIPs.join(", ")})`;
    throw new Error(`The service ${WORKLOAD.service} ${missing}; run pulumi up --refresh`);
  }
  return { address, port: port.port, nodePort: port.nodePort };
}

/** The route of a scenario. @throws Error if the cluster is too small */
export async function routeOfScenario(
  scenario: Scenario,
  cluster: TraceCluster,
  places: Places,
  service: ServiceAddress,
  inside: Inside,
  family: AddressFamily = "ipv4",
): Promise<Route> {
  const client = places.pods.find(({ pod }) => pod === WORKLOAD.clientPod);
  if (client === undefined) {
    const lacks = family === "ipv4" ? "is not running" : `is not running, or has no ${FAMILY_NAMES[family]} address`;
    throw new Error(`The pod ${WORKLOAD.clientPod} ${lacks}; run pulumi up --refresh`);
  }
  const pod: Sender = { kind: "pod", place: client };
  const { address, port, nodePort } = service;
  const nodePortOf = (node: string): Target => {
    const found = places.nodes.find((each) => each.node === node);
    if (found === undefined) throw new Error(`${node} has no ${FAMILY_NAMES[family]} address`);
    return { kind: "nodePort", node, address: found.address, port: nodePort };
  };
  const podOn = (isThere: (node: string) => boolean): Target => {
    const place = places.servers.find(({ node }) => isThere(node));
    if (place === undefined)
      throw new Error(
        `The scenario ${scenario} needs a server on ${scenario === "same-node" ? client.node : "a node other than " + client.node}`,
      );
    return { kind: "pod", address: place.address, place };
  };
  switch (scenario) {
    case "same-node":
      return { sender: pod, target: podOn((node) => node === client.node) };
    case "cross-node":
      return { sender: pod, target: podOn((node) => node !== client.node) };
    case "clusterip":
      return { sender: pod, target: { kind: "clusterIP", address, port } };
    case "nodeport-own":
      return { sender: pod, target: nodePortOf(client.node) };
    case "nodeport-other": {
      const other = places.nodes.find(({ node }) => node !== client.node);
      if (other === undefined) throw new Error(`The scenario ${scenario} needs a node other than ${client.node}`);
      return { sender: pod, target: nodePortOf(other.node) };
    }
    case "node-nodeport":
      return { sender: { kind: "node", node: client.node }, target: nodePortOf(client.node) };
    case "host-nodeport":
      return { sender: { kind: "machine" }, target: nodePortOf(client.node) };
    case "outside":
      return {
        sender: pod,
        target: targetOf(await gatewayOf(cluster, client.node, family), undefined, places, service, inside),
      };
  }
}

/** The nodes' gateway: an address outside the cluster that always exists. */
async function gatewayOf(cluster: TraceCluster, node: string, family: AddressFamily): Promise<string> {
  const routes = await askNode(cluster, node, `ip -${family.slice(-1)} route show default`);
  const gateway = /^default via (\S+)/m.exec(routes)?.[1];
  if (gateway !== undefined && (family === "ipv4" ? isIpv4Address(gateway) : isGlobalIpv6(gateway))) return gateway;
  // routers announce themselves by addresses of the link, which pods cannot send to
  const lacks = family === "ipv4" ? "no default route" : "no default IPv6 route by an address that pods reach";
  throw new Error(`${node} has ${lacks}; name an address with --to`);
}

/** Whether a text is an IPv6 address that is valid beyond one link. */
const isGlobalIpv6 = (text: string) => isIpv6Address(text) && ipaddr.IPv6.parse(text).range() !== "linkLocal";

/** The route given by `--from` and `--to`. @throws Error with the possible names */
export function routeOfNames(
  from: string,
  to: string,
  places: Places,
  service: ServiceAddress,
  inside: Inside,
  family: AddressFamily = "ipv4",
): Route {
  if (from === to) throw new Error(`--from and --to must differ (both are ${from})`);
  const names = [...places.pods.map(({ pod }) => pod), ...places.nodes.map(({ node }) => node)].join(", ");
  const place = places.pods.find(({ pod }) => pod === from);
  if (place === undefined && !places.nodes.some(({ node }) => node === from)) {
    throw new Error(`--from must be a pod of the workload or a node: ${names} (got "${from}")`);
  }
  const sender: Sender = place === undefined ? { kind: "node", node: from } : { kind: "pod", place };
  if (to === WORKLOAD.service)
    return { sender, target: { kind: "clusterIP", address: service.address, port: service.port } };
  const named = places.pods.find(({ pod }) => pod === to);
  if (named !== undefined) return { sender, target: { kind: "pod", address: named.address, place: named } };
  const node = places.nodes.find((each) => each.node === to);
  if (node !== undefined) return { sender, target: { kind: "other", address: node.address } };
  const found = addressIn(to);
  if (found?.family !== family || (found.port !== undefined && !(found.port >= 1 && found.port <= 65_535))) {
    const form = { ipv4: "an IPv4 address with an optional :port", ipv6: "an IPv6 address, or [address]:port" }[family];
    throw new Error(`--to must be ${WORKLOAD.service}, ${form}, or one of ${names} (got "${to}")`);
  }
  return { sender, target: targetOf(found.address, found.port, places, service, inside) };
}

const FAMILY_NAMES: Readonly<Record<AddressFamily, string>> = { ipv4: "IPv4", ipv6: "IPv6" };

/** The address in `10.0.0.1`, `10.0.0.1:80`, `fd00::1` or `[fd00::1]:80`, with its port if any; undefined if it is something else. */
export function addressIn(
  text: string,
): { readonly family: AddressFamily; readonly address: string; readonly port: number | undefined } | undefined {
  const [, ipv4, ipv4Port] = /^([\d.]+)(?::(\d+))?$/.exec(text) ?? [];
  const [, bracketed, ipv6Port, ipv6 = bracketed] = /^(?:\[([\da-f:]+)\](?::(\d+))?|([\da-f:]+))$/i.exec(text) ?? [];
  const digits = ipv4Port ?? ipv6Port;
  const port = digits === undefined ? undefined : Number(digits);
  if (ipv4 !== undefined && isIpv4Address(ipv4)) return { family: "ipv4", address: ipv4, port };
  if (ipv6 === undefined || !isIpv6Address(ipv6)) return undefined;
  return { family: "ipv6", address: ipaddr.IPv6.parse(ipv6).toString(), port };
}

function targetOf(
  address: string,
  port: number | undefined,
  places: Places,
  service: ServiceAddress,
  inside: Inside,
): Target {
  const place = places.pods.find((pod) => pod.address === address);
  if (place !== undefined) return { kind: "pod", address, port, place };
  if (address === service.address && port !== undefined) return { kind: "clusterIP", address, port };
  const node = places.nodes.find((each) => each.address === address);
  if (node !== undefined && port === service.nodePort) return { kind: "nodePort", address, port, node: node.node };
  const isInside = node !== undefined || inside.some((cidr) => containsAddress(cidr, address));
  return { kind: isInside ? "other" : "outside", address, port };
}
