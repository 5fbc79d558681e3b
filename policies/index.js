// Runs the TypeScript beside it without a type check; Pulumi's own way for policy packs would make one at every preview.
require("@pulumi/policy");
require("tsx/cjs");
require("./pack.ts");
