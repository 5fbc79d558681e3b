import { CGROUP_ROOT, jsonOf, sectionOf, type NodeEvidence } from "./node";

/** Where a program is attached: a kind of device, or the cgroup of all sockets; and its name without Cilium's prefix. */
export interface Attached {
  /** `eth0`, `lxc*`, `cilium_host`, …, or `cgroup`. */
  readonly where: string;
  readonly device: string;
  readonly kind: string;
  readonly name: string;
}

/** `bpftool net show -j`. */
interface NetPrograms {
  readonly xdp?: readonly {
    readonly devname?: string;
    readonly name?: string;
    readonly mode?: string;
    readonly kind?: string;
  }[];
  readonly tc?: readonly { readonly devname?: string; readonly name?: string; readonly kind?: string }[];
}

/** A program of `bpftool cgroup tree -j`, with its cgroup. */
export interface CgroupProgram {
  readonly cgroup: string;
  readonly id: number;
  readonly name: string;
  readonly attach_type: string;
}

/** The programs on a node's devices, and those on the cgroup of all sockets. */
export function attachedOn(node: NodeEvidence): Attached[] | Error {
  const onDevices = attachedToDevices(node);
  if (onDevices instanceof Error) return onDevices;
  const onSockets = attachedToSockets(node);
  return onSockets instanceof Error ? onSockets : [...onDevices, ...onSockets];
}

/** The programs on a node's devices. */
export function attachedToDevices(node: NodeEvidence): Attached[] | Error {
  const lists = netPrograms(node);
  const byXdp = attachedByXdp(node);
  const byTcx = sectionOf(node, "tcx");
  for (const reading of [lists, byXdp, byTcx]) if (reading instanceof Error) return reading;
  const onDevices = (lists as readonly NetPrograms[]).flatMap(({ tc = [] }) =>
    tc.map(({ devname = "", name = "", kind = "" }) => ({
      where: classOf(devname),
      device: devname,
      kind: kind.replace(/^clsact\//, "tcx/"),
      name,
    })),
  );
  for (const line of (byTcx as string).split("\n").filter((each) => each.startsWith("{"))) {
    const { devname, kind, name } = JSON.parse(line) as { devname: string; kind: string; name: string };
    // a newer bpftool has listed it already, with its whole name
    if (!onDevices.some((each) => each.device === devname && each.kind === kind && each.name.startsWith(name)))
      onDevices.push({ where: classOf(devname), device: devname, kind, name });
  }
  return [...onDevices, ...(byXdp as readonly Attached[])];
}

/** Whether programs have their own names: legacy tc keeps the object's instead, on old kernels and versions. */
export const hasNames = (attached: readonly Attached[]) =>
  attached.some(({ name }) => /^(?:cil_)?(?:from|to)[_-]/.test(name));

/** The XDP programs on a node's devices, whose kinds are `xdp driver`, `xdp generic` and the like. */
export function attachedByXdp(node: NodeEvidence): Attached[] | Error {
  const lists = netPrograms(node);
  if (lists instanceof Error) return lists;
  return lists.flatMap(({ xdp = [] }) =>
    xdp.map(({ devname = "", name = xdpNameOn(node, devname) ?? "an XDP program", mode, kind }) => ({
      where: classOf(devname),
      device: devname,
      kind: `xdp ${mode ?? kind ?? ""}`.trim(),
      name,
    })),
  );
}

/** The name of a device's XDP program, which bpftool does not tell. */
function xdpNameOn(node: NodeEvidence, device: string): string | undefined {
  const links = jsonOf<readonly Link[]>(node, "links");
  return links instanceof Error ? undefined : links.find(({ ifname }) => ifname === device)?.xdp?.prog?.name;
}

/** A device in `ip -j -d link`. */
interface Link {
  readonly ifname: string;
  readonly xdp?: { readonly prog?: { readonly name?: string } };
}

/** Whether a program is Cilium's for XDP, by either of its names. */
export const isOwnXdp = ({ kind, name }: Attached) => kind.startsWith("xdp") && /^(?:cil|bpf)_xdp/.test(name);

/** How Cilium's programs are attached to devices: by both where an earlier attachment is left. */
export function waysOfAttachment(network: string, tcx: string): ("tcx" | "tc")[] {
  const others = [...network.matchAll(/"kind":"(clsact|tcx)\/[^"]*","name":"cil_/g)].map(([, kind]) => kind);
  const byTcx = /"cil_/.test(tcx) || others.includes("tcx");
  return [...(byTcx ? ["tcx" as const] : []), ...(others.includes("clsact") ? ["tc" as const] : [])];
}

/** The programs on the cgroup of all sockets. */
export function attachedToSockets(node: NodeEvidence): Attached[] | Error {
  const onCgroups = programsOfCgroups(node);
  if (onCgroups instanceof Error) return onCgroups;
  return onCgroups
    .filter(({ cgroup }) => cgroup === CGROUP_ROOT)
    .map(({ name, attach_type: kind }) => ({ where: "cgroup", device: "cgroup", kind, name }));
}

function netPrograms(node: NodeEvidence): readonly NetPrograms[] | Error {
  const net = jsonOf<NetPrograms[] | NetPrograms>(node, "network");
  return net instanceof Error || Array.isArray(net) ? net : [net];
}

/** The programs on all of a node's cgroups. */
export function programsOfCgroups(node: NodeEvidence): CgroupProgram[] | Error {
  // bpftool prints nothing where nothing is attached
  if (sectionOf(node, "cgroups").toString().trim() === "") return [];
  const tree = jsonOf<{ readonly cgroup: string; readonly programs: readonly Omit<CgroupProgram, "cgroup">[] }[]>(
    node,
    "cgroups",
  );
  if (tree instanceof Error) return tree;
  return tree.flatMap(({ cgroup, programs }) => programs.map((each) => ({ ...each, cgroup })));
}

/** The kind of a device: all pods' devices are one. */
export const classOf = (device: string) => (device === "lxc_health" ? "lxc_health" : device.replace(/^lxc.*/, "lxc*"));
