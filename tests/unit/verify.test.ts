import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1ConfigMap, V1Deployment, V1Node, V1Pod } from "@kubernetes/client-node";
import { verificationText } from "../../cli/verificationText";
import type { Expectation, Finding } from "../../datapath/checks/check";
import { parseServiceList } from "../../datapath/checks/serviceMap";
import { fallbackLines } from "../../datapath/checks/status";
import type { ClusterReader } from "../../datapath/cluster";
import type { ExecResult } from "../../datapath/podExec";
import { CHECKS, summaryOf, verify } from "../../datapath/verify";
import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import type { CiliumValuesArgs } from "../../modes/ciliumValues";
import type { RoutingMode } from "../../modes/contract";
import { expectedEvidence } from "../../modes/evidence";

const recorded = (name: string) => readFileSync(join(__dirname, "evidence", name), "utf8");

const NODES = ["vf-control-plane", "vf-worker", "vf-worker2"] as const;
/** The worker's own, as recorded, and the networks that its routes lead to. */
const ADDRESSES = { "vf-control-plane": "172.18.0.4", "vf-worker": "172.18.0.6", "vf-worker2": "172.18.0.5" } as const;
const POD_CIDRS = new Map([
  ["vf-control-plane", ["10.0.0.0/24"]],
  ["vf-worker", ["10.0.1.0/24"]],
  ["vf-worker2", ["10.0.2.0/24"]],
]);

function expectation(mode: RoutingMode, more: Partial<CiliumValuesArgs> = {}): Expectation {
  const args: CiliumValuesArgs = {
    version: "1.20.2",
    mode,
    tunnel: "disabled",
    clusterName: "vf",
    nodeCount: 1,
    podCidr: "10.0.0.0/16",
    nativeRoutingCIDR: "10.0.0.0/8",
    images: { agent: {}, operator: {}, envoy: {} },
    extraValues: {},
    ...more,
  };
  return { evidence: expectedEvidence(args), ciliumConfig: expectedCiliumConfig(args), nodeCount: 2, nodePort: 32000 };
}

/** What a cluster answers. */
interface Answers {
  readonly config: Readonly<Record<string, string>>;
  /** Keys beside those of the mode. */
  readonly moreConfig: Readonly<Record<string, string>>;
  readonly configChanged: Date;
  readonly kubeProxies: number;
  /** Changes what both agents answer to commands that hold the word. */
  readonly agent: Readonly<Record<string, (recorded: string) => string>>;
  /** Targets that a pod's script does not reach. */
  readonly unreachable: RegExp;
  readonly log: string;
  /** Packets that the kernel forwards from one look at a node to the next, of either. */
  readonly forwarded: number;
  /** The same for packets over cilium_host. */
  readonly overHost: number;
  /** What the address of every pod and its gateway are. */
  readonly podAddress: (address: string, gateway: string) => string;
  readonly operators: number;
  /** Addresses of the nodes' health endpoints, or `none`. */
  readonly healthEndpoints: readonly string[];
  /** What `nft list tables` prints on each node. */
  readonly nftables: string;
  /** Nodes where the workload's server runs. */
  readonly servers: readonly string[];
  readonly allPods: readonly V1Pod[];
}

const pod = (name: string, node: string, ip: string): V1Pod => ({
  metadata: { name },
  spec: { nodeName: node, containers: [] },
  status: {
    podIP: ip,
    phase: "Running",
    containerStatuses: [
      {
        name: "cilium-agent",
        ready: true,
        restartCount: 0,
        image: "",
        imageID: "",
        state: { running: { startedAt: new Date("2026-11-21T10:00:00Z") } },
      },
    ],
  },
});

/** The other worker's answer: the recorded one with the two workers' networks, addresses and names exchanged. */
function asOtherWorker(text: string): string {
  const swaps: Record<string, string> = {
    "10.0.1.": "10.0.2.",
    "10.0.2.": "10.0.1.",
    "172.18.0.5": "172.18.0.6",
    "172.18.0.6": "172.18.0.5",
  };
  return text.replace(/10\.0\.[12]\.|172\.18\.0\.[56]\b/g, (word) => swaps[word]!);
}

