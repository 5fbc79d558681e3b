import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1Node, V1Pod } from "@kubernetes/client-node";
import { readRecordedTraces } from "../../cli/trace/docs";
import type { ClusterReader, MeasuredCluster } from "../../cluster/read";
import { parseInterfaces, readNodes, rulesByOwner, settingsOf, summarizeTrace } from "../../compare/measure/inventory";
import { componentUse, readUse } from "../../compare/measure/resources";
import { Comparison } from "../../compare/results";
import { parse } from "./support/settings";

const recorded = (name: string) => readFileSync(join(__dirname, "evidence", name), "utf8");

describe("a node's inventory", () => {
  const agent: V1Pod = { metadata: { name: "cilium-1" }, spec: { nodeName: "dev-worker", containers: [] } };

  function clusterOf(mode: "ebpf" | "kubeproxy", more: Partial<ClusterReader> = {}): ClusterReader {
    const answers: readonly [string, string][] = [
      ["iptables", `${mode}-1.20.2-rules.txt`],
      ["service list", `${mode}-1.20.2-services.txt`],
      ["ip -j link", "ebpf-1.20.2-interfaces.txt"],
    ];
    return {
      pods: async () => [agent],
      exec: async (_namespace: string, _pod: string, _container: string, command: readonly string[]) => {
        const [, name] = answers.find(([word]) => command.join(" ").includes(word))!;
        return { exitCode: 0, stdout: recorded(name), stderr: "" };
      },
      ...more,
    } as unknown as ClusterReader;
  }

  test("is read from the node's agent", async () => {
    const lists = async (_node: string, command: readonly string[]) =>
      command.includes("tables")
        ? "table ip nat\ntable ip6 filter\ntable inet mine\ntable ip kube-proxy\n"
        : recorded("kube-proxy-1.34.2-nftables.txt");
    const one = (name: string) => ({ name, count: 1, queueing: "noqueue" });
    await expect(readNodes(clusterOf("ebpf", { onNode: lists }))).resolves.toEqual([
      {
        node: "dev-worker",
        iptables: {
          "kube-proxy": { chains: 0, rules: 0 },
          Cilium: { chains: 10, rules: 22 },
          kubelet: { chains: 5, rules: 3 },
          others: { chains: 2, rules: 6 },
        },
        nftables: ["inet mine", "ip kube-proxy"],
        kubeProxyNftables: { chains: 39, rules: 78 },
        services: { ClusterIP: 6, NodePort: 1 },
        interfaces: [
          ...["cilium_host", "cilium_net", "eth0", "lo", "lxc_health"].map(one),
          { name: "lxc*", count: 2, queueing: "noqueue" },
        ],
      },
    ]);
  });

  test.each([
    ["there is no way to nodes", {}],
    ["nodes have no nft", { onNode: () => Promise.reject(new Error("nft: not found")) }],
  ])("has no nftables if %s", async (_, more) => {
    const [node] = await readNodes(clusterOf("kubeproxy", more));
    expect(node).not.toHaveProperty("nftables");
    expect(node).toMatchObject({ services: { ClusterIP: 6 }, iptables: { "kube-proxy": { chains: 29, rules: 66 } } });
  });

  test("fails if an agent does not answer, or there is none", async () => {
    const failing = clusterOf("ebpf", { exec: async () => ({ exitCode: 1, stdout: "", stderr: "daemon is away" }) });
    await expect(readNodes(failing)).rejects.toThrow(/^dev-worker cannot be read: .* daemon is away$/);
    await expect(readNodes(clusterOf("ebpf", { pods: async () => [] }))).rejects.toThrow("no Cilium agents");
  });
});

