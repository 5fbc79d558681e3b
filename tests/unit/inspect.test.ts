import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import type { V1Pod } from "@kubernetes/client-node";
import { createColors } from "picocolors";
import { inspect } from "../../cli/inspect";
import { inspectionDiff, inspectionMarkdown, inspectionText } from "../../cli/inspectText";
import { inspectionHtml } from "../../cli/inspectHtml";
import type { ConfigState } from "../../datapath/evidence/api";
import type { Evidence } from "../../datapath/evidence/gather";
import { keptExpectation } from "../../datapath/external";
import { verifyKept } from "../../datapath/verify";
import { listAgents } from "../../cluster/agents";
import type { RecordedCilium } from "../../cluster/helmRecord";
import type { EvidenceCluster } from "../../cluster/read";
import type { RoutingMode } from "../../modes/contract";
import { readNode, type NodeEvidence, type Section } from "../../datapath/evidence/node";
import { inUsualNamespace, layoutOf } from "../../datapath/inspect/layout";
import { judgeInspection } from "../../datapath/inspect/inspect";
import { datapathOf, type Inspection, type Row } from "../../datapath/inspect/inspection";

const PROBED = JSON.parse(
  gunzipSync(readFileSync(join(__dirname, "evidence", "ebpf-1.20.2-evidence.json.gz"))).toString(),
) as Evidence;
/** The same without the traffic, which only --probe sends. */
const HEALTHY: Evidence = { ...PROBED, traffic: undefined, before: [], between: [], after: [] };
const WORKER = "cmlead-worker";

const judged = (evidence: Evidence, logs: Readonly<Record<string, readonly string[]>> = {}) =>
  judgeInspection({ evidence, logs, readAt: "2026-11-29T23:00:00.000Z", seconds: 3.2 });

/** Evidence in which sections of a node (default: of all nodes) say something else. */
function changed(changes: Partial<Record<Section, (text: string) => string>>, only?: string): Evidence {
  return {
    ...HEALTHY,
    nodes: HEALTHY.nodes.map((node): NodeEvidence => {
      if (only !== undefined && node.node !== only) return node;
      const sections = { ...node.sections };
      for (const [section, change] of Object.entries(changes)) {
        const reading = sections[section as Section]!;
        sections[section as Section] = "value" in reading ? { value: change(reading.value) } : reading;
      }
      return { ...node, sections };
    }),
  };
}

/** Evidence with another `cilium-config`, on the nodes and in the API server. */
function configured(keys: Record<string, string>, evidence: Evidence = HEALTHY): Evidence {
  const lines = (text: string) => {
    const kept = text.split("\n").filter((line) => !Object.keys(keys).some((key) => line.startsWith(`${key}=`)));
    return [...kept, ...Object.entries(keys).map(([key, value]) => `${key}=${value}`)].join("\n");
  };
  const config = "value" in evidence.api.config ? evidence.api.config.value : { data: {}, writers: [] };
  const nodes = evidence.nodes.map((node) => {
    const own = node.sections.config;
    return own !== undefined && "value" in own
      ? { ...node, sections: { ...node.sections, config: { value: lines(own.value) } } }
      : node;
  });
  return {
    ...evidence,
    nodes,
    api: {
      ...evidence.api,
      config: { value: { ...config, data: { ...config.data, ...keys } } },
      rendered: { value: null },
    },
  };
}

const rowOf = ({ rows }: Inspection, id: string): Row => rows.find((row) => row.id === id)!;
const wrong = ({ rows }: Inspection) =>
  rows.flatMap(({ id, verdict, nodes }) =>
    verdict === "in force" || verdict === "not observable"
      ? []
      : [
          [
            id,
            verdict,
            [...new Set(nodes.filter((each) => each.verdict === verdict).map(({ reason }) => reason))].join("; "),
          ],
        ],
  );
