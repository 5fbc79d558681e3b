import { readFileSync } from "node:fs";
import { join } from "node:path";
import timers from "node:timers/promises";
import { CHECKS } from "../../datapath/checks/all";
import { fail, pass, type Check } from "../../datapath/checks/check";
import { parseLbMap, parseServiceList } from "../../datapath/checks/serviceMap";
import { diagnose } from "../../datapath/causes";
import { fallbackLines } from "../../datapath/checks/status";
import { odd } from "../../datapath/checks/nodes";
import { programsCheck } from "../../datapath/checks/programs";
import { kubeProxyRulesCheck, type KubeProxyState } from "../../datapath/checks/kubeProxy";
import { translationCheck } from "../../datapath/checks/translation";
import type { EvidenceCluster } from "../../cluster/read";
import { valueOf, type EndpointState, type ServiceState } from "../../datapath/evidence/api";
import type { FlowId } from "../../datapath/evidence/coverage";
import { dsrBytesOf } from "../../datapath/evidence/traffic";
import { healthTargets } from "../../datapath/evidence/health";
import type { HelmValues } from "../../modes/ciliumValues";
import type { DatapathChoice } from "../../modes/datapathChoice";
import type { Evidence } from "../../datapath/evidence/gather";
import { sampled } from "../../datapath/evidence/sample";
import { judge, summaryOf, verify } from "../../datapath/verify";
import {
  bad,
  both,
  failing,
  inConfig,
  inCounters,
  inNode,
  inTable,
  judged,
  PASSED,
  PURE,
  RECORDED_PODS,
  recordedEvidence,
  recordedExpectation,
  type Change,
} from "./support/evidence";

const WORKER = "cmlead-worker";

/** What kube-proxy writes for the recorded cluster's Services, as `iptables-save -c` prints it. */
const KUBE_PROXY_RULES = (() => {
  const { api } = recordedEvidence();
  const endpoints = valueOf(api.endpoints, []);
  const rules = valueOf(api.services, []).flatMap(({ namespace, name, clusterIp, ports }) =>
    ports.flatMap(({ protocol, port, nodePort }, index) => {
      const chain = `${namespace}${name}${index}`.replaceAll("-", "").toUpperCase();
      const comment = `-m comment --comment "${namespace}/${name}:p"`;
      const ip = protocol.toLowerCase();
      const backends = endpoints
        .filter((each) => each.namespace === namespace && each.service === name && each.protocol === protocol)
        .flatMap((each) => each.addresses.map((address) => `${address}:${each.port}`));
      return [
        `-A KUBE-SERVICES -d ${clusterIp}/32 -p ${ip} ${comment} -m ${ip} --dport ${port} -j KUBE-SVC-${chain}`,
        ...(nodePort === undefined ? [] : [`-A KUBE-NODEPORTS -p ${ip} --dport ${nodePort} -j KUBE-EXT-${chain}`]),
        ...backends.flatMap((backend, at) => [
          `-A KUBE-SVC-${chain} ${comment} -j KUBE-SEP-${chain}${at}`,
          `-A KUBE-SEP-${chain}${at} -p ${ip} ${comment} -m ${ip} -j DNAT --to-destination ${backend}`,
        ]),
      ];
    }),
  );
  return `*nat\n:KUBE-SVC-A - [0:0]\n${rules.map((rule) => `[0:0] ${rule}\n`).join("")}`;
})();

/** Cilium's XDP program on the nodes' devices. */
const XDP_ATTACHED = both(
  inNode("network", () => '[{"xdp":[{"devname":"eth0","ifindex":2,"mode":"driver","id":99}],"tc":[]}]'),
  inNode("links", (text) =>
    text.replace('"ifname":"eth0"', '"ifname":"eth0","xdp":{"mode":1,"prog":{"id":99,"name":"cil_xdp_entry"}}'),
  ),
);

