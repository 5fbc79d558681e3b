import type { Reading } from "../evidence/api";
import { flat } from "../checks/config";
import { CGROUP_ROOT, type Section } from "../evidence/node";
import { classOf } from "../evidence/programs";
import { has, type Since } from "../../modes/ciliumVersion";
import { at } from "../../modes/tree";

/**
 * What `cilium-bugtool` keeps of a node in its folder `cmd`, a file a command: spaces and slashes of the command are
 * dashes in its name. Source: bugtool/cmd/configuration.go and root.go, whose commands differ between versions.
 */
const FILES = {
  debuginfo: ["cilium-debuginfo-*.json", /^cilium-debuginfo-.*\.json$/],
  hostname: ["hostname.md", /^hostname\.md$/],
  links: ["ip--d--s--s-l.md", /^ip--d(?:--s)+-l\.md$/],
  addresses: ["ip-a.md", /^ip-a\.md$/],
  routes: ["ip--4-r.md", /^ip--4-r\.md$/],
  policyRules: ["ip--d-rule.md", /^ip--d-rule\.md$/],
  qdiscs: ["tc-qdisc-show.md", /^tc(?:--d)?(?:--s)?-qdisc(?:-show)?\.md$/],
  xfrm: ["ip--s-xfrm-policy.md", /^ip(?:--s)?-xfrm-policy\.md$/],
  network: ["bpftool-net-show.md", /^bpftool-net-show\.md$/],
  ipMasq: ["cilium-dbg-bpf-ipmasq-list.md", /^cilium(?:-dbg)?-bpf-ipmasq-list\.md$/],
  // one for each place where cgroups are mounted
  cgroups: ["bpftool-cgroup-tree-*.md", /^bpftool-cgroup-tree-.*\.md$/],
  pins: ["find--sys-fs-bpf--ls.md", /^find--sys-fs-bpf--ls\.md$/],
  rules: ["iptables-save--c.md", /^iptables-save--c\.md$/],
  legacyRules: ["iptables-legacy-save--c.md", /^iptables-legacy-save--c\.md$/],
  nftRules: ["iptables-nft-save--c.md", /^iptables-nft-save--c\.md$/],
} as const;

type File = keyof typeof FILES;

const nameOf = (file: File) => `${FILES[file][0]} in this dump`;

/** Whether an inspection reads a file of the folder `cmd`. */
export const isBugtoolFile = (name: string) => Object.values(FILES).some(([, pattern]) => pattern.test(name));

/** What a node's bugtool shows of it. */
export interface BugtoolNode {
  /** The node's name as its agent reports it, or else its hostname; undefined where both are missing. */
  readonly name?: string | undefined;
  readonly sections: Readonly<Partial<Record<Section, Reading<string>>>>;
}

/** The first Cilium that attaches programs by TCX. */
const TCX: Since = ["1.16.0"];

/** Read a node's evidence from its bugtool. @param names of its files @param read a file's text */
export async function readBugtool(
  names: readonly string[],
  read: (name: string) => Promise<string>,
): Promise<BugtoolNode> {
  const output = async (file: File, exact?: string): Promise<string | Error> => {
    const name = names.find((each) => (exact === undefined ? FILES[file][1].test(each) : each === exact));
    if (name === undefined) return notInDump(exact ?? FILES[file][0]);
    return read(name).then(
      (text) => outputOf(name, text),
      (error: Error) => new Error(`${name}: ${error.message}`),
    );
  };
  const info = parsed(await output("debuginfo"));
  const hostname = await output("hostname");
  const pins = await output("pins");
  const status = inInfo(info, "cilium-status");
  const self = textAt(status, "cluster", "self")?.split("/").at(-1);
  const host = hostname instanceof Error ? undefined : hostname.trim() || undefined;
  const config = derived(inInfo(info, "environment-variables"), configOf);
  const root = (config instanceof Error ? undefined : /^cgroup-root=(.*)$/m.exec(config)?.[1]) ?? CGROUP_ROOT;
  const tree = await output("cgroups", `bpftool-cgroup-tree-${root.replaceAll("/", "-")}.md`);
  const programs = derived(await output("network"), netPrograms);
  return {
    name: self ?? host,
    sections: {
      status: reading(derived(status, (found) => JSON.stringify(found))),
      config: reading(config),
      links: reading(derived(await output("links"), linksOf)),
      addresses: reading(derived(await output("addresses"), addressesOf)),
      // the kernel's own have it
      rules: reading(derived(await output("policyRules"), (text) => text.replaceAll(/ proto \w+/g, ""))),
      routes: reading(derived(await output("routes"), (text) => filled("routes", text))),
      qdiscs: reading(derived(await output("qdiscs"), (text) => filled("qdiscs", text))),
      xfrm: reading(await output("xfrm")),
      ipMasq: reading(await output("ipMasq")),
      cgroups: reading(derived(tree, (text) => cgroupsOf(text, root))),
      network: reading(programs),
      tcx: reading(derived(programs, (list) => tcxOf(list, status, pins))),
      iptables: reading(rulesOf(await output("legacyRules"), await output("nftRules"), await output("rules"))),
    },
  };
}

