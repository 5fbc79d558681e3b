import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

describe("the list of the image's tools", () => {
  it("has every tool once, from a package, with what happens without it", () => {
    expect(LINES.flatMap(({ tools }) => tools)).toHaveLength(LISTED.size);
    for (const { packageName, kind, tools } of LINES) {
      expect([packageName, /^[a-z0-9-]+$/.test(packageName)]).toEqual([packageName, true]);
      expect(["required", "optional"]).toContain(kind);
      expect(tools).not.toEqual([]);
    }
  });
});

/** A copy of the image's scripts with another list of tools, removed after the test. */
const folders: string[] = [];
function folderWith(list: string): string {
  const folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
  folders.push(folder);
  for (const script of ["install-tools"]) copyFileSync(join(IMAGE, script), join(folder, script));
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