describe("a verification of recorded evidence", () => {
  it("passes every check on a healthy cluster, without a warning", () => {
    const { results, causes } = judged(recordedEvidence());
    expect(results.filter(({ verdict }) => verdict !== "pass").map(({ id, verdict }) => `${id} ${verdict}`)).toEqual([
      "host-ports skipped",
      // the recorded agents' image has no hubble command
      "hubble skipped",
    ]);
    expect(causes).toEqual([]);
  });

  it("expects the pod networks of Kubernetes with ipam kubernetes", () => {
    const given = (change: (cidrs: readonly string[]) => readonly string[]) =>
      recordedEvidence(({ api }) => {
        const known = valueOf(api.ciliumNodes, []);
        for (const node of valueOf(api.nodes, []) as { name: string; podCidrs?: readonly string[] }[]) {
          const own = known.find(({ name }) => name === node.name)!.podCidrs;
          node.podCidrs = node.name === WORKER ? change(own) : own;
        }
      });
    const expectation = recordedExpectation("ebpf", { ipam: "kubernetes" });
    const found = (evidence: Evidence) =>
      judged(evidence, expectation)
        .results.find(({ id }) => id === "nodes")!
        .findings.filter(({ verdict }) => verdict === "fail")
        .map(({ subject, reason }) => [subject, reason]);
    expect(found(given((cidrs) => cidrs))).toEqual([]);
    expect(found(given(() => ["10.244.7.0/24"]))).toEqual([
      [WORKER, "the agent does not use the pod network that Kubernetes gave its node"],
    ]);
    expect(found(given(() => []))).toEqual([[WORKER, expect.stringContaining("spec.podCIDRs")]]);
  });

  it("fails as another mode in what tells the modes apart", () => {
    const { results } = judged(recordedEvidence(), recordedExpectation("kubeproxy"));
    expect(bad(results)).toEqual(
      expect.arrayContaining(["config", "status", "kube-proxy", "kube-proxy-rules", "service-map"]),
    );
  });

  it.each([
    ["pod-to-pod", "pod-to-pod"],
    ["pod-to-node", "node-to-pod"],
    ["node-ports", "node-to-node-port"],
    ["from-outside", "outside-to-node-port"],
    ["way-out", "pod-to-outside"],
  ] as [string, FlowId][])("fails in %s when probes of the flow %s are lost", (check, flow) => {
    const { results } = judged(recordedEvidence(failing((probe) => probe.flow === flow)));
    expect(bad(results)).toContain(check);
  });

  it("does not mind Cilium's loopback address where a service leads back to the client", () => {
    const { results } = judged(
      recordedEvidence(({ traffic }) => {
        for (const { from, tries } of traffic!.probes)
          for (const each of tries) if (each.pod === from.name && each.client) each.client = "169.254.42.1";
      }),
    );
    expect(bad(results)).toEqual([]);
  });

  it.each(Object.keys(recordedEvidence().api) as (keyof Evidence["api"])[])(
    "fails no check if the API server does not tell the cluster's %s",
    (part) => {
      const unread = { error: "the API server does not answer within 10 s" };
      const { results, causes } = judged(recordedEvidence(({ api }) => void (api[part] = unread)));
      expect(results.filter(({ verdict }) => verdict === "fail")).toEqual([]);
      const named = causes.flatMap(({ cause }) => cause ?? []);
      expect(named.filter((cause) => cause !== "cluster-unreachable")).toEqual([]);
      const shown = results.flatMap(({ findings }) => findings.map(({ seen, reason = "" }) => `${seen} ${reason}`));
      expect(shown.join()).toContain("does not answer within 10 s");
    },
  );

  it("blames XDP acceleration for what is lost from outside, where it is on", () => {
    const change = both(
      inConfig("bpf-lb-acceleration", "native"),
      ({ api }) => {
        Object.assign(valueOf(api.rendered, null)!, { config: valueOf(api.config, undefined)!.data });
      },
      failing(({ flow }) => flow === "outside-to-node-port"),
    );
    const expectation = recordedExpectation("ebpf", { extraValues: { loadBalancer: { acceleration: "native" } } });
    expect(judged(recordedEvidence(change), expectation).causes[0]).toMatchObject({ cause: "mode-fallback" });
    const reported = both(
      change,
      XDP_ATTACHED,
      inNode("status", (text) => text.replace(/("acceleration": )"Disabled"/, '$1"Native"')),
    );
    expect(judged(recordedEvidence(reported), expectation).causes[0]).toMatchObject({ cause: "xdp-loses-packets" });
  });

  it("accepts Cilium's XDP program where it was asked for, misses it, and finds it where it was not", () => {
    const expectation = recordedExpectation("ebpf", { loadBalancer: { acceleration: "native" } });
    const asked = both(
      inConfig("bpf-lb-acceleration", "native"),
      ({ api }) => {
        Object.assign(valueOf(api.rendered, null)!, { config: valueOf(api.config, undefined)!.data });
      },
      inNode("status", (text) => text.replace(/("acceleration": )"Disabled"/, '$1"Native"')),
    );
    const failures = (...args: Parameters<typeof judged>) =>
      judged(...args).results.flatMap(({ id, findings }) =>
        findings.flatMap(({ verdict, seen }) => (verdict === "fail" ? [`${id}: ${seen}`] : [])),
      );
    expect(failures(recordedEvidence(both(asked, XDP_ATTACHED)), expectation)).toEqual([]);
    expect(failures(recordedEvidence(asked), expectation)[0]).toMatch(/^programs: .*; missing cil_xdp_entry on eth0/);
    expect(failures(recordedEvidence(XDP_ATTACHED))[0]).toBe("programs: cil_xdp_entry on eth0 (xdp driver)");
  });

  it("compares what is chosen beside the mode with the agents' status and the programs", () => {
    const failures = (choice: DatapathChoice, change: Change = () => undefined) =>
      judged(
        recordedEvidence(change),
        recordedExpectation("ebpf", choice),
        PURE.filter(({ id }) => id !== "config"),
      )
        .results.flatMap(({ id, findings }) =>
          findings.flatMap(({ verdict, subject, seen, reason }) =>
            verdict === "pass" || subject !== WORKER ? [] : [`${id} ${verdict}: ${seen}; ${reason}`],
          ),
        )
        .sort();
    expect(failures({ loadBalancer: { mode: "snat", algorithm: "random", acceleration: "disabled" } })).toEqual([]);
    expect(failures({ datapathMode: "veth", enableTCX: true })).toEqual([]);
    expect(failures({ datapathMode: "auto" })).toEqual([]);
    expect(failures({ loadBalancer: { mode: "dsr", dsrDispatch: "geneve", algorithm: "maglev" } })).toEqual([
      expect.stringMatching(
        /^status fail: .*Mode SNAT, DSR Dispatch Mode IP Option\/Extension, Backend Selection Random.*expected Mode dsr, DSR Dispatch Mode Geneve, Backend Selection maglev/,
      ),
    ]);
    expect(failures({ socketLB: { hostNamespaceOnly: true } })).toEqual([
      expect.stringMatching(/^status fail: .*Socket LB Hostns-only false.*expected Socket LB Hostns-only true/),
    ]);
    expect(failures({ datapathMode: "netkit" })).toEqual([expect.stringContaining("expected Device Mode netkit")]);
    expect(failures({ enableTCX: false })).toEqual([
      expect.stringMatching(/^programs fail: .*attached by tcx; bpf\.enableTCX is false/),
      expect.stringContaining("expected Attach Mode tc"),
    ]);
    const legacy = inNode("network", () => {
      const program = '{"devname":"eth0","ifindex":2,"kind":"clsact/ingress","name":"cil_from_netdev"}';
      return `[{"xdp":[],"tc":[${program}]}]`;
    });
    expect(failures({ enableTCX: true }, legacy)).toEqual([
      expect.stringMatching(/^programs fail: .*attached by tcx and tc; bpf\.enableTCX is true, and/),
    ]);
  });

  it.each<[string, RegExp | undefined]>([
    ["dsr", undefined],
    ["hybrid", /^udp/],
  ])("expects the client's own address at servers on every node with %s, except by some protocols", (mode, kept) => {
    const choice = { loadBalancer: { mode } } as DatapathChoice;
    const sources = (change: Change) => {
      const evidence = recordedEvidence(both(inConfig("bpf-lb-mode", mode), change));
      const { results } = judged(evidence, recordedExpectation("ebpf", choice));
      return results.find(({ id }) => id === "source-address")!;
    };
    const snat = sources(() => undefined);
    expect(snat.verdict).toBe("fail");
    expect(snat.findings.find(({ verdict }) => verdict === "fail")!.reason).toContain(
      `expected the client's own address, which loadBalancer.mode ${mode} keeps`,
    );
    const keeping = (shapes: RegExp): Change => {
      return ({ traffic }) => {
        for (const { flow, from, shape, tries } of traffic!.probes)
          if (flow === "outside-to-node-port" && shapes.test(shape))
            for (const each of tries) each.client = from.address;
      };
    };
    expect(sources(keeping(kept === undefined ? /./ : /^tcp/)).verdict).toBe("pass");
    expect(sources(keeping(/./)).verdict).toBe(kept === undefined ? "pass" : "fail");
  });

  it("expects the same pod through every node for a client's port with Maglev", () => {
    const flows = (pods: readonly (readonly (string | undefined)[])[]): Change => {
      return (evidence) => {
        const nodes = valueOf(evidence.api.nodes, []);
        const sameFlows = pods.flatMap((own, port) =>
          nodes.map(({ name }, at) => ({ port, node: name, pod: own[at] })),
        );
        Object.assign(evidence.traffic!, { sameFlows });
      };
    };
    const found = (change: Change) =>
      judged(recordedEvidence(change))
        .results.find(({ id }) => id === "from-outside")!
        .findings.filter(({ subject }) => subject === "Maglev")
        .map(({ verdict, seen, reason, cause }) => [verdict, seen, reason, cause]);
    expect(found(() => undefined)).toEqual([]);
    const same = flows([
      ["a", "a", "a"],
      ["b", undefined, "b"],
    ]);
    expect(found(same)).toEqual([
      [
        "pass",
        "2 ports of the client reach the same pod through each of 3 nodes, 2 pods together",
        undefined,
        undefined,
      ],
    ]);
    const other = flows([
      ["a", "a", "a"],
      ["b", "c", "b"],
    ]);
    expect(found(other)).toEqual([
      [
        "fail",
        "1 of 2 ports of the client reach another pod through another node",
        expect.stringMatching(/port 1 reached b through \S+, c through \S+, b through/),
        "service-map-stale",
      ],
    ]);
    expect(found(flows([[undefined, undefined, "b"]]))).toEqual([
      ["inconclusive", "no evidence", expect.stringContaining("no connection from the same port"), undefined],
    ]);
  });

  it("lets BPF on either node translate for pods whose sockets do not, where that was asked for", () => {
    const choice = { socketLB: { hostNamespaceOnly: true } };
    const { nodes, api } = recordedEvidence(inConfig("bpf-lb-sock-hostns-only", "true"));
    const judgedAs = (out: string, own: DatapathChoice) => {
      const place = { pod: "p", node: WORKER, address: "10.0.1.5", index: 0 };
      const flows = ["p", "q"].map((pod) => ({
        place: { ...place, pod },
        target: "172.18.0.4",
        sent: "",
        tracked: [{ port: "61000", out }],
      }));
      const check = translationCheck as Check;
      return judge(check, { nodes, api } as Evidence, recordedExpectation("ebpf", own), flows).findings[0]!;
    };
    expect(judgedAs("172.18.0.4:32000", choice).verdict).toBe("pass");
    expect(judgedAs("10.0.2.7:80", choice).verdict).toBe("pass");
    // not asked for: the mode's sockets translate
    expect(judgedAs("172.18.0.4:32000", {})).toMatchObject({ verdict: "fail", cause: "service-untranslated" });
    expect(judgedAs("10.0.2.7:80", {}).verdict).toBe("pass");
  });

  it("folds lost packets under a smaller MTU on the same node", () => {
    const change = both(
      inNode("links", (text) => text.replace(/("ifname":"eth0".*?"mtu":)1500/, "$11280"), WORKER),
      failing(({ shape, from }) => shape.endsWith("full") && from.node === WORKER),
    );
    const { causes } = judged(recordedEvidence(change));
    expect(causes).toHaveLength(1);
    expect(causes[0]).toMatchObject({ cause: "mtu-mismatch", nodes: [WORKER], symptoms: [{ check: "packet-size" }] });
  });

  it("does not pass where the records of Helm are gone", () => {
    const { results } = judged(recordedEvidence(({ api }) => void (api.rendered = { value: null })));
    expect(results.find(({ id }) => id === "config")).toMatchObject({ verdict: "inconclusive" });
  });

  it("warns of a cordoned node", () => {
    const { results } = judged(recordedEvidence(({ api }) => void (valueOf(api.nodes, [])[1]!.unschedulable = true)));
    expect(results.find(({ id }) => id === "nodes")!.findings).toContainEqual(
      expect.objectContaining({ verdict: "warning", remedy: `kubectl uncordon ${WORKER}` }),
    );
  });

  it("fails over datagrams that the kernel forgets only where netfilter translates pods' packets", () => {
    const change = inNode("sysctls", (text) => text.replace(/(nf_conntrack_udp_timeout:)\d+/, "$11"), WORKER);
    expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
    const { findings } = judged(recordedEvidence(change), recordedExpectation("kubeproxy")).results.find(
      ({ id }) => id === "kernel",
    )!;
    expect(findings.map(({ verdict, reason = "" }) => `${verdict} ${reason}`)).toContainEqual(
      expect.stringMatching(/^fail .*nf_conntrack_udp_timeout must be 30/),
    );
  });

  it("takes an empty list of socket programs for none, as bpftool prints it", () => {
    const { results } = judged(recordedEvidence(inNode("cgroups", () => "")));
    expect(results.find(({ id }) => id === "programs")!.findings.map(({ verdict, cause }) => [verdict, cause])).toEqual(
      Array(3).fill(["fail", "program-missing"]),
    );
  });

  it("names a changed ConfigMap beside an agent that does not answer", () => {
    const silent: Change = ({ nodes }) => {
      for (const { sections } of nodes) sections.status = { error: "the agent did not tell its status within 8 s" };
    };
    const { causes } = judged(recordedEvidence(both(inConfig("enable-bpf-masquerade", "false"), silent)));
    expect(new Set(causes.map(({ cause }) => cause))).toEqual(new Set(["agent-silent", "config-changed"]));
  });

  it("does not fold what fails on another node", () => {
    const change = both(
      inNode("sysctls", (text) => text.replace("ipv4/ip_forward:1", "ipv4/ip_forward:0"), WORKER),
      inNode("cgroups", (text) => text.replace("cil_sock4_sendmsg", "gone"), "cmlead-worker2"),
    );
    expect(judged(recordedEvidence(change)).causes.map(({ cause }) => cause)).toEqual([
      "sysctl-changed",
      "program-missing",
    ]);
  });

  it.each([
    ["ct state new counter drop", "fail"],
    ["meta mark set 0x1", "fail"],
    ["counter accept", "warning"],
  ])("judges another program's nftables table by what it does: %s", (rule, verdict) => {
    const { results } = judged(
      recordedEvidence(({ nodes }) => {
        nodes[1]!.nftables = {
          value: `table inet external {\n\tset known { type ipv4_addr; }\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n\t\t${rule}\n\t}\n}\n`,
        };
      }),
    );
    expect(results.find(({ id }) => id === "netfilter")!.verdict).toBe(verdict);
  });

  it("blames the Service and not the packets' size where small packets fail as well", () => {
    const { causes } = judged(
      recordedEvidence(
        both(
          ({ api }) => {
            const service = valueOf(api.services, []).find(({ name }) => name === "serversvc")!;
            for (const port of service.ports) Object.assign(port, { targetPort: "81" });
          },
          failing(({ flow }) => flow.endsWith("-cluster-ip") || flow.endsWith("-node-port")),
        ),
      ),
    );
    expect(causes.map(({ cause }) => cause)).toEqual(["service-changed"]);
  });

  it("takes a backend for stale unless the agent says that it is terminating, as in a rollout", () => {
    const inMap = inNode("lb", (text) => `${text}0.0.0.0:32000/TCP (4)      10.0.9.9:80/TCP (6) (4)\n`, WORKER);
    const inAgent = inNode(
      "services",
      (text) => text.replace(/^ +3 => 10.*:80\/TCP \(active\).*\n/m, "$&     4 => 10.0.9.9:80/TCP (terminating)\n"),
      WORKER,
    );
    expect(judged(recordedEvidence(inMap)).causes).toMatchObject([{ cause: "service-map-stale", nodes: [WORKER] }]);
    expect(bad(judged(recordedEvidence(both(inMap, inAgent))).results)).toEqual([]);
  });

  it.each<[string, Change]>([
    [
      "a chain of another program that only returns",
      inNode("iptables", (text) =>
        text.replace(/^\*filter\n/m, "$&:f2b - [0:0]\n[9:540] -A INPUT -j f2b\n[9:540] -A f2b -j RETURN\n"),
      ),
    ],
    [
      "a rule that accepts after Cilium's",
      inNode("iptables", (text) =>
        text.replace(/(\*nat\n[^]*?)COMMIT/, "$1[9:540] -A POSTROUTING -p tcp -j ACCEPT\nCOMMIT"),
      ),
    ],
    [
      "another patience with idle connections",
      inNode("sysctls", (text) => text.replace(/(tcp_keepalive_time:)\d+/, "$1600"), WORKER),
    ],
    [
      "a plain queue",
      inNode(
        "qdiscs",
        (text) => text.replace("noqueue 0: dev eth0 root", "pfifo 8001: dev eth0 root limit 1000p"),
        WORKER,
      ),
    ],
    [
      "a Service of another proxy",
      ({ api }) => {
        const services = valueOf(api.services, []) as ServiceState[];
        const own = services.find(({ name }) => name === "kube-dns")!;
        services.push({ ...own, name: "other", clusterIp: "10.96.99.99", proxyName: "other" });
        const endpoints = valueOf(api.endpoints, []) as EndpointState[];
        endpoints.push({ ...endpoints.find(({ service }) => service === "kube-dns")!, service: "other" });
      },
    ],
    [
      "Services that one agent was told of when it started",
      inNode(
        "arguments",
        (text) => `${text}\nCILIUM_X_SERVICE_HOST=10.96.1.1\nCILIUM_X_PORT_1_TCP=tcp://10.96.1.1:1\n`,
        WORKER,
      ),
    ],
    [
      "packets of other pods that a policy denies",
      inCounters("after", "metrics", WORKER, (text) =>
        text.replace(
          "[",
          '[{"name": "cilium_drop_count_total", "labels": {"reason": "Policy denied", "direction": "INGRESS"}, "value": 1000000},',
        ),
      ),
    ],
    [
      "labels that a running pod was given",
      both(
        ({ api }) => {
          for (const pod of valueOf(api.pods, [])) (pod.labels as Record<string, string>)["later"] = "1";
        },
        inNode("endpoints", (text) =>
          text.replace(
            /"realized": \{\}(?=,\s*"security-relevant")/g,
            '"realized": {"user": ["k8s:later=1", "k8s:io.cilium.k8s.namespace.labels.later=1"]}',
          ),
        ),
      ),
    ],
  ])("does not mind %s", (_what, change) => {
    expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
  });

  it.each([
    ["does not answer its health check", { kubeProxy: { value: "silent\n" } }, "", "kube-proxy-missing"],
    ["left rules of another mode", {}, "table ip kube-proxy {\n}\n", "kube-proxy-leftover"],
    ["is well", { kubeProxy: { value: "HTTP/1.0 200 OK\r\n" } }, "", undefined],
  ])("tells whether kube-proxy %s", (_what, sections, nftables, cause) => {
    const evidence = recordedEvidence(({ nodes }) => {
      for (const node of nodes) {
        node.sections.iptables = { value: KUBE_PROXY_RULES };
        Object.assign(node.sections, sections);
        node.nftables = { value: nftables };
      }
    });
    const { findings } = judge(kubeProxyRulesCheck as Check, evidence, recordedExpectation("kubeproxy"), new Map());
    expect(new Set(findings.map((finding) => finding.cause))).toEqual(new Set([cause]));
  });

  it.each([
    ["to all endpoints", (rules: string) => rules, undefined],
    [
      "to an address that is none",
      (rules: string) => rules.replace(`${RECORDED_PODS.own}:80`, "10.255.255.254:80"),
      "service-map-stale",
    ],
    [
      "not to one of them",
      (rules: string) => rules.replace(/^.*-j DNAT --to-destination 10\.\S+:53\n/m, ""),
      "service-map-stale",
    ],
  ])("tells whether kube-proxy sends packets %s", (_what, change, cause) => {
    const evidence = recordedEvidence(({ nodes }) => {
      for (const node of nodes) node.sections.iptables = { value: change(KUBE_PROXY_RULES) };
    });
    const { findings } = judge(kubeProxyRulesCheck as Check, evidence, recordedExpectation("kubeproxy"), new Map());
    expect(new Set(findings.map((finding) => finding.cause))).toEqual(new Set([cause]));
  });

  describe("of a cluster whose kube-proxy writes nftables", () => {
    const NFTABLES = readFileSync(join(__dirname, "evidence/kube-proxy-1.34.2-nftables.txt"), "utf8");
    const expected = recordedExpectation("kubeproxy", { kubeProxyMode: "nftables" });
    const judgedWith = (
      {
        rules = "*nat\n",
        tables = NFTABLES,
        told = {},
      }: { rules?: string; tables?: string | undefined; told?: KubeProxyState },
      expectation = expected,
      change: Change = () => undefined,
    ) => {
      const evidence = recordedEvidence((own) => {
        for (const node of own.nodes) {
          node.sections.iptables = { value: rules };
          node.nftables = { value: tables };
        }
        change(own);
      });
      const states = new Map(evidence.nodes.map(({ node }) => [node, told]));
      return judge(kubeProxyRulesCheck as Check, evidence, expectation, states).findings[0]!;
    };

    it.each([
      [true, 'mode: "nftables"', "nftables"],
      [false, 'mode: ""', "iptables"],
    ])(
      "is asked for its mode, and for its table where nodes cannot be entered (%j)",
      async (isEntered, line, configured) => {
        const answer = (stdout: string) => ({ exitCode: 0, stdout, stderr: "" });
        const pod = (name: string, node: string) => ({ metadata: { name }, spec: { nodeName: node } });
        const cluster = {
          pods: async (_: string, selector: string) =>
            selector === "k8s-app=kube-proxy"
              ? [pod("kube-proxy-a", WORKER), pod("kube-proxy-b", "cmlead-worker2")]
              : [pod("cilium-a", WORKER)],
          configMap: async () => ({
            data: { "config.conf": `kind: KubeProxyConfiguration\nmetricsBindAddress: ""\n${line}\n` },
          }),
          log: async () => "I1201 fine\nE1201 05:29:20.0 72 run.go:72] command failed\n",
          exec: async (_: string, name: string, _container: string, command: readonly string[]) =>
            name === "kube-proxy-a" && command[0] === "nft"
              ? answer(NFTABLES)
              : answer("nftables\nIP Virtual Server\n"),
          ...(isEntered ? { onNode: async () => "" } : {}),
        } as unknown as EvidenceCluster;
        const told = await kubeProxyRulesCheck.read!(cluster, expected, new Set([WORKER]));
        expect([...told]).toEqual([
          [
            WORKER,
            {
              complaint: "E1201 05:29:20.0 72 run.go:72] command failed",
              ...{ mode: "nftables", configured, ipvs: "IP Virtual Server" },
              tables: isEntered ? undefined : NFTABLES,
            },
          ],
        ]);
      },
    );

    it("passes with every Service's port, as the table shows", () => {
      expect(judgedWith({ told: { mode: "nftables", configured: "nftables" } })).toMatchObject({
        verdict: "pass",
        seen: "table ip kube-proxy with 7 ports of Services, 2 NodePorts",
      });
      expect(judgedWith({}).verdict).toBe("pass");
    });

    it.each<[string, Parameters<typeof judgedWith>[0], string, RegExp]>([
      ["the table is missing", { tables: "" }, "kube-proxy-missing", /has not written its rules/],
      [
        "kube-proxy says why the table is missing",
        { tables: "", told: { complaint: "E1201 could not run nft" } },
        "kube-proxy-missing",
        /has not written its rules on this node: E1201 could not run nft/,
      ],
      [
        "the NodePort is missing",
        { tables: NFTABLES.replace("tcp . 32000", "tcp . 32001") },
        "kube-proxy-missing",
        /has not written its rules/,
      ],
      [
        "a backend is missing",
        { tables: NFTABLES.replace(/, 1 : goto endpoint-\S+kube-dns\/udp\S+/, "") },
        "service-map-stale",
        /do not lead to all endpoints of 1 ports of Services/,
      ],
      [
        "a backend is no endpoint",
        { tables: NFTABLES.replace("dnat to 172.18.0.4:6443", "dnat to 10.255.255.254:6443") },
        "service-map-stale",
        /addresses that are no endpoints of their Service/,
      ],
      [
        "iptables has rules of an earlier mode",
        { rules: KUBE_PROXY_RULES },
        "kube-proxy-leftover",
        /kube-proxy's mode is nftables, and rules of another mode are left over/,
      ],
      [
        "kube-proxy runs in another mode than this stack's",
        { rules: KUBE_PROXY_RULES, tables: "", told: { mode: "iptables", configured: "iptables" } },
        "kube-proxy-mode",
        /this stack asks for kube-proxy's mode nftables; its ConfigMap asks for iptables/,
      ],
    ])("fails where %s", (_what, given, cause, reason) => {
      expect(judgedWith(given)).toMatchObject({ verdict: "fail", cause, reason: expect.stringMatching(reason) });
    });

    it("takes the mode of an external cluster from its ConfigMap, and names a kube-proxy that has not read it", () => {
      const external = { ...recordedExpectation("kubeproxy"), isExternal: true };
      const told = { mode: "nftables", configured: "nftables" };
      expect(judgedWith({ told }, external).verdict).toBe("pass");
      expect(judgedWith({ told: {} }, external).verdict).toBe("pass");
      expect(judgedWith({ told: { ...told, configured: "iptables" } }, external)).toMatchObject({
        cause: "kube-proxy-mode",
        seen: "kube-proxy runs in mode nftables",
        reason: "its ConfigMap asks for iptables, which it reads only when it starts",
      });
    });

    it("warns of a ConfigMap that was changed, which kube-proxy takes when it restarts", () => {
      expect(judgedWith({ told: { mode: "nftables", configured: "iptables" } })).toMatchObject({
        verdict: "warning",
        reason: "kube-proxy's ConfigMap asks for mode iptables, which it takes when it restarts",
      });
    });

    it("does not take the silence of an external node without nft for missing rules", () => {
      const external = { ...recordedExpectation("kubeproxy"), isExternal: true };
      const told = { mode: "nftables", configured: "nftables" };
      expect(judgedWith({ tables: "", told }, external).verdict).toBe("inconclusive");
      expect(judgedWith({ tables: "", told: { ...told, tables: NFTABLES } }, external).verdict).toBe("pass");
      expect(judgedWith({ tables: "", told }).verdict).toBe("fail");
    });

    it("does not pass for another mode, and a stack's own default is iptables", () => {
      const told = { mode: "nftables", configured: "nftables" };
      expect(judgedWith({ told }, recordedExpectation("kubeproxy"))).toMatchObject({ cause: "kube-proxy-mode" });
      expect(judgedWith({}, recordedExpectation("kubeproxy"))).toMatchObject({ cause: "kube-proxy-missing" });
    });

    it("reads the table of IPVS, says why kube-proxy has none, and finds what IPVS left", () => {
      const ipvs = recordedExpectation("kubeproxy", { kubeProxyMode: "ipvs" });
      const said = "E1201 can't use the IPVS proxier: Ipvs not supported";
      expect(judgedWith({ tables: "", told: { ipvs: "", complaint: said } }, ipvs)).toMatchObject({
        cause: "kube-proxy-missing",
        reason: expect.stringContaining(said),
      });
      const device = inNode("links", (text) => text.replace("[", '[{"ifindex":9,"ifname":"kube-ipvs0"},'));
      expect(judgedWith({ tables: "" }, recordedExpectation("ebpf"), device)).toMatchObject({
        cause: "kube-proxy-leftover",
        remedy: expect.stringContaining("ip link delete kube-ipvs0"),
      });
      const services = valueOf(recordedEvidence().api.services, []);
      const endpoints = valueOf(recordedEvidence().api.endpoints, []);
      const hex = (end: string) => {
        const [address, port] = end.split(":") as [string, string];
        const bytes = address.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
        return `${bytes.join("")}:${Number(port).toString(16).padStart(4, "0")}`.toUpperCase();
      };
      const lines = services.flatMap(({ name, clusterIp, ports }) =>
        ports.flatMap(({ protocol, port, targetPort, nodePort }) => {
          const own = endpoints.find(
            (each) => each.service === name && each.protocol === protocol && String(each.port) === targetPort,
          )!;
          const backends = own.addresses.map(
            (address) => `  -> ${hex(`${address}:${own.port}`)}      Masq    1      0          0`,
          );
          const at = (end: string) => [`${protocol}  ${hex(end)} rr `, ...backends];
          return [...at(`${clusterIp}:${port}`), ...(nodePort === undefined ? [] : at(`172.18.0.4:${nodePort}`))];
        }),
      );
      const table = `IP Virtual Server version 1.2.1 (size=4096)\n${lines.join("\n")}\n`;
      expect(judgedWith({ tables: "", told: { mode: "ipvs", ipvs: table } }, ipvs)).toMatchObject({
        verdict: "pass",
        seen: "IPVS with 7 ports of Services, 2 NodePorts",
      });
    });
  });

  it("folds a NodePort that Cilium does not translate under the node that its ipcache lacks", () => {
    const evidence = recordedEvidence(
      inNode("ipcache", (text) => text.replace(`"${RECORDED_PODS.peerNode}/32"`, '"172.18.9.9/32"'), WORKER),
    );
    const flows = evidence.nodes.map(({ node }) => ({
      place: { pod: "nettool-a", node, address: RECORDED_PODS.own },
      target: RECORDED_PODS.peerNode,
      sent: "",
      tracked: [
        { port: "61000", out: node === WORKER ? `${RECORDED_PODS.peerNode}:32000` : `${RECORDED_PODS.peer}:80` },
      ],
    }));
    const translated = judge(translationCheck as Check, evidence, recordedExpectation(), flows);
    const causes = diagnose([translated, ...judged(evidence).results]);
    expect(causes).toMatchObject([
      { cause: "ipcache-stale", nodes: [WORKER], symptoms: [{ check: "translation", subjects: [WORKER] }] },
    ]);
  });

  it("names the node that all lossy paths have in common", () => {
    const named = (...paths: string[][]) => {
      const findings = paths.map((nodes) =>
        fail("pod", "no answer", "large packets are lost", "ip link show", { cause: "large-packets", nodes }),
      );
      const question = "Do large packets arrive?";
      return diagnose([{ id: "packet-size", question, verdict: "fail", findings }])[0]!.nodes;
    };
    expect(named(["a", "b"], ["b", "c"])).toEqual(["b"]);
    expect(named(["a"], ["c"])).toEqual(["a", "c"]);
    expect(named(["a", "b"])).toEqual(["a", "b"]);
  });

  it("takes a pod with its node's address for no proof of masquerading", () => {
    const { results } = judged(
      recordedEvidence(({ api, traffic }) => {
        for (const pod of traffic!.pods) {
          const { address } = valueOf(api.nodes, []).find(({ name }) => name === pod.node)!;
          for (const { from } of traffic!.probes) if (from.name === pod.pod) from.address = address;
          pod.address = address;
        }
      }),
    );
    expect(results.find(({ id }) => id === "masquerading")!.verdict).toBe("inconclusive");
  });

  it.each([
    [
      "one pod waits for itself now and then",
      [
        [5, 5, 900],
        [5, 5, 5],
        [5, 5, 5],
      ],
      "fail",
    ],
    [
      "one pod waits for itself most of the time",
      [
        [5, 900, 900],
        [5, 5, 5],
        [5, 5, 5],
      ],
      "pass",
    ],
    [
      "most pods wait for themselves now and then",
      [
        [5, 5, 900],
        [5, 5, 900],
        [5, 5, 5],
      ],
      "pass",
    ],
  ])("takes repeated TCP segments for lost ones unless the machine is busy: %s", (_when, answers, verdict) => {
    const { results } = judged(
      recordedEvidence(({ traffic }) => {
        const pods = traffic!.pods.filter(({ server }) => server);
        traffic!.controls = pods.map(({ pod, node }, index) => ({ pod, node, milliseconds: answers[index]! }));
        const own = traffic!.probes.filter(
          ({ flow, from, shape }) => flow === "pod-to-pod" && from.name === pods[0]!.pod && shape === "tcp/small",
        );
        for (const { tries } of own) for (const each of tries) each.lost = 1;
      }),
    );
    expect(results.find(({ id }) => id === "pod-to-pod")!.verdict).toBe(verdict);
  });

  it("does not mind an annotation of cilium-config", () => {
    const { results } = judged(
      recordedEvidence(({ api }) => {
        if ("value" in api.config)
          api.config.value.writers.unshift({ manager: "kubectl-annotate", time: "2099-01-01T00:00:00.000Z", keys: [] });
      }),
    );
    expect(bad(results)).toEqual([]);
  });
});