describe("rules by owner", () => {
  test.each(["kubeproxy", "ebpf"])("count every rule and every custom chain of %s once", (mode) => {
    const saved = recorded(`${mode}-1.20.2-rules.txt`);
    const counts = Object.values(rulesByOwner(saved));
    const sum = (what: "chains" | "rules") => counts.reduce((total, count) => total + count[what], 0);
    expect(sum("rules")).toBe(saved.match(/^-A /gm)!.length);
    expect(sum("chains")).toBe(saved.match(/^:\S+ - /gm)!.length);
  });

  test.each([
    ['-A INPUT -m comment --comment "not -j KUBE-SERVICES" -j CILIUM_INPUT', "Cilium"],
    ["-A OLD_CILIUM_POST_nat -j RETURN", "Cilium"],
    ["-A POSTROUTING -g KUBE-SVC-AQRNYFA7RKO6A34N", "kube-proxy"],
    ["-A OUTPUT -j KUBE-FIREWALL", "kubelet"],
    ["-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT", "others"],
    ["-A FORWARD -j ACCEPT", "others"],
    ["-A INPUT -p tcp", "others"],
  ] as const)("%s is %s's", (rule, owner) => {
    expect(rulesByOwner(`*nat\n${rule}\nCOMMIT\n`)[owner].rules).toBe(1);
  });

  test("attribute chains of both kubelet and kube-proxy to kube-proxy if it has run", () => {
    const shared = ":KUBE-MARK-MASQ - [0:0]\n-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n";
    expect(rulesByOwner(shared)).toMatchObject({ kubelet: { chains: 1, rules: 1 }, "kube-proxy": { rules: 0 } });
    expect(rulesByOwner(`:KUBE-SERVICES - [0:0]\n${shared}`)).toMatchObject({
      kubelet: { chains: 0, rules: 0 },
      "kube-proxy": { chains: 2, rules: 1 },
    });
  });
});

describe("queueing disciplines", () => {
  const queueing = (qdiscs: string, kind = "noqueue") =>
    parseInterfaces(`[{"ifname":"eth0","qdisc":"${kind}"}]\n${qdiscs}`).map((each) => each.queueing);

  test.each([
    ["qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 1ms seed 1234567890", "netem delay 1ms"],
    [
      "qdisc tbf 8001: dev eth0 root refcnt 3 rate 1Gbit burst 32750b lat 50ms ",
      "tbf rate 1Gbit burst 32750b lat 50ms",
    ],
    [
      "qdisc htb 1: dev eth0 root refcnt 3 r2q 10 default 0x10 direct_packets_stat 7 direct_qlen 1000\nqdisc netem 2: dev eth0 parent 1:10 limit 1000 delay 3ms  1ms loss 1%",
      "htb, netem delay 3ms  1ms loss 1%",
    ],
    [
      "qdisc mq 0: dev eth0 root\nqdisc fq 0: dev eth0 parent :2 limit 1p\nqdisc fq 0: dev eth0 parent :1 limit 1p",
      "mq, fq",
    ],
    ["qdisc noqueue 0: dev eth0 root refcnt 2\nqdisc clsact ffff: dev eth0 parent ffff:fff1", "noqueue"],
    ["qdisc netem 8001: dev eth1 root refcnt 2 limit 1000 delay 1ms", "noqueue"],
  ])("%s: %s", (qdiscs, expected) => {
    expect(queueing(qdiscs)).toEqual([expected]);
  });

  test("come from the link without tc", () => {
    expect(queueing("", "fq_codel")).toEqual(["fq_codel"]);
  });

  test("separate veths only if they differ", () => {
    const links = ["lxc00000000000a", "lxc00000000000b", "lxc00000000000c", "lxc_health"];
    const listed = JSON.stringify(links.map((ifname) => ({ ifname, qdisc: "noqueue" })));
    expect(
      parseInterfaces(`${listed}\nqdisc netem 1: dev lxc00000000000b root refcnt 2 limit 1000 delay 5ms\n`),
    ).toEqual([
      { name: "lxc_health", count: 1, queueing: "noqueue" },
      { name: "lxc*", count: 2, queueing: "noqueue" },
      { name: "lxc*", count: 1, queueing: "netem delay 5ms" },
    ]);
  });
});

describe("the usage of components", () => {
  const [earlier, later] = recorded("kubeproxy-1.20.2-summary.jsonl").trim().split("\n");
  const read = (summary: string | undefined) =>
    readUse({
      nodes: async (): Promise<V1Node[]> => [{ metadata: { name: "dev-worker" } }],
      nodeSummary: async () => JSON.parse(summary!) as unknown,
    } satisfies Partial<MeasuredCluster>);
  const node = "dev-worker";

  test("is an average between two readings", async () => {
    expect(componentUse(await read(later), await read(earlier))).toEqual([
      { component: "cilium-agent", node, memoryMiB: 93.3, cpuMillis: 23.9 },
      { component: "cilium-operator", node, memoryMiB: 31.9, cpuMillis: 5.1 },
      { component: "kube-proxy", node, memoryMiB: 11.7, cpuMillis: 0.4 },
    ]);
  });

  test("is the kubelet's latest sample for a single reading, two equal ones, or a new container", async () => {
    const [now, before] = [await read(later), await read(earlier)];
    const agent = { component: "cilium-agent", node, memoryMiB: 93.3, cpuMillis: 25.6 };
    expect(componentUse(now)[0]).toEqual(agent);
    expect(componentUse(now, now)[0]).toEqual(agent);
    expect(
      componentUse(
        now,
        before.map((each) => ({ ...each, startedAt: "2026-11-21T22:00:00Z" })),
      )[0],
    ).toEqual(agent);
  });

  test("omits containers that have just started", async () => {
    const container = { name: "kube-proxy", startTime: "2026-11-21T22:27:22Z" };
    const podRef = { name: "kube-proxy-1", namespace: "kube-system" };
    await expect(read(JSON.stringify({ pods: [{ podRef, containers: [container] }, { podRef }] }))).resolves.toEqual(
      [],
    );
  });
});

