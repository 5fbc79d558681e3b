// Run the TypeScript beside it without a type check, which Pulumi's own way for plugins would make at every start.
require("@pulumi/pulumi");
require("@pulumi/pulumi/provider");
require("tsx/cjs");
require("./main.ts");
