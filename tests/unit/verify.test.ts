import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1ConfigMap, V1Node, V1Pod } from "@kubernetes/client-node";
import { verificationText } from "../../cli/verificationText";
import type { Expectation, Finding } from "../../datapath/checks/check";
import { healthTargets } from "../../datapath/checks/health";
import { parseServiceList } from "../../datapath/checks/serviceMap";
import { fallbackLines } from "../../datapath/checks/status";
import type { ClusterReader, ExecResult } from "../../datapath/cluster";
import { CHECKS, verify } from "../../datapath/verify";
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
  return { evidence: expectedEvidence(args), ciliumConfig: expectedCiliumConfig(args), nodeCount: 1, nodePort: 32000 };
}

/** What a cluster answers: commands by the word that tells them apart. */
interface Answers {
  readonly config: Readonly<Record<string, string>>;
  readonly configChanged: Date;
  readonly kubeProxies: number;
  readonly agent: Readonly<Record<string, string>>;
  /** Targets that a pod's script does not reach. */
  readonly unreachable: RegExp;
  readonly log: string;
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

/** A cluster with one agent, that of the worker whose answers were recorded, and the workload's pods. */
function clusterOf(mode: "ebpf" | "kubeproxy", answers: Partial<Answers> = {}): ClusterReader {
  const config = Object.fromEntries(
    Object.entries(expectation(mode).ciliumConfig).filter((entry): entry is [string, string] => entry[1] !== null),
  );
  const agent: Record<string, string> = {
    "cilium status": recorded(`${mode}-1.20.2-status.json`),
    "cilium service": recorded(`${mode}-1.20.2-services.txt`),
    "ip -4": recorded("ebpf-1.20.2-routes.txt"),
    "ip -o": recorded("ebpf-1.20.2-links.txt"),
    "sh -c": recorded(`${mode}-1.20.2-nat.txt`),
    "cilium-health status": recorded("ebpf-1.20.2-health.json"),
    "bash -c": [0, 1, 2, 3, 4, 5].map((index) => `${index} 0\n`).join(""),
    ...answers.agent,
  };
  const unreachable = answers.unreachable ?? /^$/;
  const proxies = answers.kubeProxies ?? (mode === "kubeproxy" ? 1 : 0);
  const inPod = (script: string): string =>
    script
      .split("\n")
      .flatMap((line) => /^\(timeout \d+ (.*) >\/dev\/null 2>&1; echo "(\d+) \$\?"\) &$/.exec(line) ?? [])
      .reduce<string[]>((lines, _part, at, parts) => {
        if (at % 3 === 0) lines.push(`${parts[at + 2]} ${unreachable.test(parts[at + 1]!) ? 28 : 0}`);
        return lines;
      }, [])
      .join("\n");
  return {
    nodes: async () =>
      NODES.map((name): V1Node => ({
        metadata: { name },
        status: { addresses: [{ type: "InternalIP", address: ADDRESSES[name] }] },
      })),
    pods: async (_namespace, selector) => {
      if (selector === "k8s-app=cilium") return [pod("cilium-1", "vf-worker", "172.18.0.6")];
      if (selector === "k8s-app=kube-proxy")
        return Array.from({ length: proxies }, (_, index) => pod(`kube-proxy-${index}`, "vf-worker", ""));
      if (selector === "app=nettool")
        return [pod("nettool-1", "vf-worker", "10.0.1.5"), pod("nettool-2", "vf-worker2", "10.0.2.5")];
      return [pod("net", "vf-worker", "10.0.1.6")];
    },
    daemonSet: () => Promise.reject(new Error("not asked for")),
    deployment: () => Promise.reject(new Error("not asked for")),
    ciliumPodCidrs: async () => POD_CIDRS,
    configMap: async (): Promise<V1ConfigMap> => ({
      metadata: { managedFields: [{ time: answers.configChanged ?? new Date("2026-11-21T09:59:00Z") }] },
      data: answers.config ?? config,
    }),
    log: async () => answers.log ?? "",
    exec: async (_namespace, name, _container, command): Promise<ExecResult> => {
      if (name !== "cilium-1") return { exitCode: 0, stdout: inPod(command[2]!), stderr: "" };
      const found = agent[command.slice(0, 2).join(" ")];
      if (found === undefined) throw new Error(`nothing recorded of ${command.join(" ")}`);
      return { exitCode: 0, stdout: found, stderr: "" };
    },
  };
}

/** Each check's verdict, and everything bad that was found. */
async function outcome(cluster: ClusterReader, expected: Expectation) {
  const verification = await verify(cluster, expected, CHECKS, 0);
  const bad = verification.results
    .flatMap(({ id, findings }) => findings.map((finding: Finding) => ({ id, ...finding })))
    .filter(({ verdict }) => verdict !== "pass");
  return { verification, bad };
}

const idsOf = (bad: readonly { id: string }[]) => [...new Set(bad.map(({ id }) => id))];

describe("a verification", () => {
  it.each(["ebpf", "kubeproxy"] as const)(
    "of what a healthy cluster in mode %s answered passes every check",
    async (mode) => {
      const { verification, bad } = await outcome(clusterOf(mode), expectation(mode));
      expect(bad).toEqual([]);
      expect(verification.verdict).toBe("pass");
      expect(verification.results.map(({ verdict }) => verdict)).toEqual(CHECKS.map(() => "pass"));
    },
  );

  it("of one mode's answers fails as the other mode, in everything that tells them apart", async () => {
    const config = expectation("ebpf").ciliumConfig as Record<string, string>;
    const asEbpf = await outcome(clusterOf("kubeproxy"), expectation("ebpf"));
    expect(idsOf(asEbpf.bad)).toEqual(["config", "status", "kube-proxy", "kube-proxy-rules", "service-map"]);
    const asKubeproxy = await outcome(clusterOf("ebpf", { config }), expectation("kubeproxy"));
    expect(idsOf(asKubeproxy.bad)).toEqual(["config", "status", "kube-proxy", "kube-proxy-rules", "service-map"]);
    expect([asEbpf.verification.verdict, asKubeproxy.verification.verdict]).toEqual(["fail", "fail"]);
  });

  const ebpf = expectation("ebpf");
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
        agent: { "cilium status": recorded("ebpf-1.20.2-status.json").replace('"BPF"', '"Legacy"') },
        log: 'time=x level=info msg="BPF host routing requires enable-bpf-masquerade. Falling back to legacy host routing (enable-host-legacy-routing=true)."',
      },
      ["status"],
      /asked for Routing Host BPF; the agent's log: "BPF host routing requires enable-bpf-masquerade\. Falling back/,
    ],
    ["a kube-proxy beside the replacement", { kubeProxies: 1 }, ["kube-proxy"], /both would translate services/],
    [
      "a rule that kube-proxy left",
      {
        agent: {
          "sh -c": recorded("ebpf-1.20.2-nat.txt").replace(":DOCKER_OUTPUT", ":KUBE-SVC-X - [0:0]\n:DOCKER_OUTPUT"),
        },
      },
      ["kube-proxy-rules"],
      /packets may be translated before Cilium sees them/,
    ],
    [
      "a missing route",
      { agent: { "ip -4": recorded("ebpf-1.20.2-routes.txt").replace(/^10\.0\.2\.0.*\n/m, "") } },
      ["routes"],
      /missing: 10\.0\.2\.0\/24 via 172\.18\.0\.5 dev eth0 \(there is none\)/,
    ],
    [
      "a tunnel where native routing was asked for",
      { agent: { "ip -o": `${recorded("ebpf-1.20.2-links.txt")}9: cilium_vxlan: <UP>\n` } },
      ["routes"],
      /the tunnel device must be none/,
    ],
    [
      "a service without backends",
      { agent: { "cilium service": recorded("ebpf-1.20.2-services.txt").replace(/(NodePort) .*\n.*\n.*\n/, "$1\n") } },
      ["service-map"],
      /0\.0\.0\.0:32000 has no active backend/,
    ],
    [
      "a health endpoint that does not answer",
      { agent: { "bash -c": "0 0\n1 0\n2 0\n3 124\n4 0\n5 0\n" } },
      ["health"],
      /no answer on port 4240 from health endpoint of vf\/vf-worker2 \(10\.0\.2\.\d+\)/,
    ],
    [
      "a pod that does not answer",
      { unreachable: /10\.0\.2\.5/ },
      ["pod-to-pod"],
      /HTTP 10\.0\.2\.5 on vf-worker2: no answer \(exit code 28\)/,
    ],
    ["DNS that does not answer", { unreachable: /getent/ }, ["services"], /DNS kubernetes\.default: no answer/],
    [
      "a NodePort that does not answer",
      { unreachable: /172\.18\.0\.5:32000/ },
      ["services"],
      /NodePort of vf-worker2: no answer/,
    ],
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
      configMap: async () => undefined,
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

  it("of health has two addresses of every node", () => {
    const targets = healthTargets(recorded("kubeproxy-1.20.2-health.json")) as { name: string; address: string }[];
    expect(targets).toHaveLength(6);
    expect(targets[0]).toEqual({
      name: expect.stringMatching(/^node cmtest-kubeproxy\//),
      address: expect.stringMatching(/^172\.18\./),
    });
    expect(healthTargets("no JSON")).toEqual(new Error("the health status is no JSON: no JSON"));
  });
});
