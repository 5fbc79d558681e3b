/** @type {import("jest").Config} */
module.exports = {
  testMatch: ["<rootDir>/tests/**/*.test.ts"],
  transform: {
    "\\.[cm]?[jt]s$": ["@swc/jest", { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "commonjs" } }],
  },
  // the engine and the clusters share this machine's two or more cores, Docker and Pulumi's plugins
  maxWorkers: 2,
  testTimeout: 60_000,
  verbose: true,
};
