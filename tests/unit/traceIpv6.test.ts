import { PassThrough } from "node:stream";
import { traceText } from "../../cli/trace/text";
import { readRecorded } from "../../cli/demo";
import { expectationOf } from "../../datapath/expectation";
import { probeTo } from "../../datapath/trace/probe";
import { tracePacket } from "../../datapath/trace/trace";
import type { TraceCluster } from "../../datapath/trace/traceCluster";
import type { RoutingMode } from "../../modes/contract";
import { captureOf, icmpv6, ipv6, type CaptureRecord } from "./support/packets";

const NOW = 1_700_000_000_000;
const NODES = { a: ["172.18.0.3", "fc00::3"], b: ["172.18.0.4", "fc00::4"] } as const;
const PODS = {
  net: { node: "a", ips: ["10.0.1.5", "fd00:10:0:1::5"], label: "run=net" },
  "server-b": { node: "b", ips: ["10.0.2.7", "fd00:10:0:2::7"], label: "app=nettool" },
} as const;
const [NET, SERVER] = [PODS.net.ips[1], PODS["server-b"].ips[1]];

/** What each namespace's interface 1 (eth0) or 2 (the pod's veth) saw, and when. */
type Sight = readonly [at: number, index: number, out: boolean, kind: "request" | "reply"];
const SEEN: Readonly<Record<string, readonly Sight[]>> = {
  net: [
    [0, 1, true, "request"],
    [90, 1, false, "reply"],
  ],
  a: [
    [10, 2, false, "request"],
    [20, 1, true, "request"],
    [80, 1, false, "reply"],
  ],
  b: [
    [30, 1, false, "request"],
    [60, 2, false, "reply"],
    [70, 1, true, "reply"],
  ],
  "server-b": [
    [40, 1, false, "request"],
    [50, 1, true, "reply"],
  ],
};

function captured(place: string): Buffer {
  const { mark } = probeTo(SERVER, undefined, NOW);
  return captureOf(
    SEEN[place]!.map(([at, index, out, kind]): CaptureRecord => {
      const isRequest = kind === "request";
      const [from, to] = isRequest ? [NET, SERVER] : [SERVER, NET];
      const packet = ipv6(from, to, 64, icmpv6(isRequest ? 128 : 129, 7, mark.data));
      return { nanoseconds: BigInt(at * 1000), index, out, packet, etherType: 0x86dd };
    }),
  );
}

const linksOf = (place: string, addresses: readonly string[]) => {
  const eth0 = { ifindex: 1, ifname: "eth0", addr_info: addresses.map((local) => ({ local })) };
  if (place in PODS) return [{ ...eth0, link_index: 2 }];
  return [eth0, { ifindex: 2, ifname: "lxc1", link_index: 1, addr_info: [] }];
};

/** Answers of a dual-stack cluster of two nodes while a pod pings another; keeps the commands. */
function cluster(): TraceCluster & { readonly asked: string[] } {
  const asked: string[] = [];
  const answer = (place: string, addresses: readonly string[], line: string): string => {
    asked.push(line);
    if (line.includes("ip -j addr")) return `boot\n${JSON.stringify(linksOf(place, addresses))}`;
    if (line.includes("conntrack")) return "read\n";
    return line.includes("ping") ? "exit code 0\n" : "";
  };
  const start = (place: string, addresses: readonly string[], command: readonly string[]) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    if (!command.join(" ").includes("tcpdump")) {
      stdout.end(answer(place, addresses, command.join(" ")));
      stderr.end();
      return { stdout, stderr, end: () => undefined };
    }
    asked.push(command.at(-1)!);
    stderr.write("listening on any\n");
    const end = () => {
      stdout.end(captured(place));
      stderr.end("0 packets dropped by kernel\n");
    };
    return { stdout, stderr, end };
  };
  const podOf = ([name, { node, ips }]: readonly [string, (typeof PODS)[keyof typeof PODS]]) => ({
    metadata: { name },
    spec: { nodeName: node },
    status: { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
  });
  return {
    asked,
    now: () => NOW,
    nodes: async () =>
      Object.entries(NODES).map(([name, addresses]) => ({
        metadata: { name },
        status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
      })),
    pods: async (_namespace: string, selector: string) =>
      Object.entries(PODS)
        .filter(([, { label }]) => label === selector)
        .map(podOf),
    service: async () => ({
      spec: {
        clusterIP: "10.96.0.9",
        clusterIPs: ["10.96.0.9", "fd00:10:96::9"],
        ports: [{ port: 80, nodePort: 32_000 }],
      },
    }),
    exec: async (_namespace: string, pod: keyof typeof PODS, _container: string, command: readonly string[]) => ({
      exitCode: 0,
      stdout: answer(pod, PODS[pod].ips, command.join(" ")),
      stderr: "",
    }),
    start: (_namespace: string, pod: keyof typeof PODS, _container: string, command: readonly string[]) =>
      start(pod, PODS[pod].ips, command),
    startOnNode: (node: keyof typeof NODES, command: readonly string[]) => start(node, NODES[node], command),
  } as unknown as TraceCluster & { readonly asked: string[] };
}

describe("a trace by IPv6", () => {
  const { args, nodePort } = readRecorded("ebpf");
  const traced = async (mode: RoutingMode) => {
    const asking = cluster();
    const { trace } = await tracePacket({
      name: "dual",
      cluster: asking,
      mode,
      tunnel: "disabled",
      version: args.version,
      family: "ipv6",
      expectation: expectationOf({ ...args, mode }, { isKind: true, nodePort }),
      inside: ["fd00:10::/56", "fd00:10:96::/112"],
      scenario: "cross-node",
    });
    return { trace, asked: asking.asked };
  };

  it("pings, captures and reads tables by IPv6, and has the addresses of IPv6", async () => {
    const { trace, asked } = await traced("ebpf");
    expect(trace).toMatchObject({
      ...{ family: "ipv6", title: "a pod pings a pod on another node by IPv6", verdict: "pass", reasons: [] },
      probe: { protocol: "ICMPv6", from: "net", to: SERVER, answered: true },
      nodes: [
        { name: "a", address: "fc00::3", pods: [{ name: "net", address: NET }], netfilter: false },
        { name: "b", address: "fc00::4", pods: [{ name: "server-b", address: SERVER }], netfilter: false },
      ],
    });
    expect(trace.legs.map(({ hops }) => hops.length)).toEqual([5, 5]);
    expect(asked.filter((each) => /^icmp|conntrack/.test(each))).toEqual([
      ...Array.from({ length: 4 }, () => "icmp6 or udp port 8472 or udp port 6081"),
      ...Array.from({ length: 2 }, () => "sh -c conntrack -L -f ipv6 2>/dev/null && echo read"),
    ]);
    expect(traceText(trace)).toMatch(/^ICMPv6 from net to fd00:10:0:2::7: answered$/m);
  });

  it("fails where a mode expects another path", async () => {
    const { trace } = await traced("replacement");
    expect([trace.verdict, trace.reasons]).toEqual([
      "fail",
      [
        "the request was not seen leaving the lxc of server-b on b, where this mode expects it",
        "the reply was not seen leaving the lxc of net on a, where this mode expects it",
      ],
    ]);
  });
});
