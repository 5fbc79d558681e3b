import { differencesOf, verdictOf } from "../../datapath/trace/judgement";
import type { Hop, Leg } from "../../datapath/trace/result";
import { MODE_CONTRACTS, ROUTING_MODES, TUNNELS, type RoutingMode, type Tunnel } from "../../modes/contract";
import {
  choiceNotes,
  expectedPath,
  ipv6Notes,
  type ExpectedHop,
  type ExpectedPath,
  type PathFacts,
} from "../../modes/tracePaths";

const NET = { kind: "pod", node: "a", pod: "net" } as const;
const LOCAL = { node: "a", pod: "server-a" };
const REMOTE = { node: "b", pod: "server-b" };

function facts(mode: RoutingMode, changes: Partial<PathFacts>, tunnel: Tunnel = "disabled"): PathFacts {
  const { services, hostRouting, masquerading } = MODE_CONTRACTS[mode];
  const target = { kind: "pod", ...REMOTE } as const;
  return { services, hostRouting, masquerading, tunnel, sender: NET, target, arrived: undefined, ...changes };
}

/** `a:pod>` goes out of a pod on a, `>b:device` comes into b's device. */
const signs = (hops: readonly ExpectedHop[]) =>
  hops.map(({ node, role, direction }) => (direction === "out" ? `${node}:${role}>` : `>${node}:${role}`)).join(" ");

const pathOf = (mode: RoutingMode, changes: Partial<PathFacts>, tunnel?: Tunnel) => {
  const { request, reply, rewriter } = expectedPath(facts(mode, changes, tunnel))!;
  return { request: signs(request), reply: signs(reply), rewriter };
};

