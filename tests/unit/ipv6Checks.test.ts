import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1EndpointSlice, V1Node, V1Pod } from "@kubernetes/client-node";
import type { EvidenceCluster } from "../../cluster/read";
import { isDualStack, readApi, readingOf } from "../../datapath/evidence/api";
import { readIpv6Traffic } from "../../datapath/evidence/ipv6Traffic";
import { keptExpectation } from "../../datapath/external";
import { probeScript, triesOf, type Protocol, type Target } from "../../datapath/evidence/probing";
import type { Ground, Probe } from "../../datapath/evidence/traffic";
import { DUAL, IPV6 } from "./support/dualStack";
import {
  bad,
  both,
  inConfig,
  inNode,
  judged,
  recordedEvidence,
  recordedExpectation,
  type Change,
} from "./support/evidence";

const WORKER = "cmlead-worker";
const expectation = recordedExpectation("ebpf", { ipv6: IPV6 });
const found = (...changes: Change[]) => judged(recordedEvidence(both(DUAL, ...changes)), expectation);

describe("a verification of a dual-stack cluster", () => {
  it("passes every check, and names the second family", () => {
    const { results } = found();
    expect(bad(results)).toEqual([]);
    const subjects = (id: string) =>
      results
        .find((each) => each.id === id)!
        .findings.flatMap(({ subject }) => (/IPv6$/.test(subject) ? [subject] : []));
    for (const id of ["routes", "devices", "service-map", "datapath-maps"])
      expect([id, subjects(id)]).toEqual([id, expect.arrayContaining([`${WORKER} by IPv6`])]);
    for (const id of [
      "pod-to-pod",
      "pod-to-node",
      "services",
      "node-ports",
      "from-outside",
      "way-out",
      "source-address",
      "masquerading",
    ])
      expect([id, subjects(id).length > 0]).toEqual([id, true]);
  });

  it("expects the address of cilium_host from a NodePort's node in a tunnel", () => {
    const tunnel = recordedExpectation("ebpf", { ipv6: IPV6, tunnel: "vxlan" });
    const router = "fd00:10:0:1::ff";
    const addresses: Change = ({ nodes, traffic }) => {
      for (const node of nodes) {
        const devices = [{ ifname: "cilium_host", addr_info: [{ local: "fe80::1" }, { local: router }] }];
        node.sections.ipv6Addresses = { value: JSON.stringify(devices) };
      }
      for (const probe of traffic!.ipv6!.probes)
        if (probe.flow === "outside-to-node-port")
          for (const each of probe.tries) if (each.client !== probe.from.address) each.client = router;
    };
    const judgedFor = (...changes: Change[]) =>
      judged(recordedEvidence(both(DUAL, addresses, ...changes)), tunnel)
        .results.find(({ id }) => id === "source-address")!
        .findings.filter(({ subject }) => subject === "outside client by IPv6");
    expect(judgedFor()).toMatchObject([{ verdict: "pass" }]);
    const another: Change = ({ nodes }) => {
      for (const node of nodes) node.sections.ipv6Addresses = { value: "[]" };
      nodes[0]!.sections.ipv6Addresses = {
        value: '[{"ifname":"cilium_host","addr_info":[{"local":"fd00:10:0:1::aa"}]}]',
      };
    };
    expect(judgedFor(another)).toMatchObject([{ verdict: "fail" }]);
  });

  it("says nothing of IPv6 of a cluster without it", () => {
    const { results } = judged(recordedEvidence());
    expect(JSON.stringify(results)).not.toMatch(/by IPv6/);
  });

  const lost =
    (flow: Probe["flow"]): Change =>
    ({ traffic }) => {
      for (const probe of traffic!.ipv6!.probes)
        if (probe.flow === flow) for (const each of probe.tries) each.failure = "no answer within 3 s";
    };
  const routes = (change: (text: string) => string) => inNode("ipv6Routes", change, WORKER);
  const pod: Change = ({ api }) => {
    const pods = "value" in api.pods ? api.pods.value : [];
    pods.find(({ node, hostNetwork }) => node === WORKER && !hostNetwork)!.ipv6Address = "fd00:10:0:9::1";
  };

  it.each<[string, Change, string, RegExp]>([
    ["probes between pods are lost", lost("pod-to-pod"), "pod-to-pod", / by IPv6$/],
    ["probes to NodePorts are lost", lost("node-to-node-port"), "node-ports", / by IPv6$/],
    ["probes from outside are lost", lost("outside-to-node-port"), "from-outside", /^outside client by IPv6$/],
    ["a route is missing", routes((text) => text.replace(/^fd00:10:0:1::\/64 via.*\n/m, "")), "routes", /by IPv6$/],
    [
      "a route leads elsewhere",
      routes((text) => text.replace(/^(fd00:10:0:1::\/64 via) \S+/m, "$1 fc00::99")),
      "routes",
      /by IPv6$/,
    ],
    [
      "a route throws packets away",
      routes((text) => `blackhole fd00:10:0:1::5 dev lo metric 1024 pref medium\n${text}`),
      "routes",
      /by IPv6$/,
    ],
    ["a pod has no address of its node's network", pod, "devices", /by IPv6$/],
    [
      "an identity is missing",
      inNode("ipcache", (text) => text.replace(/"fd00:10:0:1::96\/128"/, '"fd00:10:0:1::97/128"'), WORKER),
      "datapath-maps",
      /by IPv6$/,
    ],
    [
      "a node has the identity of the world, which has one of its own for each family",
      inNode(
        "ipcache",
        (text) => text.replace(/("172\.18\.0\.3\/32":\s*\[\s*"identity=)\d+/, (_, before: string) => `${before}9`),
        WORKER,
      ),
      "datapath-maps",
      new RegExp(`^${WORKER}$`),
    ],
    [
      "the agent lacks a backend",
      inNode("services", (text) => text.replace(/^ +\d => \[fd00:.*\n/m, ""), WORKER),
      "service-map",
      /by IPv6$/,
    ],
    [
      "pods leave with an address that is not their node's",
      ({ traffic }) => {
        for (const probe of traffic!.ipv6!.probes)
          if (probe.flow === "pod-to-outside")
            for (const each of probe.tries) if (each.client) each.client = probe.from.address;
      },
      "source-address",
      /by IPv6$/,
    ],
    [
      "nobody masquerades IPv6 on a node",
      ({ before, after }) => {
        const nat = after.find(({ node }) => node === WORKER)!.sections.ipv6Nat!;
        // entries from before prove nothing
        before.find(({ node }) => node === WORKER)!.sections.ipv6Nat = nat;
      },
      "masquerading",
      new RegExp(`^${WORKER} by IPv6$`),
    ],
    [
      "ip6tables masquerades beside BPF",
      ({ after }) => {
        const rule = "-A CILIUM_POST_nat -s fd00:10::/64 ! -o cilium_+ -j MASQUERADE";
        for (const { sections } of after) sections.ip6tables = { value: `*nat\n[3:180] ${rule}\nCOMMIT\n` };
      },
      "masquerading",
      new RegExp(`^${WORKER} by IPv6$`),
    ],
    [
      "agents do not masquerade IPv6",
      inNode("status", (text) => text.replace('"ipv6": true', '"ipv6": false')),
      "status",
      new RegExp(`^${WORKER}$`),
    ],
  ])("fails when %s", (_what, change, check, subject) => {
    const { results, causes } = found(change);
    const result = results.find(({ id }) => id === check)!;
    const failures = result.findings.filter(({ verdict }) => verdict === "fail");
    expect(failures.map((each) => each.subject)).toEqual(expect.arrayContaining([expect.stringMatching(subject)]));
    expect(causes.length).toBeGreaterThan(0);
  });
});

describe("a verification of an external dual-stack cluster", () => {
  const foundOf = (...changes: Change[]) => {
    const evidence = recordedEvidence(both(DUAL, ...changes));
    return judged(evidence, { ...keptExpectation(evidence, "ebpf", undefined), nodePort: 32000 });
  };
  const unverified = (...changes: Change[]) =>
    foundOf(...changes)
      .results.find(({ id }) => id === "features")!
      .findings.flatMap(({ reason = "" }) => (reason.startsWith("IPv6 (") ? [reason] : []));

  it("passes every check of both families", () => {
    const { results } = foundOf();
    expect(bad(results)).toEqual([]);
    for (const id of ["routes", "devices", "service-map", "pod-to-pod", "from-outside", "masquerading"])
      expect([id, JSON.stringify(results.find((each) => each.id === id))]).toEqual([
        id,
        expect.stringContaining(" by IPv6"),
      ]);
  });

  const worst = ({ results }: ReturnType<typeof foundOf>) =>
    results.flatMap(({ id, verdict }) => (verdict === "pass" || verdict === "skipped" ? [] : [`${id}: ${verdict}`]));

  it.each<[string, Change, string[]]>([
    [
      "agents do not masquerade IPv6",
      inNode("status", (text) => text.replace('"ipv6": true', '"ipv6": false')),
      ["status: fail"],
    ],
    [
      "a pod is older than the second family",
      ({ api }) => {
        const pods = "value" in api.pods ? api.pods.value : [];
        delete pods.find(({ node, hostNetwork }) => node === WORKER && !hostNetwork)!.ipv6Address;
      },
      ["devices: warning"],
    ],
  ])("tells where %s", (_what, change, wrong) => {
    expect(worst(foundOf(change))).toEqual(wrong);
  });

  it("expects agents that do not masquerade IPv6 where cilium-config says so", () => {
    const off: Change = both(
      inConfig("enable-ipv6-masquerade", "false"),
      inNode("status", (text) => text.replace('"ipv6": true', '"ipv6": false')),
      ({ api }) => {
        const rendered = "value" in api.rendered ? api.rendered.value : null;
        Object.assign(rendered!.config, { "enable-ipv6-masquerade": "false" });
      },
    );
    expect(worst(foundOf(off))).toEqual([]);
  });

  it("does not compare an address that a local redirect policy sends elsewhere", () => {
    const services = inNode("services", (text) =>
      text.replace(/^(90 +\S+ +)ClusterIP(.*\n)(?: .*\n)*/m, "$1LocalRedirect$2"),
    );
    expect(bad(foundOf(services).results)).toEqual([]);
  });

  it("says why IPv6 is not verified where only a part of the cluster has it", () => {
    expect(unverified()).toEqual([expect.stringContaining("connection tracking")]);
    const withoutNodes: Change = ({ api }) => {
      for (const node of "value" in api.nodes ? api.nodes.value : []) delete node.ipv6Address;
    };
    expect(unverified(withoutNodes)).toEqual([expect.stringContaining("no node has an IPv6 address")]);
    const withoutPool: Change = ({ api }) => {
      for (const node of "value" in api.ciliumNodes ? api.ciliumNodes.value : []) delete node.ipv6PodCidrs;
    };
    expect(unverified(withoutPool, inConfig("ipam", "multi-pool"))).toEqual([
      expect.stringMatching(/no CiliumNode has an IPv6 network .*\(ipam multi-pool\)$/),
    ]);
  });
});

describe("the API server's evidence of a dual-stack cluster", () => {
  const metadata = { name: "a", namespace: "n", labels: { "kubernetes.io/service-name": "s" } };
  const cluster = (second: boolean) => {
    const address = (ip: string) => ({ type: "InternalIP", address: ip });
    const node = { metadata, status: { addresses: [address("172.18.0.2"), ...(second ? [address("fc00::2")] : [])] } };
    const podIPs = [{ ip: "10.0.0.1" }, ...(second ? [{ ip: "fd00:10::1" }] : [])];
    const slice = (addressType: string, ip: string) =>
      ({
        metadata,
        addressType,
        endpoints: [{ addresses: [ip] }],
        ports: [{ port: 80 }],
      }) as unknown as V1EndpointSlice;
    const lists: Record<string, object[]> = {
      endpointslices: [slice("IPv4", "10.0.0.1"), ...(second ? [slice("IPv6", "fd00:10::1")] : [])],
      ciliumnodes: [{ metadata, spec: { ipam: { podCIDRs: ["10.0.0.0/24", ...(second ? ["fd00:10::/64"] : [])] } } }],
    };
    return {
      nodes: async () => [node as V1Node],
      allPods: async () => [{ metadata, status: { podIP: "10.0.0.1", podIPs } } as V1Pod],
      services: async () => [],
      list: async (_version: string, plural: string) => lists[plural] ?? [],
    } as unknown as EvidenceCluster;
  };

  it("has addresses and endpoints of both families, IPv4 where it was", async () => {
    const api = await readApi(cluster(true));
    expect(readingOf(api.nodes)).toMatchObject([{ address: "172.18.0.2", ipv6Address: "fc00::2" }]);
    expect(readingOf(api.pods)).toMatchObject([{ address: "10.0.0.1", ipv6Address: "fd00:10::1" }]);
    expect(readingOf(api.ciliumNodes)).toMatchObject([{ podCidrs: ["10.0.0.0/24"], ipv6PodCidrs: ["fd00:10::/64"] }]);
    expect(readingOf(api.endpoints)).toMatchObject([{ addresses: ["10.0.0.1"] }]);
    expect(readingOf(api.ipv6Endpoints!)).toMatchObject([{ addresses: ["fd00:10::1"] }]);
    expect(isDualStack(api)).toBe(true);
  });

  it("has nothing of IPv6 in a cluster without it", async () => {
    const api = await readApi(cluster(false));
    expect(JSON.stringify(api)).not.toMatch(/ipv6/i);
    expect(isDualStack(api)).toBe(false);
  });
});

describe("probes over IPv6", () => {
  const evidence = recordedEvidence(DUAL);
  const pods = evidence.traffic!.pods;
  const asked: string[] = [];
  const answer = (script: string) => {
    asked.push(script);
    const targets = [...script.matchAll(/'(\d+),(\w[\w-]*),([\da-f:.]+),\d+,\d+,\d+,\d+,\d+'/g)];
    return targets.map(([, id]) => `${id} 1 ok 3 0 pod=p client=[fd00:10::7]:41000 bytes=9\n`).join("");
  };
  const ground = (outside: Ground["outside"], change: Change = () => undefined): Ground => ({
    cluster: {
      exec: async (_namespace: string, _pod: string, _container: string, [, , script]: readonly string[]) => ({
        exitCode: 0,
        stdout: answer(script!),
        stderr: "",
      }),
    } as unknown as EvidenceCluster,
    api: recordedEvidence(both(DUAL, change)).api,
    agents: new Map(),
    nodes: pods.map(({ node }) => node),
    workload: { namespace: "nettool", daemonSet: "nettool", service: "serversvc", clientPod: "net" },
    nodePort: 32000,
    outside,
    places: pods,
    gateways: new Map(),
    quick: false,
  });
  const outside: Ground["outside"] = {
    address: "172.18.0.9",
    run: async (script) => (script.startsWith("awk") ? "fc00::9\n" : answer(script)),
    end: async () => undefined,
  };

  it("ask pods, nodes, Services and outside at their IPv6 addresses only", async () => {
    const traffic = (await readIpv6Traffic(ground(outside), 1472))!;
    const flows = new Set(traffic.probes.map(({ flow }) => flow));
    expect([...flows].sort()).toEqual([
      ...["outside-to-node-port", "pod-to-cluster-ip", "pod-to-node", "pod-to-node-port"],
      ...["pod-to-outside", "pod-to-pod"],
    ]);
    expect(traffic.probes.every(({ from, to }) => from.address.includes(":") && to.address.includes(":"))).toBe(true);
    expect(traffic.probes.flatMap(({ tries }) => tries.map(({ client }) => client))).toContain("fd00:10::7");
    expect(traffic.omitted["node-to-pod"]).toBe("no node can send probes");
    // 1500 bytes without the headers of IPv6 and ICMP
    const pings = asked.flatMap((script) => script.match(/\d+,icmp,fd00:[\w,:]+/g) ?? []);
    expect(pings).toContainEqual(expect.stringMatching(/,80,1452,2,0,3$/));
  });

  it.each([
    ["1.18.12", "false", false],
    ["1.20.2", "false", true],
    ["1.18.12", "true", true],
  ])(
    "let servers ask a ClusterIP with Cilium %s and kube-proxy replacement %s: %s",
    async (version, replaced, asks) => {
      const own = ground(outside, inConfig("kube-proxy-replacement", replaced));
      const template = { value: { image: `lab/cilium:v${version}@sha256:00`, args: [], strategy: "RollingUpdate" } };
      const { probes } = (await readIpv6Traffic({ ...own, api: { ...own.api, template } }, 1472))!;
      const senders = new Set(probes.flatMap(({ flow, from }) => (flow === "pod-to-cluster-ip" ? [from.name] : [])));
      expect(senders.has("net")).toBe(true);
      expect([...senders].some((name) => name.startsWith("nettool-"))).toBe(asks);
    },
  );

  it("are not sent in a cluster without IPv6, and leave out what the cluster cannot carry", async () => {
    expect(await readIpv6Traffic({ ...ground(outside), api: recordedEvidence().api }, 1472)).toBeUndefined();
    const single: Change = ({ api }) => {
      for (const service of "value" in api.services ? api.services.value : []) delete service.clusterIps;
    };
    const { omitted, probes } = (await readIpv6Traffic(ground(outside, single), 1472))!;
    expect(omitted).toMatchObject({
      "pod-to-cluster-ip": "the workload's Service has no IPv6 ClusterIP",
      "outside-to-node-port": "the workload's Service has no IPv6 ClusterIP",
    });
    expect(new Set(probes.map(({ flow }) => flow)).has("pod-to-pod")).toBe(true);
    const without = await readIpv6Traffic(
      ground(new Error("no client"), inConfig("enable-ipv6-masquerade", "false")),
      1472,
    );
    expect(without!.omitted).toMatchObject({
      "outside-to-node-port": "no client",
      "pod-to-outside": expect.stringContaining("masquerading of IPv6 off"),
    });
  });
});

const loopback = spawnSync("perl", [
  "-MSocket",
  "-e",
  "socket(my $s, PF_INET6, SOCK_STREAM, 0) or exit 1; bind($s, pack_sockaddr_in6(0, Socket::inet_pton(AF_INET6, '::1'))) or exit 1",
]);

(loopback.status === 0 ? describe : describe.skip)("the program probe6", () => {
  const PORT = 20_000 + (process.pid % 2000);
  const IMAGE = join(__dirname, "../../images/nettool");
  let server: ChildProcess;
  beforeAll(async () => {
    // an answer to each request, as serve gives where the pod has an IPv6 address
    const program = `use Socket; use Socket qw(inet_pton);
      socket(my $l, PF_INET6, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);
      bind($l, pack_sockaddr_in6($ENV{PORT}, inet_pton(AF_INET6, '::1'))) or die; listen($l, 9);
      socket(my $u, PF_INET6, SOCK_DGRAM, 0); bind($u, pack_sockaddr_in6($ENV{PORT}, inet_pton(AF_INET6, '::1'))) or die;
      $| = 1; print "ready\\n";
      if (!fork) { while (my $p = recv($u, my $d, 65535, 0)) { my ($m) = $d =~ /^(\\S*)/; send($u, "$m pod=p client=[::1]:9 ", 0, $p) } exit }
      while (accept(my $c, $l)) { while (<$c>) { last if /^\\r?$/ } my $b = "pod=p client=[::1]:8\\n"; print $c "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($b) . "\\r\\n\\r\\n$b"; close $c }`;
    server = spawn("perl", ["-e", program], { env: { ...process.env, PORT: String(PORT) }, detached: true });
    await new Promise((resolve) => server.stdout!.once("data", resolve));
  });
  afterAll(() => process.kill(-server.pid!));

  const target = (id: string, protocol: Protocol, port = PORT, more: Partial<Target> = {}): Target => ({
    ...{ id, protocol, address: "::1", port, bytes: 0, tries: 2, distinct: 0, seconds: 2, ...more },
  });

  it("is sent for targets of IPv6, and told apart from the one for IPv4", () => {
    const script = probeScript([target("0", "tcp")]);
    expect(script).toContain("AF_INET6");
    expect(probeScript([target("0", "tcp", PORT, { address: "127.0.0.1" })])).not.toContain("AF_INET6");
    expect(spawnSync("perl", ["-c", join(IMAGE, "probe6")]).status).toBe(0);
  });

  it("gets answers by TCP and UDP, and tells why there is none", () => {
    const script = probeScript([
      target("0", "tcp"),
      target("1", "udp", PORT, { bytes: 32 }),
      target("2", "udp-unconnected", PORT, { bytes: 1400, distinct: 1 }),
      target("3", "tcp", 1),
    ]);
    const tries = triesOf(spawnSync("sh", ["-c", script], { encoding: "utf8" }).stdout);
    const of = (id: string) => tries.filter((each) => each.target === id);
    expect(of("0")).toHaveLength(2);
    expect(of("0")[0]).toMatchObject({ pod: "p", client: "::1", lost: 0 });
    expect(of("1")[1]).toMatchObject({ pod: "p", client: "::1", lost: 0 });
    expect(of("2")).toHaveLength(1);
    expect(of("3")).toEqual([
      { target: "3", milliseconds: expect.any(Number) as number, lost: 0, failure: "connection refused" },
      { target: "3", milliseconds: expect.any(Number) as number, lost: 0, failure: "connection refused" },
    ]);
  });
});

/** An address of this machine that is of no link and no loopback, as the server looks for it. */
const OWN = (() => {
  const table = existsSync("/proc/net/if_inet6") ? readFileSync("/proc/net/if_inet6", "utf8") : "";
  const [digits] = /^[\da-f]{32}(?= \w+ \w+ 00 )/m.exec(table) ?? [];
  return digits?.match(/.{4}/g)!.join(":");
})();

(loopback.status === 0 && OWN !== undefined ? describe : describe.skip)("the program serve", () => {
  it("answers by both families where the pod has an IPv6 address", async () => {
    const port = 22_000 + (process.pid % 2000);
    const env = { ...process.env, PORT: String(port), POD_NAME: "p" };
    const server = spawn("perl", [join(__dirname, "../../images/nettool/serve")], { env });
    await new Promise((resolve) => server.stdout.once("data", resolve));
    const ask = (address: string) => {
      const target = { address, port, bytes: 0, tries: 1, distinct: 0, seconds: 2 };
      const script = probeScript([
        { ...target, id: "0", protocol: "tcp" },
        { ...target, id: "1", protocol: "udp", bytes: 32 },
      ]);
      return triesOf(spawnSync("sh", ["-c", script], { encoding: "utf8" }).stdout);
    };
    const [ipv4, ipv6] = [ask("127.0.0.1"), ask(OWN!)];
    server.kill();
    expect(ipv4.map(({ pod, client }) => [pod, client])).toEqual(ipv4.map(() => ["p", "127.0.0.1"]));
    expect(ipv6.map(({ pod, failure }) => [pod, failure])).toEqual([
      ["p", undefined],
      ["p", undefined],
    ]);
    expect(ipv6.every(({ client }) => client!.includes(":"))).toBe(true);
  });
});
