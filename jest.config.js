/** @type {import("jest").Config} */
module.exports = {
  testMatch: ["<rootDir>/tests/**/*.test.ts"],
  transform: {
    "\\.[cm]?[jt]s$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "commonjs" } },
    ],
  },
  // an ES module, which jest cannot load as it is
  transformIgnorePatterns: ["/node_modules/(?!@bomb\\.sh/)"],
  setupFiles: ["<rootDir>/tests/support/seed.js", "<rootDir>/tests/support/pulumiSdk.js"],
  // a sandbox looks globals up slowly; no test replaces these
  sandboxInjectedGlobals: ["Array", "JSON", "Map", "Math", "Number", "Object", "RegExp", "Set", "String", "Symbol"],
  // clusters need the whole machine; scripts/test.mjs runs the unit tests in parallel
  maxWorkers: 1,
  testTimeout: 60_000,
  verbose: true,
};
