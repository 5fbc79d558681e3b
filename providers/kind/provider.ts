import * as pulumi from "@pulumi/pulumi";
import type { CheckFailure, DiffResult, Provider } from "@pulumi/pulumi/provider";
import type { ClusterWriter } from "../../cluster/write";
import { ciliumInstallationHandler } from "./ciliumInstallation";
import { clusterHandler } from "./cluster";
import { markHandler } from "./mark";
import { nodeImagesHandler } from "./nodeImages";
import { nodeSettingsHandler } from "./nodeSettings";
import type { Log } from "./nodeSetup";
import { stackMarkHandler } from "./stackMark";
import { workloadGroundHandler } from "./workloadGround";

/** What one resource type does; inputs and states are plain values, secrets unwrapped. */
export interface ResourceHandler<Inputs, State extends Inputs> {
  /**
   * In a preview, a value that another resource has yet to give is a text without meaning.
   * @param olds what the resource was last made of; undefined for a new one
   */
  check(inputs: Inputs, olds: Inputs | undefined): Promise<CheckFailure[]>;
  diff(olds: State, news: Inputs, log: Log): Promise<{ changes: boolean; replaces: string[] }>;
  create(inputs: Inputs, log: Log, signal: AbortSignal): Promise<{ id: string; state: State }>;
  /** The state as it is now; undefined when the resource is gone. */
  read(olds: State): Promise<State | undefined>;
  update(olds: State, news: Inputs, log: Log, signal: AbortSignal): Promise<State>;
  delete(olds: State, log: Log, id: string): Promise<void>;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the engine's property bags meet the handlers' types here, and only here
const HANDLERS: Readonly<Record<string, ResourceHandler<any, any>>> = {
  "kind:index:CiliumInstallation": ciliumInstallationHandler(connectWriter),
  "kind:index:Cluster": clusterHandler,
  "kind:index:Mark": markHandler(connectWriter),
  "kind:index:NodeImages": nodeImagesHandler,
  "kind:index:NodeSettings": nodeSettingsHandler,
  "kind:index:StackMark": stackMarkHandler,
  "kind:index:WorkloadGround": workloadGroundHandler(connectWriter),
};

/** Only what asks a cluster needs the Kubernetes client, which tests cannot load. */
async function connectWriter(kubeconfig: string): Promise<ClusterWriter> {
  // tsx, as this provider is run, knows nothing of import()
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return (require("../../cluster/write") as typeof import("../../cluster/write")).connectWriter(kubeconfig);
}

/** The key by which the engine's property bags wrap a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";

type Bag = Record<string, unknown>;

/** The `kind` provider: Pulumi's protocol on one side, the handlers of its resource types on the other. */
export function kindProvider(): Provider & { cancel(): Promise<void>; idle(): Promise<void> } {
  const cancellation = new AbortController();
  const running = new Set<Promise<unknown>>();
  const track = <T>(work: Promise<T>): Promise<T> => {
    running.add(work);
    return work.finally(() => running.delete(work));
  };
  return {
    version: "0.1.0",
    schema: JSON.stringify({ name: "kind", version: "0.1.0" }),
    async check(urn, olds: Bag, news: Bag) {
      const before = Object.keys(olds).length === 0 ? undefined : plain(olds);
      return { inputs: news, failures: await handler(urn).check(plain(news), before) };
    },
    async diff(_id, urn, olds: Bag, news: Bag): Promise<DiffResult> {
      return handler(urn).diff(plain(olds), plain(news), logFor(urn));
    },
    async create(urn, inputs: Bag) {
      const { id, state } = await track(handler(urn).create(plain(inputs), logFor(urn), cancellation.signal));
      return { id, outs: state };
    },
    async read(id, urn, props: Bag) {
      const state = await handler(urn).read(plain(props));
      return state === undefined ? { id: "", props: {} } : { id, props: state };
    },
    async update(_id, urn, olds: Bag, news: Bag) {
      return { outs: await track(handler(urn).update(plain(olds), plain(news), logFor(urn), cancellation.signal)) };
    },
    async delete(id, urn, props: Bag) {
      await track(handler(urn).delete(plain(props), logFor(urn), id));
    },
    async cancel() {
      cancellation.abort(new Error("The run was cancelled"));
    },
    /** Ends when nothing is under way any more. */
    async idle() {
      await Promise.allSettled([...running]);
    },
  };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see HANDLERS
function handler(urn: string): ResourceHandler<any, any> {
  const type = urn.split("::")[2]!.split("$").pop()!;
  const found = HANDLERS[type];
  if (found === undefined)
    throw new Error(`The kind provider has no resource type ${type}; it has ${Object.keys(HANDLERS).join(", ")}`);
  return found;
}

/** A property bag without the engine's wrapping of secrets. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const bag = value as Bag;
  if (SIGNATURE in bag) return plain(bag["value"]);
  return Object.fromEntries(Object.entries(bag).map(([key, inner]) => [key, plain(inner)]));
}

/** Messages that the engine shows with the resource. */
function logFor(urn: string): Log {
  const resource = { urn: pulumi.output(urn) } as unknown as pulumi.Resource;
  const quietly = (sent: Promise<void>) => void sent.catch(() => undefined);
  return {
    status: (message) => quietly(pulumi.log.info(message, resource, undefined, true)),
    warn: (message) => quietly(pulumi.log.warn(message, resource)),
  };
}