describe("nodes that differ as they may", () => {
  const quiet = (change: Change) => expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
  const rulesOn = (node: string, table: string, rules: string) => inNode("iptables", inTable(table, rules), node);

  it("have rules of their own for Services of one node, and for L7 policies", () => {
    const workers = ["cmlead-worker", "cmlead-worker2"];
    quiet((evidence) => {
      for (const node of workers) {
        rulesOn(
          node,
          "nat",
          ':CILIUM_PRE_mangle - [0:0]\n[0:0] -A CILIUM_PRE_mangle -p tcp -m mark --mark 0x1 -m comment --comment "cilium: TPROXY to host egress proxy" -j TPROXY --on-port 1 --on-ip 127.0.0.1 --tproxy-mark 0x200/0xffffffff',
        )(evidence);
      }
    });
  });

  it("have chains of their own for the backends of Services with a traffic policy of Local, also where there are two", () => {
    const ofNode = (address: string) =>
      `:KUBE-SEP-${address.replaceAll(".", "")} - [0:0]\n[0:0] -A KUBE-SEP-${address.replaceAll(".", "")} -s ${address}/32 -m comment --comment "kube-system/hubble-peer:peer-service" -j KUBE-MARK-MASQ\n[0:0] -A KUBE-SERVICES -d 10.96.0.9/32 -m comment --comment "a/b has no local endpoints" -j DROP`;
    const { results } = judged(
      recordedEvidence((evidence) => {
        Object.assign(evidence, { nodes: evidence.nodes.slice(0, 2) });
        evidence.nodes.forEach(({ node }, index) =>
          rulesOn(node, "nat", `:KUBE-SERVICES - [0:0]\n${ofNode(`172.18.0.${index}`)}`)(evidence),
        );
      }),
    );
    expect(results.find(({ id }) => id === "netfilter")!.verdict).toBe("pass");
  });

  it("are both named where there are two, without a command that spreads the wrong value", () => {
    expect(
      odd(
        [
          { node: "a", mtu: "1500" },
          { node: "b", mtu: "1280" },
        ],
        ({ mtu }) => mtu,
      ),
    ).toEqual([
      { node: "a", own: "1500", most: "1280", isTie: true },
      { node: "b", own: "1280", most: "1500", isTie: true },
    ]);
  });
});

