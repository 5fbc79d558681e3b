import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseFaults, drill, DrillState, ownNodes } from "../../cli/drill";
import { catalogueText, drillText, resultLine } from "../../cli/drillText";
import { PLAIN } from "../../render/terminal";
import { CAUSES, FAULT_CLASSES, type CauseId } from "../../datapath/causes";
import type { ClusterReader } from "../../cluster/read";
import { applies, FAULTS } from "../../datapath/faults/catalogue";
import { drillFault, undo, type DrillGround } from "../../datapath/faults/drill";
import type { Fault, Script } from "../../datapath/faults/fault";
import { labOf, readLabFacts, scriptOf, type LabFacts } from "../../datapath/faults/lab";
import type { Verification } from "../../datapath/verify";
import type { CiliumConfig } from "../../modes/ciliumConfig";
import { ROUTING_MODES } from "../../modes/contract";
import type { KindNode } from "../../host/docker";

const FACTS: LabFacts = {
  node: "c-worker",
  node_address: "172.18.0.3",
  node_pods: "10.0.1.0/24",
  pod: "nettool-a",
  pod_address: "10.0.1.7",
  peer: "c-worker2",
  peer_address: "172.18.0.4",
  peer_pods: "10.0.2.0/24",
  peer_pod: "nettool-b",
  peer_pod_address: "10.0.2.8",
  third: "c-control-plane",
  third_address: "172.18.0.2",
  third_pods: "10.0.0.0/24",
  third_pod_address: "10.0.0.9",
  cluster_ip: "10.96.10.20",
  node_port: "32000",
  dns_pod_address: "10.0.1.3",
  node_ipv6: "",
  node_ipv6_pods: "",
  pod_ipv6: "",
  peer_ipv6: "",
  peer_ipv6_pods: "",
  peer_pod_ipv6: "",
  third_ipv6: "",
  cluster_ipv6: "",
};
/** The same cluster with both families. */
const DUAL_FACTS: LabFacts = {
  ...FACTS,
  node_ipv6: "fc00::3",
  node_ipv6_pods: "fd00:10:0:1::/64",
  pod_ipv6: "fd00:10:0:1::7",
  peer_ipv6: "fc00::4",
  peer_ipv6_pods: "fd00:10:0:2::/64",
  peer_pod_ipv6: "fd00:10:0:2::8",
  third_ipv6: "fc00::2",
  cluster_ipv6: "fd00:10:96::50",
};

const scriptsOf = ({ inject, undo: back, probe }: Fault): Script[] => [...inject, ...back, probe];