/** As seen with Cilium 1.20.2 on Kubernetes 1.34.2, Linux 6.1. */
describe("the expected path of a mode", () => {
  it("of a ping between nodes passes both veths, but only the sender's with BPF host routing", () => {
    expect(pathOf("replacement", {})).toEqual({
      request: "a:pod> >a:veth a:device> >b:device b:veth> >b:pod",
      reply: "b:pod> >b:veth b:device> >a:device a:veth> >a:pod",
      rewriter: undefined,
    });
    expect(pathOf("kubeproxy", {})).toEqual(pathOf("replacement", {}));
    expect(pathOf("ebpf", {}).request).toBe("a:pod> >a:veth a:device> >b:device >b:pod");
    expect(pathOf("ebpf", { target: { kind: "pod", ...LOCAL } }).request).toBe("a:pod> >a:veth >a:pod");
  });

  it("of a ping through a tunnel also passes the tunnel devices of both nodes", () => {
    expect(pathOf("ebpf", {}, "vxlan").request).toBe("a:pod> >a:veth a:tunnel> a:device> >b:device >b:tunnel >b:pod");
  });

  it("of a NodePort leads directly to the pod with Cilium, and through the receiving node with kube-proxy", () => {
    const other = { target: { kind: "nodePort", node: "b" }, arrived: { node: "c", pod: "s" } } as const;
    expect(pathOf("ebpf", other)).toEqual({
      request: "a:pod> >a:veth a:device> >c:device >c:pod",
      reply: "c:pod> >c:veth c:device> >a:device >a:pod",
      rewriter: "socket LB",
    });
    expect(pathOf("kubeproxy", other)).toEqual({
      request: "a:pod> >a:veth a:device> >b:device b:device> >c:device c:veth> >c:pod",
      reply: "c:pod> >c:veth c:device> >b:device b:device> >a:device a:veth> >a:pod",
      rewriter: "kernel",
    });
    expect(pathOf("kubeproxy", { ...other, arrived: LOCAL }).request).toBe(
      "a:pod> >a:veth a:device> >b:device b:device> >a:device a:veth> >a:pod",
    );
  });

  it("of a NodePort with kube-proxy leads to the node outside the tunnel, and from there to the pod through it", () => {
    const other = { target: { kind: "nodePort", node: "b" }, arrived: { node: "c", pod: "s" } } as const;
    expect(pathOf("kubeproxy", other, "vxlan")).toEqual({
      request: "a:pod> >a:veth a:device> >b:device b:tunnel> b:device> >c:device >c:tunnel c:veth> >c:pod",
      reply: "c:pod> >c:veth c:tunnel> c:device> >b:device >b:tunnel >b:cilium_host b:device> >a:device a:veth> >a:pod",
      rewriter: "kernel",
    });
  });

  it("of a NodePort from outside returns directly from the server's node with DSR", () => {
    const outside = {
      sender: { kind: "machine" },
      target: { kind: "nodePort", node: "a" },
      arrived: REMOTE,
    } as const;
    const snat = pathOf("ebpf", outside);
    for (const mode of ["dsr", "hybrid"] as const) {
      expect(pathOf("ebpf", { ...outside, choice: { loadBalancer: { mode } } })).toEqual({
        ...snat,
        reply: "b:pod> >b:veth b:device>",
      });
    }
    expect(pathOf("ebpf", { ...outside, choice: { loadBalancer: { mode: "snat" } } })).toEqual(snat);
    // in other packets, nobody has recorded it
    const choice = { loadBalancer: { mode: "dsr", dsrDispatch: "geneve" } } as const;
    expect(expectedPath(facts("ebpf", { ...outside, choice }))).toBeUndefined();
    // other packets do not change
    expect(pathOf("ebpf", { choice })).toEqual(pathOf("ebpf", {}));
    const own = { target: { kind: "nodePort", node: "b" }, arrived: REMOTE } as const;
    expect(pathOf("ebpf", { ...own, choice })).toEqual(pathOf("ebpf", own));
  });

  it("of a pod's connection to a Service stays the same where BPF translates in place of its socket", () => {
    const choice = { socketLB: { hostNamespaceOnly: true } };
    const own = { target: { kind: "clusterIP" }, arrived: REMOTE } as const;
    expect(pathOf("ebpf", { ...own, choice })).toEqual({ ...pathOf("ebpf", own), rewriter: "BPF" });
    // nobody has recorded it in a tunnel
    expect(expectedPath(facts("ebpf", { ...own, choice }, "vxlan"))).toBeUndefined();
    const ofNode = { ...own, sender: { kind: "node", node: "a" } } as const;
    expect(pathOf("ebpf", { ...ofNode, choice })).toEqual(pathOf("ebpf", ofNode));
  });

  it("comes with what DSR and Maglev mean for a client outside", () => {
    expect(choiceNotes({})).toEqual([]);
    expect(choiceNotes({ loadBalancer: { mode: "snat", algorithm: "random" } })).toEqual([]);
    expect(choiceNotes({ loadBalancer: { mode: "dsr", algorithm: "maglev" } })).toEqual([
      "DSR (loadBalancer.mode dsr): the server sees this client's address, and its node replies to it directly",
      "Maglev (loadBalancer.algorithm): every node chooses the same server for this client's address and port",
    ]);
  });

  it("starts and ends at the node or outside client that sends", () => {
    const own = { sender: { kind: "node", node: "a" }, target: { kind: "nodePort", node: "a" } } as const;
    // to a pod of its own, a node sends through the veth with BPF host routing too
    expect(pathOf("ebpf", { ...own, arrived: LOCAL })).toMatchObject({
      request: "a:veth> >a:pod",
      reply: "a:pod> >a:veth",
    });
    expect(pathOf("ebpf", { ...own, arrived: REMOTE })).toMatchObject({
      request: "a:device> >b:device >b:pod",
      reply: "b:pod> >b:veth b:device> >a:device",
    });
    expect(pathOf("ebpf", { ...own, arrived: REMOTE }, "vxlan").reply).toMatch(/>a:tunnel >a:cilium_host$/);
    const machine = { ...own, sender: { kind: "machine" }, arrived: REMOTE } as const;
    expect(pathOf("ebpf", machine)).toEqual({
      request: ">a:device a:device> >b:device >b:pod",
      reply: "b:pod> >b:veth b:device> >a:device a:device>",
      rewriter: "BPF",
    });
    expect(pathOf("kubeproxy", machine).rewriter).toBe("kernel");
  });

  it("leaves the cluster through the sender's node, masqueraded as in the mode", () => {
    const outside = { target: { kind: "outside" } } as const;
    expect(pathOf("ebpf", outside, "vxlan")).toEqual({
      request: "a:pod> >a:veth a:device>",
      reply: ">a:device >a:pod",
      rewriter: "BPF",
    });
    expect(pathOf("replacement", outside)).toMatchObject({ reply: ">a:device a:veth> >a:pod", rewriter: "kernel" });
  });

  it("of IPv6 leaves the cluster with the pod's address where Cilium is too old to masquerade it in BPF", () => {
    const { request, rewriter } = pathOf("ebpf", { target: { kind: "outside" }, masquerading: "none" });
    expect({ request, rewriter }).toEqual({ request: "a:pod> >a:veth a:device>", rewriter: undefined });
  });

  it("of IPv6 comes with what its Cilium is too old for", () => {
    const outside = facts("ebpf", { target: { kind: "outside" }, masquerading: "none" });
    expect(ipv6Notes(outside, "1.13.18", false)).toEqual([
      expect.stringMatching(/^BPF masquerades IPv6 from Cilium 1\.14 on/),
    ]);
    expect(ipv6Notes({ ...outside, masquerading: "BPF" }, "1.20.2", false)).toEqual([]);

    const clusterIp = { target: { kind: "clusterIP" } } as const;
    const nodePort = { target: { kind: "nodePort", node: "a" } } as const;
    const choice = { socketLB: { hostNamespaceOnly: true } };
    const isTold = (mode: RoutingMode, changes: Partial<PathFacts>, version = "1.18.2", senderServes = true) =>
      ipv6Notes(facts(mode, changes), version, senderServes).length > 0;
    // BPF at the pod's device translates
    expect(isTold("kubeproxy", clusterIp)).toBe(true);
    expect(isTold("ebpf", { ...nodePort, choice })).toBe(true);
    // kube-proxy and sockets do
    expect([isTold("kubeproxy", nodePort), isTold("ebpf", clusterIp)]).toEqual([false, false]);
    // a newer Cilium, and a sender that nobody chooses
    expect(isTold("kubeproxy", clusterIp, "1.19.0")).toBe(false);
    expect(isTold("kubeproxy", clusterIp, "1.18.2", false)).toBe(false);
  });

  it("to a ClusterIP is rewritten at the veth if kube-proxy runs, else in the socket", () => {
    const service = { target: { kind: "clusterIP" }, arrived: REMOTE } as const;
    expect(ROUTING_MODES.map((mode) => pathOf(mode, service).rewriter)).toEqual(["BPF", "socket LB", "socket LB"]);
  });

  it("is undefined if the service's pod is unknown, or a node sends out of the cluster", () => {
    expect(expectedPath(facts("ebpf", { target: { kind: "clusterIP" } }))).toBeUndefined();
    expect(
      expectedPath(facts("ebpf", { sender: { kind: "node", node: "a" }, target: { kind: "outside" } })),
    ).toBeUndefined();
  });

  it("passes no station twice in one direction, and reaches every pod, in any mode and tunnel", () => {
    const senders = [NET, { kind: "node", node: "a" }, { kind: "machine" }] as const;
    for (const mode of ROUTING_MODES)
      for (const tunnel of TUNNELS)
        for (const sender of senders)
          for (const arrived of [LOCAL, REMOTE, { node: "c", pod: "server-c" }])
            for (const target of [{ kind: "nodePort", node: "b" }, { kind: "clusterIP" }] as const) {
              if (sender.kind === "machine" && target.kind === "clusterIP") continue;
              const path = expectedPath(facts(mode, { sender, arrived, target }, tunnel))!;
              for (const leg of [path.request, path.reply]) {
                const keys = leg.map((hop) => JSON.stringify(hop));
                expect(new Set(keys).size).toBe(keys.length);
              }
              expect(path.request.at(-1)).toMatchObject({ ...arrived, direction: "in" });
              expect(path.reply[0]).toMatchObject({ ...arrived, direction: "out" });
            }
  });
});