describe("what runs beside the mode", () => {
  it("is a warning where Envoy is expected and does not run", () => {
    const { results } = judged(recordedEvidence(inConfig("external-envoy-proxy", "true")));
    const { verdict, findings } = results.find(({ id }) => id === "agents")!;
    expect([verdict, findings.at(-1)!.seen]).toEqual(["warning", expect.stringMatching(/^no ready Envoy on cmlead-/)]);
  });

  it("fails where the socket load balancer translates before kube-proxy", () => {
    const expectation = { ...recordedExpectation("kubeproxy"), datapathConfig: { "bpf-lb-sock": ["false"] } };
    const causes = ({ findings }: { findings: readonly { cause?: string | undefined }[] }) =>
      new Set(findings.map(({ cause }) => cause));
    const judgedFor = (each: typeof expectation) => judge(programsCheck as Check, recordedEvidence(), each, new Map());
    expect(causes(judgedFor(expectation))).toEqual(new Set(["mode-fallback"]));
    // the user has asked for it
    expect(causes(judgedFor({ ...expectation, datapathConfig: {} as never }))).not.toContain("mode-fallback");
  });
});

describe("keys that Helm rendered otherwise", () => {
  const edited = (key: string) =>
    recordedEvidence(({ api }) => {
      Object.assign(valueOf(api.rendered, null)!.config, { [key]: "rendered" });
    });

  it("are no matter where they only say how agents log", () => {
    expect(bad(judged(edited("debug-verbose")).results)).toEqual([]);
  });

  it("are a warning in an external cluster", () => {
    const isOf = (isExternal: boolean) =>
      judged(edited("bpf-policy-map-max"), { ...recordedExpectation(), isExternal }).results.find(
        ({ id }) => id === "config",
      )!;
    expect([isOf(true).verdict, isOf(false).verdict]).toEqual(["warning", "fail"]);
    expect(isOf(true).findings[0]!.reason).toContain(
      'Helm rendered other values: expected bpf-policy-map-max: "rendered"',
    );
  });
});

