import { z } from "zod";
import type { NodeInventory } from "./results";

/** For an agent's shell: its node's interfaces, and what queues their packets. */
export const LIST_INTERFACES = "ip -j link && { tc qdisc show 2>/dev/null || true; }";

const Links = z.array(z.object({ ifname: z.string(), qdisc: z.string().default("none") }));

/** What {@link LIST_INTERFACES} printed, in the order of names. @throws Error when it is something else */
export function parseInterfaces(output: string): NodeInventory["interfaces"] {
  const [links = "", ...lines] = output.split("\n");
  const queues = lines.flatMap((line) => parseQueue(line) ?? []);
  const counts = new Map<string, { name: string; count: number; queueing: string }>();
  for (const { ifname, qdisc } of Links.parse(JSON.parse(links))) {
    const name = ifname.replace(VETH, "$1*");
    const own = queues.filter(({ device }) => device === ifname).map(({ text }) => text);
    const queueing = [...new Set(own.length === 0 ? [qdisc] : own)].join(", ");
    const known = counts.get(`${name} ${queueing}`);
    if (known === undefined) counts.set(`${name} ${queueing}`, { name, count: 1, queueing });
    else known.count += 1;
  }
  return [...counts.values()].sort((a, b) => a.name.localeCompare(b.name, "en") || b.count - a.count);
}

/** Ends of pods' veth pairs, by random names. */
const VETH = /^(lxc|veth)[0-9a-f]+$/;

/** Disciplines that slow packets on purpose, whose parameters therefore count. */
const SLOWING = new Set(["netem", "tbf"]);

/** Hooks for programs, which queue nothing. */
const HOOKS = new Set(["clsact", "ingress"]);

function parseQueue(line: string): { device: string; text: string } | undefined {
  const [, kind, device, rest] = /^qdisc (\S+) \S+ dev (\S+) (?:root|parent \S+)(.*)$/.exec(line) ?? [];
  if (kind === undefined || HOOKS.has(kind)) return undefined;
  const parameters = rest!.replace(/ (?:refcnt|limit|seed) \S+/g, "").trim();
  return { device: device!, text: SLOWING.has(kind) ? `${kind} ${parameters}` : kind };
}
