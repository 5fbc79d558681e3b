import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { readRecorded } from "../../cli/demo";
import { measurementsOf, toolsIn } from "../../compare/measure/tools";
import { EXTRAS } from "../../compare/results";
import { FAULTS } from "../../datapath/faults/catalogue";
import { captureCommand } from "../../datapath/trace/capture";
import { scriptOf } from "../../datapath/faults/lab";
import { probeTo } from "../../datapath/trace/probe";
import { untilEnded } from "../../cluster/podExec";
import { WORKLOAD_CONTAINER } from "../../modes/workload";
import { shellCommands } from "../support/shell";
import { describeIf, missingPrograms } from "../support/project";

const IMAGE = join(__dirname, "../../images/nettool");

/** The lines of the list, without comments. */
const LINES = readFileSync(join(IMAGE, "tools"), "utf8")
  .trim()
  .split("\n")
  .filter((line) => !line.startsWith("#"))
  .map((line) => {
    const [packageName, kind, ...tools] = line.split(" ");
    return { packageName: packageName!, kind: kind!, tools };
  });
const LISTED = new Set(LINES.flatMap(({ tools }) => tools));

/** What shells do themselves, and names in the scripts: a function, and a variable of arithmetic. */
const NO_PROGRAMS = new Set(
  "break cd command do done else exec exit fi for if kill read set then wait while one try".split(" "),
);

describe("the list of the image's tools", () => {
  it("has every tool once, from a package, with what happens without it", () => {
    expect(LINES.flatMap(({ tools }) => tools)).toHaveLength(LISTED.size);
    for (const { packageName, kind, tools } of LINES) {
      expect([packageName, /^[a-z0-9-]+$/.test(packageName)]).toEqual([packageName, true]);
      expect(["required", "optional", "present"]).toContain(kind);
      expect(tools).not.toEqual([]);
    }
  });

  it("has every program that the commands run in the workload's pods", () => {
    const { verification } = readRecorded("ebpf");
    const asked = Object.keys(verification.calls).flatMap((call): string[][] => {
      const [, place, args] = /^(exec|outside)\((.*)\)$/s.exec(call) ?? [];
      const [first, , container, command] = JSON.parse(`[${args ?? ""}]`) as [string, string, string, string[]];
      if (place === "outside") return [["sh", "-c", first]];
      return container === WORKLOAD_CONTAINER ? [command] : [];
    });
    expect(asked.length).toBeGreaterThan(4);
    const scripts = [
      ...FAULTS.flatMap(({ inject, undo, probe }) => [...inject, ...undo, probe])
        .filter(({ at }) => at === "pod")
        .map(({ run }) => scriptOf({}, "pod", run)),
      ...toolsIn(measurementsOf(EXTRAS)).flatMap(({ server = "", port, client }) => [
        server,
        client("10.0.0.1", port, 1, 1),
      ]),
      ...[undefined, 80].map((port) => probeTo("10.0.0.1", port, 0).command),
      untilEnded("cat"),
      // of benchmarks, of traces, and of pods in the nodes' namespaces
      "ss -ltun | grep x; seq 50; conntrack -L; ip -j addr; nsenter --target 1; sleep infinity",
    ];
    const commands = [...asked, captureCommand("TCP"), ...scripts.map((script) => ["sh", "-c", script])];
    const run = new Set(commands.flatMap(programsOf));
    expect([...run].filter((program) => !LISTED.has(program))).toEqual([]);
    expect([...run]).toEqual(
      expect.arrayContaining(["awk", "dig", "getent", "iptables-save", "sockperf", "tcpdump", "timeout"]),
    );
  });
});

