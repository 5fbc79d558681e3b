// Half of the time that tests take with Pulumi's SDK goes into what none of them needs: a package manager and a compiler,
// loaded to serialize functions, and the stack of every promise, which Jest maps to the sources.
jest.mock("@pulumi/pulumi/runtime/closure/codePaths", () => ({}));
jest.mock("@pulumi/pulumi/typescript-shim", () => ({}));
jest.mock("@pulumi/pulumi/runtime/debuggable", () => ({
  ...jest.requireActual("@pulumi/pulumi/runtime/debuggable"),
  debuggablePromise: (promise) => promise,
}));