describe("the verdict", () => {
  afterEach(() => jest.restoreAllMocks());

  /** A clock that only pauses and the returned function move; deadlines, which have a signal, are never over. */
  function clock(): (seconds: number) => void {
    let time = Date.now();
    const spend = (seconds: number) => void (time += seconds * 1000);
    jest.spyOn(Date, "now").mockImplementation(() => time);
    jest.spyOn(timers, "setTimeout").mockImplementation((milliseconds, value, options) => {
      if (options?.signal !== undefined) return new Promise(() => undefined);
      spend(milliseconds! / 1000);
      return Promise.resolve(value!);
    });
    return spend;
  }

  it("is unknown of a cluster that does not answer, and no check passes", async () => {
    const dead = new Proxy({ reach: undefined } as Partial<EvidenceCluster> as EvidenceCluster, {
      get: (_, name) =>
        ["onNode", "startOutside", "keepShells"].includes(name as string)
          ? undefined
          : name === "now"
            ? Date.now
            : () => Promise.reject(new Error("connect ECONNREFUSED")),
    });
    const verification = await verify(dead, recordedExpectation());
    expect(verification.verdict).toBe("fail");
    expect(verification.proof).toBe("unknown");
    expect(verification.results.map(({ id, verdict }) => `${id} ${verdict}`)).toEqual(
      CHECKS.map(({ id }) => `${id} inconclusive`),
    );
  });

  it("ends the shells that it kept, in every case", async () => {
    let open = 0;
    const keepShells = () => {
      open += 1;
      return () => void (open -= 1);
    };
    const opened: number[] = [];
    const check: Check = { id: "x", question: "", needs: [], judge: () => [pass("a", "there")] };
    const reading = { ...check, read: () => Promise.resolve(opened.push(open)) };
    await verify({ now: () => 0, keepShells } as unknown as EvidenceCluster, recordedExpectation(), {
      checks: [reading],
    });
    const broken = { now: () => 0, keepShells } as unknown as EvidenceCluster;
    const at = () => {
      throw new Error("no terminal");
    };
    await expect(verify(broken, recordedExpectation(), { checks: [check], at })).rejects.toThrow("no terminal");
    expect([opened, open]).toEqual([[1], 0]);
  });

  it("comes after a second look where a busy machine spent all the time on the first", async () => {
    const spend = clock();
    let looks = 0;
    const check: Check<number> = {
      ...{ id: "slow", question: "", needs: [] },
      read: () => {
        spend(20);
        return Promise.resolve((looks += 1));
      },
      judge: (_evidence, _expectation, look) => [look === 1 ? fail("a", "late", "late", "wait") : pass("a", "there")],
    };
    const of = (settleSeconds: number) =>
      verify({ now: () => 0 } as EvidenceCluster, recordedExpectation(), { checks: [check as Check], settleSeconds });
    expect((await of(5)).results[0]!.verdict).toBe("fail");
    looks = 0;
    expect((await of(15)).results[0]!.verdict).toBe("pass");
  });

  it.each([
    [undefined, "two looks that are right", 3],
    [1, "one look that is right", 2],
  ])("ends, with settledLooks %s, after %s", async (settledLooks, _title, expected) => {
    const spend = clock();
    let looks = 0;
    const check: Check<number> = {
      ...{ id: "settling", question: "", needs: [] },
      read: () => {
        spend(5);
        return Promise.resolve((looks += 1));
      },
      judge: (_evidence, _expectation, look) => [look === 1 ? fail("a", "late", "late", "wait") : pass("a", "there")],
    };
    const options = { checks: [check as Check], settleSeconds: 60, settledLooks };
    const cluster = { now: () => 0 } as EvidenceCluster;
    expect((await verify(cluster, recordedExpectation(), options)).results[0]!.verdict).toBe("pass");
    expect(looks).toBe(expected);
  });

  it.each([
    ["regenerating", "pass"],
    ["ready", "fail"],
  ])("waits longer for agents that make programs: %s, %s", async (state, verdict) => {
    const spend = clock();
    let looks = 0;
    const check: Check<number> = {
      ...{ id: "slow", question: "", needs: ["nodes"] },
      read: () => {
        spend(20);
        return Promise.resolve((looks += 1));
      },
      judge: (_evidence, _expectation, look) => [look < 3 ? fail("a", "old", "old", "wait") : pass("a", "new")],
    };
    const cluster = {
      now: () => 0,
      nodes: () => Promise.resolve([{ metadata: { name: "a" } }]),
      pods: () => Promise.resolve([{ metadata: { name: "cilium-a" }, spec: { nodeName: "a" } }]),
      exec: () => {
        const stdout = `${JSON.stringify([{ status: { state } }])}\n@@@ endpoints 0 \n`;
        return Promise.resolve({ exitCode: 0, stdout, stderr: "" });
      },
    } as unknown as EvidenceCluster;
    const { results } = await verify(cluster, recordedExpectation(), { checks: [check as Check], settleSeconds: 15 });
    expect(results[0]!.verdict).toBe(verdict);
  });

  it("is summed up in a line for each check", () => {
    const { results } = judged(recordedEvidence());
    const summary = summaryOf({ ...PASSED, results });
    expect(summary.checks["config"]).toMatch(/^pass: cluster: \d+ keys as expected$/);
    expect(summary).toMatchObject({ proof: "proven", verifiedAt: PASSED.verifiedAt, causes: [] });
  });

  it("is reported where no traffic could be sent", async () => {
    const expectation = { ...recordedExpectation(), nodePort: undefined };
    const results = PURE.map((check) => check.skip?.(expectation)).filter(Boolean);
    expect(results.length).toBeGreaterThan(5);
  });
});

