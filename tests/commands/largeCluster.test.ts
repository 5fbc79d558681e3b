import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { serveFakeCluster, type FakeCluster } from "../../bench/fakeCluster";
import { CLI } from "../support/cli";

const folder = mkdtempSync(join(tmpdir(), "cilium-modes-large-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Run the command on a fake cluster. */
async function run(cluster: FakeCluster, ...args: readonly string[]) {
  const { kubeconfig, asked, close } = await serveFakeCluster(cluster);
  const file = join(folder, "kubeconfig");
  writeFileSync(file, kubeconfig, { mode: 0o600 });
  try {
    const child = spawn(process.execPath, [CLI, ...args, "--kubeconfig", file], { stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { stdout, stderr, code: code as number, asked };
  } finally {
    close();
  }
}

describe("a large cluster", () => {
  it("is inspected page by page and some nodes at a time, and a node that refuses costs its own answer only", async () => {
    // the second of the sample
    const refusing = [29];
    const { stdout, code, asked } = await run({ nodes: 600, delay: 200, refusing }, "inspect", "--max-nodes", "40");
    expect(asked).toMatchObject({ commands: 39, longestList: 500 });
    expect(asked.mostAtOnce).toBeGreaterThan(8);
    expect(asked.mostAtOnce).toBeLessThanOrEqual(32);
    expect(stdout).toMatch(
      /^fake: mode ebpf, native routing; nothing contradicts \(\d+ rows, 40 of 600 nodes, of which 1 did not answer, [\d.]+ s\)$/m,
    );
    expect(stdout).toMatch(/^Nodes that did not answer:\n {2}- cilium-modes-ebpf-worker-29: .*500$/m);
    expect(stdout).toMatch(/^IN FORCE +Masquerading .* all$/m);
    expect(code).toBe(0);
  });

  it("is verified with the nodes of the sample alone", async () => {
    const args = ["verify", "--expect", "ebpf", "--accept", "reported", "--settle-seconds", "0", "--no-diagnostics"];
    const { stdout, code, asked } = await run({ nodes: 30, delay: 1 }, ...args, "--max-nodes", "10");
    expect(stdout).toContain("10 of 30 nodes sampled");
    expect(asked.longestList).toBeLessThanOrEqual(500);
    // each tells its version, and those of the sample everything
    expect(asked.commands).toBe(30 + 10);
    expect(asked.logs).toBe(10);
    expect(code).toBe(0);
  });

  it("shows the same whether all evidence is kept or each node is judged at once", async () => {
    const inspected = async (...args: readonly string[]) => {
      const { stdout } = await run({ nodes: 5, delay: 1 }, "inspect", "--json", ...args);
      return { ...(JSON.parse(stdout) as object), seconds: 0, inspectedAt: "" };
    };
    const kept = join(folder, "kept.json.gz");
    expect(await inspected()).toEqual(await inspected("--save", kept));
  });
});
