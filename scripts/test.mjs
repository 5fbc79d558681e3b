// npm test, npm run check and npm run test:unit [-- <jest's arguments>]: the checks of the source and the tests, and one
// closing line that counts them all.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../cli/ownEnvironment.mjs";
import { installDependencies } from "./project.mjs";

const CHECKS = [
  ["types and lint", "oxlint", "--type-aware", "--type-check"],
  ["format", "oxfmt", "--check"],
  ["unused code", "knip", "--no-progress"],
  // the type check has been made
  ["API docs", "typedoc", "--emit", "none", "--logLevel", "Warn", "--skipErrorChecking"],
];
/** Tiers that use the whole machine: one file after another. */
const SERIAL = "<rootDir>/tests/(?:engine|lab)/";
const PARALLEL = "<rootDir>/tests/(?!engine/|lab/)";

const [part, ...jestArguments] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
const scratch = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));

if (installDependencies() !== 0) count("npm ci", 1);
else {
  if (part !== "unit") await checks();
  if (part !== "check") await tests();
}
rmSync(scratch, { recursive: true, force: true });
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

/** As many at a time as there are processors. */
async function checks() {
  const left = [...CHECKS];
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [name, ...command] = next;
      count(name, await run(...command));
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), CHECKS.length) }, worker));
}

async function tests() {
  if (part === "unit") jestArguments.unshift("tests/unit");
  const found = [await jest("parallel", "100%", SERIAL), part === "unit" ? 0 : await jest("serial", "1", PARALLEL)];
  if (found[0] + found[1] === 0) count("jest, which found no test,", 1);
}

/** @returns how many tests there were */
async function jest(name, workers, ignored) {
  const report = join(scratch, `${name}.json`);
  const options = ["--json", `--outputFile=${report}`, `--maxWorkers=${workers}`, "--passWithNoTests"];
  options.push("--testPathIgnorePatterns", ignored);
  const code = await run("jest", ...jestArguments, ...options);
  return addReport(report, code);
}

function run(program, ...args) {
  // jest's JSON goes to its file as well as to standard output, where only the file's copy is wanted
  const stdio = ["ignore", program === "jest" ? "ignore" : "inherit", "inherit"];
  return new Promise((resolve) => {
    spawn(process.execPath, [join(ROOT, "node_modules", ".bin", program), ...args], { cwd: ROOT, stdio })
      .on("exit", (code) => resolve(code ?? 1))
      .on("error", () => resolve(1));
  });
}

function count(name, code) {
  total[code === 0 ? "passed" : "failed"] += 1;
  console.log(`${name}: ${code === 0 ? "passed" : "failed"}`);
}

function addReport(report, code) {
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    total.passed += result.numPassedTests;
    // a file that could not run has no tests of its own to fail
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    total.failed += failed;
    if (failed === 0 && code !== 0) count("jest, though none of its tests failed,", code);
    total.skipped += result.numPendingTests + result.numTodoTests;
    // jest says nothing of a file that is skipped whole; its tests' names hold the reason
    const skipped = result.testResults.flatMap(({ assertionResults }) =>
      assertionResults.filter(({ status }) => status === "pending"),
    );
    for (const suite of new Set(skipped.map(({ ancestorTitles, title }) => ancestorTitles[0] ?? title)))
      console.log(`not run: ${suite}`);
    return result.numTotalTests + result.numRuntimeErrorTestSuites;
  } catch {
    count("jest, which ended without a report,", 1);
    return 0;
  }
}
