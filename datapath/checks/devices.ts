import { addressesOf, jsonOf, sectionOf, type Addressed, type NodeEvidence } from "../evidence/node";
import { readingOf, valueOf } from "../evidence/api";
import { contains } from "../../modes/cidr";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";
import { ipv6Addresses } from "./ipv6";
import { eachNode, odd } from "./nodes";

/** What `ip -j -d -s link show` prints of a device, as far as it is needed. */
interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly gso_max_size?: number;
  readonly flags: readonly string[];
  readonly operstate?: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

/** Devices of pods and of Cilium, and those that lead out of the node. */
const CILIUM = /^(?:lxc|cilium_)/;

/** Queueing disciplines that neither delay nor drop packets on purpose. */
const HARMLESS = new Set([
  ...["noqueue", "clsact", "ingress", "mq", "fq", "fq_codel", "pfifo_fast", "multiq", "pfifo", "bfifo", "sfq", "prio"],
]);
/** Parameters with which they do: a rate, or a queue of less than 100 packets of full size. */
const SHAPING = /\bmaxrate\b|\blimit (?:\d{1,2}p?|\d{1,5}b)(?:\s|$)/;

/** Whether the devices that packets pass are up, as large as each other, and not slowed down. */
export const devicesCheck: Check = {
  id: "devices",
  question:
    "Are the nodes' and pods' devices up, with the same MTU everywhere, their addresses, and no traffic shaping?",
  needs: ["nodes"],
  judge(evidence, { evidence: { tunnelDevice }, isExternal = false }) {
    const nodes = readingOf(evidence.api.nodes);
    const ways = evidence.nodes.map((node) => ({
      node: node.node,
      out: wayOut(node, nodes.find(({ name }) => name === node.node)?.address),
    }));
    const mtus = odd(ways, ({ out }) => out?.mtu.toString());
    const segments = isExternal ? [] : odd(ways, ({ out }) => out?.gso_max_size?.toString());
    const healthy = evidence.nodes.filter((node) =>
      /"ifname": ?"lxc_health"/.test(sectionOf(node, "links").toString()),
    );
    // agents may do without these endpoints
    const isHealthUsual = evidence.nodes.length > 2 && healthy.length >= (2 * evidence.nodes.length) / 3;
    const findings = eachNode(evidence, "links", (node): Finding => {
      const at = { nodes: [node.node] };
      const links = jsonOf<Link[]>(node, "links");
      const addressed = jsonOf<Addressed[]>(node, "addresses");
      if (links instanceof Error) return inconclusive(node.node, links.message, undefined, at);
      if (addressed instanceof Error) return inconclusive(node.node, addressed.message, undefined, at);
      const own = nodes.find(({ name }) => name === node.node)?.address ?? "";
      const has = addressesOf(node);
      const out = has?.get(own)?.[0];
      const taken = nodes.find(({ name, address }) => name !== node.node && address !== own && has?.has(address));
      if (taken !== undefined) {
        const [device = ""] = has!.get(taken.address)!;
        return fail(
          node.node,
          `${device} has ${taken.address}, the address of ${taken.name}`,
          `${node.node} answers at the address of ${taken.name}: packets and the API server's questions for ${taken.name} end at either node`,
          `on ${node.node}: ip addr del ${taken.address}/${prefixOf(addressed, taken.address)} dev ${device}; then on the nodes: ip neigh flush ${taken.address}`,
          { cause: "node-address-taken", nodes: [node.node, taken.name] },
        );
      }
      const isWanted = ({ ifname }: Link) => CILIUM.test(ifname) || ifname === out;
      const needed = [
        ...["cilium_host", "cilium_net"],
        ...(tunnelDevice === "none" ? [] : [tunnelDevice]),
        ...(isHealthUsual ? ["lxc_health"] : []),
      ];
      const missing = needed.filter((name) => !links.some(({ ifname }) => ifname === name));
      if (missing.length > 0) {
        return fail(
          node.node,
          `no device ${missing.join(", ")}`,
          `Cilium's device ${missing.join(", ")} is missing`,
          restart(evidence, node.node),
          { cause: "device-missing", ...at },
        );
      }
      const down = links.filter((link) => isWanted(link) && !link.flags.includes("UP"));
      if (down.length > 0) {
        const names = down.map(({ ifname }) => ifname);
        return fail(
          node.node,
          `${names.join(", ")} down`,
          `${names.join(", ")} is down and carries no packets`,
          `on ${node.node}: ${names.map((name) => `ip link set ${name} up`).join("; ")}${names.some((name) => name.startsWith("cilium_")) ? `; then ${restart(evidence, node.node)}` : ""}`,
          { cause: "device-down", ...at },
        );
      }
      if (own !== "" && out === undefined) {
        return fail(
          node.node,
          `no device has ${own}`,
          `the node's address ${own} is on none of its devices`,
          `docker restart ${node.node}, or on the node: ip addr add ${own}/16 dev eth0`,
          { cause: "address-missing", ...at },
        );
      }
      const host =
        addressed.find(({ ifname }) => ifname === "cilium_host")?.addr_info.flatMap(({ local }) => local ?? []) ?? [];
      const cidrs = readingOf(evidence.api.ciliumNodes).find(({ name }) => name === node.node)?.podCidrs ?? [];
      if (
        host.length === 0 ||
        (cidrs.length > 0 && !host.some((address) => cidrs.some((cidr) => contains(cidr, `${address}/32`))))
      ) {
        return fail(
          node.node,
          `cilium_host has ${host.join(", ") || "no address"}`,
          `cilium_host must have an address of the node's pod network ${cidrs.join(", ")}: it is the pods' gateway`,
          restart(evidence, node.node),
          { cause: "address-missing", ...at },
        );
      }
      const shaped = shaping(node).filter(({ device }) => CILIUM.test(device) || device === out);
      if (shaped.length > 0) {
        return fail(
          node.node,
          shaped.map(({ device, kind }) => `${device}: ${kind}`).join(", "),
          `a queueing discipline delays or drops packets: ${shaped.map(({ device, rest }) => `${device} ${rest}`).join("; ")}`,
          `on ${node.node}: ${shaped.map(({ device, kind }) => `tc qdisc del dev ${device} ${kind === "ingress" ? "ingress" : "root"}`).join("; ")}`,
          { cause: "traffic-shaped", ...at },
        );
      }
      const unlike = mtus.find((each) => each.node === node.node);
      if (unlike !== undefined) {
        return fail(
          node.node,
          `${out ?? "device"} has MTU ${unlike.own}`,
          `the other nodes' devices have MTU ${unlike.most}: larger packets are lost on the way to or from this node`,
          unlike.isTie
            ? `give ${out} the same MTU on every node: ip link show ${out}; ip link set ${out} mtu <the network's>`
            : `on ${node.node}: ip link set ${out} mtu ${unlike.most}`,
          { cause: "mtu-mismatch", ...at },
        );
      }
      const cut = segments.find((each) => each.node === node.node);
      if (cut !== undefined) {
        return fail(
          node.node,
          `${out ?? "device"} has gso_max_size ${cut.own}`,
          `the other nodes' devices have ${cut.most}: large segments are cut or dropped`,
          cut.isTie
            ? `give ${out} the same on every node: ip -d link show ${out}`
            : `on ${node.node}: ip link set ${out} gso_max_size ${cut.most}`,
          { cause: "mtu-mismatch", ...at },
        );
      }
      const lxc = links.filter(({ ifname }) => ifname.startsWith("lxc"));
      const outMtu = links.find(({ ifname }) => ifname === out)?.mtu;
      // a Helm value may give pods an MTU of their own
      const set = Number(valueOf(evidence.api.config, undefined)?.data["mtu"] ?? 0);
      const wanted = set > 0 ? set : outMtu;
      const large = lxc.filter(({ mtu }) => wanted !== undefined && mtu !== wanted);
      if (large.length > 0) {
        return fail(
          node.node,
          large.map(({ ifname, mtu }) => `${ifname} has MTU ${mtu}`).join(", "),
          set > 0
            ? `the Helm value MTU gives pods' devices an MTU of ${set}`
            : `${out} has MTU ${outMtu}, and pods' devices must have the same`,
          `delete the pods behind ${large.map(({ ifname }) => ifname).join(", ")}: their controllers create them again with the right MTU`,
          { cause: "mtu-mismatch", ...at },
        );
      }
      return pass(node.node, `${links.filter(isWanted).length} devices up, MTU ${outMtu ?? "unknown"}`);
    });
    return [...findings, ...ipv6Addresses(evidence, isExternal)];
  },
};