describe("the catalogue of faults", () => {
  it("has at least 80 faults whose names are unique and in kebab-case", () => {
    const names = FAULTS.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(80);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
  });

  it("has a fault of every class, and 60 or more for each mode of the stacks", () => {
    expect([...new Set(FAULTS.map((fault) => fault.class))].sort()).toEqual([...FAULT_CLASSES].sort());
    for (const mode of ROUTING_MODES) {
      expect(FAULTS.filter((fault) => applies(fault, { mode, tunnel: "disabled" })).length).toBeGreaterThanOrEqual(60);
    }
  });

  it("keeps faults that break kube-proxy's rules to the mode that has these rules", () => {
    const named = (kubeProxy?: "iptables" | "nftables") =>
      FAULTS.filter((fault) => applies(fault, { mode: "kubeproxy", tunnel: "disabled", kubeProxy })).map(
        ({ name }) => name,
      );
    const ofNftables = FAULTS.filter(({ kubeProxy }) => kubeProxy === "nftables").map(({ name }) => name);
    expect(named()).toEqual(named("iptables"));
    // its undo would delete the table
    expect([named(), named("nftables")].map((all) => all.includes("kube-proxy-rules-of-another-mode"))).toEqual([
      true,
      false,
    ]);
    expect(ofNftables.filter((name) => !named("nftables").includes(name) || named().includes(name))).toEqual([]);
    expect(
      FAULTS.filter(
        ({ inject, kubeProxy }) => kubeProxy === undefined && /KUBE-(?:SERVICES|SEP)\b/.test(JSON.stringify(inject)),
      ),
    ).toEqual([]);
  });

  it("keeps faults of IPv6 to clusters of both families, where all others apply too", () => {
    const named = (ipFamily?: "ipv4" | "dual") =>
      FAULTS.filter((fault) => applies(fault, { mode: "ebpf", tunnel: "disabled", ipFamily })).map(({ name }) => name);
    expect(named()).toEqual(named("ipv4"));
    expect(named().filter((name) => name.startsWith("ipv6-"))).toEqual([]);
    expect(named("dual").filter((name) => !name.startsWith("ipv6-"))).toEqual(named());
    expect(named("dual").length - named().length).toBeGreaterThanOrEqual(30);
    // without these facts their scripts would change something else
    const needsIpv6 = (fault: Fault) =>
      scriptsOf(fault).some(({ run }) => /\$\w+_ipv6/.test(run.replaceAll('[ -z "$node_ipv6" ]', "")));
    for (const fault of FAULTS) {
      const wanted = needsIpv6(fault) || fault.name.startsWith("ipv6-") ? "dual" : undefined;
      expect([fault.name, fault.ipFamily]).toEqual([fault.name, wanted]);
    }
  });

  it("writes an IPv6 address as the bytes that keys of BPF maps have", () => {
    const { inject } = FAULTS.find(({ name }) => name === "ipv6-cluster-ip-missing")!;
    const [, bytes] = /key hex (\$\(.*?\)) 00 50 /.exec(inject[0]!.run)!;
    const bytesOf = (address: string) =>
      spawnSync("sh", ["-c", `cluster_ipv6=${address}; echo ${bytes}`], { encoding: "utf8" }).stdout.trim();
    expect(bytesOf("fd00:10:96::50")).toBe("fd 00 00 10 00 96 00 00 00 00 00 00 00 00 00 50");
    expect(bytesOf("::1")).toBe("00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01");
    expect(bytesOf("1:2:3:4:5:6:7:abcd")).toBe("00 01 00 02 00 03 00 04 00 05 00 06 00 07 ab cd");
  });

  it("has no fault that the stack asks for", () => {
    const names = (asked: CiliumConfig) =>
      FAULTS.filter((fault) => applies(fault, { mode: "ebpf", tunnel: "disabled", asked })).map(({ name }) => name);
    const all = names({ "bpf-lb-mode": "snat" });
    expect(all).toEqual(expect.arrayContaining(["load-balancer-dsr", "maglev"]));
    const asked = names({ "bpf-lb-mode": "dsr", "bpf-lb-algorithm": "maglev", "kube-proxy-replacement": "true" });
    expect(all.filter((name) => !asked.includes(name))).toEqual(["load-balancer-dsr", "maglev"]);
  });

  it.each(FAULTS.map((fault) => [fault.name, fault] as const))(
    "describes %s in whole sentences, and expects known causes",
    (_name, fault) => {
      expect(fault.expect.length).toBeGreaterThan(0);
      for (const cause of fault.expect) expect(Object.keys(CAUSES)).toContain(cause);
      for (const words of [fault.title, fault.teaches]) expect(words).toMatch(/^\S+( \S+){3,}\.$/);
      expect(fault.title.length).toBeLessThan(130);
    },
  );

  it("can inject, undo and probe every fault with scripts that a shell reads", () => {
    expect(FAULTS.filter(({ inject, undo: back }) => inject.length === 0 || back.length === 0)).toEqual([]);
    const folder = mkdtempSync(join(tmpdir(), "drill-"));
    for (const fault of FAULTS)
      for (const [index, { at, run }] of scriptsOf(fault).entries())
        writeFileSync(join(folder, `${fault.name}-${index}.sh`), scriptOf(DUAL_FACTS, at, run));
    writeFileSync(join(folder, "broken.sh"), "if true; then");
    const each = 'for script in *.sh; do sh -n "$script" 2>/dev/null || echo "$script"; done';
    const { stdout } = spawnSync("sh", ["-c", each], { cwd: folder, encoding: "utf8" });
    rmSync(folder, { recursive: true });
    expect(stdout.trim().split("\n")).toEqual(["broken.sh"]);
  });

  it("uses no variable that scripts do not have", () => {
    const known = new Set([...Object.keys(FACTS), "here", "kept", "cilium", "KUBECONFIG"]);
    const own = /(?:^|[;\s(])(?:for )?([a-z_]+)(?:=| in )|read -r ((?:[a-z]+ ?)+)/g;
    for (const fault of FAULTS) {
      for (const { run } of scriptsOf(fault)) {
        const made = [...run.matchAll(own)].flatMap(([, one, several]) => (several ?? one!).split(" "));
        const used = [...run.matchAll(/(?<!\\)\$\{?([a-zA-Z_]\w*)/g)].map(([, name]) => name!);
        // jq has variables of its own
        const missing = used.filter(
          (name) => !known.has(name) && !made.includes(name) && !["old", "now"].includes(name),
        );
        expect([fault.name, missing]).toEqual([fault.name, []]);
      }
    }
  });
});

/** A cluster that has one fault, or none. */
class FakeCluster {
  broken = false;
  ran: string[] = [];
  remembered: (string | undefined)[] = [];
  readonly controller = new AbortController();

  constructor(
    private readonly options: { misses?: boolean; causes?: CauseId[]; stays?: boolean; resists?: boolean } = {},
  ) {}

  readonly ground: DrillGround = {
    lab: {
      facts: FACTS,
      run: async ({ at, run }) => {
        this.ran.push(`${at}: ${run}`);
        if (run === "inject" && !this.options.resists) this.broken = true;
        if (run === "undo") this.broken = false;
        if (run === "fail") throw new Error("Command failed with exit code 1\n    no such device");
        return `${String(this.broken)}\n`;
      },
    },
    verify: async () => this.verification(),
    remember: async (fault) => void this.remembered.push(fault?.name),
    at: (what) => {
      if (what.endsWith(": verifying") && this.interrupts) this.controller.abort(new Error("Interrupted"));
    },
    signal: this.controller.signal,
  };
  interrupts = false;

  private verification(): Verification {
    const isSeen = this.broken ? !this.options.misses : this.remembered.length > 1 && this.options.stays === true;
    const results = [
      {
        id: "routes",
        question: "?",
        verdict: isSeen ? ("fail" as const) : ("pass" as const),
        findings: [],
        seconds: 1,
      },
    ];
    const causes = isSeen ? (this.options.causes ?? []).map((cause) => ({ cause })) : [];
    return { verdict: isSeen ? "fail" : "pass", results, seconds: 1, causes } as unknown as Verification;
  }
}

const fault = (inject = "inject", effectSeconds = 0): Fault => ({
  name: "route-gone",
  class: "routing",
  title: "A route is gone.",
  teaches: "Nothing answers.",
  expect: ["route-missing"],
  inject: [{ at: "node", run: inject }],
  undo: [{ at: "node", run: "undo" }],
  probe: { at: "node", run: "probe" },
  effectSeconds,
});

describe("one fault of a drill", () => {
  it("is caught when verify fails, with the cause named when it is an expected one", async () => {
    const named = new FakeCluster({ causes: ["netfilter-foreign", "route-missing"] });
    expect(await drillFault(fault(), named.ground)).toMatchObject({
      outcome: "caught",
      causeNamed: true,
      cause: "route-missing",
      causes: ["netfilter-foreign", "route-missing"],
      red: ["routes"],
    });
    expect(named.remembered).toEqual(["route-gone", undefined]);
    const other = await drillFault(fault(), new FakeCluster({ causes: ["dns-down"] }).ground);
    expect(other).toMatchObject({ outcome: "caught", causeNamed: false });
  });

  it("is missed when verify passes while the fault is in force", async () => {
    const cluster = new FakeCluster({ misses: true });
    expect(await drillFault(fault(), cluster.ground)).toMatchObject({ outcome: "missed", causeNamed: false, red: [] });
    expect(cluster.broken).toBe(false);
  });

  it("says nothing about verify when it does not come into force", async () => {
    const resisting = await drillFault(fault(), new FakeCluster({ resists: true }).ground);
    expect(resisting).toMatchObject({ outcome: "not-injected", problem: "the fault was not in force after 0 s" });
    const failing = await drillFault(fault("fail"), new FakeCluster().ground);
    expect(failing).toMatchObject({
      outcome: "not-injected",
      problem: "the fault could not be injected: no such device",
    });
  });

  it("makes every node forget the path MTUs that it taught, after its own undo", async () => {
    const { ground, ran } = new FakeCluster();
    await drillFault(fault(), ground);
    const after = ran.slice(ran.indexOf("node: undo") + 1);
    expect(after[0]).toMatch(/^every-node: ip route flush cache; for namespace in .* ip netns exec/);
    expect(ran.join("\n")).not.toContain("ip -6");
    const dual = new FakeCluster();
    const lab = { ...dual.ground.lab, facts: DUAL_FACTS };
    await drillFault(fault(), { ...dual.ground, lab });
    expect(dual.ran.filter((line) => line.startsWith("every-node: ip -6 route flush cache"))).toHaveLength(1);
  });

  it("is not repaired when the cluster does not pass after the undo", async () => {
    const result = await drillFault(fault(), new FakeCluster({ stays: true }).ground);
    expect(result).toMatchObject({
      outcome: "not-repaired",
      problem: "after the undo these checks stay red for 300 s: routes",
    });
  });

  it("is undone before an interrupted drill ends", async () => {
    const cluster = new FakeCluster();
    cluster.interrupts = true;
    await expect(drillFault(fault(), cluster.ground)).rejects.toThrow("Interrupted");
    expect([cluster.broken, cluster.remembered]).toEqual([false, ["route-gone", undefined]]);
  });

  it("stays remembered when its undo fails", async () => {
    const cluster = new FakeCluster();
    const stubborn = { ...fault(), undo: [{ at: "node", run: "fail" }] } as Fault;
    await expect(drillFault(stubborn, cluster.ground)).rejects.toThrow("The fault route-gone cannot be undone");
    expect(cluster.remembered).toEqual(["route-gone"]);
    await expect(undo(stubborn, cluster.ground.lab)).rejects.toThrow("no such device");
  });
});

describe("the state of a drill", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "cilium-modes-drill-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("keeps the active fault in a file until it is undone", async () => {
    const state = new DrillState("ebpf", join(folder, "new"));
    expect(await state.read()).toBeUndefined();
    await state.write({ fault: "route-gone", facts: FACTS });
    expect(await new DrillState("ebpf", join(folder, "new")).read()).toMatchObject({
      fault: "route-gone",
      facts: FACTS,
    });
    await state.write(undefined);
    expect(existsSync(state.file)).toBe(false);
  });

  it("is refused while another drill of the stack runs", async () => {
    const state = new DrillState("ebpf", folder);
    await state.write({ fault: "route-gone", facts: FACTS });
    const kept = JSON.parse(readFileSync(state.file, "utf8")) as object;
    writeFileSync(state.file, JSON.stringify({ ...kept, process: process.ppid }));
    await expect(state.read()).rejects.toThrow(`Another drill runs on this stack (process ${process.ppid})`);
  });
});