/** Two agents, those of the workers, the first of which answered as recorded, and the workload's pods. */
function clusterOf(mode: "ebpf" | "kubeproxy", answers: Partial<Answers> = {}): ClusterReader {
  const config = {
    ...Object.fromEntries(
      Object.entries(expectation(mode).ciliumConfig).filter((entry): entry is [string, string] => entry[1] !== null),
    ),
    "enable-hubble": "true",
    ...answers.moreConfig,
  };
  const isBpf = mode === "ebpf";
  const gateways = { "10.0.1.": "10.0.1.76", "10.0.2.": "10.0.2.76" };
  /** The pods' connections with a port of their own: the port to whom they went. */
  const connections = new Map<string, string>();
  let looks = 0;
  let pings = 0;
  /** By a word of the command; the first that fits. */
  const agent: [string, (command: string) => string][] = [
    ["--all-controllers", () => recorded(`${mode}-1.20.2-controllers.json`)],
    ["cilium status", () => recorded(`${mode}-1.20.2-status.json`)],
    ["service list", () => recorded(`${mode}-1.20.2-services.txt`)],
    ["metrics list", () => "[]"],
    ["route show", () => recorded("ebpf-1.20.2-routes.txt")],
    ["dev cilium_host", () => "3: cilium_host    inet 10.0.1.76/32 scope global cilium_host"],
    ["link show", () => recorded("ebpf-1.20.2-links.txt")],
    [
      "/proc/net/snmp",
      () => {
        looks += 1;
        const { forwarded = isBpf ? 0 : 125, overHost = 0 } = answers;
        const snmp = recorded("1.20.2-snmp.txt").replace(/^(Ip:( \d+){5}) \d+/m, `$1 ${looks * forwarded}`);
        return `${looks * overHost}\n0\n${looks * 55}\n${snmp}`;
      },
    ],
    [
      "bpf nat list",
      () => {
        pings += 1;
        const entry = `ICMP OUT 10.0.1.5:${pings} -> 172.18.0.1:0 XLATE_SRC 172.18.0.6:${pings} Created=1sec ago\n`;
        return `${isBpf ? entry : ""}${recorded(`${mode}-1.20.2-nat.txt`)}`;
      },
    ],
    [
      "bpf ct list",
      (command) => {
        const [own, port] = /([\d.]+):\((\d+)\|/.exec(command)!.slice(1) as [string, string];
        return `TCP OUT ${own}:${port} -> ${isBpf ? "10.0.2.5:80" : connections.get(port)} expires=1 Packets=0\n`;
      },
    ],
    ["hubble observe", () => recorded("ebpf-1.20.2-hubble.jsonl")],
    ["/dev/tcp", (command) => succeeded(command)],
    ["-t nat", () => recorded(`${mode}-1.20.2-nat.txt`)],
  ];
  const unreachable = answers.unreachable ?? /^$/;
  const proxies = answers.kubeProxies ?? (isBpf ? 0 : 2);
  /** What a script of several targets prints. */
  const succeeded = (script: string): string =>
    [...script.matchAll(/^\(timeout \d+ (.*) >\/dev\/null 2>&1; echo "(\d+) \$\?"\) &$/gm)]
      .map(([, command, index]) => `${index} ${unreachable.test(command!) ? 28 : 0}`)
      .join("\n");
  const inPod = (name: string, script: string): string => {
    const own = name === "nettool-2" ? "10.0.2.5" : "10.0.1.5";
    const gateway = gateways[own === "10.0.2.5" ? "10.0.2." : "10.0.1."];
    if (script.includes("ip -4 -o addr")) {
      return (
        answers.podAddress?.(own, gateway) ??
        `9: eth0    inet ${own}/32 scope global eth0\ndefault via ${gateway} dev eth0 mtu 1500`
      );
    }
    const flow = /--local-port (\d+) http:\/\/([\d.:]+)\//.exec(script);
    if (flow !== null) connections.set(flow[1]!, flow[2]!);
    if (/^ping/.test(script)) return unreachable.test(script) ? "100% packet loss" : "50 received, 0% packet loss";
    return succeeded(script);
  };
  return {
    nodes: async () =>
      NODES.map((name): V1Node => ({
        metadata: { name },
        status: { addresses: [{ type: "InternalIP", address: ADDRESSES[name] }] },
      })),
    pods: async (_namespace, selector) => {
      if (selector === "k8s-app=cilium")
        return [pod("cilium-1", "vf-worker", "172.18.0.6"), pod("cilium-2", "vf-worker2", "172.18.0.5")];
      if (selector === "k8s-app=kube-proxy")
        return Array.from({ length: proxies }, (_, index) => pod(`kube-proxy-${index}`, "vf-worker", ""));
      if (selector === "app=nettool")
        return [pod("nettool-1", "vf-worker", "10.0.1.5"), pod("nettool-2", "vf-worker2", "10.0.2.5")].filter(
          ({ spec }) => answers.servers?.includes(spec!.nodeName!) ?? true,
        );
      return [pod("net", "vf-worker", "10.0.1.6")];
    },
    allPods: async () => [...(answers.allPods ?? [])],
    daemonSet: () => Promise.reject(new Error("not asked for")),
    deployment: async (): Promise<V1Deployment> => ({
      spec: { replicas: 2, selector: {}, template: {} },
      status: { availableReplicas: answers.operators ?? 2 },
    }),
    service: () => Promise.reject(new Error("not asked for")),
    events: () => Promise.reject(new Error("not asked for")),
    ciliumPodCidrs: async () => POD_CIDRS,
    healthAddresses: async () =>
      NODES.map((node, index) => ({
        node,
        nodeAddress: ADDRESSES[node],
        endpointAddress: answers.healthEndpoints?.[index] ?? `10.0.${index}.120`,
      })).map((each) => (each.endpointAddress === "none" ? { ...each, endpointAddress: undefined } : each)),
    configMap: async (): Promise<V1ConfigMap> => ({
      metadata: { managedFields: [{ time: answers.configChanged ?? new Date("2026-11-21T09:59:00Z") }] },
      data: answers.config ?? config,
    }),
    log: async () => answers.log ?? "",
    onNode: async () => answers.nftables ?? "table ip nat\n",
    exec: async (_namespace, name, _container, command): Promise<ExecResult> => {
      const words = command.join(" ");
      if (!name.startsWith("cilium")) return { exitCode: 0, stdout: inPod(name, command[2]!), stderr: "" };
      const [word, answer] = agent.find(([each]) => words.includes(each)) ?? [];
      if (word === undefined) throw new Error(`nothing recorded of ${words}`);
      // connections are the pod's own; all else is as the first worker has it
      const first = answer!(command.at(-1)!);
      const own = name === "cilium-1" || word === "bpf ct list" ? first : asOtherWorker(first);
      return { exitCode: 0, stdout: answers.agent?.[word]?.(own) ?? own, stderr: "" };
    },
  };
}

beforeEach(() => {
  jest.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("nettool"));
});
afterEach(() => jest.restoreAllMocks());