describe("the summary of a trace", () => {
  const traces = readRecordedTraces(join(__dirname, "..", "..", "docs", "traces"));
  const summaryOf = (mode: string, scenario: string) =>
    summarizeTrace(
      traces.find((trace) => trace.mode === mode && trace.tunnel === "disabled" && trace.scenario === scenario)!,
    );

  test("has stations by role and direction, and rewriters", () => {
    const way = ["pod>", "veth<", "device>", "device<"];
    expect(summaryOf("kubeproxy", "outside")).toEqual({
      scenario: "outside",
      verdict: "pass",
      request: ["pod>", "veth<", "device>"],
      reply: ["device<", "veth>", "pod<"],
      rewrites: ["source by kernel"],
      ttl: 63,
      netfilter: true,
    });
    expect(summaryOf("ebpf", "cross-node")).toEqual({
      scenario: "cross-node",
      verdict: "pass",
      request: [...way, "pod<"],
      reply: [...way, "pod<"],
      rewrites: [],
      ttl: 62,
      netfilter: false,
    });
  });

  test("tells the modes apart", () => {
    const texts = ["kubeproxy", "replacement", "ebpf"].map((mode) => JSON.stringify(summaryOf(mode, "nodeport-other")));
    expect(new Set(texts).size).toBe(3);
  });

  test("omits what was not seen", () => {
    const [trace] = traces;
    const blind = trace!.nodes.map((each) => ({ ...each, netfilter: undefined }));
    const summary = summarizeTrace({ ...trace!, legs: [], nodes: blind });
    expect(summary).toMatchObject({ request: [], reply: [], rewrites: [] });
    expect(summary).not.toHaveProperty("ttl");
    expect(summary).not.toHaveProperty("netfilter");
  });

  test("matches the format of results", () => {
    const format = Comparison.shape.subjects.element.shape.inventory.shape.walks.element;
    for (const trace of traces) expect(format.parse(summarizeTrace(trace))).toEqual(summarizeTrace(trace));
  });
});

describe("the settings of a mode", () => {
  test("are named as in the stack file, and include values of the release", () => {
    expect(settingsOf(parse({ release: "1.20", "cluster.workers": "1" }))).toMatchObject({
      kubeProxyReplacement: "false",
      "bpf.masquerade": "false",
      tunnel: "disabled",
      "cilium.autoDirectNodeRoutes": "true",
      "cilium.nativeRoutingCIDR": "10.0.0.0/8",
      "cluster.workers": "1",
    });
  });

  test("include kube-proxy's mode only where the stack sets it", () => {
    expect(settingsOf(parse({ "kubeProxy.mode": "nftables" }))).toMatchObject({ "kubeProxy.mode": "nftables" });
    expect(settingsOf(parse({}))).not.toHaveProperty("kubeProxy.mode");
    expect(settingsOf(parse({ "cluster.ipFamily": "dual" }))).toMatchObject({
      "cluster.ipFamily": "dual",
      "cluster.podCidr": "10.0.0.0/16,fd00:10::/56",
    });
  });

  test("include those of native routing only without a tunnel", () => {
    expect(Object.keys(settingsOf(parse({ tunnel: "vxlan" })))).not.toContain("cilium.nativeRoutingCIDR");
    const dsr = parse({ kubeProxyReplacement: "true", "loadBalancer.mode": "dsr" });
    expect(settingsOf(dsr)).toHaveProperty(["loadBalancer.mode"], "dsr");
  });

  test("name Helm values without their contents", () => {
    const settings = settingsOf(
      parse({ "cilium.values": '{"hubble":{"tls":{"ca":{"key":"SECRET"}}},"l7Proxy":true}' }),
    );
    expect(settings["cilium.values"]).toBe("hubble.tls.ca.key, l7Proxy");
    expect(JSON.stringify(settings)).not.toContain("SECRET");
  });
});
