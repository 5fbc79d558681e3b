import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { AttachableCluster } from "../../cluster/read";
import { flowText, hubbleFlow, isWanted, monitorFlow, type Flow } from "../../datapath/observe/flow";
import { observe } from "../../datapath/observe/observe";

const TIME = new Date("2026-11-22T07:00:00.123Z");
const NAMES = new Map([
  ["10.0.0.10", "nettool/net"],
  ["10.0.1.20", "nettool/nettool-x"],
  ["10.96.0.1", "service default/kubernetes"],
]);

/** As the command in Cilium's images prints it. */
const HUBBLE_LINE = JSON.stringify({
  flow: {
    time: "2026-11-22T07:00:00.123456789Z",
    verdict: "FORWARDED",
    IP: { source: "10.0.0.10", destination: "10.0.1.20", ipVersion: "IPv4" },
    l4: { TCP: { source_port: 43210, destination_port: 80, flags: { SYN: true } } },
    source: { ID: 7, identity: 4242, namespace: "nettool", labels: ["k8s:run=net"], pod_name: "net" },
    destination: { ID: 9, identity: 4243, namespace: "nettool", pod_name: "nettool-x" },
    Type: "L3_L4",
    node_name: "kind-c/c-worker",
    trace_observation_point: "TO_ENDPOINT",
    Summary: "TCP Flags: SYN",
  },
  node_name: "kind-c/c-worker",
  time: "2026-11-22T07:00:00.123456789Z",
});

/** See evidence/README.md. */
const MONITOR = readFileSync(join(__dirname, "evidence/ebpf-1.20.2-monitor.jsonl"), "utf8").trim().split("\n");

const FLOW: Flow = {
  time: TIME,
  node: "c-worker",
  verdict: "forwarded",
  at: "to-endpoint",
  from: { address: "10.0.0.10", port: 43210, name: "nettool/net" },
  to: { address: "10.0.1.20", port: 80, name: "nettool/nettool-x" },
  protocol: "TCP SYN",
};

describe("a flow", () => {
  it("is parsed from Hubble's JSON, with time and names", () => {
    expect(hubbleFlow(HUBBLE_LINE, "c-worker", new Map())).toEqual(FLOW);
    const dropped = HUBBLE_LINE.replace('"FORWARDED"', '"DROPPED","drop_reason_desc":"POLICY_DENIED"');
    expect(hubbleFlow(dropped, "c-worker", NAMES)).toEqual({ ...FLOW, verdict: "dropped", at: "policy-denied" });
  });

  it("is parsed from the output of cilium monitor, with the time of arrival", () => {
    const flows = MONITOR.map((line) => monitorFlow(line, "c-worker", new Map(), TIME));
    const told = { time: TIME, node: "c-worker" };
    expect(flows).toEqual([
      undefined,
      undefined,
      {
        ...told,
        verdict: "forwarded",
        at: "from-host",
        from: { address: "10.0.0.139", port: 41878 },
        to: { address: "10.0.0.187", port: 80 },
        protocol: "TCP SYN",
      },
      {
        ...told,
        verdict: "forwarded",
        at: "from-network",
        from: { address: "10.0.1.46", port: 35011 },
        to: { address: "10.0.0.41", port: 53 },
        protocol: "UDP",
      },
      {
        ...told,
        verdict: "forwarded",
        at: "from-network",
        from: { address: "10.0.1.128" },
        to: { address: "10.0.0.187" },
        protocol: "ICMPv4",
      },
      {
        ...told,
        verdict: "dropped",
        at: "Policy denied",
        from: { address: "10.0.1.128", port: 43394 },
        to: { address: "10.0.0.187", port: 80 },
        protocol: "TCP SYN",
      },
    ]);
  });

  it("has the names of its addresses", () => {
    const names = new Map([["10.0.0.187", "nettool/nettool-x"]]);
    expect(monitorFlow(MONITOR.at(-1)!, "c-worker", names, TIME)?.to.name).toBe("nettool/nettool-x");
  });

  it("is parsed from recorded output of Hubble, including socket events", () => {
    const recorded = readFileSync(join(__dirname, "evidence/ebpf-1.20.2-hubble.jsonl"), "utf8").trim().split("\n");
    expect(recorded.map((line) => hubbleFlow(line, "c-worker", NAMES)?.verdict)).toEqual([
      "forwarded",
      "forwarded",
      "other",
      ...Array(3).fill("forwarded"),
    ]);
  });

  it.each(["", "Listening for events on 2 CPUs", '{"type":"agent"}', '{"lost_events":{}}'])(
    "is undefined for %j",
    (line) => {
      expect(hubbleFlow(line, "c-worker", NAMES)).toBeUndefined();
      expect(monitorFlow(line, "c-worker", NAMES, TIME)).toBeUndefined();
    },
  );

  it("is one line with known names", () => {
    expect(flowText(FLOW)).toBe(
      "07:00:00.123 c-worker: nettool/net (10.0.0.10):43210 -> nettool/nettool-x (10.0.1.20):80 TCP SYN to-endpoint forwarded",
    );
    const unnamed = { ...FLOW, from: { address: "192.0.2.1" }, protocol: "ICMPv4" };
    expect(flowText(unnamed)).toContain("c-worker: 192.0.2.1 -> nettool/nettool-x (10.0.1.20):80 ICMPv4 ");
  });

  it.each([
    [{}, true],
    [{ from: "net" }, true],
    [{ from: "nettool/net", to: "10.0.1.20" }, true],
    // a reply matches as well
    [{ from: "nettool-x", to: "net" }, true],
    [{ from: "other" }, false],
    [{ from: "net", to: "other" }, false],
    [{ from: "net", dropped: true }, false],
  ])("matches %j: %s", (filter, isShown) => {
    expect(isWanted(FLOW, filter)).toBe(isShown);
  });
});

