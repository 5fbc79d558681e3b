import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createColors } from "picocolors";
import { doctorText } from "../../cli/doctorText";
import { withProgress } from "../../cli/progress";
import { PLAIN, table, type Look } from "../../render/terminal";
import { VERDICTS } from "../../datapath/facts";
import { verdictWord } from "../../cli/verdictWord";

const COLOURED: Look = { colors: createColors(true) };
const ESCAPE = "\u001b[";

describe("a table", () => {
  const ROWS = [
    ["pass", "status", "Host Routing is BPF on every node of this cluster"],
    ["inconclusive", "x", "≠ →"],
  ];

  it("has columns as wide as their widest cell, and no blanks at its lines' ends", () => {
    expect(table(ROWS, PLAIN)).toBe(
      "pass          status  Host Routing is BPF on every node of this cluster\ninconclusive  x       ≠ →",
    );
  });

  it("breaks its last column where a terminal ends, never another", () => {
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

describe("an examination", () => {
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

  it("tells each line, then what is worth knowing and what stands in the way, with what to do", () => {
    expect(doctorText("ebpf", [{ title: "Tools", findings }], PLAIN)).toBe(
      [
        "Tools",
        "  PASS     kind    0.33.0 (all modes)",
        "  WARN     disk    2 GB free (all modes)",
        "  FAIL     Docker  no daemon answers (all modes)",
        "",
        "What is worth knowing:",
        "  - disk: 2 GB free (all modes)",
        "    do: run: docker system prune",
        "",
        "What stands in the way:",
        "  - Docker: no daemon answers (all modes)",
        "    do: start it",
        "",
        "The stack ebpf cannot be brought up on this machine as it is",
      ].join("\n"),
    );
  });

  it("that is to be quiet has no tables", () => {
    const text = doctorText("ebpf", [{ title: "Tools", findings }], PLAIN, true);
    expect(text).not.toContain("pass");
    expect(text.split("\n")[0]).toBe("What is worth knowing:");
  });

  it("without a problem says so", () => {
    expect(doctorText("ebpf", [], PLAIN)).toBe("Nothing stands in the way of the stack ebpf");
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

  it("ends with what it waits for, also when that fails", async () => {
    const { written, ...to } = stream();
    await expect(withProgress("x", () => Promise.reject(new Error("broken")), to)).rejects.toThrow("broken");
    await jest.advanceTimersByTimeAsync(60_000);
    expect(written).toEqual([]);
  });
});

describe("the command line", () => {
  const cli = (...args: string[]) =>
    spawnSync(process.execPath, [join(__dirname, "../../cli/cilium-modes.mjs"), ...args], {
      encoding: "utf8",
      env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined } as unknown as NodeJS.ProcessEnv,
    });

  it("without a terminal has no colours", () => {
    for (const args of [["--help"], ["plan", "ebpf"], ["plan", "--diff", "kubeproxy", "ebpf"]]) {
      const { stdout, status } = cli(...args);
      expect([args, status, stdout.includes(ESCAPE), stdout.length > 100]).toEqual([args, 0, false, true]);
    }
  });

  it("asks whether another word was meant", () => {
    expect(cli("doctro").stderr).toContain("(Did you mean doctor?)");
    expect(cli("verify", "ebpf", "--jsno").stderr).toContain("(Did you mean --json?)");
    expect(cli("doctro").status).toBe(2);
  });

  it.each([
    [["complete", "--", "pl"], "plan"],
    [["complete", "--", "plan", "kub"], "kubeproxy"],
    [["complete", "--", "trace", "ebpf", "--scenario", "cross"], "cross-node"],
    [["complete", "--", "verify", "ebpf", "--only", "masq"], "masquerading"],
    [["complete", "--", "doctor", "--qu"], "--quiet"],
  ])("%j is completed to %s", (args, word) => {
    const { stdout, status } = cli(...args);
    expect(status).toBe(0);
    expect(stdout.split("\n").map((line) => line.split("\t")[0])).toEqual([word, expect.stringMatching(/^:\d+$/), ""]);
  });

  it.each(["bash", "zsh", "fish", "powershell"])(
    "has a script of completion for %s, which asks this command",
    (shell) => {
      const { stdout, status } = cli("complete", shell);
      expect(status).toBe(0);
      expect(stdout).toContain("cli/cilium-modes.mjs");
    },
  );

  it("says which shells it knows", () => {
    expect(cli("complete", "tcsh")).toMatchObject({
      status: 1,
      stderr: 'There is no completion for "tcsh"; known shells are bash, zsh, fish, powershell\n',
    });
  });
});
