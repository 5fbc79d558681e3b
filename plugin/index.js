// Runs the TypeScript source without a type check, which Pulumi would otherwise make at every start.
require("@pulumi/pulumi");
require("@pulumi/pulumi/provider");
require("tsx/cjs");
require("./main.ts");
