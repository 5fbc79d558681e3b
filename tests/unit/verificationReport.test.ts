import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withoutSecrets, writeDiagnostics } from "../../cli/diagnostics";
import { verificationJunit } from "../../cli/verificationJunit";
import { PLAIN } from "../../render/terminal";
import { verificationText } from "../../cli/verificationText";
import { diagnose } from "../../datapath/causes";
import { fail, inconclusive, pass, skipped, warning, type Finding } from "../../datapath/checks/check";
import type { ClusterReader } from "../../cluster/read";
import type { CheckResult, Verification } from "../../datapath/verify";

const result = (id: string, ...findings: Finding[]): CheckResult => ({
  id,
  question: `What of ${id}?`,
  verdict: findings.at(-1)!.verdict,
  findings,
});

const RESULTS: readonly CheckResult[] = [
  result("good", pass("a", "fine")),
  result(
    "bad",
    fail("a", "x <y>", "because of & \u001b[31m", "mend it", { nodes: ["a"] }),
    fail("b", "x", "because of & \u001b[31m", "mend it", { nodes: ["b"] }),
  ),
  result("dark", inconclusive("cluster", "no answer")),
  result("odd", warning("a", "z", "may be")),
  result("left", skipped("cluster", "not this mode")),
];

const VERIFICATION: Verification = {
  verdict: "fail",
  proof: "not in force",
  mode: "ebpf",
  causes: diagnose(RESULTS),
  seconds: 5,
  verifiedAt: "2026-11-26T06:00:00.000Z",
  results: RESULTS,
};

describe("a verification's report", () => {
  it("shows a line for each check, each cause once with its fix, and the mode in its headline", () => {
    const text = verificationText("x", VERIFICATION);
    expect(text).toContain(" 1. bad on a, b: because of");
    expect(text).toContain("    fix:  mend it");
    expect(text).toContain("Not verified:\n  - left: not this mode\n");
    expect(text).toContain("Warnings:\n  - odd on a: may be\n");
    expect(text.split("\n").at(-1)).toBe(
      "x (mode ebpf): NOT IN FORCE (1 of 5 checks passed, 1 failed, 1 without evidence, 1 warning, 1 skipped, 5 s)",
    );
  });

  it("shows only what is wrong with quiet, and every finding with all", () => {
    expect(verificationText("x", VERIFICATION, PLAIN, "quiet")).not.toContain("PASS");
    const all = verificationText("x", VERIFICATION, PLAIN, "all").split("\n");
    expect(all.filter((line) => line.startsWith("FAIL"))).toHaveLength(2);
  });

  it("says how many nodes were sampled", () => {
    const of = (looked: number) => verificationText("x", { ...VERIFICATION, nodes: { looked, all: 30 } });
    expect(of(20)).toContain("20 of 30 nodes sampled");
    expect(of(30)).not.toContain("sampled");
  });

  it("in JUnit's form has each verdict as such, in well-formed XML", () => {
    const xml = verificationJunit("x", VERIFICATION);
    expect(xml).toContain('tests="5" failures="1" errors="1" skipped="1"');
    expect(xml).toContain("because of &amp;");
    expect(xml).toMatch(/name="odd"[^>]*>\s*<system-out>/);
    // no control characters, which XML cannot hold
    expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
  });

  it("leaves keys and tokens out of what it keeps", () => {
    const key = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";
    const token = ["eyJhbGciOi", "eyJzdWIiOi", "c2lnbg"].join(".");
    expect(withoutSecrets(`a ${key} b ${token} c`)).toBe("a (left out) b (left out) c");
  });

  it("keeps its diagnostics also where nothing answers", async () => {
    const dead = new Proxy({} as ClusterReader, {
      get: (_target, name) => (name === "onNode" ? undefined : () => Promise.reject(new Error("ECONNREFUSED"))),
    });
    const folder = mkdtempSync(join(tmpdir(), "cilium-modes-diagnostics-"));
    try {
      expect(await writeDiagnostics(folder, "x", dead, VERIFICATION)).toBe(folder);
      const kept = (file: string) => readFileSync(join(folder, file), "utf8");
      expect(kept("verification.txt")).toBe(verificationText("x", VERIFICATION, PLAIN, "all"));
      expect(JSON.parse(kept("verification.json"))).toEqual(VERIFICATION);
      for (const file of ["agents.txt", "pods.json", "events.txt", "cilium-config.json", "operator.log"])
        expect(kept(file)).toContain("ECONNREFUSED");
      expect(statSync(join(folder, "verification.txt")).mode & 0o777).toBe(0o600);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
