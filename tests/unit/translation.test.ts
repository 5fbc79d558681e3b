import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { EvidenceCluster } from "../../cluster/read";
import { translationCheck } from "../../datapath/checks/translation";
import { recordedExpectation } from "./support/evidence";

const NODES = [
  { name: "a", address: "172.18.0.2", pod: "10.0.0.7" },
  { name: "b", address: "172.18.0.3", pod: "10.0.1.8" },
];

describe("the translation of NodePorts", () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What is read of a cluster whose connection tracking has one connection of each node's pod. */
  async function readOf(keys: Readonly<Record<string, string>>, clock: number) {
    const asked: unknown[][] = [];
    const pod = (name: string, nodeName: string, podIP?: string) => ({
      metadata: { name },
      spec: { nodeName },
      status: { podIP },
    });
    const bpftool = join(folder, "bpftool");
    writeFileSync(bpftool, '#!/bin/sh\n[ "$2" = show ] || [ "$*" = "$EXPECTED" ] || { echo Not found; exit 255; }\n');
    chmodSync(bpftool, 0o755);
    const cluster = {
      now: () => clock,
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
        if (!name.startsWith("cilium-")) return Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
        const { status, stdout, stderr } = spawnSync("sh", command.slice(1), {
          encoding: "utf8",
          env: {
            PATH: `${folder}${delimiter}${process.env["PATH"]}`,
            EXPECTED: `map lookup pinned /sys/fs/bpf/tc/globals/cilium_ct4_global key ${keys[name.slice("cilium-".length)]}`,
          },
        });
        return Promise.resolve({ exitCode: status!, stdout, stderr });
      },
    } as unknown as EvidenceCluster;
    const flows = await translationCheck.read!(cluster, { ...recordedExpectation(), nodeCount: 2, nodePort: 32000 });
    return { flows, asked };
  }

  it("are looked up by the pod's address and port, and by where they can have left for", async () => {
    // the clock chooses the ports: 61000 on the first node, 61010 on the second one
    const { flows, asked } = await readOf(
      {
        a: "10 0 0 7 10 0 1 8 0 80 238 72 6 0",
        b: "10 0 1 8 172 18 0 2 125 0 238 91 6 0",
      },
      0,
    );
    expect(flows.map(({ tracked }) => tracked)).toEqual([
      [{ port: "61000", out: "10.0.1.8:80" }],
      [{ port: "61019", out: "172.18.0.2:32000" }],
    ]);
    const seconds = asked.filter(([, name]) => String(name).startsWith("cilium-")).map((args) => args[4]);
    expect(seconds).toEqual([12, 12]);
  });

  it("are tried three times where none is found", async () => {
    const { flows, asked } = await readOf({ a: "none", b: "none" }, 0);
    expect(flows.map(({ tracked }) => tracked)).toEqual([[], []]);
    expect(asked).toHaveLength(12);
  });
});
