// Runs the TypeScript beside it without a type check; Pulumi's own way for plugins would make one at every start.
require("@pulumi/pulumi");
require("@pulumi/pulumi/provider");
require("tsx/cjs");
require("./main.ts");
