// npx tsx examples/automation/index.ts [mode…]: deploy each mode's stack, verify it with a JUnit report, and destroy it.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { LocalWorkspace } from "@pulumi/pulumi/automation";

const workDir = resolve(__dirname, "..", "..");
const reports = resolve("reports");
const modes = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ["kubeproxy", "replacement", "ebpf"];

async function main(): Promise<void> {
  mkdirSync(reports, { recursive: true });
  const failed: string[] = [];
  // one after the other, since each needs the whole machine
  for (const mode of modes) {
    const stack = await LocalWorkspace.createOrSelectStack({ stackName: mode, workDir });
    try {
      const { outputs } = await stack.up({ onOutput: (text) => process.stderr.write(text) });
      const urls = outputs["nodePortUrls"]?.value as string[];
      const report = join(reports, `${mode}.xml`);
      const { status } = spawnSync(
        process.execPath,
        [join(workDir, "cli", "cilium-modes.mjs"), "verify", mode, "--junit", report],
        { cwd: workDir, stdio: ["ignore", "inherit", "inherit"] },
      );
      const answered = await Promise.all(urls.map(async (url) => (await fetch(url)).ok));
      if (status !== 0 || answered.includes(false)) failed.push(mode);
      console.log(`${mode}: ${failed.includes(mode) ? "failed" : "verified"}, ${urls.length} NodePorts; ${report}`);
    } catch (error) {
      failed.push(mode);
      console.error(`${mode}: ${(error as Error).message}`);
    } finally {
      await stack.destroy({ onOutput: (text) => process.stderr.write(text) });
    }
  }
  process.exitCode = failed.length === 0 ? 0 : 1;
}

void main();