describe("cilium-modes drill", () => {
  const node = (name: string, ...mountPoints: string[]): KindNode => ({
    name,
    role: "worker",
    containerId: name,
    running: true,
    address: "172.18.0.2",
    mountPoints,
  });

  it("runs on clusters that the stack created, and on no other", async () => {
    const own = async () => [node("c-worker", "/var", "/kind/owner/cilium-modes/ebpf/1-2-3")];
    expect(await ownNodes("ebpf", "c", own)).toEqual(["c-worker"]);
    await expect(ownNodes("kubeproxy", "c", own)).rejects.toThrow(
      "Stack kubeproxy is refused: it did not create c-worker",
    );
    await expect(ownNodes("ebpf", "c", async () => [node("c-worker", "/var")])).rejects.toThrow("is refused");
    await expect(ownNodes("ebpf", "c", async () => [])).rejects.toThrow(
      "The cluster of stack ebpf does not exist; create it with: npm start -- ebpf",
    );
    const stopped = async () => [{ ...(await own())[0]!, running: false }];
    await expect(ownNodes("ebpf", "c", stopped)).rejects.toThrow("cluster are stopped (c-worker");
  });

  it("refuses a stack with an existing cluster before anything else", async () => {
    const set = ["cluster.context=lab", "nettool.image=registry.example/nettool:1"];
    await expect(drill("ebpf", { all: true, set })).rejects.toThrow(
      "Stack ebpf is refused: its cluster is an existing one",
    );
  });

  it("chooses faults by name and class, and all of them only when asked for", () => {
    expect(chooseFaults({ fault: ["neighbor-wrong"] }).map(({ name }) => name)).toEqual(["neighbor-wrong"]);
    expect(new Set(chooseFaults({ class: ["dns", "maps"] }).map((each) => each.class))).toEqual(
      new Set(["dns", "maps"]),
    );
    expect(chooseFaults({ all: true })).toHaveLength(FAULTS.length);
    expect(chooseFaults({ list: true })).toHaveLength(FAULTS.length);
    expect(chooseFaults({ undo: true })).toEqual([]);
    expect(() => chooseFaults({})).toThrow("Choose faults with --fault, --class or --all");
    expect(() => chooseFaults({ fault: ["nosuch"] })).toThrow("Unknown fault nosuch");
    expect(() => chooseFaults({ class: ["nosuch"] })).toThrow(
      "Unknown fault class nosuch; known classes are kubernetes",
    );
  });

  it("lists the catalogue without a cluster, as text and as JSON", async () => {
    const printed: string[] = [];
    const log = jest.spyOn(console, "log").mockImplementation((text: string) => void printed.push(text));
    expect(await drill(undefined, { list: true })).toBe(true);
    expect(await drill(undefined, { list: true, json: true, class: ["dns"] })).toBe(true);
    log.mockRestore();
    expect(printed[0]).toContain(`${FAULTS.length} faults`);
    expect(printed[0]).toMatch(/^dns \(\d+ faults\)\n {2}\S+ +\S/m);
    const [first] = JSON.parse(printed[1]!) as Record<string, unknown>[];
    expect(first).toMatchObject({ class: "dns", expect: expect.arrayContaining(["dns-down"]) });
    await expect(drill(undefined, { all: true })).rejects.toThrow("Name a stack");
  });

  it("fits the list of faults into a narrow terminal", () => {
    const lines = catalogueText(FAULTS, { ...PLAIN, columns: 60 }).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  });

  it("reports, of all causes, the one that explains the fault", () => {
    const base = { class: "routing", red: [], verifySeconds: 7, seconds: 20, outcome: "caught" } as const;
    const causes = ["dns-down", "detour"] as const;
    expect(resultLine({ ...base, fault: "a", causeNamed: true, cause: "detour", causes })).toContain(
      "a (cause named: detour, 20 s)",
    );
    expect(resultLine({ ...base, fault: "a", causeNamed: false, causes })).toContain("a (other cause: dns-down, 20 s)");
  });

  it("ends with a table and how many faults were caught", () => {
    const base = { class: "routing", causes: [], red: [], verifySeconds: 7, seconds: 20 } as const;
    const text = drillText(
      [
        { ...base, fault: "a", outcome: "caught", causeNamed: true, causes: ["detour"] },
        { ...base, fault: "b", outcome: "missed", causeNamed: false },
        { ...base, fault: "c", outcome: "not-injected", causeNamed: false, problem: "no such device" },
      ],
      { mode: "ebpf" },
      PLAIN,
    );
    expect(text).toMatch(/^a +routing +caught +yes +7 +20 +detour$/m);
    expect(text).toMatch(/^c .* no such device$/m);
    expect(text).toContain(
      "ebpf: 3 faults, 1 caught (1 with the cause named), 1 missed, 1 not injected, 0 not repaired",
    );
  });
});

