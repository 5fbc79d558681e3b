import type * as pulumi from "@pulumi/pulumi";
import type { ClusterFacts } from "../../../datapath/facts";

/** A resource that the program registers. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/** A function of a provider that the program calls. */
export interface Called {
  token: string;
  inputs: Record<string, unknown>;
}

export const NODES = [
  { name: "c-control-plane", role: "control-plane", address: "172.18.0.2" },
  { name: "c-worker", role: "worker", address: "172.18.0.3" },
];
export const READY = {
  nodes: NODES.map(({ name }, index) => ({ name, podCidrs: [`10.0.${index}.0/24`], agentPod: `cilium-${index}` })),
};

export const SUMMARY = {
  verdict: "pass",
  proof: "proven",
  causes: [],
  verifiedAt: "2026-11-26T05:40:00.000Z",
  revision: 1,
  counts: { pass: 1 },
  seconds: 4,
  checks: { config: "pass: cluster: as asked for" },
};

export const DATAPATH = { mode: "ebpf", differences: [], network: "native", services: "Cilium", deviations: [] };

/** Properties of an external cluster. */
export const FACTS: ClusterFacts = {
  identity: "5f4a",
  endpoint: "https://192.0.2.1:6443",
  apiServer: { host: "172.18.0.2", port: 6443 },
  nodes: NODES as ClusterFacts["nodes"],
  kubeProxy: true,
  otherNetwork: undefined,
  serviceAddress: "10.96.0.1",
};

/** State of a resource, as its provider would return it. */
function stateOf({ type, name, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  if (type === "kind:index:Cluster")
    return {
      ...inputs,
      nodes: NODES,
      endpoint: "https://127.0.0.1:6443",
      kubeconfig: "kubeconfig of c",
      containers: ["1"],
      restarts: 0,
    };
  if (/^kubernetes:(apps|core)\/v1:(DaemonSet|Pod)$/.test(type))
    return { ...inputs, metadata: { ...inputs.metadata, uid: `${name}-uid`, generation: 1 } };
  if (type === "kind:index:CiliumInstallation") return { ...inputs, repairs: 0, lost: false };
  if (type === "kubernetes:helm.sh/v3:Release") return { ...inputs, status: { revision: 1 } };
  if (type === "kind:index:WorkloadGround") return { ...inputs, generation: 0, lost: false };
  if (type === "kind:index:CiliumReadiness") return { ...inputs, ...READY };
  if (type === "command:local:Command")
    return { ...inputs, stdout: JSON.stringify({ ...SUMMARY, datapath: DATAPATH }), stderr: "" };
  return inputs as Record<string, unknown>;
}

/** What the provider's function returns for a chart. */
type Rendered = Record<string, unknown>;

/** What a program did. Mocks do not see options: deletedWith, parents and secrets are tested in tests/engine. */
export interface Run {
  readonly registered: Registered[];
  readonly called: Called[];
  readonly outputs: Record<string, unknown>;
  /** Messages that were logged at level info. */
  readonly logged: readonly string[];
}

/**
 * Run a program with this configuration.
 * @param template what the chart renders; it throws Helm's error where the chart refuses the values
 * @param load imports the program, once the SDK has the mocks
 * @param isPreview whether the program runs in a preview
 */
export async function run(
  load: () => Promise<() => Promise<Record<string, pulumi.Input<unknown>>>>,
  config: Readonly<Record<string, string>> = {},
  facts: ClusterFacts | { readonly problem: string } = FACTS,
  template: (registered: readonly Registered[]) => Rendered | Promise<Rendered> = () => ({ result: [] }),
  isPreview = false,
): Promise<Run> {
  const registered: Registered[] = [];
  const called: Called[] = [];
  const logged: string[] = [];
  const fresh = await import("@pulumi/pulumi");
  jest.spyOn(fresh.log, "info").mockImplementation(async (message) => void logged.push(message));
  await fresh.runtime.setMocks(
    {
      newResource: (args) => {
        registered.push({ type: args.type, name: args.name, inputs: args.inputs as Record<string, unknown> });
        return { id: `${args.name}-id`, state: stateOf(args) };
      },
      call: ({ token, inputs }) => {
        called.push({ token, inputs: inputs as Record<string, unknown> });
        if (token === "kubernetes:helm:template") return template(registered);
        return { stdout: JSON.stringify("problem" in facts ? facts : { facts }) };
      },
    },
    "cilium-modes",
    "dev",
    isPreview,
  );
  fresh.runtime.setAllConfig(
    Object.fromEntries(Object.entries(config).map(([key, value]) => [`cilium-modes:${key}`, value])),
  );
  const exported = await (await load())();
  const outputs = await new Promise<Record<string, unknown>>((resolve) =>
    fresh.output(exported).apply((value) => resolve(value as Record<string, unknown>)),
  );
  // the next program's mocks know nothing of this one's resources
  await fresh.runtime.disconnect();
  return { registered, called, outputs, logged };
}

export const inputsOf = (registered: readonly Registered[], name: string): Record<string, unknown> | undefined =>
  registered.find((resource) => resource.name === name)?.inputs;
