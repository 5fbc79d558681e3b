// Boundaries between folders: npx depcruise . --config .dependency-cruiser.mjs
// tests/commands/boundaries.test.ts runs it, and plants a forbidden import for each rule.

/** Imports of a folder from others than these. */
const only = (name, from, ...allowed) => ({
  name,
  severity: "error",
  comment: `${from} may import from ${[...new Set([from, ...allowed])].join(", ")} only`,
  from: { path: `^${from}` },
  to: {
    pathNot: ["node_modules", ...[from, ...allowed].map((path) => `^${path}`)],
    dependencyTypesNot: ["core"],
  },
});

const TOOLS = "^(scripts|bench|tests|examples|lint-rules|jest\\.config)";

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    only("modes-know-nothing-else", "modes/"),
    only("host-is-below-everything", "host/", "modes/"),
    only("settings-depend-on-modes", "settings/", "modes/", "host/pemFiles\\.ts"),
    only("cluster-is-below-evidence", "cluster/", "modes/", "host/"),
    only("datapath-knows-no-programs", "datapath/", "modes/", "settings/", "host/", "cluster/"),
    {
      name: "evidence-needs-no-host",
      severity: "error",
      comment:
        "Evidence comes from the cluster: of host/, cluster/ and datapath/ may use types, packageFile.ts, interruptible.ts and timings.cjs only",
      from: { path: "^(cluster|datapath)/" },
      to: {
        path: "^host/",
        pathNot: "^host/((packageFile|interruptible)\\.ts|timings\\.(cjs|d\\.cts))$",
        dependencyTypesNot: ["type-only"],
      },
    },
    only("render-only-formats", "render/", "modes/verdict\\.ts"),
    only("compare-measures-and-reports", "compare/", "modes/", "settings/", "cluster/", "datapath/", "render/"),
    only("providers-know-no-programs", "providers/", "modes/", "host/", "cluster/", "datapath/"),
    only("components-take-arguments", "components/", "modes/", "host/", "datapath/", "providers/"),
    only("outputs-are-a-format", "outputs\\.ts", "modes/", "datapath/facts\\.ts"),
    only("connect-reads-outputs", "connect\\.ts", "outputs\\.ts"),
    only("policies-depend-on-modes", "policies/", "modes/"),
    only(
      "plugin-wraps-components",
      "plugin/",
      "components/",
      "host/",
      "modes/",
      "settings/",
      "datapath/facts\\.ts",
      "outputs\\.ts",
    ),
    only(
      "cli-is-no-pulumi-program",
      "cli/",
      "modes/",
      "settings/",
      "host/",
      "cluster/",
      "datapath/",
      "compare/",
      "render/",
      "providers/",
      "components/",
    ),
    only("examples-use-the-package", "examples/", "components/index\\.ts", "connect\\.ts", "outputs\\.ts"),
    {
      name: "only-the-program-loads-settings",
      severity: "error",
      comment: "settings.ts reads Pulumi's configuration; everything else gets settings as values",
      from: { pathNot: "^index\\.ts$" },
      to: { path: "^settings\\.ts$" },
    },
    {
      name: "no-product-code-in-tools",
      severity: "error",
      comment: "Scripts, benchmarks and tests are not part of the product",
      from: { pathNot: TOOLS },
      to: { path: "^(scripts|bench|tests|examples)/" },
    },
    {
      name: "pulumi-stays-in-programs",
      severity: "error",
      comment: "Pure functions, evidence and commands do not depend on Pulumi",
      from: { path: "^(modes|settings|host|cluster|datapath|compare|render|cli)/" },
      to: { path: "node_modules/@pulumi/" },
    },
    {
      name: "kubernetes-client-in-one-place",
      severity: "error",
      comment: "Only cluster/ talks to the API server; others may use the client's types",
      // the command loads packages before tsx, which would slow them down
      from: { pathNot: `^(cluster/|cli/cilium-modes\\.mjs$)|${TOOLS}` },
      to: { path: "node_modules/@kubernetes/client-node/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "processes-start-in-host",
      severity: "error",
      comment: "Only host/ starts processes",
      from: { pathNot: `^host/(exec|imageImport)\\.ts$|${TOOLS}` },
      to: { path: "^(node:)?child_process$" },
    },
    {
      name: "no-folder-cycle",
      severity: "error",
      comment: "Folders do not depend on each other in a circle, not even by types",
      scope: "folder",
      // known: datapath/checks and datapath/evidence share the types of checks and of evidence
      from: { path: "^[^/]+", pathNot: "^(node_modules|datapath/(checks|evidence)$)" },
      to: { circular: true },
    },
    {
      name: "no-file-cycle",
      severity: "error",
      comment: "Files do not depend on each other in a circle, not even by types",
      // known: datapath/causes.ts, verify.ts and checks/ refer to each other's types
      from: { pathNot: "^datapath/" },
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|\\.cilium-modes|docs)/|\\.json$" },
    tsConfig: { fileName: "tsconfig.json" },
    // imports of types count
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["require", "node", "default", "types"] },
  },
};