describe("the places of faults", () => {
  it("are chosen from the API: two workers and the control plane, with their pods", async () => {
    const node = (name: string, address: string, labels = {}) => ({
      metadata: { name, labels },
      status: { addresses: [{ type: "InternalIP", address }] },
    });
    const pod = (nodeName: string, name: string, podIP: string) => ({
      metadata: { name },
      spec: { nodeName },
      status: { podIP },
    });
    const nodes = [
      node("c-worker2", "172.18.0.4"),
      node("c-control-plane", "172.18.0.2", { "node-role.kubernetes.io/control-plane": "" }),
      node("c-worker", "172.18.0.3"),
    ];
    const cluster = {
      nodes: async () => nodes,
      pods: async (namespace: string) =>
        namespace === "kube-system"
          ? [pod("c-worker", "coredns-a", "10.0.1.3")]
          : [
              pod("c-worker", "nettool-a", "10.0.1.7"),
              pod("c-worker2", "nettool-b", "10.0.2.8"),
              pod("c-control-plane", "nettool-c", "10.0.0.9"),
            ],
      ciliumPodCidrs: async () =>
        new Map([
          ["c-worker", ["10.0.1.0/24"]],
          ["c-worker2", ["10.0.2.0/24"]],
          ["c-control-plane", ["10.0.0.0/24"]],
        ]),
      service: async () => ({ spec: { clusterIP: "10.96.10.20", ports: [{ nodePort: 32000 }] } }),
    } as unknown as ClusterReader;
    expect(await readLabFacts(cluster)).toEqual(FACTS);
    const dual = {
      ...cluster,
      nodes: async () =>
        nodes.map((each) => {
          const { address } = each.status.addresses[0]!;
          const second = { type: "InternalIP", address: `fc00::${address.at(-1)}` };
          return { ...each, status: { addresses: [...each.status.addresses, second] } };
        }),
      pods: async (namespace: string, selector: string) =>
        (await cluster.pods(namespace, selector)).map((each) => {
          const [, , network, last] = each.status!.podIP!.split(".");
          return { ...each, status: { ...each.status, podIPs: [{ ip: `fd00:10:0:${network}::${last}` }] } };
        }),
      ciliumPodCidrs: async () =>
        new Map(
          [...(await cluster.ciliumPodCidrs())].map(([name, [own]]) => [
            name,
            [own, `fd00:10:0:${own!.split(".")[2]}::/64`],
          ]),
        ),
      service: async () => ({
        spec: {
          clusterIP: "10.96.10.20",
          clusterIPs: ["10.96.10.20", "fd00:10:96::50"],
          ports: [{ nodePort: 32000 }],
        },
      }),
    } as unknown as ClusterReader;
    expect(await readLabFacts(dual)).toEqual(DUAL_FACTS);
    nodes.shift();
    await expect(readLabFacts(cluster)).rejects.toThrow(
      "A drill needs a control plane and two workers (got c-control-plane, c-worker)",
    );
  });

  it("lead to the right container, with the variables and functions of the place", async () => {
    const calls: [string, string][] = [];
    const lab = labOf(FACTS, [FACTS.third, FACTS.node, FACTS.peer], async (where, command) => {
      calls.push([where, command.slice(0, -1).join(" ")]);
      return command.at(-1)!.includes("get pods -l k8s-app=cilium --field-selector") ? "cilium-x" : "done";
    });
    const places = ["node", "peer", "every-node", "kube", "agent", "pod"] as const;
    for (const at of places) await lab.run({ at, run: "true" });
    expect(calls.map(([where]) => where)).toEqual([
      "c-worker",
      "c-worker2",
      ...["c-control-plane", "c-worker", "c-worker2"],
      "c-control-plane",
      ...["c-control-plane", "c-control-plane"],
      "c-control-plane",
    ]);
    expect(calls.at(-2)![1]).toContain("-n kube-system exec cilium-x -c cilium-agent -- sh -c");
    expect(calls.at(-1)![1]).toContain("-n nettool exec nettool-a -c nettool -- sh -c");
    expect(scriptOf(FACTS, "node", "true")).toMatch(/^set -eu\nnode='c-worker'\n.*\nkeep\(\) \{\n/s);
  });
});