/** Says that a file is missing. */
export const notInDump = (name: string) => new Error(`${name} is not in this dump`);

const reading = (found: string | Error): Reading<string> =>
  found instanceof Error ? { error: found.message } : { value: found };

/** A reading with something derived from it; an error stays one. */
const derived = <T, R>(found: T | Error, derive: (found: T) => R | Error): R | Error =>
  found instanceof Error ? found : derive(found);

/** What a command printed. @returns an error where it failed: bugtool notes that below the output */
function outputOf(name: string, text: string): string | Error {
  const failure = /> Error while running '[^\n]*':\s+(.*)/.exec(text)?.[1];
  if (failure !== undefined) return new Error(`${name} in this dump: the command failed (${failure})`);
  // bugtool --enable-markdown
  return /^# .*\n\n```\n([^]*?)\n?```\s*$/.exec(text)?.[1] ?? text;
}

/** What no node prints nothing of: a command that does was cut short. */
const filled = (file: File, text: string) => (text.trim() === "" ? new Error(`${nameOf(file)} is empty`) : text);

function parsed(text: string | Error): unknown {
  if (text instanceof Error) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return new Error(`${nameOf("debuginfo")} is cut short, or no JSON`);
  }
}

function inInfo(info: unknown, key: string): unknown {
  if (info instanceof Error) return info;
  return at(info, [key]) ?? new Error(`${nameOf("debuginfo")} has no ${key}`);
}

function textAt(tree: unknown, ...path: readonly string[]): string | undefined {
  const found = at(tree, path);
  return typeof found === "string" && found !== "" ? found : undefined;
}

/**
 * The agent's settings as it read them, with what overrides the ConfigMap on this node. A fallback does not change them,
 * unlike `agent-runtime-config.json` and `cilium-dbg config`. Lists and maps print as nothing, so that says nothing.
 */
function configOf(settings: unknown): string | Error {
  if (!Array.isArray(settings)) return new Error(`${nameOf("debuginfo")} has no list of settings`);
  return (settings as readonly string[])
    .map((setting) => [setting.slice(0, setting.indexOf(":")), flat(setting.slice(setting.indexOf(":") + 1))] as const)
    .filter(([key, value]) => key !== "" && value !== "")
    .map(([key, value]) => `${key}=${value}`)
    .join("\n");
}

/** The devices of `ip a` or `ip -d -s -s link`: the name, and its lines. */
function devicesIn(text: string): (readonly [name: string, head: string, lines: readonly string[]])[] {
  return text.split(/^(?=\d+: )/m).flatMap((block) => {
    const [head = "", ...lines] = block.split("\n");
    const name = /^\d+: ([^\s:@]+)/.exec(head)?.[1];
    return name === undefined ? [] : [[name, head, lines] as const];
  });
}

/** Lines of a device that name no kind: those of its bridge or bond, other names, virtual functions and XDP. */
const NO_KIND = /_slave$|^(?:altname|alias|vf|prog|prog\/xdp)$/;

/** `ip -d -s -s link` as `ip -j -d link` has it, as far as it is needed. */
function linksOf(text: string): string | Error {
  const devices = devicesIn(text);
  if (devices.length === 0) return new Error(`${nameOf("links")} is empty`);
  return JSON.stringify(
    devices.map(([ifname, head, lines]) => {
      const kind = lines
        .flatMap((line) => /^ {4}([a-z][\w-]*) /.exec(line)?.[1] ?? [])
        .find((word) => !NO_KIND.test(word));
      const size = /\bgso_max_size (\d+)/.exec(lines.join("\n"))?.[1];
      return {
        ifname,
        mtu: Number(/ mtu (\d+)/.exec(head)?.[1]),
        ...(size === undefined ? {} : { gso_max_size: Number(size) }),
        ...(kind === undefined ? {} : { linkinfo: { info_kind: kind } }),
      };
    }),
  );
}

