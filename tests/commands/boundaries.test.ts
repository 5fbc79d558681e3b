import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(__dirname, "../..");
const CONFIG = ".dependency-cruiser.mjs";

/** A file with a forbidden import, by the rule that it breaks. */
const FORBIDDEN: Readonly<Record<string, readonly [file: string, text: string]>> = {
  "modes-know-nothing-else": ["modes/a.ts", 'import type { T } from "../settings/target";'],
  "host-is-below-everything": ["host/a.ts", 'import type { T } from "../datapath/target";'],
  "settings-depend-on-modes": ["settings/a.ts", 'import { v } from "../host/target";'],
  "cluster-is-below-evidence": ["cluster/a.ts", 'import type { T } from "../datapath/target";'],
  "datapath-knows-no-programs": ["datapath/a.ts", 'import type { T } from "../components/target";'],
  "evidence-needs-no-host": ["datapath/b.ts", 'import { v } from "../host/target";'],
  "render-only-formats": ["render/a.ts", 'import type { T } from "../datapath/target";'],
  "compare-measures-and-reports": ["compare/a.ts", 'import { v } from "../cli/target";'],
  "providers-know-no-programs": ["providers/kind/a.ts", 'import { v } from "../../cli/target";'],
  "components-take-arguments": ["components/a.ts", 'import type { T } from "../settings/target";'],
  "outputs-are-a-format": ["outputs.ts", 'import { v } from "./components/target";'],
  "connect-reads-outputs": ["connect.ts", 'import { v } from "./components/target";'],
  "policies-depend-on-modes": ["policies/a.ts", 'import { v } from "../components/target";'],
  "plugin-wraps-components": ["plugin/a.ts", 'import { v } from "../cli/target";'],
  "cli-is-no-pulumi-program": ["cli/a.ts", 'import { v } from "../policies/target";'],
  "examples-use-the-package": ["examples/a/index.ts", 'import { v } from "../../components/target";'],
  "only-the-program-loads-settings": ["cli/b.ts", 'const load = () => import("../settings");'],
  "no-product-code-in-tools": ["components/b.ts", 'import { v } from "../scripts/target";'],
  "pulumi-stays-in-programs": ["datapath/c.ts", 'import type { Output } from "@pulumi/pulumi";'],
  "kubernetes-client-in-one-place": ["cli/c.ts", 'import { KubeConfig } from "@kubernetes/client-node";'],
  "processes-start-in-host": ["components/c.ts", 'const start = () => require("node:child_process");'],
  "no-folder-cycle": ["bench/a/a.ts", 'import type { T } from "../b/b";'],
  "no-file-cycle": ["cli/d.ts", 'import type { T } from "./e";'],
};

/** What the forbidden imports lead to, and imports that are allowed. */
const OTHERS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["cli", "components", "datapath", "host", "policies", "scripts", "settings"].map((folder) => [
      `${folder}/target.ts`,
      "export type T = 1; export const v = 1;",
    ]),
  ),
  "settings.ts": "export type T = 1;",
  "bench/b/b.ts": 'import type { T } from "../a/a";',
  "cli/e.ts": 'import type { T } from "./d";',
  "host/exec.ts": 'import { spawn } from "node:child_process";',
  "datapath/allowed.ts":
    'import type { T } from "../host/target"; import type { V1Pod } from "@kubernetes/client-node";',
  "cluster/allowed.ts": 'import { KubeConfig } from "@kubernetes/client-node";',
};

interface Result {
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
    readonly ruleSetUsed: { readonly forbidden: readonly { readonly name: string }[] };
  };
}

function cruise(directory: string): Result["summary"] {
  const program = join(ROOT, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [program, ".", "--config", CONFIG, "--output-type", "json"];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: directory,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (stdout === "") throw new Error(stderr);
  return (JSON.parse(stdout) as Result).summary;
}

describe("the boundaries between folders", () => {
  let summary: Result["summary"];
  beforeAll(() => {
    const directory = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    try {
      for (const file of [CONFIG, "tsconfig.json"]) copyFileSync(join(ROOT, file), join(directory, file));
      symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
      for (const [file, text] of [...Object.values(FORBIDDEN), ...Object.entries(OTHERS)]) {
        mkdirSync(join(directory, dirname(file)), { recursive: true });
        writeFileSync(join(directory, file), text);
      }
      summary = cruise(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("are kept by the project", () => {
    expect(cruise(ROOT).violations.map(({ from, rule }) => `${rule.name}: ${from}`)).toEqual([]);
  });

  it.each(Object.entries(FORBIDDEN))("%s refuses a planted import", (name, [file]) => {
    const found = summary.violations.filter(({ rule }) => rule.name === name).map(({ from }) => from);
    // a cycle is reported for one of its folders
    expect(found.some((from) => from === file || from === dirname(file))).toBe(true);
  });

  it("are all tested", () => {
    expect(summary.ruleSetUsed.forbidden.map(({ name }) => name)).toEqual(Object.keys(FORBIDDEN));
  });

  it("allow types where only values are forbidden", () => {
    expect(summary.violations.map(({ from }) => from)).not.toContain("datapath/allowed.ts");
  });

  it("allow cluster/ to load the Kubernetes client", () => {
    expect(summary.violations.map(({ from }) => from)).not.toContain("cluster/allowed.ts");
  });
});

describe("the project's lint", () => {
  /** What each rule refuses, by a file with it, and where the same is allowed. */
  const REFUSED: Readonly<Record<string, readonly [file: string, text: string, allowed?: string]>> = {
    "project(environment)": ["cluster/a.ts", "export const home = process.env.HOME;", "host/a.ts"],
    "project(configuration)": ["components/a.ts", "export const read = new pulumi.Config();", "settings.ts"],
    "project(modes)": ["modes/a.ts", 'export const is = (a: { mode?: string }) => a.mode === "ebpf";', "tests/a.ts"],
    "typescript(no-floating-promises)": ["cli/a.ts", "async function a() {}\na();"],
    "typescript(switch-exhaustiveness-check)": [
      "cli/b.ts",
      'export function b(a: "x" | "y") {\n  switch (a) {\n    case "x":\n      return 1;\n  }\n}',
    ],
    "typescript(no-require-imports)": ["cli/d.ts", 'export const d = require("node:os");'],
    "typescript(TS2322)": ["cli/c.ts", 'export const c: number = "c";'],
  };

  it("refuses what each of its rules is for, and nothing where it is allowed", () => {
    const directory = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    try {
      for (const file of [".oxlintrc.json", "lint-rules.mjs", "tsconfig.json"])
        copyFileSync(join(ROOT, file), join(directory, file));
      symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
      for (const [file, text, allowed] of Object.values(REFUSED))
        for (const each of [file, allowed ?? file]) {
          mkdirSync(join(directory, dirname(each)), { recursive: true });
          writeFileSync(join(directory, each), `${text}\n`);
        }
      const args = ["--type-aware", "--type-check", "--format", "json"];
      const program = join(ROOT, "node_modules/oxlint/bin/oxlint");
      const { stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: directory, encoding: "utf8" });
      if (stdout === "") throw new Error(stderr);
      const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] };
      const found = diagnostics.filter(({ code }) => code in REFUSED).map(({ code, filename }) => [code, filename]);
      expect(found.sort()).toEqual(
        Object.entries(REFUSED)
          .map(([code, [file]]) => [code, file])
          .sort(),
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
