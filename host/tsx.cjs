// Runs this project's TypeScript without a build. Packages are JavaScript already, and the hook of tsx for each of their
// files makes the Kubernetes client load five times as slowly: they are left to Node.js.
const { _extensions: loaders } = require("node:module");

const plain = loaders[".js"];
require("tsx/cjs");
const hooked = loaders[".js"];
loaders[".js"] = (module, file) => (file.includes("/node_modules/") ? plain : hooked)(module, file);