const hopOf = (hop: ExpectedHop, rewritten: Hop["rewritten"] = []): Hop => ({
  station: { interface: "x", ...hop },
  direction: hop.direction,
  microseconds: 0,
  source: "10.0.1.5",
  destination: "10.0.2.7",
  ttl: 64,
  rewritten,
});

describe("the differences of a leg", () => {
  const expected = expectedPath(facts("replacement", {}))!;
  const differences = (hops: readonly Hop[], path: ExpectedPath | undefined = expected) =>
    differencesOf("request", hops, path);
  const all = expected.request.map((hop) => hopOf(hop));

  it("are empty if it took the expected path", () => {
    expect(differences(all)).toEqual([]);
  });

  it("report where it was last seen, and the next expected hop", () => {
    expect(differences(all.slice(0, 3))).toEqual([
      "the request was last seen leaving the device on a; expected next: entering the device on b",
    ]);
    expect(differences([])).toEqual([
      expect.stringMatching(/^the request was not seen anywhere; expected next: leaving eth0 of net/),
    ]);
  });

  it("report unexpected and missing hops", () => {
    const host = hopOf({ node: "a", role: "cilium_host", direction: "out" });
    expect(differences([...all.slice(0, 2), host, ...all.slice(2)])).toEqual([
      "the request was unexpectedly seen leaving cilium_host on a",
    ]);
    expect(differences(all.filter((_, index) => index !== 4))).toEqual([
      "the request was not seen leaving the lxc of server-b on b, where this mode expects it",
    ]);
  });

  it("report an unexpected rewriter", () => {
    const rewrite = { field: "source", from: "10.0.1.5", to: "172.18.0.3", by: "BPF" } as const;
    const changed = all.map((hop, index) => (index === 2 ? { ...hop, rewritten: [rewrite] } : hop));
    expect(differences(changed)).toEqual([
      "the request's addresses were rewritten by BPF at an interface; expected no rewrite",
    ]);
    expect(differences(changed, { ...expected, rewriter: "BPF" })).toEqual([]);
    expect(differences(all, { ...expected, rewriter: "kernel" })).toEqual([
      "the request's addresses were rewritten by nothing; expected the kernel's netfilter",
    ]);
  });
});

