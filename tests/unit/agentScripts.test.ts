import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { EvidenceCluster } from "../../cluster/read";
import { translationCheck } from "../../datapath/checks/translation";
import {
  counterOf,
  MAP_COMMANDS,
  IPV6_COMMANDS,
  IPV6_COUNTERS,
  NODE_COMMANDS,
  readCounters,
  readNode,
  sectionOf,
} from "../../datapath/evidence/node";
import { readPods } from "../../datapath/evidence/pods";
import { WORKLOAD } from "../../modes/workload";
import { DUAL } from "./support/dualStack";
import { recordedEvidence, recordedExpectation } from "./support/evidence";

const NODES = [
  { name: "a", address: "172.18.0.2", pod: "10.0.0.7" },
  { name: "b", address: "172.18.0.3", pod: "10.0.1.8" },
];

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"))));
afterAll(() => rmSync(folder, { recursive: true }));

/** Run an agent's script where these are the programs, by name. */
function run(script: string, programs: Readonly<Record<string, string>>, environment: NodeJS.ProcessEnv = {}) {
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const env = { PATH: `${folder}${delimiter}${process.env["PATH"]}`, ...environment };
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8", env });
  return Promise.resolve({ exitCode: status!, stdout, stderr });
}

describe("the translation of NodePorts", () => {
  /** What is read of a cluster whose connection tracking has one connection of each node's pod. */
  async function readOf(keys: Readonly<Record<string, string>>, codes: number[] = []) {
    const asked: unknown[][] = [];
    const pod = (name: string, nodeName: string, podIP?: string) => ({
      metadata: { name },
      spec: { nodeName },
      status: { podIP },
    });
    const cluster = {
      // it chooses the ports: 61000 on the first node, 61010 on the second one
      now: () => 0,
      nodes: () =>
        Promise.resolve(
          NODES.map(({ name, address }) => ({
            metadata: { name },
            status: { addresses: [{ type: "InternalIP", address }] },
          })),
        ),
      pods: (_namespace: string, selector: string) =>
        Promise.resolve(
          selector === "k8s-app=cilium"
            ? NODES.map(({ name }) => pod(`cilium-${name}`, name))
            : selector === "app=nettool"
              ? NODES.map(({ name, pod: address }) => pod(`nettool-${name}`, name, address))
              : [],
        ),
      exec: (...args: unknown[]) => {
        asked.push(args);
        const [, name, , command] = args as [string, string, string, string[]];
        if (!name.startsWith("cilium-"))
          return Promise.resolve({ exitCode: codes.shift() ?? 0, stdout: "", stderr: "" });
        const bpftool = '[ "$2" = show ] || [ "$*" = "$EXPECTED" ] || { echo Not found; exit 255; }';
        return run(
          command[2]!,
          { bpftool },
          {
            EXPECTED: `map lookup pinned /sys/fs/bpf/tc/globals/cilium_ct4_global key ${keys[name.slice("cilium-".length)]}`,
          },
        );
      },
    } as unknown as EvidenceCluster;
    const flows = await translationCheck.read!(
      cluster,
      { ...recordedExpectation(), nodeCount: 2, nodePort: 32000 },
      new Set(),
    );
    return { flows, asked };
  }

  it("are looked up by the pod's address and port, and by where they can have left for", async () => {
    const { flows, asked } = await readOf({
      a: "10 0 0 7 10 0 1 8 0 80 238 72 6 0",
      b: "10 0 1 8 172 18 0 2 125 0 238 91 6 0",
    });
    expect(flows.map(({ tracked }) => tracked)).toEqual([
      [{ port: "61000", out: "10.0.1.8:80" }],
      [{ port: "61019", out: "172.18.0.2:32000" }],
    ]);
    const seconds = asked.filter(([, name]) => String(name).startsWith("cilium-")).map((args) => args[4]);
    expect(seconds).toEqual([12, 12]);
  });

  it("are tried from other ports where an earlier verification's connection still has one", async () => {
    const { flows, asked } = await readOf({ a: "10 0 0 7 10 0 1 8 0 80 238 72 6 0", b: "none" }, [45]);
    expect(flows.map(({ sent }) => sent)).toEqual(["", ""]);
    expect(asked).toHaveLength(12);
  });

  it("are tried three times where none is found", async () => {
    const { flows, asked } = await readOf({ a: "none", b: "none" });
    expect(flows.map(({ tracked }) => tracked)).toEqual([[], []]);
    expect(asked).toHaveLength(12);
  });
});

