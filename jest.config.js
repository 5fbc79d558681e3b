/** @type {import("jest").Config} */
module.exports = {
  testMatch: ["<rootDir>/tests/**/*.test.ts"],
  transform: {
    "\\.[cm]?[jt]s$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "commonjs" } },
    ],
  },
  setupFiles: ["<rootDir>/tests/support/seed.js"],
  // statistics look it up all the time, which is slow in a sandbox
  sandboxInjectedGlobals: ["Math"],
  // clusters need the whole machine; scripts/test.mjs runs the unit tests in parallel
  maxWorkers: 1,
  testTimeout: 60_000,
  verbose: true,
};
