import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readMarkdown } from "../support/markdown";
import { OUTPUTS } from "../support/outputs";
import { TestProject } from "../support/project";

const MODULES = resolve(__dirname, "../../node_modules");

/** The programs that the documentation shows. */
const DOCUMENTED = readMarkdown(readFileSync(resolve(__dirname, "../../docs/programs.md"), "utf8")).blocks;

/** A program of the package's users. */
const PROGRAM = `
import { connect, readStack } from "cilium-modes/connect";
import type { StackOutputs } from "cilium-modes/outputs";

export const role = connect("o/p/s", { mode: "ebpf", verified: true }).nodes.apply((nodes) => nodes[0]!.role);
export const counts = readStack("o/p/s").apply(({ verification: { counts } }) => counts.pass ?? 0);
export const mode: StackOutputs["mode"] = "ebpf";
`;

describe("the package, installed in an empty project", () => {
  let folder: string;
  let installed: string;
  beforeAll(() => {
    const project = new TestProject();
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    try {
      execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: project.directory });
      // what npm would put into the archive, and nothing else
      execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], {
        cwd: project.directory,
        stdio: "ignore",
      });
      installed = join(folder, "node_modules", "cilium-modes");
      mkdirSync(installed, { recursive: true });
      const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"))!;
      execFileSync("tar", ["xzf", join(folder, archive), "-C", installed, "--strip-components", "1"]);
      for (const name of readdirSync(MODULES)) {
        if (!name.startsWith(".")) symlinkSync(join(MODULES, name), join(folder, "node_modules", name));
      }
      writeFileSync(join(folder, "package.json"), "{}");
      const programs = DOCUMENTED.flatMap(({ language, text }) => (language === "ts" ? [text] : []));
      [PROGRAM, ...programs].forEach((text, index) => writeFileSync(join(folder, `program${index}.ts`), text));
    } finally {
      project.remove();
    }
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  // the declarations are the same files every time; how they are found is not. TypeScript 7 has no node10, and is fast
  it.each([
    ["5", "typescript", "commonjs", "node10", "true"],
    ["7", "@typescript/native", "node16", "node16", "false"],
    ["7", "@typescript/native", "preserve", "bundler", "true"],
  ])(
    "has types that hold in TypeScript %s (%s) with module %s and resolution %s, and skipLibCheck %s",
    (_version, compiler, module, moduleResolution, skipLibCheck) => {
      const options = ["--noEmit", "--strict", "--target", "es2022", "--types", "node", "--skipLibCheck", skipLibCheck];
      const { stdout, status } = spawnSync(
        process.execPath,
        [
          join(MODULES, compiler, "bin/tsc"),
          ...options,
          ...["--module", module],
          ...["--moduleResolution", moduleResolution],
          ...readdirSync(folder).filter((file) => file.endsWith(".ts")),
        ],
        { cwd: folder, encoding: "utf8" },
      );
      expect([stdout, status]).toEqual(["", 0]);
    },
    60_000,
  );

  it("connects a documented program in JavaScript to a stack", () => {
    const [consumer] = DOCUMENTED.filter(({ language }) => language === "js");
    writeFileSync(join(folder, "consumer.js"), consumer!.text);
    const script = `
      const pulumi = require("@pulumi/pulumi");
      const outputs = ${JSON.stringify(OUTPUTS)};
      pulumi.runtime.setMocks({
        call: () => ({}),
        newResource({ type, name, inputs }) {
          console.log(type, JSON.stringify(inputs.data ?? null));
          return { id: name, state: type.endsWith("StackReference") ? { ...inputs, outputs } : inputs };
        },
      });
      require("./consumer.js").nodePortUrls.apply((urls) => console.log(urls.join(" ")));
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", script], { cwd: folder, encoding: "utf8" });
    expect([stderr, stdout.trim().split("\n").sort()]).toEqual([
      "",
      [
        OUTPUTS.nodePortUrls.join(" "),
        'kubernetes:core/v1:ConfigMap {"mode":"ebpf"}',
        "pulumi:providers:kubernetes null",
        "pulumi:pulumi:StackReference null",
      ].sort(),
    ]);
  });

  it("runs without TypeScript, and has the provider, the command and the image beside it", () => {
    const { stdout } = spawnSync(
      process.execPath,
      [
        "-e",
        'console.log(Object.keys(require("cilium-modes/components")).sort().join(" "), typeof require("cilium-modes/connect").connect)',
      ],
      { cwd: folder, encoding: "utf8" },
    );
    expect(stdout.trim()).toBe(
      "ACCELERATIONS ALL_MODES COEXISTING_MODES Cilium DATAPATH_MODES DEVIATIONS DSR_DISPATCHES ExistingCluster IPAM_MODES " +
        "KUBE_PROXY_MODES KindCluster LOAD_BALANCER_ALGORITHMS LOAD_BALANCER_MODES MODE_CONTRACTS NettoolWorkload NodeImages " +
        "PROOFS ROUTING_MODES TUNNELS VARIANT_MODES VERDICTS VERIFY VERIFY_WHEN Verification inspectCluster function",
    );
    const help = spawnSync(process.execPath, [join(installed, "cli/cilium-modes.mjs"), "--help"], { encoding: "utf8" });
    expect(help.stdout).toMatch(/^Usage: cilium-modes /);
    for (const file of ["providers/kind/pulumi-resource-kind", "images/nettool/Dockerfile"]) {
      expect([file, existsSync(join(installed, file))]).toEqual([file, true]);
    }
    const packed = ["LICENSE", "README.md", "README.zh-CN.md", "cli", "dist", "images", "package.json", "providers"];
    expect(readdirSync(installed).sort()).toEqual(packed);
  });
});