/** Each check's verdict, and everything bad that was found. */
async function outcome(cluster: ClusterReader, expected: Expectation) {
  const verification = await verify(cluster, expected, CHECKS, 0);
  const bad = verification.results
    .flatMap(({ id, findings }) => findings.map((finding: Finding) => ({ id, ...finding })))
    .filter(({ verdict }) => verdict !== "pass" && verdict !== "skipped");
  return { verification, bad };
}

const idsOf = (bad: readonly { id: string }[]) => [...new Set(bad.map(({ id }) => id))];

/** The checks that tell the modes kubeproxy and ebpf apart. */
const APART = [
  "config",
  "status",
  "kube-proxy",
  "kube-proxy-rules",
  "service-map",
  "packet-path",
  "translation",
  "masquerading",
];

describe("a verification", () => {
  it.each(["ebpf", "kubeproxy"] as const)(
    "of what a healthy cluster in mode %s answered passes every check",
    async (mode) => {
      const { verification, bad } = await outcome(clusterOf(mode), expectation(mode));
      expect(bad).toEqual([]);
      expect(verification.verdict).toBe("pass");
      const unseen = verification.results.filter(({ verdict }) => verdict !== "pass").map(({ id }) => id);
      expect(unseen).toEqual(["host-ports"]);
    },
  );

  it("of one mode's answers fails as the other mode, in everything that tells them apart", async () => {
    const config = expectation("ebpf").ciliumConfig as Record<string, string>;
    const asEbpf = await outcome(clusterOf("kubeproxy"), expectation("ebpf"));
    expect(idsOf(asEbpf.bad)).toEqual(APART);
    const asKubeproxy = await outcome(clusterOf("ebpf", { config }), expectation("kubeproxy"));
    expect(idsOf(asKubeproxy.bad)).toEqual(APART);
    expect([asEbpf.verification.verdict, asKubeproxy.verification.verdict]).toEqual(["fail", "fail"]);
  });

  const ebpf = expectation("ebpf");
  const HOST_PORT_POD: V1Pod = {
    ...pod("web", "vf-worker", "10.0.1.7"),
    spec: { nodeName: "vf-worker", containers: [{ name: "web", ports: [{ containerPort: 80, hostPort: 8080 }] }] },
  };
  const configOf = (over: Record<string, string>) => ({ ...(ebpf.ciliumConfig as Record<string, string>), ...over });
  const faults: [string, Partial<Answers>, string[], RegExp][] = [
    [
      "a changed cilium-config",
      { config: configOf({ "enable-bpf-masquerade": "false" }) },
      ["config"],
      /asked for enable-bpf-masquerade: "true"/,
    ],
    [
      "an agent older than cilium-config",
      { configChanged: new Date("2026-11-21T10:00:01Z") },
      ["agents"],
      /cilium-config was changed after that/,
    ],
    [
      "BPF host routing fallen back",
      {
        agent: { "cilium status": (text) => text.replace('"BPF"', '"Legacy"') },
        log: 'time=x level=info msg="BPF host routing requires enable-bpf-masquerade. Falling back to legacy host routing (enable-host-legacy-routing=true)."',
      },
      ["status"],
      /asked for Routing Host BPF; the agent's log: "BPF host routing requires enable-bpf-masquerade\. Falling back/,
    ],
    [
      "masquerading off, of which the status then says nothing",
      {
        agent: {
          "cilium status": (text) =>
            text.replace('"BPF"', '"Legacy"').replace(/"masquerading": \{[^]*?\n {2}\}/, '"masquerading": {}'),
        },
      },
      ["status"],
      /asked for Routing Host BPF/,
    ],
    ["a kube-proxy beside the replacement", { kubeProxies: 1 }, ["kube-proxy"], /both would translate services/],
    [
      "a rule that kube-proxy left",
      {
        agent: { "-t nat": (text) => text.replace(":DOCKER_OUTPUT", ":KUBE-SVC-X - [0:0]\n:DOCKER_OUTPUT") },
      },
      ["kube-proxy-rules"],
      /packets may be translated before Cilium sees them/,
    ],
    [
      "a table that kube-proxy left",
      { nftables: "table ip nat\ntable ip kube-proxy\n" },
      ["kube-proxy-rules"],
      /packets may be translated before Cilium sees them/,
    ],
    [
      "a missing route",
      { agent: { "route show": (text) => text.replace(/^10\.0\.2\.0.* via 172.*\n/m, "") } },
      ["routes"],
      /missing: 10\.0\.2\.0\/24 via 172\.18\.0\.5 dev eth0 \(there is none\)/,
    ],
    [
      "a tunnel where native routing was asked for",
      { agent: { "link show": (text) => `${text}9: cilium_vxlan: <UP>\n` } },
      ["routes"],
      /the tunnel device must be none/,
    ],
    [
      "a service without backends",
      { agent: { "service list": (text) => text.replace(/(NodePort) .*\n.*\n.*\n/, "$1\n") } },
      ["service-map"],
      /0\.0\.0\.0:32000 has no active backend/,
    ],
    [
      "a health endpoint that does not answer",
      { unreachable: /10\.0\.2\.120\/4240/ },
      ["health"],
      /health endpoint of vf-worker2 \(10\.0\.2\.120:4240\): no answer/,
    ],
    [
      "a pod that does not answer",
      { unreachable: /10\.0\.2\.5/ },
      ["pod-to-pod", "packet-path", "hubble"],
      /HTTP 10\.0\.2\.5 on vf-worker2: no answer \(exit code 28\)/,
    ],
    ["DNS that does not answer", { unreachable: /getent/ }, ["services"], /DNS kubernetes\.default: no answer/],
    [
      "a NodePort that does not answer",
      { unreachable: /curl .*172\.18\.0\.5:32000/ },
      ["services"],
      /NodePort of vf-worker2: no answer/,
    ],
    [
      "a NodePort that does not answer nodes",
      { unreachable: /tcp\/172\.18\.0\.5\/32000/ },
      ["node-ports"],
      /NodePort of vf-worker2: no answer/,
    ],
    [
      "a health endpoint that is not there",
      { healthEndpoints: ["10.0.0.120", "none"] },
      ["health"],
      /Cilium knows 3 nodes, and no health endpoint of vf-worker$/m,
    ],
    ["no operator", { operators: 0 }, ["operator"], /no pod network without it/],
    [
      "services on another device",
      { agent: { "cilium status": (text) => text.replace('"name": "eth0"', '"name": "lo"') } },
      ["status"],
      /asked for on device eth0/,
    ],
    [
      "another network left unmasqueraded",
      { agent: { "cilium status": (text) => text.replaceAll("10.0.0.0/8", "10.0.0.0/16") } },
      ["status"],
      /asked for not masquerading 10\.0\.0\.0\/8/,
    ],
    [
      "pods of another network plugin",
      { podAddress: (address) => `2: eth0 inet ${address}/24 scope global eth0\ndefault via 10.0.1.1 dev eth0` },
      ["pod-network"],
      /its address is no \/32, its gateway is not cilium_host, 10\.0\.1\.76/,
    ],
    [
      "packets in the host's stack",
      { forwarded: 125 },
      ["packet-path"],
      /in this mode BPF passes packets by the host's stack/,
    ],
    [
      "some packets in the host's stack",
      { forwarded: 50 },
      ["packet-path"],
      /in this mode BPF passes packets by the host's stack/,
    ],
    ["packets over cilium_host", { overHost: 100 }, ["packet-path"], /take the way over cilium_host/],
    [
      "a NodePort that leaves the node untranslated",
      {
        agent: {
          "bpf ct list": (text) =>
            text
              .replace(/-> \S+/, "-> 172.18.0.5:32000")
              .replace(/^(TCP OUT 10\.0\.2\.5.*)172\.18\.0\.5/m, "$1172.18.0.4"),
        },
      },
      ["translation"],
      /it left untranslated/,
    ],
    [
      "pods that nobody masquerades",
      { agent: { "bpf nat list": (text) => text.replace(/^ICMP.*\n/, "") } },
      ["masquerading"],
      /this mode masquerades by BPF/,
    ],
    [
      "masquerading that is left of another mode",
      { agent: { "bpf nat list": (text) => text.replace(/(10\.0\.[12]\.5|172\.18\.0\.[56]):\d+/g, "$1:8") } },
      ["masquerading"],
      /this mode masquerades by BPF/,
    ],
    [
      "pods that do not get out",
      { unreachable: /ping -c 1 -W 2 172\.18\.0\.1/ },
      ["masquerading"],
      /the nodes' gateway does not answer pods/,
    ],
    [
      "flows that were dropped",
      { agent: { "hubble observe": (flows) => flows.replace('"FORWARDED"', '"DROPPED"') } },
      ["hubble"],
      /packets of the probe were dropped/,
    ],
    [
      "a node without the workload's server",
      { servers: ["vf-worker"] },
      ["pod-network", "pod-to-pod", "packet-path", "services", "translation", "masquerading", "drops", "hubble"],
      /the workload's server runs on 1 of 2 nodes/,
    ],
    ["a HostPort that the map lacks", { allPods: [HOST_PORT_POD] }, ["host-ports"], /the map lacks 8080 of web/],
  ];
  it.each(faults)(
    "of a cluster with %s fails, in that check and with its cause",
    async (_fault, answers, ids, cause) => {
      const { verification, bad } = await outcome(clusterOf("ebpf", answers), ebpf);
      expect(verification.verdict).toBe("fail");
      expect(idsOf(bad)).toEqual(ids);
      expect(bad.map(({ reason }) => reason).join("\n")).toMatch(cause);
      for (const { remedy, verdict } of bad) if (verdict === "fail") expect(remedy).toBeTruthy();
      const text = verificationText("x", verification);
      expect(text).toMatch(cause);
      expect(text).toMatch(/^x: NOT in force \(/m);
    },
  );

  const harmless: [string, Partial<Answers>, string, RegExp][] = [
    ["one operator of two", { operators: 1 }, "operator", /there is none in reserve/],
    [
      "a controller that fails",
      {
        agent: {
          "--all-controllers": (text) =>
            text.replace(/"status": \{/, '"status": {"consecutive-failure-count": 3, "last-failure-msg": "no route",'),
        },
      },
      "controllers",
      /: no route/,
    ],
    [
      "drops",
      {
        agent: {
          "metrics list": () =>
            JSON.stringify([{ labels: { direction: "INGRESS", reason: "Policy denied" }, value: (drops += 1) }]),
        },
      },
      "drops",
      /a few are usual/,
    ],
  ];
  let drops = 0;
  it.each(harmless)("of a cluster with %s passes with a warning", async (_what, answers, id, reason) => {
    const { verification, bad } = await outcome(clusterOf("ebpf", answers), ebpf);
    expect(verification.verdict).toBe("pass");
    expect(idsOf(bad)).toEqual([id]);
    expect(bad[0]).toMatchObject({ verdict: "warning", reason: expect.stringMatching(reason) });
    expect(verificationText("x", verification)).toMatch(/What is worth knowing:\n {2}- /);
  });

  it("of NodePorts that this machine does not reach passes with a warning and the known reasons", async () => {
    jest.spyOn(globalThis, "fetch").mockRejectedValue(new Error("fetch failed", { cause: new Error("EHOSTUNREACH") }));
    const { verification, bad } = await outcome(clusterOf("ebpf"), ebpf);
    expect([verification.verdict, ...idsOf(bad)]).toEqual(["pass", "node-ports-from-here"]);
    expect(bad[0]!.reason).toMatch(/^EHOSTUNREACH; with Docker Desktop/);
  });

  it("skips what a cluster cannot show, and says why", async () => {
    const { verification } = await outcome(
      clusterOf("ebpf", { agent: { "hubble observe": () => "no-hubble-command\n" } }),
      { ...ebpf, evidence: expectation("ebpf", { tunnel: "vxlan" }).evidence },
    );
    const reasonOf = (id: string) => verification.results.find((result) => result.id === id)!.findings[0]!.reason;
    expect(reasonOf("hubble")).toBe("the agent's image has no hubble command");
    expect(reasonOf("packet-path")).toBe("what a tunnel's packets pass on the nodes is promised by no mode");
  });

  const skips: [string, Partial<Answers>, string, string][] = [
    ["Hubble", { moreConfig: { "enable-hubble": "false" } }, "hubble", "Hubble is off in cilium-config"],
    [
      "health checks",
      { moreConfig: { "enable-health-checking": "false" }, healthEndpoints: ["none", "none", "none"] },
      "health",
      "cilium-config turns health checks off",
    ],
  ];
  it.each(skips)("does not miss %s where cilium-config turns them off", async (_what, answers, id, reason) => {
    const { verification, bad } = await outcome(clusterOf("ebpf", answers), ebpf);
    expect(bad).toEqual([]);
    expect(verification.results.find((result) => result.id === id)).toMatchObject({
      verdict: "skipped",
      findings: [{ reason }],
    });
  });

  it("asks the nodes' health, on the port that is set, where health endpoints are turned off", async () => {
    const moreConfig = { "enable-endpoint-health-checking": "false", "cluster-health-port": "4250" };
    const answers = { moreConfig, healthEndpoints: ["none", "none", "none"] };
    const healthy = await outcome(clusterOf("ebpf", answers), ebpf);
    expect(healthy.bad).toEqual([]);
    const { bad } = await outcome(clusterOf("ebpf", { ...answers, unreachable: /172\.18\.0\.5\/4250/ }), ebpf);
    expect(idsOf(bad)).toEqual(["health"]);
    expect(bad[0]!.reason).toMatch(/^node vf-worker2 \(172\.18\.0\.5:4250\): no answer/);
  });

  it("says so where nftables cannot be looked at, and does not take kube-proxy's rules there for absent", async () => {
    const blind = (mode: "ebpf" | "kubeproxy", rules: (text: string) => string): ClusterReader => ({
      ...clusterOf(mode, { agent: { "-t nat": rules } }),
      onNode: undefined,
    });
    const rulesOf = async (mode: "ebpf" | "kubeproxy", rules: (text: string) => string) =>
      (await outcome(blind(mode, rules), expectation(mode))).verification.results.find(
        ({ id }) => id === "kube-proxy-rules",
      )!;
    const without = await rulesOf("ebpf", (text) => text);
    expect(without.verdict).toBe("pass");
    expect(without.findings[0]!.seen).toContain("nftables not looked at");
    const unseen = await rulesOf("kubeproxy", () => "*nat\nCOMMIT\n");
    expect(unseen.verdict).toBe("inconclusive");
  });

  it.each([
    ["E1121 19:47:02.0 1 run.go:72] too many open files", "sudo sysctl fs.inotify.max_user_instances=512"],
    [
      "F1121 19:47:02.0 1 server.go:1] cannot reach the API server",
      "kubectl -n kube-system logs -l k8s-app=kube-proxy",
    ],
  ])("quotes kube-proxy where it has written no rules: %s", async (log, remedy) => {
    const cluster = clusterOf("kubeproxy", {
      log: `I1121 start\n${log}\n`,
      agent: { "-t nat": () => "*nat\nCOMMIT\n" },
    });
    const { bad } = await outcome(cluster, expectation("kubeproxy"));
    const finding = bad.find(({ id }) => id === "kube-proxy-rules");
    expect(finding!.reason).toBe(`kube-proxy has not written its services there: ${log}`);
    expect(JSON.stringify(finding)).toContain(remedy);
  });

  it("does not ask for masquerading on the way to an address that pods reach without", async () => {
    const args = { nativeRoutingCIDR: "172.16.0.0/12" };
    const { verification } = await outcome(clusterOf("ebpf"), {
      ...ebpf,
      ciliumConfig: expectation("ebpf", args).ciliumConfig,
    });
    const [finding] = verification.results.find(({ id }) => id === "masquerading")!.findings;
    expect(finding!.verdict).toBe("skipped");
    expect(finding!.reason).toMatch(/lies in 172\.16\.0\.0\/12, which pods reach without masquerading/);
  });

  it("of a cluster of one node passes without what takes two", async () => {
    const two = clusterOf("ebpf");
    const one: ClusterReader = {
      ...two,
      nodes: async () => (await two.nodes()).filter(({ metadata }) => metadata!.name === "vf-worker"),
      pods: async (namespace, selector) =>
        (await two.pods(namespace, selector)).filter(({ spec }) => spec!.nodeName === "vf-worker"),
    };
    const { verification, bad } = await outcome(one, { ...ebpf, nodeCount: 1 });
    expect(bad).toEqual([]);
    const skipped = verification.results.filter(({ verdict }) => verdict === "skipped").map(({ id }) => id);
    expect(skipped).toEqual(["host-ports", "packet-path", "translation", "hubble"]);
  });

  it("finds HostPorts in the service map", async () => {
    const answers = {
      allPods: [HOST_PORT_POD],
      agent: {
        "service list": (text: string) => `${text}99   0.0.0.0:8080/TCP   HostPort   1 => 10.0.1.5:80/TCP (active)\n`,
      },
    };
    const { verification } = await outcome(clusterOf("ebpf", answers), ebpf);
    expect(verification.results.find(({ id }) => id === "host-ports")!.verdict).toBe("pass");
  });

  it("is summed up in a line for each check", async () => {
    const { verification } = await outcome(clusterOf("ebpf", { operators: 0 }), ebpf);
    const summary = summaryOf(verification);
    expect(summary.counts).toEqual({ pass: CHECKS.length - 2, skipped: 1, fail: 1 });
    expect(Object.keys(summary.checks)).toEqual(CHECKS.map(({ id }) => id));
    expect(summary.checks["config"]).toBe("pass: cluster: 15 keys as asked for");
    expect(summary.checks["operator"]).toMatch(/^fail: cluster: 0 of 2 available: nodes that come new/);
  });

  it("of a cluster that does not answer passes in no check, and says why", async () => {
    const dead = new Proxy({} as ClusterReader, { get: () => () => Promise.reject(new Error("connect ECONNREFUSED")) });
    const { verification, bad } = await outcome(dead, ebpf);
    expect(verification.verdict).toBe("fail");
    expect(bad.map(({ id, verdict }) => [id, verdict])).toEqual(CHECKS.map(({ id }) => [id, "inconclusive"]));
    for (const { reason } of bad) expect(reason).toBe("connect ECONNREFUSED");
  });

  it("of a cluster without anything in it passes in no check but kube-proxy's absence", async () => {
    const empty: ClusterReader = {
      ...clusterOf("ebpf"),
      nodes: async () => [],
      pods: async () => [],
      ciliumPodCidrs: async () => new Map(),
      healthAddresses: async () => [],
      configMap: async () => undefined,
      deployment: () => Promise.reject(new Error("not found")),
    };
    const { verification } = await outcome(empty, ebpf);
    expect(verification.results.filter(({ verdict }) => verdict === "pass").map(({ id }) => id)).toEqual([
      "kube-proxy",
    ]);
    expect(verification.verdict).toBe("fail");
  });

  it("waits for what settles, and tells each verdict once", async () => {
    let asked = 0;
    const healthy = clusterOf("ebpf");
    const settling: ClusterReader = {
      ...healthy,
      configMap: async (namespace, name) => ((asked += 1) <= 2 ? undefined : healthy.configMap(namespace, name)),
    };
    const told: string[] = [];
    const only = CHECKS.filter(({ id }) => id === "config");
    const { verdict } = await verify(settling, ebpf, only, 20, ({ id, verdict: each }) => told.push(`${id} ${each}`));
    expect([verdict, told, asked]).toEqual(["pass", ["config pass"], 3]);
  });

  it("in which everything was skipped is no pass", async () => {
    const traffic = CHECKS.filter(({ id }) => ["pod-to-pod", "services"].includes(id));
    const without = { ...ebpf, nodePort: undefined };
    const { verdict, results } = await verify(clusterOf("ebpf"), without, traffic, 0);
    expect(results.map((result) => result.verdict)).toEqual(["skipped", "skipped"]);
    expect(verdict).toBe("fail");
  });
});

describe("what agents print", () => {
  it("of services is read in every version's form", () => {
    // as article 000 has it, Cilium 1.13.0-rc5, and as article 004 has it, without states
    expect(
      parseServiceList(
        "ID   Frontend              Service Type   Backend\n6    0.0.0.0:32000         NodePort       1 => 10.0.0.56:80 (active)\n                                          2 => 10.0.1.7:80 (terminating)\n",
      ),
    ).toEqual([
      {
        frontend: "0.0.0.0:32000",
        type: "NodePort",
        backends: [
          { address: "10.0.0.56:80", active: true },
          { address: "10.0.1.7:80", active: false },
        ],
      },
    ]);
    expect(
      parseServiceList(
        "5    0.0.0.0:31313         NodePort       1 => 10.0.0.205:8080\n8    10.96.190.1:80        ClusterIP\n",
      ),
    ).toEqual([
      { frontend: "0.0.0.0:31313", type: "NodePort", backends: [{ address: "10.0.0.205:8080", active: true }] },
      { frontend: "10.96.190.1:80", type: "ClusterIP", backends: [] },
    ]);
    const today = parseServiceList(recorded("ebpf-1.20.2-services.txt"));
    expect(today.filter(({ type }) => type === "NodePort")).toEqual([
      {
        frontend: "0.0.0.0:32000",
        type: "NodePort",
        backends: expect.arrayContaining([expect.objectContaining({ active: true })]),
      },
    ]);
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