/** The programs of a command, and of the shell scripts in it. */
function programsOf(words: readonly string[]): string[] {
  const [name = "", ...rest] = words;
  const inner = [
    ...(/^(?:ba)?sh$/.test(name) && rest[0] === "-c" ? shellCommands(rest[1]!).flatMap(programsOf) : []),
    // timeout [-s SIGNAL] SECONDS COMMAND
    ...(name === "timeout" ? programsOf(rest.slice(rest[0] === "-s" ? 3 : 1)) : []),
    ...(/^(?:do|then|else|if|while|exec|[{!])$/.test(name) ? programsOf(rest) : []),
  ];
  return [...(/^[a-z][\w-]*$/.test(name) && !NO_PROGRAMS.has(name) ? [name] : []), ...inner];
}

/** A copy of the image's scripts with another list of tools, removed after the test. */
const folders: string[] = [];
function folderWith(list: string): string {
  const folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
  folders.push(folder);
  for (const script of ["install-tools", "collect-tools", "dig"])
    copyFileSync(join(IMAGE, script), join(folder, script));
  writeFileSync(join(folder, "tools"), list);
  return folder;
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Put shell scripts into a folder. */
function putScripts(folder: string, scripts: Readonly<Record<string, string>>): string {
  mkdirSync(folder);
  for (const [name, script] of Object.entries(scripts))
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return folder;
}

describe("install-tools", () => {
  /** Run it where only these programs exist, and apt-get, which prints its arguments. */
  function install(list: string, programs: readonly string[], aptCode = 0) {
    const folder = folderWith(list);
    const PATH = putScripts(join(folder, "bin"), {
      ...Object.fromEntries([...programs, "rm"].map((name) => [name, "true"])),
      "apt-get": `echo apt-get "$@"; exit ${aptCode}`,
    });
    const { status, stdout, stderr } = spawnSync(join(folder, "install-tools"), { env: { PATH }, encoding: "utf8" });
    return { status, asked: stdout.split("\n").filter(Boolean), stderr };
  }
  const LIST =
    "# words: need more\nhave required have\nneed required have need\nmore optional more most\nrest present rest\n";

  it("installs each package of which the base image lacks a tool", () => {
    const { status, asked } = install(LIST, ["have", "more"]);
    expect([status, asked]).toEqual([0, ["apt-get update", "apt-get install -y --no-install-recommends need more"]]);
  });

  it("needs no package source where only tools are missing that it does not install", () => {
    expect(install(LIST, ["have", "need", "more", "most"])).toEqual({ status: 0, asked: [], stderr: "" });
  });

  it("asks Perl for its modules", () => {
    const list = "perl optional Time::HiRes\n";
    expect([install(list, ["perl"]).asked, install(list, []).asked.length]).toEqual([[], 2]);
  });

  it("fails without a package source if a required tool is missing, and goes without optional ones", () => {
    const required = install(LIST, ["have", "more", "most"], 100);
    expect([required.status, required.stderr]).toEqual([1, expect.stringMatching(/required tools .*: need$/m)]);
    const optional = install(LIST, ["have", "need"], 100);
    expect([optional.status, optional.stderr]).toEqual([0, expect.stringMatching(/optional tools .*: more$/m)]);
  });
});

/** A command that makes a folder the root, also for other users than root. */
const CHROOT = process.getuid?.() === 0 ? ["chroot"] : ["unshare", "--user", "--map-root-user", "chroot"];
const canChroot = spawnSync(CHROOT[0]!, [...CHROOT.slice(1), "/", "true"]).status === 0;

describeIf(
  [...missingPrograms("bash", "ldd", "ldconfig", "perl", "tar", "realpath"), ...(canChroot ? [] : ["chroot"])],
  "collect-tools",
  () => {
    it("copies tools with all that they need to run", () => {
      const folder = folderWith(
        "coreutils required cat\ndash required sh\nlibc-bin required getent\nmawk required awk\n" +
          "perl-base required perl IO::Socket::INET\nnone optional no-such-tool\n",
      );
      const root = join(folder, "root");
      const collected = spawnSync(join(folder, "collect-tools"), [root], { encoding: "utf8" });
      expect([collected.status, collected.stderr]).toEqual([0, ""]);
      // perl opens it
      writeFileSync(join(root, "dev", "null"), "");
      const run = (...command: string[]) =>
        spawnSync(CHROOT[0]!, [...CHROOT.slice(1), root, ...command], {
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
          encoding: "utf8",
        });
      expect(run("sh", "-c", "getent passwd root | cat | awk -F: '{ print $3 }'").stdout).toBe("0\n");
      expect(
        run("perl", "-MSocket", "-MIO::Socket::INET", "-e", 'print inet_ntoa(INADDR_LOOPBACK), "\\n"').stdout,
      ).toBe("127.0.0.1\n");
      expect(run("sh", "-c", "command -v ls").status).not.toBe(0);
    });
  },
);

describe("the image's dig", () => {
  it("is kdig with dig's name for the number of tries", () => {
    const folder = folderWith("");
    const PATH = [putScripts(join(folder, "bin"), { kdig: `printf '<%s>' "$@"` }), process.env["PATH"]].join(delimiter);
    const { stdout } = spawnSync(join(folder, "dig"), ["+tries=1", "+time=4", "@10.0.0.1", "a b."], {
      env: { PATH },
      encoding: "utf8",
    });
    expect(stdout).toBe("<+retry=0><+time=4><@10.0.0.1><a b.>");
  });
});
