import { verificationText } from "../../cli/verificationText";
import { nodesCheck } from "../../datapath/checks/kubernetes";
import { valueOf } from "../../datapath/evidence/api";
import { addressesOn, type AgentEndpoint } from "../../datapath/evidence/node";
import {
  bad,
  both,
  inNode,
  inPod,
  judged,
  PASSED,
  PURE,
  recordedEvidence,
  recordedExpectation,
  type Change,
} from "./support/evidence";
import { AGENT_FAULTS } from "./support/faults/agents";
import { DEVICE_FAULTS } from "./support/faults/devices";
import { addedCiliumNode, ROUTING_FAULTS } from "./support/faults/routing";
import { FILTER_FAULTS } from "./support/faults/filters";
import { MAP_FAULTS } from "./support/faults/maps";
import { SERVICE_FAULTS } from "./support/faults/services";
import { WORKER, PEER, PEER_NODE, withMore, queried, resolving, unready } from "./support/faults/fault";

const EXTERNAL = { ...recordedExpectation(), isExternal: true };

const FAULTS = [
  ...AGENT_FAULTS,
  ...DEVICE_FAULTS,
  ...ROUTING_FAULTS,
  ...FILTER_FAULTS,
  ...MAP_FAULTS,
  ...SERVICE_FAULTS,
];

