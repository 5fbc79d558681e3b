import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { inspect } from "../../cli/inspect";
import type { Evidence } from "../../datapath/evidence/gather";
import { keptExpectation } from "../../datapath/external";
import { verifyKept } from "../../datapath/verify";
import type { RoutingMode } from "../../modes/contract";
import { HEALTHY, WORKER, changed, judged } from "./support/inspection";

describe("evidence that was kept", () => {
  const kept = { evidence: HEALTHY, logs: {}, readAt: "2026-11-29T23:00:00.000Z", seconds: 3.2 };
  const proofOf = (mode: RoutingMode) => verifyKept(kept, keptExpectation(HEALTHY, mode, undefined));

  it("reports its mode at best, since there was no traffic, and refutes another one", () => {
    const { proof, causes, verifiedAt, seconds } = proofOf("ebpf");
    expect([proof, causes, verifiedAt, seconds]).toEqual(["reported", [], kept.readAt, 3.2]);
    expect(proofOf("kubeproxy").proof).toBe("not in force");
    expect(() => keptExpectation({ ...HEALTHY, nodes: [] }, "ebpf", undefined)).toThrow(/no agent's status/);
  });
});

describe("the command inspect", () => {
  const folder = mkdtempSync(join(tmpdir(), "inspect-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const archive = (name: string, content: object) => {
    writeFileSync(join(folder, name), gzipSync(JSON.stringify(content)));
    return join(folder, name);
  };
  const saved = (evidence: Evidence) => ({
    ...{ format: "cilium-modes inspection", version: 1, evidence, logs: {} },
    ...{ readAt: "2026-11-29T23:00:00.000Z", seconds: 3.2 },
  });
  const run = async (...args: Parameters<typeof inspect>) => {
    const printed = jest.spyOn(console, "log").mockImplementation(() => undefined);
    try {
      const code = await inspect(...args);
      return { code, out: printed.mock.calls.map(([line]) => String(line)).join("\n") };
    } finally {
      printed.mockRestore();
    }
  };

  it("judges evidence that was kept, with an exit code", async () => {
    const healthy = archive("healthy.json.gz", saved(HEALTHY));
    const broken = archive("broken.json.gz", saved(changed({ cgroups: () => "" }, WORKER)));
    expect(await run([healthy], {})).toEqual({ code: 0, out: expect.stringContaining("nothing contradicts") });
    const { code, out } = await run([broken], { json: true, html: join(folder, "page.html") });
    expect([code, JSON.parse(out)]).toEqual([1, judged(changed({ cgroups: () => "" }, WORKER))]);
    const page = readFileSync(join(folder, "page.html"), "utf8");
    expect(page).toContain("CONTRADICTION");
    expect(page).toContain("bpftool cgroup tree");
    expect((await run([healthy, broken], { diff: true })).out).toMatch(/^Socket LB/m);
  });

  it.each([
    [{ format: "something else" }, /is no archive of inspect --save, or one of a newer version/],
    [saved(HEALTHY).evidence, /is no archive of inspect --save/],
  ])("refuses another file", async (content, message) => {
    await expect(run([archive("other.json.gz", content)], {})).rejects.toThrow(message);
  });

  it.each([
    [["a", "b"], {}, /takes one stack or file \(got 2\)/],
    [["a"], { diff: true }, /--diff takes two stacks or files \(got 1\)/],
    [[], { maxNodes: 0 }, /--max-nodes must be a number of nodes, 1 or more/],
    [["ebpf"], { context: "c" }, /a stack has its own/],
  ])("refuses %j with %j before it asks a cluster", async (subjects, options, message) => {
    await expect(run(subjects, options)).rejects.toThrow(message);
  });
});