const prefixOf = (addressed: readonly Addressed[], address: string) =>
  addressed.flatMap(({ addr_info: own }) => own).find(({ local }) => local === address)?.prefixlen ?? 32;

function restart({ nodes }: { readonly nodes: readonly NodeEvidence[] }, name: string): string {
  const pod =
    nodes.find(({ node }) => node === name)?.agent ?? `-l k8s-app=cilium --field-selector spec.nodeName=${name}`;
  return `kubectl -n kube-system delete pod ${pod}: the agent makes its devices and routes when it starts`;
}

/** The device that leads to the other nodes. */
function wayOut(node: NodeEvidence, address: string | undefined): Link | undefined {
  const links = jsonOf<Link[]>(node, "links");
  if (links instanceof Error || address === undefined) return undefined;
  const out = addressesOf(node)?.get(address)?.[0];
  return links.find(({ ifname }) => ifname === out);
}

function shaping(node: NodeEvidence): { device: string; kind: string; rest: string }[] {
  const text = sectionOf(node, "qdiscs");
  if (text instanceof Error) return [];
  return [...text.matchAll(/^qdisc (\S+) \S+ dev (\S+) (.*)$/gm)].flatMap(([, kind, device, rest]) =>
    HARMLESS.has(kind!) && !SHAPING.test(rest!)
      ? []
      : [{ device: device!, kind: kind!, rest: `${kind} ${rest!.trim()}` }],
  );
}