describe("a trace's verdict", () => {
  const expected = expectedPath(facts("ebpf", {}))!;
  const leg = (name: Leg["name"], isExpected = true): Leg => ({
    name,
    hops: expected[name].map((hop) => hopOf(hop)),
    promised: isExpected ? expected[name] : undefined,
    differences: [],
  });
  const good = {
    legs: [leg("request"), leg("reply")],
    answered: true,
    asked: "10.0.2.7",
    sender: "pod",
    target: "pod",
    dropped: [],
    causes: [],
  } as const;

  it.each([
    ["pass", "the expected path", {}, []],
    ["fail", "no answer", { answered: false, causes: ["a drops: x"] }, ["10.0.2.7 did not answer", "a drops: x"]],
    ["fail", "an unseen reply", { legs: [leg("request")] }, ["the reply was not seen anywhere"]],
    [
      "inconclusive",
      "dropped captures",
      { dropped: ["net"] },
      ["the capture in net dropped packets", "repeat the trace"],
    ],
    [
      "skipped",
      "a target without an expected path",
      { legs: [leg("request", false)], target: "other" },
      ["no path is defined from this sender to this address"],
    ],
    [
      "inconclusive",
      "an answered request that was not seen",
      { legs: [{ ...leg("request", false), hops: [] }], target: "clusterIP" },
      ["10.0.2.7 answered, but the request was not seen anywhere", "repeat the trace"],
    ],
    [
      "inconclusive",
      "a machine that cannot reach the node",
      { legs: [{ ...leg("request", false), hops: [] }], answered: false, sender: "machine", target: "nodePort" },
      ["this machine cannot reach 10.0.2.7; trace from a machine that reaches the nodes' network"],
    ],
    [
      "fail",
      "no answer from an unknown pod",
      { legs: [leg("request", false)], answered: false },
      ["10.0.2.7 did not answer", "the request was last seen entering eth0 of server-b on b"],
    ],
  ] as const)("is %s for %s", (verdict, _case, changes, reasons) => {
    expect(verdictOf({ ...good, ...changes })).toEqual({ verdict, reasons });
  });
});
