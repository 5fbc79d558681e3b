import { crc32 } from "node:zlib";
import { stringify } from "yaml";
import type { Evidence } from "../../../datapath/evidence/gather";
import { CGROUP_ROOT, jsonOf, sectionOf, type NodeEvidence } from "../../../datapath/evidence/node";

/** Path in a dump to text. */
export type Dump = ReadonlyMap<string, string>;

const TIME = "20261130-054029";
const AGENT = "cilium-agent";

/** A list as cilium-cli writes it. */
function listOf(kind: string, objects: readonly object[]): string {
  if (objects.length === 0) return `apiVersion: v1\nitems: []\nkind: ${kind}List\nmetadata: {}\n`;
  const items = objects.map((each) => `- ${stringify(each, { lineWidth: 0 }).trimEnd().replaceAll("\n", "\n  ")}\n`);
  return `apiVersion: v1\nitems:\n${items.join("")}kind: ${kind}List\nmetadata:\n  resourceVersion: "7"\n`;
}

const valueOf = <T>(reading: { readonly value: T } | { readonly error: string }): T => {
  if ("error" in reading) throw new Error(reading.error);
  return reading.value;
};

const textOf = (node: NodeEvidence, section: Parameters<typeof sectionOf>[1]): string => {
  const text = sectionOf(node, section);
  if (text instanceof Error) throw text;
  return text;
};

interface Link {
  readonly ifname: string;
  readonly link_index?: number;
  readonly mtu: number;
  readonly gso_max_size: number;
  readonly linkinfo?: { readonly info_kind?: string };
}

/** `ip -d -s -s l`, as iproute2 6 prints it. */
function linksText(node: NodeEvidence): string {
  const links = jsonOf<Link[]>(node, "links");
  if (links instanceof Error) throw links;
  return links
    .map(({ ifname, mtu, gso_max_size: size, linkinfo }, index) => {
      const kind = linkinfo?.info_kind === undefined ? "" : `\n    ${linkinfo.info_kind} `;
      return `${index + 1}: ${ifname}@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu ${mtu} qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 46:eb:09:d1:16:b9 brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0  allmulti 0 minmtu 68 maxmtu 65535 ${kind}addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size ${size} gso_max_segs 65535 tso_max_size 524280 tso_max_segs 65535 gro_max_size 65536 
    RX:  bytes packets errors dropped  missed   mcast           
       7322205   63001      0       0       0       0 
    TX errors: aborted   fifo  window heartbt transns
                     0      0       0       0       0 
`;
    })
    .join("");
}

/** `ip a`. */
function addressesText(node: NodeEvidence): string {
  const devices = jsonOf<{ ifname: string; addr_info: { local: string; prefixlen: number }[] }[]>(node, "addresses");
  if (devices instanceof Error) throw devices;
  return devices
    .map(
      ({ ifname, addr_info: own }, index) =>
        `${index + 1}: ${ifname}@if7: <UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000\n    link/ether 46:eb:09:d1:16:b9 brd ff:ff:ff:ff:ff:ff\n` +
        own.map(({ local, prefixlen }) => `    inet ${local}/${prefixlen} scope global ${ifname}\n`).join("") +
        "    inet6 fe80::fc:ff:fe00:1/64 scope link \n       valid_lft forever preferred_lft forever\n",
    )
    .join("");
}

/** `bpftool cgroup tree`. */
function cgroupsText(node: NodeEvidence): string {
  const tree = jsonOf<{ cgroup: string; programs: { id: number; attach_type: string; name: string }[] }[]>(
    node,
    "cgroups",
  );
  if (tree instanceof Error) throw tree;
  const lines = tree.flatMap(({ cgroup, programs }) => [
    cgroup,
    // bpftool indents programs below the root only
    ...programs.map(
      ({ id, attach_type: type, name }) =>
        `${cgroup === CGROUP_ROOT ? "" : "    "}${String(id).padEnd(8)} ${type.padEnd(15)} multi           ${name.padEnd(15)}`,
    ),
  ]);
  return ["CgroupPath", "ID       AttachType      AttachFlags     Name           ", ...lines, ""].join("\n");
}

/** `iptables-nft-save -c` with standard error in the midst of a rule. */
function rulesText(node: NodeEvidence): string {
  const rules = textOf(node, "iptables");
  const cut = rules.indexOf("-A CILIUM_P") + "-A CILIUM_P".length;
  return `${rules.slice(0, cut)}# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n${rules.slice(cut)}`;
}

