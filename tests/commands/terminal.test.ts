import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createColors } from "picocolors";
import { doctorText } from "../../cli/doctorText";
import { withProgress } from "../../cli/progress";
import { lookOf } from "../../cli/environment";
import { type Look, PLAIN, table, verdictWord } from "../../render/terminal";
import { VERDICTS } from "../../datapath/facts";
import { cli, CLI, cliProcess, withEnvironment } from "../support/cli";

const COLOURED: Look = { colors: createColors(true) };
const ESCAPE = "\u001b[";

describe("a table", () => {
  const ROWS = [
    ["pass", "status", "Host Routing is BPF on every node of this cluster"],
    ["inconclusive", "x", "≠ →"],
  ];
  const fits = (lines: readonly string[], columns: number) => lines.filter((line) => line.length > columns);

  it("has columns as wide as their widest cell, and no blanks at the ends of lines", () => {
    expect(table(ROWS, PLAIN)).toBe(
      "pass          status  Host Routing is BPF on every node of this cluster\ninconclusive  x       ≠ →",
    );
  });

  it("breaks other columns too, between words, where the last one cannot make room", () => {
    const rows = [
      ["one two three four five six", "seven eight nine ten", "eleven twelve thirteen fourteen"],
      ["a", "b", "indivisible-name-of-30-letters"],
    ];
    const lines = table(rows, { ...PLAIN, columns: 60 }).split("\n");
    expect(fits(lines, 60)).toEqual([]);
    const words = lines.join(" ").split(/\s+/);
    for (const word of rows.flat().join(" ").split(" ")) expect(words).toContain(word);
    // a word is never cut
    expect(table(rows, { ...PLAIN, columns: 20 })).toContain("indivisible-name-of-30-letters");
  });

  it("breaks its last column first", () => {
    const lines = table(ROWS, { ...PLAIN, columns: 50 }, "  ").split("\n");
    expect(lines).toEqual([
      "  pass          status  Host Routing is BPF on",
      "                        every node of this cluster",
      "  inconclusive  x       ≠ →",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(50);
  });

  it("is as wide with colours as without", () => {
    const cells = (look: Look) => VERDICTS.map((verdict) => [verdictWord(verdict, look), "seen"]);
    const coloured = table(cells(COLOURED), COLOURED);
    expect(coloured).toContain(ESCAPE);
    expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(table(cells(PLAIN), PLAIN));
  });

  it("takes cells of several lines", () => {
    expect(
      table(
        [
          ["a\nb", "1"],
          ["c", "2"],
        ],
        PLAIN,
      ),
    ).toBe("a  1\nb\nc  2");
  });
});

describe("the output of doctor", () => {
  const findings = [
    { subject: "kind", verdict: "pass", seen: "0.33.0", matters: "all modes" },
    {
      subject: "disk",
      verdict: "warning",
      seen: "2 GB free",
      matters: "all modes",
      remedy: "run: docker system prune",
    },
    { subject: "Docker", verdict: "fail", seen: "no daemon answers", matters: "all modes", remedy: "start it" },
  ] as const;

  it("lists every finding, then warnings and problems with their fixes", () => {
    expect(doctorText("ebpf", [{ title: "Tools", findings }], PLAIN)).toBe(
      [
        "Tools",
        "  PASS     kind    0.33.0 (all modes)",
        "  WARN     disk    2 GB free (all modes)",
        "  FAIL     Docker  no daemon answers (all modes)",
        "",
        "Warnings:",
        "  WARN     disk: 2 GB free (all modes)",
        "           fix: run: docker system prune",
        "",
        "Problems:",
        "  FAIL     Docker: no daemon answers (all modes)",
        "           fix: start it",
        "",
        "This machine cannot run the stack ebpf",
      ].join("\n"),
    );
  });

  it("has no tables with --quiet", () => {
    const text = doctorText("ebpf", [{ title: "Tools", findings }], PLAIN, true);
    expect(text).not.toContain("PASS");
    expect(text.split("\n")[0]).toBe("Warnings:");
  });

  it("ends with the verdict", () => {
    expect(doctorText("ebpf", [], PLAIN)).toBe("This machine can run the stack ebpf");
  });
});

describe("progress", () => {
  const stream = () => {
    const written: string[] = [];
    return { written, write: (text: string) => written.push(text) > 0, isTTY: false };
  };
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] }));
  afterEach(() => void jest.useRealTimers());

  it("says nothing of what ends within two seconds", async () => {
    const { written, ...to } = stream();
    const done = withProgress("it is asked", () => sleep(0).then(() => "answer"), to);
    await jest.advanceTimersByTimeAsync(1900);
    expect(await done).toBe("answer");
    await jest.advanceTimersByTimeAsync(60_000);
    expect(written).toEqual([]);
  });

  it("tells what is waited for and since when, from two seconds on and now and then after", async () => {
    const { written, ...to } = stream();
    let finish = () => undefined as void;
    const done = withProgress("agents start", () => new Promise<void>((end) => (finish = end)), to);
    await jest.advanceTimersByTimeAsync(62_500);
    expect(written).toEqual(["agents start … 2 s\n", "agents start … 32 s\n", "agents start … 62 s\n"]);
    finish();
    await done;
  });

  it("begins anew with what is waited for next, and lets lines pass", async () => {
    const { written, ...to } = stream();
    let finish = () => undefined as void;
    const done = withProgress(
      "first",
      async ({ at, say }) => {
        await new Promise<void>((end) => setTimeout(end, 1500));
        say("one of two");
        at("second");
        await new Promise<void>((end) => (finish = end));
      },
      to,
    );
    await jest.advanceTimersByTimeAsync(3000);
    expect(written).toEqual(["one of two\n"]);
    await jest.advanceTimersByTimeAsync(1000);
    expect(written).toEqual(["one of two\n", "second … 2 s\n"]);
    finish();
    await done;
  });

  it("tells how much is done without beginning anew", async () => {
    const { written, ...to } = stream();
    let finish = () => undefined as void;
    const done = withProgress(
      "first",
      async ({ at }) => {
        for (const count of ["0 of 1,000", "120 of 1,000"]) {
          at("Reading nodes", count);
          await new Promise<void>((end) => setTimeout(end, 1500));
        }
        await new Promise<void>((end) => (finish = end));
      },
      to,
    );
    await jest.advanceTimersByTimeAsync(3000);
    expect(written).toEqual(["Reading nodes 120 of 1,000 … 2 s\n"]);
    finish();
    await done;
  });

  it("ends with what it waits for, also when that fails", async () => {
    const { written, ...to } = stream();
    await expect(withProgress("x", () => Promise.reject(new Error("broken")), to)).rejects.toThrow("broken");
    await jest.advanceTimersByTimeAsync(60_000);
    expect(written).toEqual([]);
  });
});