describe("a fault in recorded evidence", () => {
  it.each(FAULTS)("finds %s in the right check, and names the cause first", (_fault, change, check, cause, reason) => {
    const evidence = recordedEvidence(change);
    const { results, causes } = judged(evidence);
    expect(bad(results)).toContain(check);
    expect(causes[0]).toMatchObject({ cause });
    expect(JSON.stringify(causes).replaceAll('\\"', '"')).toMatch(reason);
    const text = verificationText("x", { ...PASSED, verdict: "fail", proof: "not in force", results, causes });
    expect(text).toMatch(/^x \(mode ebpf\): NOT IN FORCE \(/m);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(300);
    // another check or pulumi up is no remedy there
    const found = PURE.filter(({ id }) => bad(results).includes(id));
    for (const { remedy } of judged(evidence, EXTERNAL, found).causes)
      expect(remedy ?? "").not.toMatch(/pulumi up|the checks? /);
  });

  it("explains a deleted CiliumNode's missing routes and entries, and calls no route of its node foreign", () => {
    const [, change] = ROUTING_FAULTS.find(([name]) => name === "a node whose CiliumNode was deleted")!;
    const { causes } = judged(recordedEvidence(change));
    expect(causes).toEqual([
      expect.objectContaining({
        cause: "cilium-node-missing",
        nodes: ["cmlead-worker2"],
        remedy: expect.stringMatching(/delete pod .*spec\.nodeName=cmlead-worker2/),
      }),
    ]);
    expect(causes[0]!.symptoms.map(({ check }) => check)).toEqual(expect.arrayContaining(["routes", "datapath-maps"]));
    // also where its agent did not tell its network
    const silent: Change = (evidence) => {
      change(evidence);
      delete evidence.nodes.find(({ node }) => node === "cmlead-worker2")!.sections.status;
    };
    expect(JSON.stringify(judged(recordedEvidence(silent)).results)).not.toContain("ip route del");
    // a node without an agent has none
    const unmanaged: Change = (evidence) => {
      change(evidence);
      for (const pod of valueOf(evidence.api.pods, [])) if (pod.node === "cmlead-worker2") pod.ready = false;
    };
    expect(judged(recordedEvidence(unmanaged)).causes.map(({ cause }) => cause)).not.toContain("cilium-node-missing");
  });

  it("names the CiliumNode that no Node has, with the command that deletes it, as the one cause", () => {
    const [, change] = ROUTING_FAULTS.find(([name]) => name.startsWith("a CiliumNode without a Node"))!;
    for (const expectation of [recordedExpectation(), EXTERNAL])
      expect(judged(recordedEvidence(change), expectation).causes).toMatchObject([
        { cause: "cilium-node-foreign", nodes: [], remedy: "kubectl delete ciliumnode old-node-7" },
      ]);
    const sameAddress = recordedEvidence(addedCiliumNode("10.0.9.0/24", "172.18.0.3"));
    expect(judged(sameAddress).causes).toMatchObject([{ cause: "cilium-node-foreign" }]);
  });

  it("only warns of a CiliumNode without a Node that shares nothing", () => {
    const change = both(
      addedCiliumNode("10.0.9.0/24"),
      inNode("routes", (text) => `10.0.9.0/24 via 172.18.0.99 dev eth0 proto kernel\n${text}`),
      inNode("ipcache", (text) =>
        text.replace(
          "{",
          ["172.18.0.99", "10.200.9.245"]
            .map((each) => `"${each}/32": ["identity=6 encryptkey=0 tunnelendpoint=0.0.0.0"],`)
            .reduce((all, each) => all + each, "{"),
        ),
      ),
    );
    const { results, causes } = judged(recordedEvidence(change));
    expect(causes).toEqual([]);
    expect(bad(results)).toEqual(["nodes"]);
    expect(bad(judged(recordedEvidence(change), EXTERNAL, [nodesCheck]).results)).toEqual([]);
  });

  it("only warns of CiliumEndpoints without a pod in clusters of others, and still names pods without one", () => {
    const change: Change = ({ api }) => {
      Object.assign(valueOf(api.ciliumEndpoints, [])[0]!, { name: "gone", address: "10.0.1.250" });
    };
    const { findings } = judged(recordedEvidence(change), EXTERNAL).results.find(({ id }) => id === "workload")!;
    expect(findings.filter(({ cause }) => cause !== undefined)).toMatchObject([
      { verdict: "warning", cause: "endpoint-foreign" },
      { verdict: "fail", cause: "pod-without-endpoint" },
    ]);
  });

  it("takes the CiliumEndpoint of a machine outside the cluster for no foreign one", () => {
    const machine = { namespace: "default", name: "old-node-7", address: "192.168.9.9", identity: 9 };
    const change = both(
      addedCiliumNode("10.0.9.0/24"),
      ({ api }) => void (valueOf(api.ciliumEndpoints, []) as object[]).push(machine),
    );
    expect(judged(recordedEvidence(change)).causes.map(({ cause }) => cause)).not.toContain("endpoint-foreign");
  });

  it("takes the CiliumEndpoint of a pod that ends for no foreign one", () => {
    const change: Change = ({ api }) => {
      const pod = valueOf(api.pods, []).find(({ name }) => name.startsWith("coredns"))!;
      Object.assign(pod, { running: false, ready: false, deleting: true });
    };
    expect(judged(recordedEvidence(change)).causes.map(({ cause }) => cause)).not.toContain("endpoint-foreign");
  });

  it("takes addresses of lo and of dummy devices for faults only where they take the cluster's packets", () => {
    const added = (device: string, address: string, route: string) =>
      both(
        inNode(
          "routes",
          (text) =>
            `${text}\n${route} proto kernel scope ${route.startsWith("local") ? "host" : "link"} src ${address}`,
          WORKER,
        ),
        inNode(
          "addresses",
          (text) => text.replace("[", `[{"ifname":"${device}","addr_info":[{"local":"${address}","prefixlen":24}]},`),
          WORKER,
        ),
        inNode(
          "links",
          (text) =>
            device === "lo"
              ? `${text} `
              : text.replace("[", `[{"ifname":"${device}","mtu":1500,"flags":[],"linkinfo":{"info_kind":"dummy"}},`),
          WORKER,
        ),
      );
    const found = (...args: Parameters<typeof added>) =>
      judged(recordedEvidence(added(...args)))
        .results.filter(({ verdict }) => verdict === "fail")
        .map(({ id }) => id);
    for (const [device, address, route] of [
      ["lo", "169.254.20.10", "local 169.254.20.10 dev lo table local"],
      ["lo", "192.168.77.1", "local 192.168.77.0/24 dev lo table local"],
      ["dummy0", "192.168.77.1", "local 192.168.77.1 dev dummy0 table local"],
      ["dummy0", "192.168.77.1", "192.168.77.0/24 dev dummy0"],
    ] as const)
      expect([route, found(device, address, route)]).toEqual([route, []]);
    for (const address of [PEER, PEER_NODE, "172.18.0.1", "172.18.7.7", "10.96.0.10"])
      expect([address, found("lo", address, `local ${address} dev lo table local`)]).toEqual([
        address,
        expect.arrayContaining(["routes"]),
      ]);
  });

  it("lets a route outside have the default route's gateway and device, and nothing else", () => {
    const found = (route: string) =>
      bad(judged(recordedEvidence(inNode("routes", (text) => `${route}\n${text}`, WORKER))).results);
    expect(found("198.18.0.0/24 via 172.18.0.1 dev eth0")).toEqual([]);
    expect(found("198.18.0.1 via 172.18.0.1 dev eth0 proto static metric 50")).toEqual([]);
    for (const route of [
      "198.18.0.0/24 via 172.18.0.1 dev eth0 mtu 576",
      "198.18.0.0/24 via 172.18.0.1 dev eth0 src 10.0.0.223",
      "198.18.0.0/24 via 172.18.0.99 dev eth0",
      "172.18.4.0/24 via 172.18.0.1 dev eth0",
      `${PEER} via 172.18.0.1 dev eth0`,
    ])
      expect([route, found(route)]).toEqual([route, ["routes"]]);
  });

  it("has a fault for every check that judges the common evidence", () => {
    const without = [
      "features",
      "controllers",
      "host-ports",
      "pod-to-pod",
      "pod-to-node",
      "node-ports",
      "from-outside",
      "way-out",
      "drops",
    ];
    const covered = new Set(FAULTS.map(([, , check]) => check));
    expect(PURE.map(({ id }) => id).filter((id) => !covered.has(id) && !without.includes(id))).toEqual([]);
  });

  it("folds a failing readiness probe under what keeps the node from its pod, and not a pod that does not start", () => {
    const down = inNode(
      "links",
      (text) => text.replace(/("ifname":"cilium_host","flags":\[)[^\]]*/, '$1"BROADCAST"'),
      WORKER,
    );
    const { causes } = judged(recordedEvidence(both(unready, down)));
    expect(causes.map(({ cause }) => cause)).not.toContain("probe-failing");
    expect(causes[0]!.symptoms.map(({ check }) => check)).toContain("workload");
    const stopped: Change = (evidence) => {
      down(evidence);
      const server = valueOf(evidence.api.pods, []).find(
        ({ labels, node }) => labels["app"] === "nettool" && node === WORKER,
      )!;
      server.ready = server.running = false;
    };
    expect(judged(recordedEvidence(stopped)).causes.map(({ cause }) => cause)).toEqual(
      expect.arrayContaining(["device-down", "workload-not-ready"]),
    );
  });

  it("does not mind names outside that the nodes do not resolve either", () => {
    for (const said of ["172.18.0.2 silent\n", "172.18.0.2  4d 4f 81 82\n"]) {
      const change = both(queried({ outside: "SERVFAIL", tcp: ["NOERROR"] }), resolving(said));
      expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
    }
  });

  it("warns of lookups that take long again and again, unless the machine is busy", () => {
    for (const [slowest, verdict] of [
      [40, "warning"],
      [400, "pass"],
    ] as const) {
      const late: Change = ({ traffic }) => void (traffic!.slowest = slowest);
      const change = both(
        queried({
          again: [
            [1900, 20],
            [1800, 1900],
          ],
        }),
        late,
      );
      expect(judged(recordedEvidence(change)).results.find(({ id }) => id === "dns")!.verdict).toBe(verdict);
    }
  });

  it.each([
    ["error dialing backend: dial tcp 172.18.0.3:10250: i/o timeout", "node-unreachable", /does not reach the kubelet/],
    ["dial tcp 172.18.0.3:10250: connect: no route to host", "node-unreachable", /ip -4 route/],
    ["pod does not exist", "agent-silent", /restarted, or another node has the address of cmlead-worker/],
    ["dial unix /run/containerd/containerd.sock: connect: no such file", "runtime-down", /restart containerd/],
    ["cmlead-worker does not answer within 45 s", "agent-silent", /delete pod/],
  ])("names the cause of an agent that cannot be asked: %s", (error, cause, words) => {
    const { causes } = judged(
      recordedEvidence(({ nodes }) => {
        Object.assign(
          nodes.find(({ node }) => node === WORKER)!,
          { sections: {}, error },
        );
      }),
    );
    expect(causes[0]).toMatchObject({ cause, nodes: [WORKER] });
    expect(JSON.stringify(causes[0])).toMatch(words);
  });

  it("names a container runtime that is down as the cause of a node that is NotReady", () => {
    const { causes } = judged(
      recordedEvidence(({ api, nodes }) => {
        const error = "dial unix /run/containerd/containerd.sock: connect: connection refused";
        Object.assign(
          nodes.find(({ node }) => node === WORKER)!,
          { sections: {}, error },
        );
        const state = { ready: false, trouble: "KubeletNotReady: container runtime is down" };
        Object.assign(
          valueOf(api.nodes, []).find(({ name }) => name === WORKER)!,
          state,
        );
      }),
    );
    expect(causes.map(({ cause }) => cause)).toEqual(["runtime-down"]);
  });

  it("takes a device that is not an endpoint's yet for no pod without a program", () => {
    const added = (index: number) =>
      inNode(
        "links",
        (text) => text.replace(/(\{"ifindex":)\d+(,(?:(?!\}).)*?"ifname":")lxc(?!_health)\w+/, `$1${index}$2lxcnew`),
        WORKER,
      );
    const own = /"interface-index": ?(\d+)/.exec(
      JSON.stringify(recordedEvidence().nodes.find(({ node }) => node === WORKER)!.sections.endpoints).replaceAll(
        "\\",
        "",
      ),
    )![1];
    const missing = (change: Change) => JSON.stringify(judged(recordedEvidence(change)).causes).includes("on lxcnew");
    expect([missing(added(9999)), missing(added(Number(own)))]).toEqual([false, true]);
    const waiting = inNode(
      "endpoints",
      (text) =>
        JSON.stringify(
          (JSON.parse(text) as AgentEndpoint[]).map((each) =>
            each.status?.networking?.["interface-index"] === Number(own)
              ? { ...each, status: { ...each.status, state: "waiting-for-identity" } }
              : each,
          ),
        ),
      WORKER,
    );
    expect(missing(both(added(Number(own)), waiting))).toBe(false);
  });

  it("takes a pod's own names in /etc/hosts for no change", () => {
    const pod = recordedEvidence().traffic!.pods.find(({ node }) => node === WORKER)!.pod;
    const change = inPod(WORKER, (output) => withMore(output, "", `fd00:10::7\t${pod}\n`));
    expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
  });

  it("takes the operators' own lease, and one that is waited for, for no cause", () => {
    const held =
      (holder: string | null): Change =>
      (evidence) => {
        (evidence.api as { operatorLease: unknown }).operatorLease = { value: holder };
      };
    const operator = valueOf(recordedEvidence().api.pods, []).find(
      ({ labels }) => labels["io.cilium/app"] === "operator",
    )!;
    for (const holder of [null, `${operator.node}-5qz8xnvj2d`]) {
      expect(bad(judged(recordedEvidence(held(holder))).results)).toEqual([]);
    }
  });

  it("takes leases that their own nodes renew for no cause", () => {
    const change: Change = ({ api }) => {
      const { node } = valueOf(api.pods, []).find(({ labels }) => labels["component"] === "kube-scheduler")!;
      const held = (name: string) => ({ name, holder: `${node}_0c1d`, behindSeconds: 12 });
      api.leases = { value: [held("kube-scheduler"), held("kube-controller-manager")] };
    };
    expect(bad(judged(recordedEvidence(change)).results)).toEqual([]);
  });

  it("never advises to delete EndpointSlices while nobody writes them, and still names a changed Service", () => {
    const change: Change = ({ api }) => {
      unready({ api } as Parameters<Change>[0]);
      const services = valueOf(api.services, []);
      services.find(({ name }) => name === "kube-dns")!.externalAddresses = [PEER];
      valueOf(api.pods, []).find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!.ready = true;
      api.leases = { value: [{ name: "kube-controller-manager", holder: "ghost", behindSeconds: 0 }] };
    };
    const { results, causes } = judged(recordedEvidence(change));
    expect(JSON.stringify(results)).not.toMatch(/delete endpointslices/);
    expect(causes.map(({ cause }) => cause)).toEqual(["lease-taken", "service-changed"]);
  });

  it("tells a server whose probe fails from one that does not start", () => {
    const { findings } = judged(recordedEvidence(unready)).results.find(({ id }) => id === "workload")!;
    expect(findings).toContainEqual(expect.objectContaining({ cause: "probe-failing", nodes: [WORKER] }));
  });

  it("knows Cilium's programs by the names that legacy tc gives them, and no others", () => {
    const named = (name: string) =>
      both(
        inNode("tcx", () => ""),
        inNode("network", () =>
          JSON.stringify([{ xdp: [], tc: [{ devname: "cilium_host", ifindex: 4, kind: "clsact/ingress", name }] }]),
        ),
      );
    for (const name of ["bpf_host.o:[from-host]", "pin-566:[*fsobj]"])
      expect(bad(judged(recordedEvidence(named(name))).results)).not.toContain("programs");
    const { causes } = judged(recordedEvidence(named("foreign.o:[drop]")));
    expect(causes.map(({ cause }) => cause)).toContain("program-foreign");
  });

  it("takes variables of Cilium's image for no change, and those of the pod's template for one", () => {
    const variable = "\nCILIUM_DISABLE_ENVOY_BUILD=true\n";
    const declared = (variables: string[]): Change =>
      both(
        inNode("arguments", (text) => text + variable),
        ({ api }) => {
          for (const { containers } of valueOf(api.pods, []))
            for (const each of containers) if (each.name === "cilium-agent") each.variables = variables;
        },
      );
    expect(bad(judged(recordedEvidence(declared([]))).results)).toEqual([]);
    expect(bad(judged(recordedEvidence(declared(["CILIUM_DISABLE_ENVOY_BUILD"]))).results)).toContain("agents");
  });

  it("expects the asked node's address on cilium_host at backends behind a tunnel, and on its device elsewhere", () => {
    const evidence = recordedEvidence() as Parameters<Change>[0];
    const nodes = valueOf(evidence.api.nodes, []);
    const routerOf = (address: string) => {
      const node = evidence.nodes.find((each) => each.node === nodes.find((known) => known.address === address)!.name)!;
      return addressesOn(node, "cilium_host")[0]!;
    };
    const sources = (mode: "disabled" | "vxlan") => {
      const { results } = judged(evidence, recordedExpectation("ebpf", { tunnel: mode }));
      return results.find(({ id }) => id === "source-address")!;
    };
    expect(sources("disabled").verdict).toBe("pass");
    expect(sources("vxlan").verdict).toBe("fail");
    const tries = evidence
      .traffic!.probes.filter(({ flow }) => flow === "outside-to-node-port")
      .flatMap((probe) => probe.tries.map((each) => ({ each, asked: probe.to.address })));
    const translated = tries.filter(({ each, asked }) => each.client === asked);
    expect(translated.length).toBeGreaterThan(5);
    for (const { each, asked } of translated) each.client = routerOf(asked);
    expect(sources("vxlan").verdict).toBe("pass");
    expect(sources("disabled")).toMatchObject({ verdict: "fail" });
  });
});