/** `ip a` as `ip -j -4 addr` has it. */
function addressesOf(text: string): string | Error {
  const devices = devicesIn(text);
  if (devices.length === 0) return new Error(`${nameOf("addresses")} is empty`);
  return JSON.stringify(
    devices.map(([ifname, , lines]) => ({
      ifname,
      addr_info: lines.flatMap((line) => {
        const [, local, length] = /^ +inet (\d[\d.]+)(?:\/(\d+))?/.exec(line) ?? [];
        return local === undefined ? [] : [{ local, prefixlen: Number(length ?? 32) }];
      }),
    })),
  );
}

/** `bpftool net show` as its JSON. */
function netPrograms(text: string): string | Error {
  if (!/^xdp:/m.test(text)) return new Error(`${nameOf("network")} is empty`);
  const found: Record<string, object[]> = { xdp: [], tc: [] };
  let part = "";
  for (const line of text.split("\n")) {
    part = /^(\w+):\s*$/.exec(line)?.[1] ?? part;
    const [, devname, ifindex, kind, name] = /^(\S+)\((\d+)\) (\S+)(?: (?!(?:prog_)?id )(\S+))?/.exec(line) ?? [];
    if (devname === undefined) continue;
    found[part]?.push({ devname, ifindex: Number(ifindex), ...(part === "xdp" ? { mode: kind } : { kind }), name });
  }
  return JSON.stringify([found]);
}

/**
 * The programs that TCX has attached and `bpftool net show` did not list. A dump has only the pins of their links, and a
 * pinned link may be detached: they show nothing.
 */
function tcxOf(programs: string, status: unknown, pins: string | Error): string | Error {
  const listsTcx = programs.includes('"kind":"tcx/');
  const mode = textAt(status, "attach-mode");
  const version = /^v?(\d+\.\d+\.\d+\S*)/.exec(textAt(status, "cilium", "msg") ?? "")?.[1];
  const hasNone = mode === undefined ? version !== undefined && !has(TCX, version) : !/tcx/i.test(mode);
  if (listsTcx || hasNone) return "";
  const pinned = pins instanceof Error ? [] : [...pins.matchAll(/\/cilium\/devices\/([^/\s]+)\/links\//g)];
  const devices = [...new Set(pinned.map(([, device]) => classOf(device!)))].sort().join(", ");
  const seen = devices === "" ? "" : `: it has pins of ${devices}, and a pinned link may be detached`;
  return new Error(
    `which programs TCX has attached is not in this dump${seen}; inspect asks the kernel of a running cluster`,
  );
}

/** The flags that `bpftool cgroup tree` prints between a program's type and its name. */
const FLAGS = new Set(["multi", "override"]);

/** `bpftool cgroup tree` as its JSON, with the root where agents usually mount it. */
function cgroupsOf(text: string, root: string): string | Error {
  if (!/^CgroupPath/m.test(text)) return new Error(`${nameOf("cgroups")} is empty`);
  const cgroups: { readonly cgroup: string; readonly programs: object[] }[] = [];
  for (const line of text.split("\n")) {
    const [id, type, ...rest] = line.trim().split(/\s+/);
    if (line.startsWith("/")) cgroups.push({ cgroup: line.trim() === root ? CGROUP_ROOT : line.trim(), programs: [] });
    else if (/^\d+$/.test(id!))
      cgroups
        .at(-1)
        ?.programs.push({ id: Number(id), attach_type: type, name: rest.find((each) => !FLAGS.has(each)) ?? "" });
  }
  return JSON.stringify(cgroups);
}

/** What iptables of one backend prints, in the midst of its rules, where the other one has tables. */
const OTHER_TABLES = /# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n?/g;

/** The rules of both backends. */
function rulesOf(legacy: string | Error, nft: string | Error, either: string | Error): string | Error {
  const main = nft instanceof Error ? either : nft;
  if (main instanceof Error) return main;
  if (legacy instanceof Error && main.search(OTHER_TABLES) !== -1) return legacy;
  const rules = [main, ...(legacy instanceof Error ? [] : [legacy])]
    .map((text) => text.replaceAll(OTHER_TABLES, ""))
    .join("\n");
  const isWhole = count(rules, /^\*\w+$/gm) === count(rules, /^COMMIT$/gm);
  return isWhole ? filled("rules", rules) : new Error(`${nameOf("rules")} is cut short`);
}

const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;
