import { PassThrough } from "node:stream";
import { causesOf } from "../../datapath/trace/causes";
import type { Traffic } from "../../datapath/trace/legs";
import type { Namespaces } from "../../datapath/trace/namespaces";
import { parseCapture } from "../../datapath/trace/packets";
import type { TraceCluster } from "../../datapath/trace/traceCluster";
import { captureOf, icmp, icmpv6, ipv4, ipv6 } from "./support/packets";

const FAMILIES = {
  ipv4: { node: ["172.18.0.3", "172.18.0.4"], pod: ["10.0.1.5", "10.0.2.7"] },
  ipv6: { node: ["fc00::3", "fc00::4"], pod: ["fd00:10:0:1::5", "fd00:10:0:2::7"] },
} as const;
type Family = keyof typeof FAMILIES;

/** Nodes a and b, each with a pod. */
function namespacesOf(family: Family): Namespaces {
  const { node, pod } = FAMILIES[family];
  const on = (name: string, address: string) => ({ node: name, address, clock: "laptop", stations: new Map() });
  return {
    nodes: [on("a", node[0]), on("b", node[1])],
    pods: [
      { ...on("a", pod[0]), pod: "net" },
      { ...on("b", pod[1]), pod: "server-b" },
    ],
  };
}

/** A request that left a's device, and an error about it. */
function trafficOf(family: Family, errorType?: number): Traffic {
  const { node, pod } = FAMILIES[family];
  const isIpv4 = family === "ipv4";
  const packet = isIpv4
    ? ipv4(pod[0], pod[1], 63, icmp(8, 1, Buffer.alloc(16)))
    : ipv6(pod[0], pod[1], 63, icmpv6(128, 1, Buffer.alloc(16)));
  const error = isIpv4
    ? ipv4(node[0], pod[0], 64, icmp(errorType ?? 0, 0, packet))
    : ipv6(node[0], pod[0], 64, icmpv6(errorType ?? 0, 0, packet));
  const etherType = isIpv4 ? 0x0800 : 0x86dd;
  const station = { node: "a", interface: "eth0", role: "device" } as const;
  const [request, about] = parseCapture(
    captureOf([
      { packet, etherType },
      { packet: error, etherType },
    ]),
  );
  return {
    request: [{ station, frame: request! }],
    reply: [],
    errors: errorType === undefined ? [] : [{ station, frame: about! }],
  };
}

/** A cluster whose nodes answer commands that contain a key, and whose agents count each time they are asked. */
function clusterOf(said: Readonly<Record<string, string>>, dropped = ""): TraceCluster & { asked: string[] } {
  const asked: string[] = [];
  const agentPod = (node: string) => ({
    metadata: { name: `cilium-${node}` },
    spec: { nodeName: node },
    status: { containerStatuses: [{ name: "cilium-agent", ready: true, state: { running: {} } }] },
  });
  return {
    asked,
    pods: async () => ["a", "b"].map(agentPod),
    exec: async (_namespace: string, _pod: string, _container: string, command: readonly string[]) => {
      asked.push(command.join(" "));
      const count = asked.filter((each) => each.includes("-save")).length;
      return { exitCode: 0, stdout: dropped.replaceAll("COUNT", String(count)), stderr: "" };
    },
    startOnNode: (_node: string, command: readonly string[]) => {
      const line = command.join(" ");
      asked.push(line);
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      stdout.end(Object.entries(said).find(([part]) => line.includes(part))?.[1] ?? "");
      stderr.end();
      return { stdout, stderr, end: () => undefined };
    },
  } as unknown as TraceCluster & { asked: string[] };
}

const causes = (family: Family, cluster: TraceCluster, traffic = trafficOf(family)) =>
  causesOf(cluster, namespacesOf(family), traffic, ["a"], { family, routesAreDirect: true }, async () => false);

const GOOD = {
  ipv4: "10.0.2.7 via 172.18.0.4 dev eth0 src 172.18.0.3\n",
  ipv6: "fd00:10:0:2::7 from :: via fc00::4 dev eth0\n",
};

describe.each(["ipv4", "ipv6"] as const)("the causes of a packet's loss in %s", (family) => {
  const { node, pod } = FAMILIES[family];

  it("are none where the route leads to the other node, and it answers", async () => {
    const said = { "route get": GOOD[family], "neigh show": `${node[1]} dev eth0 lladdr 02:42:ac:12:00:04 STALE\n` };
    expect(await causes(family, clusterOf(said))).toEqual([]);
  });

  it("are a route that does not lead to the other node", async () => {
    const line = family === "ipv4" ? "10.0.2.7 via 172.18.0.1 dev eth0" : "fd00:10:0:2::7 from :: via fc00::1 dev eth0";
    const cluster = clusterOf({ "route get": `${line}\n    cache\n` });
    expect(await causes(family, cluster)).toEqual([
      `a has no route to the pods of b; its route for ${pod[1]} is: ${line}`,
    ]);
    expect(cluster.asked).toContain(`sh -c ip -${family.slice(-1)} route get ${pod[1]} 2>&1`);
  });

  it.each(["FAILED", "INCOMPLETE"])("are a node that does not answer for its address: %s", async (state) => {
    const entry = `${node[1]} dev eth0 ${state}`;
    const asks = family === "ipv4" ? "ARP requests" : "neighbor solicitations";
    expect(await causes(family, clusterOf({ "route get": GOOD[family], "neigh show": `${entry}\n` }))).toEqual([
      `a gets no answer to ${asks} for b; its entry is: ${entry}`,
    ]);
  });

  it("are rules of the family whose counters grow", async () => {
    const rule = "-A FORWARD -j DROP";
    const cluster = clusterOf({ "route get": GOOD[family] }, `[COUNT:9] ${rule}\n`);
    expect(await causes(family, cluster)).toEqual([`a drops: ${rule}`]);
    const program = family === "ipv4" ? /\biptables-save -c/ : /\bip6tables-save -c/;
    const saved = cluster.asked.filter((each) => each.includes("-save"));
    expect(saved).toEqual([expect.stringMatching(program), expect.stringMatching(program)]);
    expect(saved.join("\n")).not.toMatch(family === "ipv4" ? /ip6tables/ : /\biptables/);
  });

  it("are errors about the packet, and no other messages", async () => {
    const unreachable = family === "ipv4" ? 3 : 1;
    const silent = clusterOf({ "route get": GOOD[family] });
    const name = family === "ipv4" ? "ICMP" : "ICMPv6";
    expect(await causes(family, silent, trafficOf(family, unreachable))).toEqual([
      `${node[0]} reports by ${name} that the packet cannot be delivered`,
    ]);
    // a redirect
    expect(await causes(family, silent, trafficOf(family, family === "ipv4" ? 5 : 137))).toEqual([]);
  });
});