describe("the sample of a large cluster", () => {
  it("is spread over all nodes by name", () => {
    const names = Array.from({ length: 300 }, (_, index) => `node-${index}`);
    expect(sampled(names, 4)).toEqual(["node-0", "node-75", "node-150", "node-225"]);
    expect(sampled(["b", "a"], 4)).toEqual(["a", "b"]);
  });

  it("is what every node asks for its health, in two processes for each node", () => {
    const { api } = recordedEvidence();
    const [first] = valueOf(api.ciliumNodes, []);
    const of = (count: number) =>
      healthTargets({
        ...api,
        nodes: { error: "not read" },
        ciliumNodes: { value: Array.from({ length: count }, (_, index) => ({ ...first!, name: `node-${index}` })) },
      });
    expect(of(100)).toHaveLength(200);
    expect(of(5000)).toHaveLength(200);
    expect([...new Set(of(5000).map(({ node }) => node))].slice(0, 3)).toEqual(["node-0", "node-50", "node-100"]);
  });
});

describe("what agents print", () => {
  it("of services is read in every version's form", () => {
    // as article 000 has it, Cilium 1.13.0-rc5
    expect(
      parseServiceList(
        "ID   Frontend              Service Type   Backend\n6    0.0.0.0:32000         NodePort       1 => 10.0.0.56:80 (active)\n                                          2 => 10.0.1.7:80 (terminating)\n",
      ),
    ).toEqual([
      {
        frontend: "0.0.0.0:32000",
        protocol: "ANY",
        type: "NodePort",
        backends: [
          { address: "10.0.0.56:80", active: true },
          { address: "10.0.1.7:80", active: false },
        ],
      },
    ]);
  });

  it("of the BPF service map is read with and without protocols", () => {
    const map = parseLbMap(
      "SERVICE ADDRESS             BACKEND ADDRESS (REVNAT_ID) (SLOT)\n172.18.0.2:32000/TCP (1)    10.0.0.1:80/TCP (3) (1)\n10.96.0.10:53/TCP (0)       0.0.0.0:0 (3) (0) [ClusterIP, non-routable]\n10.96.0.10:53/TCP (2)       10.0.0.199:53/TCP (3) (2)\n10.96.0.1:443   0.0.0.0:0 (1) (0) [ClusterIP, non-routable]\n                172.18.0.4:6443 (1) (1)\n",
    );
    expect(map.get("10.96.0.10:53/TCP")).toEqual(new Set(["10.0.0.199:53"]));
    // its first slot, by which all others are found, is missing
    expect(map.has("172.18.0.2:32000/TCP")).toBe(false);
    expect(map.get("10.96.0.1:443/ANY")).toEqual(new Set(["172.18.0.4:6443"]));
  });

  it("of a fallback is found in a log, and nothing else", () => {
    const log = [
      'level=info msg="Auto-disabling \\"enable-bpf-clock-probe\\" feature since KERNEL_HZ cannot be determined"',
      'level=info msg="BPF host routing requires enable-bpf-masquerade. Falling back to legacy host routing (enable-host-legacy-routing=true)."',
      'level=info msg="Data couldn\'t be fetched in watchlist mode. Falling back to regular list."',
    ].join("\n");
    expect(fallbackLines(log)).toEqual([
      "BPF host routing requires enable-bpf-masquerade. Falling back to legacy host routing (enable-host-legacy-routing=true).",
    ]);
  });
});

