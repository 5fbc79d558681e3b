import { differencesOf, verdictOf } from "../../datapath/trace/judgement";
import type { Hop, Leg } from "../../datapath/trace/walk";
import { MODE_CONTRACTS, ROUTING_MODES, TUNNELS, type RoutingMode, type Tunnel } from "../../modes/contract";
import { expectedPath, type ExpectedHop, type ExpectedPath, type PathFacts } from "../../modes/tracePaths";

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

const walkOf = (mode: RoutingMode, changes: Partial<PathFacts>, tunnel?: Tunnel) => {
  const { request, reply, rewriter } = expectedPath(facts(mode, changes, tunnel))!;
  return { request: signs(request), reply: signs(reply), rewriter };
};

/** As seen with Cilium 1.20.2 on Kubernetes 1.34.2, Linux 6.1. */
describe("the path that a mode promises", () => {
  it("of a ping between nodes passes veths on both ends, but with BPF host routing only on the way out of a pod", () => {
    expect(walkOf("replacement", {})).toEqual({
      request: "a:pod> >a:veth a:device> >b:device b:veth> >b:pod",
      reply: "b:pod> >b:veth b:device> >a:device a:veth> >a:pod",
      rewriter: undefined,
    });
    expect(walkOf("kubeproxy", {})).toEqual(walkOf("replacement", {}));
    expect(walkOf("ebpf", {}).request).toBe("a:pod> >a:veth a:device> >b:device >b:pod");
    expect(walkOf("ebpf", { target: { kind: "pod", ...LOCAL } }).request).toBe("a:pod> >a:veth >a:pod");
  });

  it("of a ping through a tunnel passes the tunnel's device on both nodes, beside their own", () => {
    expect(walkOf("ebpf", {}, "vxlan").request).toBe("a:pod> >a:veth a:tunnel> a:device> >b:device >b:tunnel >b:pod");
  });

  it("of a NodePort goes right to the pod where Cilium answers, and over the node that was asked with kube-proxy", () => {
    const other = { target: { kind: "nodePort", node: "b" }, arrived: { node: "c", pod: "s" } } as const;
    expect(walkOf("ebpf", other)).toEqual({
      request: "a:pod> >a:veth a:device> >c:device >c:pod",
      reply: "c:pod> >c:veth c:device> >a:device >a:pod",
      rewriter: "socket LB",
    });
    expect(walkOf("kubeproxy", other)).toEqual({
      request: "a:pod> >a:veth a:device> >b:device b:device> >c:device c:veth> >c:pod",
      reply: "c:pod> >c:veth c:device> >b:device b:device> >a:device a:veth> >a:pod",
      rewriter: "kernel",
    });
    expect(walkOf("kubeproxy", { ...other, arrived: LOCAL }).request).toBe(
      "a:pod> >a:veth a:device> >b:device b:device> >a:device a:veth> >a:pod",
    );
  });

  it("of a NodePort with kube-proxy goes to the node without the tunnel, and on to the pod through it", () => {
    const other = { target: { kind: "nodePort", node: "b" }, arrived: { node: "c", pod: "s" } } as const;
    expect(walkOf("kubeproxy", other, "vxlan")).toEqual({
      request: "a:pod> >a:veth a:device> >b:device b:tunnel> b:device> >c:device >c:tunnel c:veth> >c:pod",
      reply: "c:pod> >c:veth c:tunnel> c:device> >b:device >b:tunnel >b:cilium_host b:device> >a:device a:veth> >a:pod",
      rewriter: "kernel",
    });
  });

  it("from a node or from outside begins and ends where these are", () => {
    const own = { sender: { kind: "node", node: "a" }, target: { kind: "nodePort", node: "a" } } as const;
    // to a pod of its own, a node sends through the veth with BPF host routing too
    expect(walkOf("ebpf", { ...own, arrived: LOCAL })).toMatchObject({
      request: "a:veth> >a:pod",
      reply: "a:pod> >a:veth",
    });
    expect(walkOf("ebpf", { ...own, arrived: REMOTE })).toMatchObject({
      request: "a:device> >b:device >b:pod",
      reply: "b:pod> >b:veth b:device> >a:device",
    });
    expect(walkOf("ebpf", { ...own, arrived: REMOTE }, "vxlan").reply).toMatch(/>a:tunnel >a:cilium_host$/);
    const machine = { ...own, sender: { kind: "machine" }, arrived: REMOTE } as const;
    expect(walkOf("ebpf", machine)).toEqual({
      request: ">a:device a:device> >b:device >b:pod",
      reply: "b:pod> >b:veth b:device> >a:device a:device>",
      rewriter: "BPF",
    });
    expect(walkOf("kubeproxy", machine).rewriter).toBe("kernel");
  });

  it("out of the cluster is the node's, masqueraded by whom the mode has it", () => {
    const outside = { target: { kind: "outside" } } as const;
    expect(walkOf("ebpf", outside, "vxlan")).toEqual({
      request: "a:pod> >a:veth a:device>",
      reply: ">a:device >a:pod",
      rewriter: "BPF",
    });
    expect(walkOf("replacement", outside)).toMatchObject({ reply: ">a:device a:veth> >a:pod", rewriter: "kernel" });
  });

  it("of a ClusterIP is changed at the veth where kube-proxy stays, else in the socket", () => {
    const service = { target: { kind: "clusterIP" }, arrived: REMOTE } as const;
    expect(ROUTING_MODES.map((mode) => walkOf(mode, service).rewriter)).toEqual(["BPF", "socket LB", "socket LB"]);
  });

  it("is none where nobody knows which pod a service has chosen, or a node sends out of the cluster", () => {
    expect(expectedPath(facts("ebpf", { target: { kind: "clusterIP" } }))).toBeUndefined();
    expect(
      expectedPath(facts("ebpf", { sender: { kind: "node", node: "a" }, target: { kind: "outside" } })),
    ).toBeUndefined();
  });

  it("passes no station twice in a direction, and every pod at its ends, in any mode and tunnel", () => {
    const senders = [NET, { kind: "node", node: "a" }, { kind: "machine" }] as const;
    for (const mode of ROUTING_MODES)
      for (const tunnel of TUNNELS)
        for (const sender of senders)
          for (const arrived of [LOCAL, REMOTE, { node: "c", pod: "server-c" }])
            for (const target of [{ kind: "nodePort", node: "b" }, { kind: "clusterIP" }] as const) {
              if (sender.kind === "machine" && target.kind === "clusterIP") continue;
              const promised = expectedPath(facts(mode, { sender, arrived, target }, tunnel))!;
              for (const way of [promised.request, promised.reply]) {
                const keys = way.map((hop) => JSON.stringify(hop));
                expect(new Set(keys).size).toBe(keys.length);
              }
              expect(promised.request.at(-1)).toMatchObject({ ...arrived, direction: "in" });
              expect(promised.reply[0]).toMatchObject({ ...arrived, direction: "out" });
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

describe("a leg beside its promise", () => {
  const promised = expectedPath(facts("replacement", {}))!;
  const differences = (hops: readonly Hop[], promise: ExpectedPath | undefined = promised) =>
    differencesOf("request", hops, promise);
  const all = promised.request.map((hop) => hopOf(hop));

  it("differs in nothing when it went that way", () => {
    expect(differences(all)).toEqual([]);
  });

  it("says where it was last seen, and where next it should have been", () => {
    expect(differences(all.slice(0, 3))).toEqual([
      "the request was last seen going out of the device on a, and not coming into the device on b, as this mode promises",
    ]);
    expect(differences([])).toEqual([
      expect.stringMatching(/^the request was seen nowhere, and not going out of eth0 of net/),
    ]);
  });

  it("says what it passed beside the way, and what it left out", () => {
    const host = hopOf({ node: "a", role: "cilium_host", direction: "out" });
    expect(differences([...all.slice(0, 2), host, ...all.slice(2)])).toEqual([
      "the request was seen going out of cilium_host on a, which this mode does not promise there",
    ]);
    expect(differences(all.filter((_, index) => index !== 4))).toEqual([
      "the request was not seen going out of the lxc of server-b on b where this mode promises it",
    ]);
  });

  it("says who changed addresses when it is somebody else than promised", () => {
    const rewrite = { field: "source", from: "10.0.1.5", to: "172.18.0.3", by: "BPF" } as const;
    const changed = all.map((hop, index) => (index === 2 ? { ...hop, rewritten: [rewrite] } : hop));
    expect(differences(changed)).toEqual([
      "the request's addresses were changed by BPF at an interface, and this mode has nobody do that",
    ]);
    expect(differences(changed, { ...promised, rewriter: "BPF" })).toEqual([]);
    expect(differences(all, { ...promised, rewriter: "kernel" })).toEqual([
      "the request's addresses were changed by nobody, and this mode has the kernel's netfilter do that",
    ]);
  });
});

describe("a walk's verdict", () => {
  const promised = expectedPath(facts("ebpf", {}))!;
  const leg = (name: Leg["name"], isPromised = true): Leg => ({
    name,
    hops: promised[name].map((hop) => hopOf(hop)),
    promised: isPromised ? promised[name] : undefined,
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
    ["pass", {}, []],
    ["fail", { answered: false, causes: ["a drops: x"] }, ["10.0.2.7 did not answer", "a drops: x"]],
    ["fail", { legs: [leg("request")] }, ["the reply was seen nowhere"]],
    ["inconclusive", { dropped: ["net"] }, ["packets were lost to the capture in net", "repeat the trace"]],
    [
      "skipped",
      { legs: [leg("request", false)], target: "other" },
      ["no mode promises a path from there to this address"],
    ],
    [
      "inconclusive",
      { legs: [{ ...leg("request", false), hops: [] }], target: "clusterIP" },
      ["10.0.2.7 answered, but the request was seen nowhere", "repeat the trace"],
    ],
    [
      "inconclusive",
      { legs: [{ ...leg("request", false), hops: [] }], answered: false, sender: "machine", target: "nodePort" },
      ["this machine does not reach 10.0.2.7; run the trace where the nodes' network can be reached"],
    ],
    [
      "fail",
      { legs: [leg("request", false)], answered: false },
      ["10.0.2.7 did not answer", "the request was last seen coming into eth0 of server-b on b"],
    ],
  ] as const)("is %s for %j", (verdict, changes, reasons) => {
    expect(verdictOf({ ...good, ...changes })).toEqual({ verdict, reasons });
  });
});
