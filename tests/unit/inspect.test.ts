import { readingOf } from "../../datapath/evidence/api";
import type { Evidence } from "../../datapath/evidence/gather";
import { HEALTHY, PROBED, WORKER, changed, configured, judged, rowOf, status, wrong } from "./support/inspection";

describe("an inspection", () => {
  it("names the mode of a healthy cluster, in which nothing contradicts", () => {
    const inspection = judged(HEALTHY);
    expect(inspection.mode).toEqual({ name: "ebpf", network: "native", differences: [] });
    expect(wrong(inspection)).toEqual([]);
    expect(rowOf(inspection, "services").nodes[0]).toEqual({
      node: "cmlead-control-plane",
      requested: "Cilium",
      configured: "Cilium",
      reported: "Cilium",
      observed: "Cilium",
      verdict: "in force",
    });
    // what needs traffic is not called proven
    expect(rowOf(inspection, "host-routing")).toMatchObject({
      verdict: "not observable",
      nodes: [{ reported: "BPF", reason: expect.stringContaining("only traffic shows it") }, {}, {}],
    });
    // --probe does not show it, so nobody is sent there
    expect(rowOf(judged(PROBED), "not-masqueraded")).toMatchObject({
      verdict: "not observable",
      nodes: [{ reason: expect.not.stringContaining("--probe") }, {}, {}],
    });
    expect(rowOf(judged(PROBED), "host-routing")).toMatchObject({
      verdict: "in force",
      nodes: [{ observed: "BPF" }, {}, {}],
    });
  });

  it("contradicts the agents where the datapath has something else", () => {
    const detached = changed({ cgroups: () => "" }, WORKER);
    expect(wrong(judged(detached))).toEqual([
      ["services", "contradiction", "the agent reports Cilium, and the datapath has none"],
      ["socket-lb", "contradiction", "the agent reports everywhere, and the datapath has off"],
      ["programs", "contradiction", expect.stringContaining("no program at cil_sock4_connect on cgroup")],
    ]);
    const partly = changed({ cgroups: (text) => text.replaceAll("sock4_recvmsg", "other") }, WORKER);
    expect(wrong(judged(partly))).toEqual([
      ["socket-lb", "contradiction", "the agent reports everywhere, and the datapath has on without sock4_recvmsg"],
      ["programs", "contradiction", expect.stringContaining("no program at cil_sock4_recvmsg on cgroup")],
    ]);
    const pod = changed({ tcx: (text) => text.replace(/.*"lxc(?!_health).*from_contai.*\n/, "") }, WORKER);
    expect(wrong(judged(pod))).toEqual([
      [
        "programs",
        "contradiction",
        expect.stringMatching(/^no program at cil_from_container on lxc\w+; the agent attaches its programs/),
      ],
    ]);
    const device = changed({ tcx: (text) => text.replace(/.*eth0.*from_netdev.*\n/, "") }, WORKER);
    expect(wrong(judged(device)).map(([id]) => id)).toEqual(["services", "devices", "programs"]);
    const rule = "-A CILIUM_POST_nat -s 10.0.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE";
    const both = changed(
      { iptables: (text) => `${text}\n${rule}\n-A KUBE-SERVICES -j RETURN\n:KUBE-SVC-X - [0:0]` },
      WORKER,
    );
    expect(wrong(judged(both))).toEqual([
      ["services", "contradiction", "the agent reports Cilium, and the datapath has Cilium and kube-proxy (iptables)"],
      ["masquerading", "contradiction", "the agent reports BPF, and the datapath has iptables"],
    ]);
  });

  it("names fallbacks with reason, source and the agent's own words", () => {
    const bandwidth = configured({ "enable-bandwidth-manager": "true" });
    const said = "BPF bandwidth manager could not read procfs. Disabling the feature.";
    expect(wrong(judged(bandwidth, Object.fromEntries(bandwidth.nodes.map(({ node }) => [node, [said]]))))).toEqual([
      ["bandwidth-manager", "fallback", expect.stringMatching(/default_qdisc.*issues\/33455.*could not read procfs/)],
    ]);
    const xdp = configured({ "bpf-lb-acceleration": "best-effort" });
    const reported = {
      ...xdp,
      nodes: changed({
        status: status((own) => {
          (
            own["kube-proxy-replacement"] as { features: { nodePort: { acceleration: string } } }
          ).features.nodePort.acceleration = "Best-Effort";
        }),
      }).nodes.map((node, index) => ({
        ...node,
        sections: { ...node.sections, config: xdp.nodes[index]!.sections.config! },
      })),
    };
    expect(wrong(judged(reported))).toEqual([
      ["xdp", "fallback", expect.stringMatching(/no device takes an XDP program/)],
    ]);
    // a node whose device takes it is right, however many fell back
    const loads = '[{"xdp":[{"devname":"eth0","ifindex":2,"mode":"driver","id":99}],"tc":[]}]';
    const one = reported.nodes.map((node) =>
      node.node === WORKER ? { ...node, sections: { ...node.sections, network: { value: loads } } } : node,
    );
    const { nodes } = rowOf(judged({ ...reported, nodes: one }), "xdp");
    expect(nodes.filter(({ verdict }) => verdict === "in force").map(({ node }) => node)).toEqual([WORKER]);
    expect(nodes.filter(({ verdict }) => verdict === "fallback")).toHaveLength(2);
    const mode = configured({ "datapath-mode": "auto" });
    expect(wrong(judged(mode))).toEqual([["device-mode", "fallback", expect.stringMatching(/auto chooses veth/)]]);
    const legacy = changed({
      status: status((own) => void Object.assign(own["routing"]!, { "intra-host-routing-mode": "Legacy" })),
    });
    expect(wrong(judged(legacy))).toEqual([
      ["host-routing", "fallback", expect.stringMatching(/fell back to the host's stack/)],
    ]);
    expect(judged(legacy).mode).toMatchObject({ name: "ebpf-legacy" });
  });

  it("observes DSR and Maglev where a client outside has asked, and names what would show them", () => {
    const reported = changed({
      status: status((own) => {
        const { nodePort } = (own["kube-proxy-replacement"] as { features: { nodePort: object } }).features;
        Object.assign(nodePort, { mode: "DSR", algorithm: "Maglev" });
      }),
    });
    const asked = configured({ "bpf-lb-mode": "dsr", "bpf-lb-algorithm": "maglev" }, reported);
    const rowsOf = (evidence: Evidence) =>
      ["lb-mode", "lb-algorithm"].map((id) => {
        const { observed, reason } = rowOf(judged(evidence), id).nodes[0]!;
        return observed ?? reason;
      });
    expect(rowsOf(asked)).toEqual([
      expect.stringContaining("that servers see its own address and reply to it directly"),
      expect.stringContaining("from one port through every node"),
    ]);
    const traffic = structuredClone(PROBED.traffic!);
    const sameFlows = ["a", "b", "c"].map((node) => ({ port: 1, node, pod: "p" }));
    const seen = (own: object) => rowsOf({ ...asked, traffic: { ...traffic, ...own } });
    expect(seen({ sameFlows })).toEqual(["snat", "maglev"]);
    const keep = (protocol: string) => {
      for (const { flow, from, shape, tries } of traffic.probes)
        if (flow === "outside-to-node-port" && shape.startsWith(protocol))
          for (const each of tries) Object.assign(each, { client: from.address });
    };
    keep("tcp");
    expect(
      seen({ sameFlows: [...sameFlows, { port: 2, node: "a", pod: "q" }, { port: 2, node: "b", pod: "r" }] }),
    ).toEqual(["hybrid", "random"]);
    keep("udp");
    expect(seen({ sameFlows })).toEqual(["dsr", "maglev"]);
  });

  it("names a socket load balancer that replacement has enabled nevertheless", () => {
    const rendered = "value" in HEALTHY.api.rendered ? HEALTHY.api.rendered.value! : undefined;
    const asked = { ...rendered!, values: { "socketLB.enabled": "false" } };
    const evidence = { ...HEALTHY, api: { ...HEALTHY.api, rendered: { value: asked } } };
    expect(wrong(judged(evidence))).toEqual([
      ["socket-lb", "fallback", expect.stringMatching(/always enables.*47417/)],
    ]);
  });

  it("blames of two nodes the one that has a reason of its own", () => {
    const broken = changed({ cgroups: (text) => text.replaceAll("sock4_recvmsg", "other") }, WORKER);
    const two = { ...broken, nodes: broken.nodes.slice(0, 2) };
    const { nodes } = rowOf(judged(two), "socket-lb");
    expect(nodes.map(({ node, verdict }) => [node, verdict])).toEqual([
      ["cmlead-control-plane", "in force"],
      [WORKER, "contradiction"],
    ]);
  });

  it("tells nodes that differ from the others", () => {
    const older = changed({ status: (text) => text.replaceAll("1.20.2 (v1.20.2", "1.19.6 (v1.19.6") }, WORKER);
    expect(wrong(judged(older))).toEqual([["version", "drift", "1.19.6 here, 1.20.2 on most nodes"]]);
    const narrow = changed({ links: (text) => text.replace(/("ifname":"eth0"[^}]*?"mtu":)1500/, "$11280") }, WORKER);
    expect(wrong(judged(narrow))).toEqual([["mtu", "drift", expect.stringContaining("1500 (eth0 1280) here")]]);
  });

  it("raises no alarm at what other healthy clusters have", () => {
    const kubeProxy = (evidence: Evidence, rules: string, own: Readonly<Record<string, string>> = {}) => {
      const off = { "kube-proxy-replacement": "false", "enable-bpf-masquerade": "false" };
      const config = configured({ ...off, ...own }, evidence);
      const isInPart = own["kube-proxy-replacement"] === "partial";
      const told = changed({
        status: status((own) => {
          Object.assign(own["kube-proxy-replacement"]!, { mode: isInPart ? "Partial" : "False" });
          const { features } = own["kube-proxy-replacement"] as { features: { nodePort: object } };
          Object.assign(features.nodePort, { enabled: isInPart });
          Object.assign(own["masquerading"]!, { mode: "IPTables" });
          Object.assign(own["routing"]!, { "intra-host-routing-mode": "Legacy" });
          delete (own["kube-proxy-replacement"] as { features?: { socketLB?: object } }).features?.socketLB;
        }),
        cgroups: () => "",
        tcx: (text) => (isInPart ? text : text.replace(/.*eth0.*\n/g, "")),
        iptables: (text) =>
          `${text}\n[3:180] -A CILIUM_POST_nat -s 10.0.0.0/24 ! -d 10.0.0.0/8 -m comment --comment "cilium masquerade non-cluster" -j MASQUERADE\n${rules}`,
      });
      return {
        ...config,
        nodes: told.nodes.map((node, index) => ({
          ...node,
          sections: { ...node.sections, config: config.nodes[index]!.sections.config! },
        })),
      };
    };
    const ipvs =
      "[12:720] -A KUBE-SERVICES ! -s 10.0.0.0/16 -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ";
    for (const [rules, flavour] of [
      [":KUBE-SVC-X - [0:0]", "iptables"],
      [ipvs, "ipvs"],
    ] as const) {
      const inspection = judged(kubeProxy(HEALTHY, rules));
      expect(wrong(inspection)).toEqual([]);
      expect(inspection.mode.name).toBe("kubeproxy");
      expect(rowOf(inspection, "services").nodes[0]).toMatchObject({ observed: `kube-proxy (${flavour})` });
    }
    const inPart = { "kube-proxy-replacement": "partial", "enable-node-port": "true" };
    const partial = judged(kubeProxy(HEALTHY, ":KUBE-SVC-X - [0:0]", inPart));
    expect(wrong(partial)).toEqual([]);
    expect(rowOf(partial, "services").nodes[0]).toMatchObject({
      reported: "kube-proxy, NodePorts by Cilium",
      observed: "kube-proxy (iptables) and NodePorts by Cilium",
    });
    expect(rowOf(partial, "devices").nodes[0]).toMatchObject({ observed: "eth0" });
    const unread = kubeProxy(HEALTHY, "");
    const hidden = judged({ ...unread, nodes: unread.nodes.map((node) => ({ ...node, nftables: undefined })) });
    expect([wrong(hidden), rowOf(hidden, "services").verdict]).toEqual([[], "not observable"]);
    // multi-queue devices, another program's queue, other tables of routes, and a smaller MTU of the pods
    const queues = "qdisc mq 0: dev eth0 root \nqdisc fq 0: dev eth0 parent :1 limit 10000p\n";
    const other = changed({
      qdiscs: () => queues,
      routes: (text) => `${text}\n10.0.1.0/24 dev cilium_host table 200 proto kernel`,
    });
    expect(wrong(judged(other))).toEqual([]);
    const smaller = configured(
      { mtu: "1400" },
      changed({ links: (text) => text.replace(/("ifname":"lxc[^_][^}]*?"mtu":)1500/g, "$11400") }),
    );
    expect(wrong(judged(smaller))).toEqual([]);
  });

  it("tells how kube-proxy translates Services: as it says itself, and as its rules show", () => {
    const own = (rules: string, tables: string, answer?: string) => {
      const { nodes, ...more } = changed({ iptables: (text) => `${text}\n${rules}` });
      const proxyMode = { value: `${answer}\n` };
      return rowOf(
        judged({
          ...more,
          nodes: nodes.map((node) => ({
            ...node,
            nftables: { value: tables },
            sections: { ...node.sections, ...(answer === undefined ? {} : { proxyMode }) },
          })),
        }),
        "kube-proxy",
      );
    };
    const chain = ":KUBE-SVC-X - [0:0]";
    const table = "table ip kube-proxy {\n}\n";
    expect(own("", "")).toBeUndefined();
    expect(own("", table, "nftables").nodes[0]).toMatchObject({
      ...{ reported: "nftables", observed: "nftables", verdict: "in force" },
    });
    expect(own(chain, "").nodes[0]).toMatchObject({ observed: "iptables", verdict: "in force" });
    expect(own(chain, "", "nftables").nodes[0]).toMatchObject({
      verdict: "contradiction",
      reason: "kube-proxy reports mode nftables, and its rules are in iptables",
    });
    expect(own(chain, table, "iptables").nodes[0]).toMatchObject({
      observed: "iptables and nftables",
      verdict: "contradiction",
    });
    expect(own("", "", "ipvs").nodes[0]).toMatchObject({ verdict: "not observable" });
  });

  it("tells to which networks ip-masq-agent leaves pods' addresses, with its own configuration or without", () => {
    const masking = (networks: readonly string[], keys = { "enable-ip-masq-agent": "true" }) => {
      const on = configured(keys);
      const told = changed({ status: status((own) => Object.assign(own["masquerading"]!, { "ip-masq-agent": true })) });
      const nodes = on.nodes.map((node, index) => ({
        ...node,
        sections: {
          ...node.sections,
          status: told.nodes[index]!.sections.status!,
          ipMasq: { value: `${networks.join("\n")}\n` },
        },
      }));
      return judged({ ...on, nodes });
    };
    const defaults = [
      ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24"],
      ...["192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "169.254.0.0/16"],
    ];
    for (const [networks, observed] of [
      [defaults, "on, except to Cilium's default networks"],
      [["10.0.0.0/8", "169.254.0.0/16", "10.1.0.0/16"], "on, except to 10.0.0.0/8, 10.1.0.0/16 and 1 more"],
      [[], "on, except to no network"],
    ] as const) {
      const found = masking(networks);
      expect(wrong(found)).toEqual([]);
      expect(rowOf(found, "ip-masq-agent").nodes[0]).toMatchObject({ reported: "on", observed, verdict: "in force" });
    }
  });

  it("takes larger segments for BIG TCP only where somebody asked for it", () => {
    const links = (text: string) =>
      JSON.stringify(
        (JSON.parse(text) as { ifname: string }[]).map((link) =>
          link.ifname === "eth0" ? { ...link, gso_max_size: 196608 } : link,
        ),
      );
    expect(wrong(judged(changed({ links }, WORKER)))).toEqual([]);
    const asked = configured({ "enable-ipv6-big-tcp": "true" }, changed({ links }));
    expect(rowOf(judged(asked), "big-tcp-v6").nodes[1]).toMatchObject({ configured: "on", observed: "on" });
  });

  it("names nodes to which a node has no route, unless a gateway may have it", () => {
    const unrouted = (evidence: Evidence) => ({
      ...evidence,
      nodes: evidence.nodes.map((node) => {
        const { routes } = node.sections;
        const isChanged = node.node === WORKER && routes !== undefined && "value" in routes;
        const text = isChanged ? routes.value.replace(/^10\.0\.\d\.0\/24 via .* dev eth0.*\n/m, "") : "";
        return isChanged ? { ...node, sections: { ...node.sections, routes: { value: text } } } : node;
      }),
    });
    expect(wrong(judged(unrouted(HEALTHY)))).toEqual([
      [
        "network",
        "contradiction",
        expect.stringMatching(/^the agent reports native, and the datapath has native, without a route to cmlead-\S+$/),
      ],
    ]);
    const skipping = configured({ "direct-routing-skip-unreachable": "true" });
    expect(wrong(judged(unrouted(skipping)))).toEqual([]);
  });

  it("contradicts where two CiliumNodes have the same pod network, and ignores those without a Node otherwise", () => {
    const found = (podCidrs: string[]) => {
      const strange = { name: "old-node-7", address: "172.18.0.99", podCidrs, healthAddress: "" };
      const ciliumNodes = { value: [...readingOf(HEALTHY.api.ciliumNodes), strange] };
      return judged({ ...HEALTHY, api: { ...HEALTHY.api, ciliumNodes } });
    };
    expect(wrong(found(["10.0.1.0/24"]))).toEqual([
      [
        "network",
        "contradiction",
        expect.stringMatching(
          /has native, and CiliumNodes that share 10\.0\.1\.0\/24 of cmlead-worker2 and old-node-7$/,
        ),
      ],
    ]);
    expect(wrong(found(["10.0.9.0/24"]))).toEqual([]);
  });

  it("names a node whose CiliumNode was deleted, and the missing routes to its pods", () => {
    const listed = readingOf(HEALTHY.api.ciliumNodes).filter(({ name }) => name !== "cmlead-worker2");
    const evidence = changed({ routes: (text) => text.replace(/^\S+ via 172\.18\.0\.3 .*\n/m, "") });
    const found = judged({ ...evidence, api: { ...evidence.api, ciliumNodes: { value: listed } } });
    expect(rowOf(found, "network").nodes.map(({ verdict, observed }) => [verdict, observed])).toEqual([
      ["contradiction", "native, without a route to cmlead-worker2, and no CiliumNode of cmlead-worker2"],
      ["contradiction", "native, without a route to cmlead-worker2, and no CiliumNode of cmlead-worker2"],
      ["contradiction", "native, and no CiliumNode of cmlead-worker2"],
    ]);
  });

  it("names routes and rules by which packets for other nodes' pods take another way", () => {
    const other = "10.0.2.0/24";
    const routed = (routes: string, rules = "") =>
      wrong(judged(changed({ routes: (text) => `${text}\n${routes}`, rules: (text) => `${text}\n${rules}` }, WORKER)));
    const way = (to: string) => [
      ["network", "contradiction", `the agent reports native, and the datapath has native, and another way to ${to}`],
    ];
    expect(routed("10.0.2.128/25 via 172.18.0.1 dev eth0")).toEqual(way("10.0.2.128/25"));
    expect(routed("blackhole 10.0.2.7")).toEqual(way("10.0.2.7/32"));
    const moved = changed({ routes: (text) => text.replace(/^(10\.0\.2\.0\/24 via) \S+/m, "$1 172.18.0.1") }, WORKER);
    expect(wrong(judged(moved))).toEqual(way("10.0.2.0/24 via 172.18.0.1"));
    expect(wrong(judged(configured({ "direct-routing-skip-unreachable": "true" }, moved)))).toEqual([]);
    const rule = `50:\tfrom all to ${other} lookup 99`;
    expect(routed(`blackhole ${other} table 99`, rule)).toEqual(way(`${other} by rule 50`));
    expect(routed("default via 172.18.0.1 dev eth0 table 99", "50:\tfrom all lookup 99")[0]![2]).toContain(
      "by rule 50",
    );
    // the table lacks the pods' networks, the rule is another sender's or for marked packets, or comes after all others
    expect(routed("100.64.0.0/10 dev tailscale0 table 52", "5270:\tfrom all lookup 52")).toEqual([]);
    const unused = [
      "50:\tfrom 172.19.0.2 lookup 99",
      "50:\tfrom all fwmark 0x1 lookup 99",
      "40000:\tfrom all lookup 99",
    ];
    for (const each of unused) expect(routed("default via 172.18.0.1 dev eth0 table 99", each)).toEqual([]);
  });

  it("takes kube-proxy for running where it answers to its health check, and Cilium does not", () => {
    const nodes = HEALTHY.nodes.map((node) => ({
      ...node,
      sections: { ...node.sections, kubeProxy: { value: "HTTP/1.0 200 OK\r\n" } },
    }));
    expect(wrong(judged({ ...HEALTHY, nodes }))).toEqual([
      ["services", "contradiction", "the agent reports Cilium, and the datapath has Cilium and kube-proxy"],
    ]);
    const own = configured({ "kube-proxy-replacement-healthz-bind-address": "0.0.0.0:10256" }, { ...HEALTHY, nodes });
    expect(wrong(judged(own))).toEqual([]);
  });

  it("contradicts an endpoint map with another node's pod", () => {
    const endpointMap = (text: string) =>
      text.replace("{", '{"10.0.1.96:0": ["id=1 sec_id=2 flags=0x0000 ifindex=7"],');
    expect(wrong(judged(changed({ endpointMap }, WORKER)))).toEqual([
      ["maps", "contradiction", expect.stringContaining("the endpoint map has 10.0.1.96 of cmlead-worker2")],
    ]);
    // addresses of other networks are those of pods of other pools
    const pools = (text: string) => text.replace("{", '{"10.9.1.96:0": ["id=1 sec_id=2 flags=0x0000 ifindex=7"],');
    expect(wrong(judged(changed({ endpointMap: pools }, WORKER)))).toEqual([]);
    // and another plugin does not know Cilium's pools
    const { nodes } = changed({ endpointMap }, WORKER);
    const chained = judged(configured({ "cni-chaining-mode": "aws-cni" }, { ...HEALTHY, nodes }));
    expect(rowOf(chained, "maps").verdict).not.toBe("contradiction");
  });

  it("tells a kernel that is too old for the configuration, and full maps", () => {
    const on = (kernel: string, evidence: Evidence = HEALTHY): Evidence => ({
      ...evidence,
      api: {
        ...evidence.api,
        nodes: {
          value: "value" in evidence.api.nodes ? evidence.api.nodes.value.map((node) => ({ ...node, kernel })) : [],
        },
      },
    });
    expect(rowOf(judged(on("6.8.0-45-generic")), "kernel")).toMatchObject({
      verdict: "in force",
      nodes: [{ reported: "6.8.0-45-generic" }, {}, {}],
    });
    const big = configured({ "enable-ipv4-big-tcp": "true" });
    expect(wrong(judged(on("6.1.0-13-amd64", big))).filter(([id]) => id === "kernel")).toEqual([
      ["kernel", "fallback", "BIG TCP for IPv4 needs Linux 6.3 or newer, unless the distribution has backported it"],
    ]);
    expect(rowOf(judged(on("4.18.0-553.el8_10.x86_64")), "kernel")).toMatchObject({
      nodes: [{ configured: "5.10.0 or newer", verdict: "not observable" }, {}, {}],
    });
    const metrics = (name: string, value: number) =>
      JSON.stringify([{ name: "cilium_bpf_map_pressure", labels: { map_name: name }, value }]);
    const pressed = (text: string): Evidence => ({
      ...HEALTHY,
      nodes: HEALTHY.nodes.map((node) => ({ ...node, sections: { ...node.sections, pressure: { value: text } } })),
    });
    expect(wrong(judged(pressed(metrics("lb4_backends_v3", 0.98))))).toEqual([
      ["maps", "contradiction", expect.stringContaining("lb4_backends_v3 is 98 % full; further entries are refused")],
    ]);
    // these forget their oldest entries
    expect(wrong(judged(pressed(metrics("ct4_global", 1))))).toEqual([]);
    expect(rowOf(judged(pressed(metrics("lxc", 0.02))), "maps")).toMatchObject({
      verdict: "in force",
      nodes: [{ reported: "at most 10 % full" }, {}, {}],
    });
  });
});