const status = (change: (status: Record<string, object>) => void) => (text: string) => {
  const found = JSON.parse(text) as Record<string, object>;
  change(found);
  return JSON.stringify(found);
};

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

  describe("where one program is detached from the cgroup of all sockets", () => {
    const onKernel = (kernel: string, evidence: Evidence): Evidence => {
      const value = ("value" in HEALTHY.api.nodes ? HEALTHY.api.nodes.value : []).map((node) => ({ ...node, kernel }));
      return { ...evidence, api: { ...evidence.api, nodes: { value } } };
    };
    const without = (name: string, evidence = HEALTHY) => ({
      ...evidence,
      nodes: changed({ cgroups: (text) => text.replace(`"${name}"`, '"other"') }).nodes.map((node, index) => ({
        ...node,
        sections: { ...evidence.nodes[index]!.sections, cgroups: node.sections.cgroups! },
      })),
    });
    const found = (evidence: Evidence, kernel = "6.8.0-45-generic") => wrong(judged(onKernel(kernel, evidence)));

    it.each(["sock4_post_bind", "sock6_post_bind", "sock4_getpeername", "sock6_getpeername", "sock_release"])(
      "names %s, on every node",
      (name) => {
        expect(found(without(`cil_${name}`))).toEqual([
          ["programs", "contradiction", expect.stringMatching(new RegExp(`^no program at cil_${name} on cgroup[,;]`))],
        ]);
      },
    );

    it("expects none that the configuration, the kernel or the version does without", () => {
      const unprotected = configured({ "node-port-bind-protection": "false" });
      expect(found(without("cil_sock4_post_bind", unprotected))).toEqual([]);
      expect(found(without("cil_sock4_getpeername"), "5.4.0")).toEqual([]);
      const older = changed({ status: (text) => text.replaceAll("1.20.2", "1.17.18") });
      expect(found(without("cil_sock_release", older))).toEqual([]);
    });

    it("expects them beside kube-proxy too, where the load balancer of sockets is on", () => {
      const hooks = (keys: Record<string, string>) =>
        rowOf(judged(without("cil_sock4_sendmsg", configured(keys))), "programs").nodes[0]!.reason ?? "";
      expect(hooks({ "kube-proxy-replacement": "false", "bpf-lb-sock": "true" })).toContain("cil_sock4_sendmsg");
      for (const replacement of ["disabled", "false"])
        expect(
          hooks({ "kube-proxy-replacement": replacement, "bpf-lb-sock": String(replacement === "disabled") }),
        ).not.toContain("cil_sock4_sendmsg");
    });
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

  it("names a socket load balancer that replacement has enabled nevertheless", () => {
    const rendered = "value" in HEALTHY.api.rendered ? HEALTHY.api.rendered.value! : undefined;
    const asked = { ...rendered!, values: { "socketLB.enabled": "false" } };
    const evidence = { ...HEALTHY, api: { ...HEALTHY.api, rendered: { value: asked } } };
    expect(wrong(judged(evidence))).toEqual([
      ["socket-lb", "fallback", expect.stringMatching(/always enables.*47417/)],
    ]);
  });

  it("tells a configuration that is newer than the agents, who wrote it, and what overrides it on a node", () => {
    const config = "value" in HEALTHY.api.config ? HEALTHY.api.config.value : undefined;
    const writers = [{ manager: "kubectl-patch", time: "2026-11-29T23:00:00.000Z", keys: ["enable-bpf-masquerade"] }];
    const data = { ...config!.data, "enable-bpf-masquerade": "false" };
    const newer = { ...HEALTHY, api: { ...HEALTHY.api, config: { value: { data, writers } } } };
    const by = "(written by kubectl-patch at 2026-11-29T23:00:00.000Z)";
    const found = wrong(judged(newer));
    expect(found.map(([id, verdict]) => [id, verdict])).toEqual([
      ["host-routing", "drift"],
      ["masquerading", "drift"],
      ["configuration", "drift"],
    ]);
    expect(found[1]![2]).toContain(`cilium-config asks for iptables now ${by}`);
    expect(found[2]![2]).toContain(`newer than the agent in enable-bpf-masquerade ${by}`);

    const one = changed(
      { config: (text) => text.replace("enable-bpf-masquerade=true", "enable-bpf-masquerade=false") },
      WORKER,
    );
    const nodeConfigs = {
      value: [{ namespace: "kube-system", name: "odd", defaults: { "enable-bpf-masquerade": "false" } }],
    };
    const overridden = judged({ ...one, api: { ...one.api, nodeConfigs } });
    const { nodes } = rowOf(overridden, "masquerading");
    expect(nodes.filter(({ verdict }) => verdict !== "in force").map(({ node }) => node)).toEqual([WORKER]);
    expect(rowOf(overridden, "configuration").verdict).toBe("in force");
  });

  describe("where a CiliumNodeConfig selects nodes", () => {
    const named = (name: string, defaults: Record<string, string>, nodes: string[]) => ({
      ...{ namespace: "kube-system", name, defaults, nodes },
    });
    const withConfigs = (value: ReturnType<typeof named>[], evidence = HEALTHY): Evidence => ({
      ...evidence,
      api: { ...evidence.api, nodeConfigs: { value } },
    });
    const set = (key: string, value: string) =>
      changed({ config: (text) => text.replace(new RegExp(`^${key}=.*\n`, "m"), "") + `${key}=${value}\n` }, WORKER);

    it("names the one that selects the node, of two that set the same", () => {
      const defaults = { "enable-l7-proxy": "true" };
      const two = [named("other", defaults, ["cmlead-worker2"]), named("own", defaults, [WORKER])];
      const found = wrong(judged(withConfigs(two, set("enable-l7-proxy", "true"))));
      expect(found).toEqual([
        ["l7-proxy", "drift", "CiliumNodeConfig own sets enable-l7-proxy here"],
        // the other one's agent has not read it
        ["configuration", "drift", expect.stringContaining("CiliumNodeConfig other is newer than the agent")],
      ]);
    });

    it("names it for a key that cilium-config does not have", () => {
      const small = changed(
        {
          config: (text) => `${text}\nmtu=1400\n`,
          links: (text) => text.replace(/("ifname":"lxc[^_][^}]*?"mtu":)1500/g, "$11400"),
        },
        WORKER,
      );
      expect(wrong(judged(withConfigs([named("small", { mtu: "1400" }, [WORKER])], small)))).toEqual([
        ["mtu", "drift", "CiliumNodeConfig small sets mtu here"],
      ]);
      const dumped = { ...small, nodes: small.nodes.map((node) => ({ ...node, isDump: true })) };
      expect(wrong(judged(withConfigs([named("small", { mtu: "1400" }, [WORKER])], dumped)))).toEqual([
        ["mtu", "drift", "CiliumNodeConfig small sets mtu here"],
      ]);
    });

    it("tells that an agent has not read it yet", () => {
      const pending = withConfigs([named("soon", { "enable-bpf-masquerade": "false" }, [WORKER])]);
      const found = judged(pending);
      expect(wrong(found)).toEqual([
        [
          "configuration",
          "drift",
          expect.stringContaining("CiliumNodeConfig soon is newer than the agent in enable-bpf-masquerade"),
        ],
      ]);
      expect(rowOf(found, "configuration").nodes.filter(({ verdict }) => verdict === "drift")).toMatchObject([
        { node: WORKER },
      ]);
    });

    it("accuses no writer of cilium-config where the object is gone", () => {
      const gone = /the agent read another value when it started, of a CiliumNodeConfig or a key that is gone/;
      expect(wrong(judged(set("enable-l7-proxy", "true")))).toEqual([
        ["l7-proxy", "drift", expect.stringMatching(gone)],
        ["configuration", "drift", expect.stringMatching(gone)],
      ]);
    });
  });

  it("tells keys that were added to cilium-config or removed from it since agents read it", () => {
    const config = "value" in HEALTHY.api.config ? HEALTHY.api.config.value : undefined;
    const { "enable-policy": removed, ...data } = config!.data;
    expect(removed).toBeDefined();
    const writers = [{ manager: "kubectl-patch", time: "2099-01-01T00:00:00.000Z", keys: ["enable-endpoint-routes"] }];
    const value = { data: { ...data, "enable-endpoint-routes": "true" }, writers };
    const changedKeys = { ...HEALTHY, api: { ...HEALTHY.api, config: { value } } };
    expect(wrong(judged(changedKeys))).toEqual([
      [
        "configuration",
        "drift",
        expect.stringMatching(
          /^cilium-config is newer than the agent in enable-endpoint-routes \(written by kubectl-patch at \S+\); the agent has enable-policy of a CiliumNodeConfig or cilium-config, and nothing records who removed keys; restart it/,
        ),
      ],
    ]);
    // a dump lists the agents' defaults, and no empty values
    const nodes = changedKeys.nodes.map((node) => ({ ...node, isDump: true }));
    expect(wrong(judged({ ...changedKeys, nodes }))).toEqual([]);
  });

  it("names no writer for a key that is gone from cilium-config, which agents have read without it", () => {
    const { "enable-bpf-masquerade": removed, ...data } = (HEALTHY.api.config as { value: ConfigState }).value.data;
    expect(removed).toBe("true");
    const writers = [{ manager: "helm", time: "2026-11-29T20:00:00.000Z", keys: Object.keys(data) }];
    const read = changed({ config: (text) => text.replace(/^enable-bpf-masquerade=.*\n/m, "") });
    const api = { ...read.api, config: { value: { data, writers } } };
    const reported = changed({
      status: status((own) => Object.assign(own["masquerading"]!, { mode: "IPTables" })),
      iptables: (text) => `${text}\n-A CILIUM_POST_nat -s 10.0.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE`,
    });
    const nodes = reported.nodes.map((node, index) => ({
      ...node,
      sections: { ...node.sections, config: read.nodes[index]!.sections.config! },
    }));
    expect(rowOf(judged({ ...HEALTHY, nodes, api }), "masquerading").nodes[0]).toMatchObject({
      verdict: "drift",
      reason:
        "Helm rendered BPF, and cilium-config was changed since: enable-bpf-masquerade is gone, and nothing records who removed keys",
    });
  });

  it("takes programs without names of their own for Cilium's, as legacy tc has them", () => {
    const legacy = changed({
      tcx: () => "",
      network: () =>
        JSON.stringify([
          {
            xdp: [],
            tc: ["ingress", "egress"].flatMap((way) =>
              ["eth0", "lxc1"].map((devname) => ({ devname, kind: `clsact/${way}`, name: "bpf_netdev_eth0" })),
            ),
          },
        ]),
    });
    const found = judged(legacy);
    for (const [id, observed] of [
      ["services", "Cilium"],
      ["masquerading", "BPF"],
      ["devices", "eth0"],
      ["programs", "complete"],
    ] as const)
      expect([id, rowOf(found, id).nodes[0]!.observed]).toEqual([id, observed]);
  });

  it("finds programs that legacy tc names after their device", () => {
    const devices = ["cilium_net", "cilium_host", "eth0", "lxc1"];
    const programs = [
      ["cilium_net", "ingress", "to_host"],
      ["cilium_host", "ingress", "to_host"],
      ["cilium_host", "egress", "from_host"],
      ["eth0", "ingress", "from_netdev"],
      ["eth0", "egress", "to_netdev"],
      ["lxc1", "ingress", "from_container"],
    ];
    const tc = programs.map(([devname, way, name]) => ({
      devname,
      kind: `clsact/${way}`,
      name: `cil_${name}-${devname}`,
    }));
    const legacy = (list: object[]) =>
      changed({
        tcx: () => "",
        network: () => JSON.stringify([{ xdp: [], tc: list }]),
        links: () => JSON.stringify(devices.map((ifname) => ({ ifname, mtu: 1500 }))),
      });
    expect(rowOf(judged(legacy(tc)), "programs").nodes[0]).toMatchObject({ observed: "complete" });
    const without = judged(legacy(tc.filter(({ name }) => name !== "cil_to_host-cilium_host")));
    expect(rowOf(without, "programs").nodes[0]!.reason).toMatch(/^no program at cil_to_host on cilium_host;/);
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

  it("sees XDP, whose programs have no name, and a device without programs", () => {
    const xdp = changed({
      network: () => '[{"xdp":[{"devname":"eth0","ifindex":2,"mode":"driver","id":99}],"tc":[]}]',
    });
    expect(wrong(judged(xdp))).toEqual([
      ["xdp", "contradiction", "the agent reports disabled, and the datapath has native"],
    ]);
    const two = changed({
      status: status((own) => {
        const services = own["kube-proxy-replacement"] as { deviceList: object[] };
        services.deviceList = [...services.deviceList, { name: "eth1" }];
      }),
    });
    expect(wrong(judged(two))).toEqual([
      ["devices", "contradiction", "the agent reports eth0 eth1, and the datapath has eth0"],
    ]);
  });

  it("shows what needs no TCX programs where these could not be read, and tells why it shows nothing else", () => {
    const nodes = HEALTHY.nodes.map((node) => ({
      ...node,
      sections: { ...node.sections, tcx: { error: "tcx: too late" } },
    }));
    const inspection = judged({ ...HEALTHY, nodes });
    expect(wrong(inspection)).toEqual([]);
    const cells = (id: string) => rowOf(inspection, id).nodes.map(({ observed, reason }) => observed ?? reason);
    expect(cells("socket-lb")).toEqual(["on", "on", "on"]);
    expect(cells("xdp")).toEqual(["disabled", "disabled", "disabled"]);
    for (const id of ["services", "masquerading", "devices", "attachment"])
      expect([id, ...cells(id)]).toEqual([id, "tcx: too late", "tcx: too late", "tcx: too late"]);
    const rule = "-A CILIUM_POST_nat -s 10.0.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE";
    const iptables = changed({ iptables: (text) => `${text}\n${rule}` }, WORKER).nodes.map((node) => ({
      ...node,
      sections: { ...node.sections, tcx: { error: "tcx: too late" } },
    }));
    expect(wrong(judged({ ...HEALTHY, nodes: iptables }))).toEqual([
      ["masquerading", "contradiction", "the agent reports BPF, and the datapath has iptables"],
    ]);
  });

  it("takes what one node did not tell for nothing", () => {
    const nodes = HEALTHY.nodes.map((node) =>
      node.node === WORKER
        ? { ...node, sections: { ...node.sections, links: { error: "too late" }, iptables: { error: "too late" } } }
        : node,
    );
    expect(wrong(judged({ ...HEALTHY, nodes }))).toEqual([]);
    expect(() => judged({ ...HEALTHY, nodes: [] })).toThrow(/^No node could be read/);
    const silent = HEALTHY.nodes.map(({ node }) => ({
      node,
      error: "no Cilium agent runs on it",
      sections: {},
      lookups: {},
    }));
    const unread = { ...HEALTHY.api, config: { error: "not found" } };
    expect(() => judged({ ...HEALTHY, nodes: silent, api: unread })).toThrow(
      "No agent of Cilium answered: no Cilium agent runs on it",
    );
    // where commands in pods are not allowed, the configuration is still shown
    const configuration = judged({ ...HEALTHY, nodes: silent });
    expect(wrong(configuration)).toEqual([]);
    expect(rowOf(configuration, "masquerading").nodes[0]).toMatchObject({
      configured: "BPF",
      verdict: "not observable",
      reason: "no Cilium agent runs on it",
    });
    expect(inspectionText("prod", configuration)).toMatch(
      /^prod: no agent answered; what runs is not known \(3 nodes\)$/m,
    );
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

  it("names programs that are not Cilium's, without an accusation", () => {
    const cgroups = changed({
      cgroups: (text) => {
        const tree = JSON.parse(text) as { cgroup: string; programs: object[] }[];
        const root = tree.find(({ cgroup }) => cgroup === "/run/cilium/cgroupv2")!;
        root.programs.push({ id: 1, attach_type: "cgroup_inet4_connect", name: "foreign" });
        return JSON.stringify(tree);
      },
    });
    const found = judged(cgroups);
    const replaced = changed({ tcx: (text) => text.replace("cil_from_netdev", "other") }, WORKER);
    expect(rowOf(judged(replaced), "programs").nodes[1]!.reason).toMatch(
      /^no program at cil_from_netdev on eth0, beside other on eth0;/,
    );
    expect([wrong(found), rowOf(found, "programs").nodes[0]!.observed]).toEqual([
      [],
      "complete, beside foreign on cgroup",
    ]);
  });

  it("needs a program where routes lead to the pods' devices", () => {
    const routed = configured(
      { "enable-endpoint-routes": "true" },
      changed({ tcx: (text) => text.replace(/.*cil_to_contain.*\n/g, "") }),
    );
    const without = judged(routed);
    expect(rowOf(without, "programs").nodes[0]!.reason).toMatch(/^no program at cil_to_container on lxc/);
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

  it("finds Cilium in another namespace, and says whose nodes they are", async () => {
    const pod = (namespace: string, name: string, container: string): V1Pod => ({
      metadata: {
        namespace,
        name,
        labels: { "k8s-app": "cilium" },
        ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "anetd", uid: "1" }],
      },
      spec: { containers: [{ name: container }] },
    });
    const asked: string[] = [];
    const cluster = {
      nodes: async () => [{ status: { nodeInfo: { kubeletVersion: "v1.33.4+rke2r1" } } }],
      pods: async () => [pod("kube-system", "other", "envoy")],
      allPods: async () => [pod("kube-system", "other", "envoy"), pod("cilium", "anetd-x", "cilium-agent")],
      configMap: async (namespace: string) => void asked.push(namespace),
      exec: async (namespace: string) => void asked.push(namespace),
      daemonSet: async (namespace: string, name: string) => void asked.push(`${namespace}/${name}`),
    } as unknown as EvidenceCluster;
    const layout = await layoutOf(cluster);
    expect(layout).toEqual({ namespace: "cilium", daemonSet: "anetd", distribution: "RKE2" });
    const usual = inUsualNamespace(cluster, layout);
    await usual.configMap("kube-system", "cilium-config");
    await usual.exec("kube-system", "anetd-x", "cilium-agent", []);
    await usual.exec("nettool", "client", "nettool", []);
    await usual.daemonSet("kube-system", "cilium");
    expect(asked).toEqual(["cilium", "cilium", "nettool", "cilium/anetd"]);
    expect((await usual.allPods()).map(({ metadata }) => metadata?.namespace)).toEqual(["kube-system", "kube-system"]);

    const config = "value" in HEALTHY.api.config ? HEALTHY.api.config.value : undefined;
    const newer = { value: { ...config!, data: { ...config!.data, "enable-bpf-masquerade": "false" } } };
    const evidence = { ...HEALTHY, api: { ...HEALTHY.api, config: newer } };
    const inspection = judgeInspection({ evidence, layout, logs: {}, readAt: "2026-11-29T23:00:00.000Z", seconds: 1 });
    expect(rowOf(inspection, "configuration").nodes[0]!.reason).toContain(
      "kubectl -n cilium rollout restart daemonset/anetd",
    );
    expect(inspectionText("prod", inspection)).toMatch(
      /^Cilium runs as DaemonSet anetd in namespace cilium; the nodes are RKE2's, on which this command has not been tried$/m,
    );
  });

  it("names an argument that overrides the configuration, and not a restart", () => {
    const overridden = changed({ arguments: (text) => `${text}--enable-l7-proxy=true\n` });
    expect(wrong(judged(overridden))).toEqual([
      ["l7-proxy", "drift", "the agent's argument or variable for enable-l7-proxy overrides cilium-config"],
    ]);
  });

  it("takes the next word for the value of an argument", () => {
    const given = changed({
      arguments: (text) => `${text}--devices\neth0\n--enable-l7-proxy\nCILIUM_K8S_NODE_NAME=x\n`,
    });
    expect(rowOf(judged(given), "devices").nodes[0]).toMatchObject({
      ...{ configured: "eth0", reported: "eth0", verdict: "drift" },
      reason: "the agent's argument or variable for devices overrides cilium-config",
    });
    const rendered = HEALTHY.api.rendered as { value: RecordedCilium };
    const args = [...rendered.value.agent!.args, "--devices=eth0"];
    const value = { ...rendered.value, agent: { ...rendered.value.agent!, args } };
    const byHelm = judged({ ...given, api: { ...given.api, rendered: { value } } });
    expect(rowOf(byHelm, "devices").verdict).toBe("in force");
    expect(rowOf(judged(given), "l7-proxy").nodes[0]!.configured).not.toBe("off");
  });

  it("tells an agent whose image is not the one that Helm rendered, wherever it is from", () => {
    const imaged = (image: string) => {
      const pods = "value" in HEALTHY.api.pods ? HEALTHY.api.pods.value : [];
      const value = pods.map((pod) => ({
        ...pod,
        containers: pod.containers.map((each) =>
          pod.node === WORKER && each.name === "cilium-agent" ? { ...each, wantedImage: image } : each,
        ),
      }));
      return wrong(judged({ ...HEALTHY, api: { ...HEALTHY.api, pods: { value } } }));
    };
    expect(imaged("mirror.example/quay/cilium:v1.20.2@sha256:0")).toEqual([]);
    expect(imaged("lab/cilium:v1.20.2-b")).toEqual([
      [
        "version",
        "drift",
        "Helm rendered cilium:v1.20.2; the DaemonSet was changed since, or has not replaced this pod",
      ],
    ]);
  });

  it("names nodes whose pods are older than their DaemonSet, in image or arguments", () => {
    const args = ["--config-dir=/tmp/cilium/config-map"];
    /** The workers' pods have something else than the first node's, which is as the DaemonSet asks for it. */
    const rolling = (older: object, strategy: string) => {
      const pods = ("value" in HEALTHY.api.pods ? HEALTHY.api.pods.value : []).map((pod) => ({
        ...pod,
        containers: pod.containers.map((each) =>
          each.name === "cilium-agent" ? { ...each, args, ...(pod.node.endsWith("plane") ? {} : older) } : each,
        ),
      }));
      const template = { value: { image: "lab/cilium:v1.20.2", args, strategy } };
      return judged({ ...HEALTHY, api: { ...HEALTHY.api, pods: { value: pods }, template } });
    };
    const drifts = (inspection: Inspection, id: string) =>
      rowOf(inspection, id).nodes.flatMap(({ node, verdict, reason }) => (verdict === "drift" ? [[node, reason]] : []));
    const workers = (reason: unknown) => [WORKER, "cmlead-worker2"].map((node) => [node, reason]);

    expect(wrong(rolling({ wantedImage: "mirror.example/cilium:v1.20.2@sha256:0" }, "OnDelete"))).toEqual([]);
    const old = rolling({ wantedImage: "lab/cilium:v1.19.6" }, "RollingUpdate");
    expect(drifts(old, "version")).toEqual(
      workers("the DaemonSet asks for cilium:v1.20.2 now, and has not replaced this pod: its rollout is not complete"),
    );
    const other = rolling({ args: [...args, "--debug=true"] }, "OnDelete");
    expect(wrong(other).map(([id]) => id)).toEqual(["configuration"]);
    const agent = HEALTHY.nodes.find(({ node }) => node === WORKER)!.agent!;
    expect(drifts(other, "configuration")[0]).toEqual([
      WORKER,
      "the DaemonSet's template no longer has --debug=true, and this pod is older: " +
        `its updateStrategy OnDelete waits until the pod is deleted; restart it: kubectl -n kube-system delete pod ${agent}`,
    ]);
    expect(drifts(other, "configuration")).toHaveLength(2);
  });

  it("says why an agent that runs has no version", () => {
    const silent = "the agent did not tell its status within 8 s";
    const nodes = HEALTHY.nodes.map((node) => ({ ...node, sections: { ...node.sections, status: { error: silent } } }));
    expect(rowOf(judged({ ...HEALTHY, nodes }), "version").nodes[0]!.reason).toBe(silent);
  });

  it("says for which CRDs an agent waits", () => {
    const [crds, status] = ["ciliumnodes.cilium.io", { error: "status: Is the agent running?" }];
    const nodes = HEALTHY.nodes.map((node) =>
      node.node === WORKER ? { ...node, sections: { ...node.sections, status } } : node,
    );
    const logs = { [WORKER]: [`the agent waits for CRDs that the cluster does not have: ${crds}`] };
    const found = judged({ ...HEALTHY, nodes }, logs);
    expect(rowOf(found, "version").nodes.map(({ verdict }) => verdict)).toEqual([
      "in force",
      "not observable",
      "in force",
    ]);
    expect(inspectionText("prod", found)).toContain(
      `  - Cilium on ${WORKER}: the agent waits for CRDs that the cluster does not have: ${crds}; Cilium's operator registers them\n`,
    );
  });

  it("says why an agent does not run, by the end of its log", async () => {
    const log = `time=1 level=error msg="Invoke failed" error="other"
time=2 level=fatal msg="unable to run agent: failed to start: cannot parse 'x'" subsys=daemon
`;
    const container = {
      ...{ name: "cilium-agent", ready: false, image: "", imageID: "", restartCount: 2 },
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 1, message: log } },
    };
    const pod: V1Pod = {
      metadata: { name: "cilium-1" },
      spec: { nodeName: WORKER, containers: [] },
      status: { containerStatuses: [container] },
    };
    const cluster = {
      pods: async () => [pod],
      exec: async () => {
        throw new Error("container not found");
      },
    } as unknown as EvidenceCluster;
    const [agent] = await listAgents(cluster);
    const trouble = "the agent does not run: CrashLoopBackOff (unable to run agent: failed to start: cannot parse 'x')";
    expect(await readNode(cluster, WORKER, agent!, { commands: {}, destinations: [] })).toMatchObject({
      error: trouble,
    });
    const missing =
      "Please ensure that Cilium Operator is running. The following CRDs were not found: [crd:ciliumx.cilium.io]";
    container.lastState.terminated.message = `level=fatal msg="Unable to find all Cilium CRDs necessary within 5m0s timeout. ${missing}"`;
    expect((await listAgents(cluster))[0]!.trouble).toBe(
      "the agent does not run: CrashLoopBackOff (the cluster has no CRD ciliumx.cilium.io)",
    );
  });

  it("costs a node that does not answer its own cells only", () => {
    const nodes = HEALTHY.nodes.map((node) =>
      node.node === WORKER ? { node: WORKER, error: "the agent does not answer", sections: {}, lookups: {} } : node,
    );
    const inspection = judged({ ...HEALTHY, nodes });
    expect(wrong(inspection)).toEqual([]);
    expect(inspection.silent).toEqual({ [WORKER]: "the agent does not answer" });
    expect(inspection.mode.name).toBe("ebpf");
    expect(rowOf(inspection, "services").nodes.map(({ verdict }) => verdict)).toEqual([
      "in force",
      "not observable",
      "in force",
    ]);
  });
});

describe("an inspection's forms", () => {
  const broken = () => judged(changed({ cgroups: () => "" }, WORKER));

  it("fit a terminal, fold nodes that agree, and put what contradicts below", () => {
    const text = inspectionText("prod", broken(), {
      colors: { bold: String, dim: String, red: String, green: String, yellow: String, cyan: String },
      columns: 100,
    });
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(300);
    expect(text).toMatch(/^CONTRADICTION +Services +Cilium +Cilium +Cilium +none +cmlead-worker$/m);
    expect(text).toMatch(/^ {2}- Services on cmlead-worker: the agent reports Cilium, and the datapath has none$/m);
    expect(text).toMatch(/^prod: .*; 3 rows contradict \(28 rows, 3 nodes, 3\.2 s\)$/m);
    expect(inspectionText("prod", judged(HEALTHY))).toMatch(/^prod: mode ebpf, native routing; nothing contradicts/m);
  });

  it("break long names where the table is wider than the terminal", () => {
    const renamed = JSON.stringify(broken()).replaceAll("cmlead-", "production-eu-central-1-general-");
    for (const hasColors of [false, true]) {
      const look = { colors: createColors(hasColors), columns: 100 };
      const [shown] = inspectionText("prod", JSON.parse(renamed) as Inspection, look).split("\n\n");
      const lines = stripVTControlCharacters(shown!).split("\n");
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
      expect(lines.join("\n")).toMatch(/^CONTRADICTION +Services .* production-eu-\n +central-1-\n/m);
    }
  });

  it("stack the columns of each row in a narrow terminal", () => {
    const renamed = JSON.stringify(broken()).replaceAll("cmlead-", "production-eu-central-1-general-purpose-nodes-");
    for (const columns of [40, 60, 79]) {
      const look = { colors: createColors(false), columns };
      const [shown] = inspectionText("prod", JSON.parse(renamed) as Inspection, look).split("\n\n");
      for (const line of shown!.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
      expect(shown).not.toContain("VERDICT");
    }
    const [shown] = inspectionText("prod", broken(), { colors: createColors(false), columns: 60 }).split("\n\n");
    expect(shown).toContain(`
CONTRADICTION  Services
  nodes        cmlead-worker
  requested    Cilium
  configured   Cilium
  reported     Cilium
  observed     none
IN FORCE       Services
  nodes        cmlead-control-plane, cmlead-worker2
`);
    // what is unknown needs no line
    expect(shown).toMatch(/^UNSEEN {9}IPAM\n {2}requested {4}cluster-pool\n {2}configured {3}cluster-pool\n\S/m);
  });

  it("are markdown and a page without scripts", () => {
    expect(inspectionMarkdown("prod", broken())).toMatch(
      /^\| Services \(cmlead-worker\) \| Cilium \| Cilium \| Cilium \| none \| \*\*contradiction\*\* \|$/m,
    );
    const page = inspectionHtml("<prod>", broken(), () => ({}));
    expect(page).toContain("&lt;prod&gt;");
    expect(page).not.toMatch(/<script|https?:\/\/[^ <]*\.(?:js|css)/);
    // what contradicts comes first
    expect(page.indexOf("CONTRADICTION")).toBeLessThan(page.indexOf("IN FORCE"));
  });

  it("tell two clusters apart", () => {
    expect(inspectionDiff(["a", judged(HEALTHY)], ["b", judged(HEALTHY)])).toBe(
      "a and b have the same datapath: mode ebpf, native routing",
    );
    expect(inspectionDiff(["a", judged(HEALTHY)], ["b", broken()])).toMatch(
      /^Socket LB +on \(in force\) +on, off \(contradiction\)$/m,
    );
    const { value } = HEALTHY.api.config as { value: ConfigState };
    const config = { value: { ...value, data: { ...value.data, "enable-endpoint-routes": "true" } } };
    const newer = judged({ ...HEALTHY, api: { ...HEALTHY.api, config } });
    expect(inspectionDiff(["a", judged(HEALTHY)], ["b", newer])).toMatch(
      /^Configuration +read \(in force\) +read \(drift\)$/m,
    );
  });
});

describe("a stack's output of its datapath", () => {
  it("has the mode, what runs, and no deviation in a healthy cluster", () => {
    expect(datapathOf(judged(PROBED))).toEqual({
      ...{ mode: "ebpf", nearest: undefined, differences: [], network: "native" },
      ...{ services: "Cilium", hostRouting: "BPF", masquerading: "BPF", deviceMode: "veth", attachment: "tcx" },
      ...{ socketLb: "everywhere", loadBalancer: "snat", mtu: "1500", encryption: "off" },
      deviations: [],
    });
  });

  it("has each deviation with its reason and nodes, and what runs on each node", () => {
    const { mode, nearest, differences, socketLb, deviations } = datapathOf(
      judged(changed({ cgroups: () => "" }, WORKER)),
    );
    expect([mode, nearest, socketLb]).toEqual([undefined, "ebpf", "everywhere, off"]);
    expect(differences).toEqual(["services differs between nodes, or is unknown"]);
    const reason = (is: string, has: string) => `the agent reports ${is}, and the datapath has ${has}`;
    expect(deviations).toEqual([
      { title: "Services", verdict: "contradiction", reason: reason("Cilium", "none"), nodes: [WORKER] },
      { title: "Socket LB", verdict: "contradiction", reason: reason("everywhere", "off"), nodes: [WORKER] },
      { title: "Programs", verdict: "contradiction", reason: expect.stringMatching(/^no program at/), nodes: [WORKER] },
    ]);
    const all = datapathOf(judged(changed({ cgroups: () => "" }))).deviations;
    expect(all.map(({ nodes }) => nodes.length)).toEqual([3, 3, 3]);
  });
});

describe("an inspection of 1,000 nodes", () => {
  const numbers = Array.from({ length: 1000 }, (_, index) => index);
  const agreed = judged(HEALTHY);
  /** The same inspection of more nodes. */
  const large = (change: (node: number) => object, silent: Record<string, string> = {}): Inspection => ({
    ...agreed,
    silent,
    nodes: { looked: 1000, all: 5000 },
    rows: agreed.rows.map((row) => ({
      ...row,
      verdict: row.id === "mtu" ? "drift" : row.verdict,
      nodes: numbers.map((number) => ({
        ...row.nodes[0]!,
        node: `node-${number}`,
        ...(row.id === "mtu" ? change(number) : {}),
      })),
    })),
  });
  const few = (text: string) => Math.max(...text.split("\n").map((line) => line.match(/node-\d/g)?.length ?? 0));

  it("names some of the nodes that differ, and counts the others", () => {
    const drift = { verdict: "drift", observed: "1280", reason: "1280 here, 1500 on most nodes" };
    const inspection = large((number) => (number < 400 ? drift : {}));
    const text = inspectionText("prod", inspection);
    expect(text).toMatch(/^DRIFT +MTU .* 1280 +node-0, node-1, node-2 and 397 more$/m);
    expect(text).toMatch(/^ {2}- MTU on node-0, node-1, node-2 and 397 more: 1280 here, 1500 on most nodes$/m);
    expect(text).toMatch(/1 row contradicts \(28 rows, 1,000 of 5,000 nodes, /);
    expect([few(text), few(inspectionMarkdown("prod", inspection))]).toEqual([3, 3]);
  });

  it("shows some lines of a row in which every node is different", () => {
    const text = inspectionText(
      "prod",
      large((number) => ({ observed: `${number}`, verdict: "drift", reason: `${number}` })),
    );
    const lines = text.split("\n");
    const first = lines.findIndex((line) => /^DRIFT +MTU /.test(line));
    expect(lines[first + 5]).toMatch(/^ +… .* 995 more, which differ; --json shows all$/);
    expect(text).toContain("\n  - and 990 more reasons; --json shows all\n");
    expect(lines.length).toBeLessThan(60);
  });

  it("lists nodes that did not answer once, and not in each row", () => {
    const silent = Object.fromEntries(
      numbers.slice(0, 400).map((number) => [`node-${number}`, "no answer within 45 s"]),
    );
    const text = inspectionText(
      "prod",
      large(() => ({}), silent),
    );
    expect(text).toContain("  - node-0: no answer within 45 s\n");
    expect(text).toContain("\n  - and 390 more nodes; --json shows all\n");
    expect(text).toMatch(/1,000 of 5,000 nodes, of which 400 did not answer, /);
    expect(text).toMatch(/^IN FORCE +Masquerading .* all$/m);
  });
});

describe("evidence that was kept", () => {
  const kept = { evidence: HEALTHY, logs: {}, readAt: "2026-11-29T23:00:00.000Z", seconds: 3.2 };
  const proofOf = (mode: RoutingMode) => verifyKept(kept, keptExpectation(HEALTHY, mode, undefined));

  it("reports its mode at best, since there was no traffic, and refutes another one", () => {
    const { proof, causes, verifiedAt, seconds } = proofOf("ebpf");
    expect([proof, causes, verifiedAt, seconds]).toEqual(["reported", [], kept.readAt, 3.2]);
    expect(proofOf("kubeproxy").proof).toBe("not in force");
    expect(() => keptExpectation({ ...HEALTHY, nodes: [] }, "ebpf", undefined)).toThrow(/no agent's status/);
  });
});

describe("the command inspect", () => {
  const folder = mkdtempSync(join(tmpdir(), "inspect-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const archive = (name: string, content: object) => {
    writeFileSync(join(folder, name), gzipSync(JSON.stringify(content)));
    return join(folder, name);
  };
  const saved = (evidence: Evidence) => ({
    ...{ format: "cilium-modes inspection", version: 1, evidence, logs: {} },
    ...{ readAt: "2026-11-29T23:00:00.000Z", seconds: 3.2 },
  });
  const run = async (...args: Parameters<typeof inspect>) => {
    const printed = jest.spyOn(console, "log").mockImplementation(() => undefined);
    try {
      const code = await inspect(...args);
      return { code, out: printed.mock.calls.map(([line]) => String(line)).join("\n") };
    } finally {
      printed.mockRestore();
    }
  };

  it("judges evidence that was kept, with an exit code", async () => {
    const healthy = archive("healthy.json.gz", saved(HEALTHY));
    const broken = archive("broken.json.gz", saved(changed({ cgroups: () => "" }, WORKER)));
    expect(await run([healthy], {})).toEqual({ code: 0, out: expect.stringContaining("nothing contradicts") });
    const { code, out } = await run([broken], { json: true, html: join(folder, "page.html") });
    expect([code, JSON.parse(out)]).toEqual([1, judged(changed({ cgroups: () => "" }, WORKER))]);
    const page = readFileSync(join(folder, "page.html"), "utf8");
    expect(page).toContain("CONTRADICTION");
    expect(page).toContain("bpftool cgroup tree");
    expect((await run([healthy, broken], { diff: true })).out).toMatch(/^Socket LB/m);
  });

  it.each([
    [{ format: "something else" }, /is no archive of inspect --save, or one of a newer version/],
    [saved(HEALTHY).evidence, /is no archive of inspect --save/],
  ])("refuses another file", async (content, message) => {
    await expect(run([archive("other.json.gz", content)], {})).rejects.toThrow(message);
  });

  it.each([
    [["a", "b"], {}, /takes one stack or file \(got 2\)/],
    [["a"], { diff: true }, /--diff takes two stacks or files \(got 1\)/],
    [[], { maxNodes: 0 }, /--max-nodes must be a number of nodes, 1 or more/],
    [["ebpf"], { context: "c" }, /a stack has its own/],
  ])("refuses %j with %j before it asks a cluster", async (subjects, options, message) => {
    await expect(run(subjects, options)).rejects.toThrow(message);
  });
});