describe("the flows of a cluster", () => {
  const pod = (name: string, node: string) => ({ metadata: { name }, spec: { nodeName: node }, status: {} });

  /** A cluster whose agents print these lines, by node. */
  function clusterOf(lines: Readonly<Record<string, string>>) {
    const ended: string[] = [];
    const commands: (readonly string[])[] = [];
    const cluster = {
      pods: async () => Object.keys(lines).map((node) => pod(`cilium-${node}`, node)),
      allPods: async () => [
        { metadata: { namespace: "nettool", name: "net" }, spec: {}, status: { podIP: "10.0.0.10" } },
        {
          metadata: { namespace: "kube-system", name: "cilium-a" },
          spec: { hostNetwork: true },
          status: { podIP: "172.18.0.2" },
        },
      ],
      nodes: async () => [
        { metadata: { name: "a" }, status: { addresses: [{ type: "InternalIP", address: "172.18.0.2" }] } },
      ],
      services: async () => [
        { metadata: { namespace: "default", name: "kubernetes" }, spec: { clusterIP: "10.96.0.1" } },
      ],
      start: (_namespace: string, name: string, _container: string, command: readonly string[]) => {
        const node = name.replace("cilium-", "");
        const [stdout, stderr] = [new PassThrough(), new PassThrough()];
        commands.push(command);
        stdout.write(lines[node]!);
        return { stdout, stderr, end: () => void (ended.push(node), stdout.end()) };
      },
    } as unknown as AttachableCluster;
    return { cluster, ended, commands };
  }

  it("come from all agents, with names of pods, nodes and services, until they are ended", async () => {
    const first = HUBBLE_LINE.replaceAll('"namespace":"nettool",', "").replace("10.0.1.20", "172.18.0.2");
    const { cluster, ended, commands } = clusterOf({
      a: `hubble\n${first}\n`,
      b: `monitor\nPress Ctrl-C to quit\n${MONITOR.at(2)!}\n`,
    });
    const told: Flow[] = [];
    const observation = await observe(cluster, { follow: true, last: 7 }, (flow) => told.push(flow));
    await observation.started;
    observation.end();
    await observation.ended;
    expect([...observation.sources]).toEqual([
      ["a", "hubble"],
      ["b", "monitor"],
    ]);
    expect(ended).toEqual(["a", "b"]);
    expect(told.map(({ node }) => node).sort()).toEqual(["a", "b"]);
    expect(told.find(({ node }) => node === "a")).toMatchObject({ from: { name: "nettool/net" }, to: { name: "a" } });
    expect(commands[0]!.slice(-3)).toEqual(["--last", "7", "--follow"]);
  });

  it("fail with an agent's connection", async () => {
    const { cluster } = clusterOf({ a: "hubble\n" });
    const start = cluster.start.bind(cluster);
    cluster.start = (...where) => {
      const session = start(...where);
      setImmediate(() => session.stdout.destroy(new Error("no connection")));
      return session;
    };
    const observation = await observe(cluster, { follow: false, last: 1 }, () => undefined);
    await expect(observation.ended).rejects.toThrow("no connection");
  });
});