describe("the width of a line", () => {
  const { COLUMNS } = process.env;
  afterEach(() => {
    if (COLUMNS === undefined) delete process.env["COLUMNS"];
    else process.env["COLUMNS"] = COLUMNS;
  });
  const stream = (isTTY: boolean) => ({ isTTY, columns: 120, hasColors: () => false }) as unknown as NodeJS.WriteStream;

  it.each([
    [true, "60", 60],
    [false, "60", 60],
    [true, undefined, 120],
    [false, undefined, undefined],
    [true, "many", 120],
  ])("is in a terminal (%s) with COLUMNS=%s: %s", (isTTY, columns, expected) => {
    delete process.env["COLUMNS"];
    if (columns !== undefined) process.env["COLUMNS"] = columns;
    expect(lookOf(stream(isTTY)).columns).toBe(expected);
  });
});

describe("the command line", () => {
  const { version } = JSON.parse(readFileSync(join(__dirname, "../../package.json"), "utf8")) as { version: string };

  it("without a terminal has no colours", async () => {
    const plan = cliProcess(["plan", "ebpf"]);
    expect([plan.code, plan.out.includes(ESCAPE), plan.out.length > 100]).toEqual([0, false, true]);
    for (const args of [["--help"], ["plan", "--diff", "kubeproxy", "ebpf"]]) {
      const { out, code } = await cli(...args);
      expect([args, code, out.includes(ESCAPE), out.length > 100]).toEqual([args, 0, false, true]);
    }
  });

  it("has no colours inside a test either, where the tests run in a terminal", async () => {
    const { isTTY } = process.stdout;
    process.stdout.isTTY = true;
    try {
      const { out } = await withEnvironment({ FORCE_COLOR: "1" }, () => cli("--help"));
      expect([out.includes(ESCAPE), out.length > 100, process.stdout.isTTY]).toEqual([false, true, true]);
    } finally {
      process.stdout.isTTY = isTTY;
    }
  });

  it("prints help as wide as COLUMNS says, also outside a terminal", async () => {
    const help = async (columns: string) => {
      const { out } = await withEnvironment({ COLUMNS: columns }, () => cli("--help"));
      return Math.max(...out.split("\n").map((line) => line.length));
    };
    expect(await help("60")).toBeLessThanOrEqual(60);
    expect(await help("100")).toBeGreaterThan(80);
  });

  it("asks whether another word was meant", async () => {
    expect(await cli("doctro")).toMatchObject({ code: 2, err: expect.stringContaining("(Did you mean doctor?)") });
    expect((await cli("verify", "ebpf", "--jsno")).err).toContain("(Did you mean --json?)");
  });

  it("names the command for what is typed by habit, with the stack", async () => {
    const run = async (...args: string[]) => {
      const { code, err } = await cli(...args);
      expect(code).toBe(2);
      return err.trim();
    };
    expect(await run("up", "kubeproxy")).toBe("cilium-modes has no command up; run: npm start -- kubeproxy");
    expect(await run("destroy", "--yes", "-s", "replacement")).toBe(
      "cilium-modes has no command destroy; run: npm run pulumi -- destroy -s replacement",
    );
    expect(await run("preview")).toBe("cilium-modes has no command preview; run: npm run pulumi -- preview -s ebpf");
    expect((await cli("--help")).out).not.toMatch(/^ {2}(up|destroy|preview)\b/m);
  });

  it("prints its version", () => {
    expect(cliProcess(["--version"])).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it("says in one line that the dependencies of a fresh clone are not installed", () => {
    const clone = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    try {
      mkdirSync(join(clone, "cli"));
      for (const file of ["cilium-modes.mjs", "npmPath.mjs", "main.ts"])
        cpSync(join(__dirname, "../../cli", file), join(clone, "cli", file));
      const { status, stderr, stdout } = spawnSync(process.execPath, [join(clone, "cli/cilium-modes.mjs"), "doctor"], {
        encoding: "utf8",
      });
      expect([status, stdout, stderr]).toEqual([1, "", "The dependencies are not installed; run: npm ci\n"]);
    } finally {
      rmSync(clone, { recursive: true });
    }
  });

  it.each([
    [["complete", "--", "pl"], "plan"],
    [["complete", "--", "plan", "kub"], "kubeproxy"],
    [["complete", "--", "trace", "ebpf", "--scenario", "cross"], "cross-node"],
    [["complete", "--", "verify", "ebpf", "--only", "masq"], "masquerading"],
    [["complete", "--", "doctor", "--qu"], "--quiet"],
    [["complete", "--", "stat"], "status"],
    [["complete", "--", "status", "kub"], "kubeproxy"],
    [["complete", "--", "env", "ebpf", "--shell", "fi"], "fish"],
  ])("%j is completed to %s", async (args, word) => {
    const { out, code } = await cli(...args);
    expect(code).toBe(0);
    expect(out.split("\n").map((line) => line.split("\t")[0])).toEqual([word, expect.stringMatching(/^:\d+$/), ""]);
  });

  it.each(["bash", "zsh", "fish", "powershell"])(
    "has a script of completion for %s, which asks this command",
    async (shell) => {
      const { out, code } = await cli("complete", shell);
      expect(code).toBe(0);
      expect(out).toContain("cli/cilium-modes.mjs");
    },
  );

  it("completes npx cilium-modes in a bash without bash-completion, also when its script is sourced twice", async () => {
    const { out: script } = await cli("complete", "bash");
    const lines = [
      script,
      script,
      'try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); __cilium_modes_complete; echo "${COMPREPLY[*]-}"; }',
      "try npx cilium-modes plan kub",
      "try npx cilium-modes trace ebpf --scenario = cross",
      "try cilium-modes stat",
      "try npx tsc stat",
      "complete -p npx",
      // the name alone only where the PATH has it
      "complete -p cilium-modes 2>/dev/null || echo none",
      "cilium-modes() { :; }",
      script,
      "complete -p cilium-modes",
    ];
    const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-euo", "pipefail", "-c", lines.join("\n")], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin" },
    });
    expect([status, stderr, stdout.split("\n")]).toEqual([
      0,
      "",
      [
        "kubeproxy",
        "cross-node",
        "status",
        "",
        "complete -o default -F __cilium_modes_complete npx",
        "none",
        "complete -o default -F __cilium_modes_complete cilium-modes",
        "",
      ],
    ]);
  });

  it("lists the shells when another one is named", async () => {
    expect(await cli("complete", "tcsh")).toMatchObject({
      code: 2,
      err: 'The shell must be one of bash, zsh, fish, powershell (got "tcsh")\n',
    });
  });
});

describe("a command whose output goes into a pipe", () => {
  const piped = (reader: string) =>
    spawnSync("bash", ["-c", `"$0" "$1" drill --list --json | ${reader}`, process.execPath, CLI], { encoding: "utf8" });

  it("ends when all of it was read, however slow the reader is", () => {
    const { stdout } = piped("{ sleep 1; cat; }");
    // more than a pipe takes at once
    expect(stdout.length).toBeGreaterThan(65_536);
    expect(JSON.parse(stdout)).toEqual(expect.any(Array));
  });

  it("ends without a word when the reader has enough", () => {
    const { stdout, stderr } = piped("head -n 1");
    expect([stdout, stderr]).toEqual(["[\n", ""]);
  });
});
