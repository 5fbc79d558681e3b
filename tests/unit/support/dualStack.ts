import ipaddr from "ipaddr.js";
import { readingOf } from "../../../datapath/evidence/api";
import { both, inConfig, inNode, recordedEvidence, type Change } from "./evidence";

/** Networks of the second family. */
export const IPV6 = { podCidr: "fd00:10::/56", nativeRoutingCIDR: "fd00:10::/56" };
const CONFIG = {
  "enable-ipv6": "true",
  "enable-ipv6-masquerade": "true",
  "ipv6-native-routing-cidr": IPV6.nativeRoutingCIDR,
  "cluster-pool-ipv6-cidr": IPV6.podCidr,
  "cluster-pool-ipv6-mask-size": "64",
};

/** The IPv6 address that stands for one of IPv4, and the same of networks. */
const ipv6Of = (address: string) =>
  address.replace(/^10\.0\.(\d+)\.(\d+)/, "fd00:10:0:$1::$2").replace(/^172\.18\.0\.(\d+)/, "fc00::$1");
const CLUSTER_IP = "fd00:10:96::50";

/** Two frontends of the workload's Service with its three pods, as `cilium service list` prints them. */
const SERVICES = (() => {
  const evidence = recordedEvidence();
  const own = readingOf(evidence.api.endpoints).filter(({ service }) => service === "serversvc");
  return [`[${CLUSTER_IP}]:80 ClusterIP`, "[::]:32000 NodePort"]
    .flatMap((frontend, index) =>
      own.flatMap(({ protocol, addresses }) => {
        const [where, type] = frontend.split(" ") as [string, string];
        const [first, ...others] = addresses.map(
          (address, at) => `${at + 1} => [${ipv6Of(address)}]:80/${protocol} (active)`,
        );
        return [`${90 + index}   ${where}/${protocol}   ${type}   ${first}`, ...others.map((each) => `     ${each}`)];
      }),
    )
    .join("\n");
})();

/** The same frontends as `cilium bpf lb list` prints them. */
const LB_MAP = (() => {
  const own = readingOf(recordedEvidence().api.endpoints).filter(({ service }) => service === "serversvc");
  return [`[${CLUSTER_IP}]:80 90`, "[::]:32000 91"]
    .flatMap((frontend) =>
      own.flatMap(({ protocol, addresses }) => {
        const [where, id] = frontend.split(" ") as [string, string];
        const slots = addresses.map(
          (address, at) =>
            `${where}/${protocol} (${at + 1})   [${ipv6Of(address)}]:80/${protocol} (${id}) (${at + 1})\n`,
        );
        return [`${where}/${protocol} (0)   [::]:0 (${id}) (0) [ClusterIP, non-routable]\n`, ...slots];
      }),
    )
    .join("");
})();

/** Rules of ip6tables as those of iptables. */
const ipv6RulesOf = (iptables: string) =>
  iptables
    .replace(/\b10\.0\.(\d+)\.0\/24/g, "fd00:10:0:$1::/64")
    .replace(/\b(?!127\.)\d+(?:\.\d+){3}(\/\d+)?\b/g, "fd00::/8");

const hex = (byte: number) => byte.toString(16).padStart(2, "0");