/** The files of a node's bugtool, in its folder `cmd`. */
export function bugtoolOf(node: NodeEvidence): Dump {
  const status = JSON.parse(textOf(node, "status")) as object;
  const settings = textOf(node, "config")
    .split("\n")
    .filter((line) => line.includes("="))
    .map((line) => line.replace("=", ":"));
  const info = {
    "cilium-status": { ...status, cluster: { self: `default/${node.node}` } },
    "environment-variables": [...settings, "label-prefix-file:", "some-default:7"],
  };
  const attached = textOf(node, "tcx")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { devname: string; name: string });
  const pins = attached.map(
    ({ devname, name }) =>
      `       15      0 -rw-------   1 root     root            0 Nov 30 05:00 /sys/fs/bpf/cilium/devices/${devname}/links/${name}\n`,
  );
  return new Map([
    ["cilium-debuginfo-20261130-054031.123+0000-UTC.json", JSON.stringify(info)],
    ["hostname.md", `${node.node}\n`],
    ["ip--d--s--s-l.md", linksText(node)],
    ["ip-a.md", addressesText(node)],
    ["ip--4-r.md", textOf(node, "routes").replaceAll(/^.* table local .*\n/gm, "")],
    ["tc-qdisc-show.md", textOf(node, "qdiscs")],
    ["ip--s-xfrm-policy.md", textOf(node, "xfrm")],
    ["bpftool-net-show.md", "xdp:\n\ntc:\n\nflow_dissector:\n\nnetfilter:\n\n"],
    ["bpftool-cgroup-tree--run-cilium-cgroupv2.md", cgroupsText(node)],
    ["find--sys-fs-bpf--ls.md", pins.join("")],
    ["iptables-nft-save--c.md", rulesText(node)],
    ["iptables-save--c.md", rulesText(node)],
    ["iptables-legacy-save--c.md", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"],
    ["cilium-dbg-bpf-ct-list---time-diff.md", "not read"],
  ]);
}

/** The folder of a node's bugtool in a sysdump. */
export const bugtoolFolder = (node: string) => `cilium-sysdump-${TIME}/cilium-bugtool-${podOf(node)}-${TIME}`;

const podOf = (node: string) => `cilium-${node}-x7z2p`;

/** A sysdump of a cluster whose Cilium is in a namespace of its own. */
export function sysdumpOf({ api, nodes }: Evidence): Map<string, string> {
  const pods = valueOf(api.pods).filter(({ labels }) => labels["k8s-app"] === "cilium");
  const objects: Readonly<Record<string, string>> = {
    "k8s-nodes": listOf(
      "Node",
      valueOf(api.nodes).map(({ name, address }) => ({
        metadata: { name },
        status: { addresses: [{ type: "InternalIP", address }], conditions: [{ type: "Ready", status: "True" }] },
      })),
    ),
    "k8s-pods": listOf("Pod", [
      { metadata: { namespace: "default", name: "other", labels: { app: "other" } }, spec: { containers: [] } },
      ...pods.map(({ node, containers, configuredAt }) => ({
        metadata: { namespace: "cilium", name: podOf(node), labels: { "k8s-app": "cilium" } },
        spec: {
          nodeName: node,
          containers: [{ name: AGENT, command: [AGENT], args: ["--config-dir=/tmp/cilium/config-map"] }],
        },
        status: {
          phase: "Running",
          containerStatuses: containers.map(({ name, image, startedAt }) => ({
            ...{ name, image, ready: true, restartCount: 0, state: { running: { startedAt } } },
          })),
          initContainerStatuses: [{ name: "config", state: { terminated: { startedAt: configuredAt } } }],
        },
      })),
    ]),
    ciliumnodes: listOf(
      "CiliumNode",
      valueOf(api.ciliumNodes).map(({ name, podCidrs }) => ({
        metadata: { name },
        spec: { ipam: { podCIDRs: podCidrs } },
      })),
    ),
    ciliumnodeconfigs: listOf("CiliumNodeConfig", []),
    "cilium-configmap": stringify({
      metadata: {
        name: "cilium-config",
        managedFields: valueOf(api.config).writers.map(({ manager, time, keys }) => ({
          ...{ manager, time },
          fieldsV1: { "f:data": Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) },
        })),
      },
      data: valueOf(api.config).data,
    }),
  };
  return new Map([
    ...Object.entries(objects).map(([name, text]) => [`cilium-sysdump-${TIME}/${name}-${TIME}.yaml`, text] as const),
    ...nodes.flatMap((node) => [
      ...[...bugtoolOf(node)].map(([name, text]) => [`${bugtoolFolder(node.node)}/cmd/${name}`, text] as const),
      [`cilium-sysdump-${TIME}/logs-${podOf(node.node)}-${AGENT}-${TIME}.log`, 'level=info msg="started"\n'] as const,
    ]),
    [`cilium-sysdump-${TIME}/cilium-sysdump.log`, "not read"],
  ]);
}

/** A zip whose entries are stored as they are. @param attributes external ones of every entry */
export function zipOf(dump: Iterable<readonly [string, string | Buffer]>, flags = 0, attributes = 0): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const [path, text] of dump) {
    const name = Buffer.from(path);
    // encryption puts a header of twelve bytes before a file
    const data = Buffer.concat([Buffer.alloc(12 * (flags & 1)), Buffer.from(text)]);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length - 12 * (flags & 1), 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), common, name, data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(attributes, 6);
    rest.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from("PK\u0001\u0002\u0014\u0000"), common, rest, name]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(centrals.length, 4);
  end.writeUInt16LE(centrals.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, central, Buffer.from("PK\u0005\u0006"), end]);
}
