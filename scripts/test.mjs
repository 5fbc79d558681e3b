// npm test [-- <jest's arguments>]: run the type check, lint, format, unused code, API docs and tests; the last line counts
// them all.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installDependencies, ROOT } from "./project.mjs";

const scratch = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
const total = { passed: 0, failed: 0, skipped: 0 };

if (installDependencies() === 0) {
  count("type check", run("tsc", "-p", "."));
  count("lint", run("eslint", "."));
  count("format", run("prettier", "--check", "--log-level", "warn", "."));
  count("unused code", run("knip", "--no-progress"));
  count("API docs", run("typedoc", "--emit", "none", "--logLevel", "Warn"));
  const report = join(scratch, "jest.json");
  const code = run("jest", "--json", `--outputFile=${report}`, ...process.argv.slice(2));
  addJest(report, code);
} else {
  count("npm ci", 1);
}
rmSync(scratch, { recursive: true, force: true });
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

function run(program, ...args) {
  // jest writes its JSON to the file and to standard output, where nobody needs it
  const stdio = ["ignore", program === "jest" ? "ignore" : "inherit", "inherit"];
  return (
    spawnSync(process.execPath, [join(ROOT, "node_modules", ".bin", program), ...args], { cwd: ROOT, stdio }).status ??
    1
  );
}

function count(name, code) {
  total[code === 0 ? "passed" : "failed"] += 1;
  console.log(`${name}: ${code === 0 ? "passed" : "failed"}`);
}

function addJest(report, code) {
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    total.passed += result.numPassedTests;
    // a file that could not run has no failed tests of its own
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    total.failed += failed;
    if (failed === 0 && code !== 0) count("jest (although no test failed)", code);
    total.skipped += result.numPendingTests + result.numTodoTests;
    // jest does not report a file that is skipped as a whole; its tests' names hold the reason
    const skipped = result.testResults.flatMap(({ assertionResults }) =>
      assertionResults.filter(({ status }) => status === "pending"),
    );
    for (const suite of new Set(skipped.map(({ ancestorTitles, title }) => ancestorTitles[0] ?? title)))
      console.log(`not run: ${suite}`);
  } catch {
    count("jest (no report)", 1);
  }
}