/** The recorded cluster with a second family. */
export const DUAL: Change = both(
  ...Object.entries(CONFIG).map(([key, value]) => inConfig(key, value)),
  ({ api, nodes, traffic }) => {
    const rendered = "value" in api.rendered ? api.rendered.value : null;
    Object.assign(rendered!.config, CONFIG);
    const readings = [api.nodes, api.ciliumEndpoints] as const;
    for (const reading of readings)
      if ("value" in reading) for (const each of reading.value) each.ipv6Address = ipv6Of(each.address);
    if ("value" in api.pods)
      for (const pod of api.pods.value) if (!pod.hostNetwork) pod.ipv6Address = ipv6Of(pod.address);
    const cilium = "value" in api.ciliumNodes ? api.ciliumNodes.value : [];
    for (const node of cilium)
      node.ipv6PodCidrs = node.podCidrs.map((cidr) => ipv6Of(cidr.replace("/24", "")).replace(/0$/, "/64"));
    const services = "value" in api.services ? api.services.value : [];
    const service = services.find(({ name }) => name === "serversvc")!;
    service.clusterIps = [service.clusterIp, CLUSTER_IP];
    const endpoints = "value" in api.endpoints ? api.endpoints.value : [];
    const own = endpoints.filter(({ service: name }) => name === "serversvc");
    api.ipv6Endpoints = { value: own.map((each) => ({ ...each, addresses: each.addresses.map(ipv6Of) })) };
    for (const node of nodes) {
      const peers = cilium.filter(({ name }) => name !== node.node);
      const routes = peers.map(
        ({ ipv6PodCidrs, address }) =>
          `${ipv6PodCidrs![0]} via ${ipv6Of(address)} dev eth0 proto kernel metric 1024 pref medium`,
      );
      const mine = cilium.find(({ name }) => name === node.node)!.ipv6PodCidrs![0]!;
      const table = [
        "fc00::/64 dev eth0 proto kernel metric 256 pref medium",
        `${mine.replace("/64", "ff")} dev cilium_host proto kernel metric 256 pref medium`,
        `${mine} dev cilium_host proto kernel src ${mine.replace("/64", "ff")} metric 1024 pref medium`,
        "fe80::/64 dev lxc_health proto kernel metric 256 pref medium",
        ...routes,
        "default via fc00::1 dev eth0 metric 1024 pref medium",
        "local fc00::2 dev eth0 table local proto kernel metric 0 pref medium",
      ];
      node.sections.ipv6Routes = { value: `${table.join("\n")}\n` };
      const own = cilium.find(({ name }) => name === node.node)!;
      const devices = [
        { ifname: "eth0", addr_info: [{ local: ipv6Of(own.address), prefixlen: 64 }, { local: "fe80::2" }] },
        { ifname: "cilium_host", addr_info: [{ local: mine.replace("/64", "ff") }] },
      ];
      const peer = ({ address }: (typeof cilium)[number]) =>
        `${ipv6Of(address)} dev eth0 lladdr 02:42:ac:12:00:0${address.at(-1)} router REACHABLE`;
      const settings = (device: string) =>
        [`disable_ipv6:0`, `forwarding:1`, `hop_limit:64`, `mtu:1500`].map((each) => `ipv6/conf/${device}/${each}`);
      const { iptables } = node.sections as { iptables: { value: string } };
      Object.assign(node.sections, {
        ipv6Addresses: { value: JSON.stringify(devices) },
        ipv6Rules: { value: "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n" },
        ipv6Neighbors: { value: `${peers.map(peer).join("\n")}\n` },
        ipv6Sysctls: { value: ["all", "eth0", "cilium_host", "cilium_net"].flatMap(settings).join("\n") },
        ip6tables: { value: ipv6RulesOf(iptables.value) },
        ipv6Set: { value: "" },
      });
      for (const pod of traffic!.pods) {
        const to = ipv6Of(pod.address);
        const there = peers.find(({ name }) => name === pod.node);
        const way = there === undefined ? "dev cilium_host" : `via ${ipv6Of(there.address)} dev eth0`;
        node.lookups[to] = `${to} from :: ${way} src ${ipv6Of(own.address)} metric 1024 pref medium`;
      }
      node.lookups["2001:db8::1"] = "2001:db8::1 from :: via fc00::1 dev eth0 src fc00::2 metric 1024 pref medium";
    }
    for (const pod of traffic!.pods) {
      const mine = cilium.find(({ name }) => name === pod.node)!.ipv6PodCidrs![0]!.replace("/64", "ff");
      const address = ipv6Of(pod.address);
      pod.ipv6 = [
        `5: eth0    inet6 ${address}/128 scope global \\       valid_lft forever\n5: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever\n`,
        `${mine} dev eth0 metric 1024 pref medium\n${address} dev eth0 proto kernel metric 256 pref medium\nfe80::/64 dev eth0 proto kernel metric 256 pref medium\ndefault via ${mine} dev eth0 metric 1024 pref medium\nlocal ${address} dev eth0 table local proto kernel metric 0 pref medium\n`,
        "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
        `${mine} dev eth0 lladdr 02:42:ac:12:00:05 router REACHABLE\n`,
        "conf/all/disable_ipv6:0\nconf/eth0/disable_ipv6:0\nconf/eth0/mtu:1500\nicmp/echo_ignore_all:0\n",
        "",
      ].join("---\n");
    }
    const reached = (address: string) => ipv6Of(address).replace(/^10\.96\..*/, CLUSTER_IP);
    const probes = traffic!.probes
      .filter(({ to }) => to.name !== "the nodes' gateway")
      .map((probe) => ({
        ...probe,
        from: { ...probe.from, address: ipv6Of(probe.from.address) },
        to: { ...probe.to, address: reached(probe.to.address) },
        tries: probe.tries.map((each) => ({ ...each, ...(each.client && { client: ipv6Of(each.client) }) })),
      }));
    traffic!.ipv6 = { probes, silent: [], omitted: {}, outside: ipv6Of(traffic!.outside!) };
  },
  inNode("ipcache", (text) => {
    const entries = Object.entries(JSON.parse(text) as Record<string, string[]>);
    const second = entries
      .filter(([key]) => /^10\..*\/32$/.test(key))
      .map(([key, value]) => [`${ipv6Of(key.slice(0, -3))}/128`, value]);
    return JSON.stringify(Object.fromEntries([...entries, ...second]));
  }),
  ({ nodes, before, after, traffic }) => {
    const digits = (address: string) => ipaddr.IPv6.parse(address).toByteArray().map(hex).join("");
    const entries = traffic!
      .ipv6!.probes.filter(({ flow, shape }) => flow === "pod-to-outside" && shape === "tcp/small")
      .map(({ from, to }) => `${digits(from.address)}:a2b4 ${digits(to.address)}\n`);
    for (const { sections } of before) sections.ipv6Nat = { value: "" };
    for (const { node, sections } of after) {
      sections.ipv6Nat = { value: entries.join("") };
      sections.ip6tables = nodes.find((each) => each.node === node)!.sections.ip6tables!;
    }
  },
  inNode("endpointMap", (text) => {
    const entries = Object.entries(JSON.parse(text) as Record<string, string[]>);
    return JSON.stringify(Object.fromEntries([...entries, ...entries.map(([key, value]) => [ipv6Of(key), value])]));
  }),
  inNode("status", (text) => text.replace(/"ipv4": ?true/, '"ipv4": true, "ipv6": true')),
  ({ nodes }) => {
    for (const node of nodes) {
      const reading = node.sections.services!;
      if ("value" in reading) reading.value += `${SERVICES}\n`;
      const [map, reverse] = [node.sections.lb!, node.sections.revnat!];
      if ("value" in map) map.value += LB_MAP;
      if ("value" in reverse) reverse.value += `90   [${CLUSTER_IP}]:80\n91   [::]:32000\n`;
    }
  },
);