describe("the BPF NAT map of IPv6", () => {
  it("tells of connections that got another source", async () => {
    const bytes = (hex: string) => `"0x${hex.match(/../g)!.join('","0x')}"`;
    const [pod, outside] = ["fd000010000000000000000000000007", "fc00f8530ccde7930000000000000005"];
    const entries = [
      `${outside}${pod}0050a2b40600`,
      // the reply, and a ping
      `${pod}${outside}a2b400500601`,
      `${outside}${pod}0000891d3a00`,
    ].map((key) => `{"key":[${bytes(key)}],"value":["0x01"]}`);
    const cluster = {
      exec: (...[, , , command]: [string, string, string, string[]]) =>
        run(command[2]!.replaceAll("/sys/fs/bpf/tc/globals/cilium_snat_v6_external", __filename), {
          bpftool: `cat <<'END'\n[${entries.join(",")}]\nEND`,
        }),
    } as unknown as EvidenceCluster;
    const agent = { node: "a", pod: "cilium-a", ready: true };
    const counters = await readCounters(cluster, "a", agent, "before", IPV6_COUNTERS.before);
    expect(counterOf([counters], "a", "ipv6Nat")).toBe(`${pod}:a2b4 ${outside}\n`);
  });
});

describe("the BPF NAT map", () => {
  const MAP = "/sys/fs/bpf/tc/globals/cilium_snat_v4_external";

  /** What a node's counters say of it. @param map the file that stands for it */
  async function natOf(bpftool: string, map: string) {
    const cluster = {
      exec: (...[, , , command]: [string, string, string, string[]]) =>
        run(command[2]!.replaceAll(MAP, map), { bpftool }),
    } as unknown as EvidenceCluster;
    const counters = await readCounters(cluster, "a", { node: "a", pod: "cilium-a", ready: true }, "before");
    return counterOf([counters], "a", "nat");
  }

  const key = (bytes: string) => `{"key":["0x${bytes.replaceAll(" ", '","0x')}"],"value":["0x01","0x00"]}`;
  const PINGED = key("ac 12 00 01 0a 00 00 cd 00 00 89 1d 01 00");
  const ANSWER = key("0a 00 00 cd ac 12 00 01 89 1d 00 00 01 01");
  const CONNECTION = key("0a 00 00 cd ac 12 00 03 00 50 a2 b4 06 00");
  const prints = (text: string) => `cat <<'END'\n${text}\nEND`;

  it("tells of pings, with and without the map's type", async () => {
    const formatted = PINGED.replace(/}$/, ',"formatted":{"key":{"daddr":16781996},"value":{}}}');
    for (const entry of [PINGED, formatted]) {
      expect(await natOf(prints(`[${CONNECTION},${entry},${ANSWER}]`), __filename)).toBe(
        "ICMP OUT 10.0.0.205:35101 -> 172.18.0.1:0\n",
      );
    }
  });

  it("is empty where iptables masquerades", async () => {
    expect(await natOf("exit 1", "/nowhere/map")).toBe("");
  });

  it("is not called empty where it is read too slowly, or not at all", async () => {
    expect(await natOf("exit 124", __filename)).toEqual(new Error("the agent did not tell its nat within 8 s"));
    expect(await natOf("echo no permission >&2; exit 255", __filename)).toEqual(new Error("nat: no permission"));
  });
});

describe("the networks of ip-masq-agent", () => {
  it("are read from its map, of which a cluster without it has none", async () => {
    const keys = ["08 00 00 00 0a 00 00 00", "10 00 00 00 a9 fe 00 00"].map(
      (bytes) => `{"key":["0x${bytes.replaceAll(" ", '","0x')}"],"value":["0x00"]}`,
    );
    const networksIn = async (map: string) => {
      const script = MAP_COMMANDS.ipMasq.replace("/sys/fs/bpf/tc/globals/cilium_ipmasq_v4", map);
      return (await run(script, { bpftool: `echo '[${keys.join()}]'` })).stdout;
    };
    expect(await networksIn(__filename)).toBe("10.0.0.0/8\n169.254.0.0/16\n");
    expect(await networksIn("/nowhere/map")).toBe("");
  });
});

