// Runs the TypeScript source without a type check, which Pulumi would otherwise make in every preview.
require("@pulumi/policy");
require("tsx/cjs");
require("./pack.ts");