describe("features beside the mode", () => {
  const withTunnel = inNode("links", (text) =>
    text.replace(/^\[/, '[{"ifname":"cilium_vxlan","mtu":1500,"flags":["UP"],"linkinfo":{"info_kind":"vxlan"}},'),
  );
  const wrong = (change: Change, extraValues: HelmValues) =>
    bad(judged(recordedEvidence(change), recordedExpectation("ebpf", { extraValues })).results);

  it("may have a tunnel of their own beside native routing", () => {
    const gateway = inConfig("enable-egress-gateway", "true");
    expect(wrong(both(withTunnel, gateway), { egressGateway: { enabled: true } })).not.toContain("routes");
    expect(wrong(withTunnel, {})).toContain("routes");
  });

  it("that an agent has switched off fail, though its status leaves them out", () => {
    const values = { bandwidthManager: { enabled: true } };
    const { results } = judged(
      recordedEvidence(inConfig("enable-bandwidth-manager", "true")),
      recordedExpectation("ebpf", { extraValues: values }),
    );
    const { verdict, findings } = results.find(({ id }) => id === "features")!;
    expect([verdict, findings[0]]).toEqual([
      "fail",
      expect.objectContaining({ seen: "bandwidth manager: false", reason: expect.stringContaining("configured") }),
    ]);
  });

  it("leave room for what DSR adds to packets from outside", () => {
    const bytes = (mode: string) => dsrBytesOf(recordedEvidence(inConfig("bpf-lb-mode", mode)).api);
    expect([bytes("dsr"), bytes("hybrid"), bytes("snat"), dsrBytesOf(recordedEvidence().api)]).toEqual([8, 0, 0, 0]);
    const by = (dispatch: string) =>
      dsrBytesOf(recordedEvidence(both(inConfig("bpf-lb-mode", "dsr"), inConfig("bpf-lb-dsr-dispatch", dispatch))).api);
    expect([by("opt"), by("ipip"), by("geneve")]).toEqual([8, 20, 62]);
  });
});