describe("the BPF policy maps", () => {
  /** What a node says of denials where `cilium` is this program. */
  async function denied(cilium: string) {
    const cluster = {
      exec: (...[, , , command]: [string, string, string, string[]]) => run(command[2]!, { cilium, bpftool: "" }),
    } as unknown as EvidenceCluster;
    return sectionOf(
      await readNode(
        cluster,
        "a",
        { node: "a", pod: "cilium-a", ready: true },
        { commands: NODE_COMMANDS, destinations: [] },
      ),
      "policyMaps",
    );
  }

  it("are read for what they deny", async () => {
    const listed = "Endpoint ID: 7\nAllow  Egress 0 ANY\nDeny   Ingress 9 80/TCP";
    expect(await denied(`printf '${listed.replaceAll("\n", "\\n")}'`)).toBe(
      "Endpoint ID: 7\nDeny   Ingress 9 80/TCP\n",
    );
  });

  it("are not called empty where they cannot be read", async () => {
    expect(await denied("echo no such map >&2; exit 1")).toEqual(new Error("policy maps: no such map"));
    expect(await denied("exit 124")).toEqual(new Error("the agent did not tell its policy maps within 8 s"));
  });
});

describe("the evidence of a dual-stack cluster", () => {
  it("is what the tools of IPv6 say of a node, and the kernel's way to addresses of both families", async () => {
    const programs = {
      ip: 'echo "$@"',
      ipset: 'echo "$@"',
      "ip6tables-legacy-save": 'echo legacy "$@"',
      "ip6tables-nft-save": 'echo nft "$@"',
    };
    const cluster = {
      exec: (...[, , , command]: [string, string, string, string[]]) => run(command[2]!, programs),
    } as unknown as EvidenceCluster;
    const agent = { node: "a", pod: "cilium-a", ready: true };
    const destinations = ["10.0.1.8", "fd00:10:0:1::8"];
    const node = await readNode(cluster, "a", agent, { commands: IPV6_COMMANDS, destinations });
    expect(node.lookups).toEqual({
      "10.0.1.8": "-4 route get 10.0.1.8",
      "198.51.100.1": "-4 route get 198.51.100.1",
      "fd00:10:0:1::8": "-6 route get fd00:10:0:1::8",
    });
    expect(sectionOf(node, "ipv6Neighbors")).toBe("-6 neigh show\n");
    expect(sectionOf(node, "ipv6Rules")).toBe("-6 rule show\n");
    expect(sectionOf(node, "ip6tables")).toBe("legacy -c\nnft -c\n");
    expect(sectionOf(node, "ipv6Set")).toBe("save cilium_node_set_v6\n");
    // a kernel need not have all of them
    expect(sectionOf(node, "ipv6Sysctls")).not.toBeInstanceOf(Error);
  });

  it("has the pods' IPv6 beside their IPv4, which is all that other pods are asked", async () => {
    const scripts: string[] = [];
    const cluster = {
      exec: async (...[, , , command]: [string, string, string, string[]]) => {
        scripts.push(command[2]!);
        const ofIpv6 = command[2]!.includes("@@@ ipv6") ? "@@@ ipv6\nsix\n" : "";
        return { exitCode: 0, stdout: `four\n${ofIpv6}@@@ pinged\n0% packet loss\n`, stderr: "" };
      },
    } as unknown as EvidenceCluster;
    const podsOf = async (evidence = recordedEvidence()) =>
      (
        await readPods(
          cluster,
          evidence.api,
          evidence.nodes.map(({ node }) => node),
          WORKLOAD,
        )
      )[0]!;
    expect(await podsOf()).toMatchObject({ output: "four\n", pinged: { lost: "0% packet loss" } });
    expect(scripts.filter((script) => /ip -6|ip6tables/.test(script))).toEqual([]);
    expect(await podsOf()).not.toHaveProperty("ipv6");
    expect(await podsOf(recordedEvidence(DUAL))).toMatchObject({
      ...{ output: "four\n", ipv6: "six\n", pinged: { lost: "0% packet loss" } },
    });
  });
});
