import type { Resource } from "@pulumi/pulumi";
import * as engineLog from "@pulumi/pulumi/log";
import { output } from "@pulumi/pulumi/output";
import type { DiffResult, Provider } from "@pulumi/pulumi/provider";
import { CILIUM_NAMESPACE } from "../../cluster/agents";
import type { ClusterWriter } from "../../cluster/write";
import { span } from "../../host/timings.cjs";
import { ciliumInstallationHandler } from "./ciliumInstallation";
import { clusterHandler } from "./cluster";
import type { Log, ResourceHandler } from "./handler";
import { TOKENS } from "./inputs";
import { nodeImagesHandler } from "./nodeImages";
import { nodeSettingsHandler } from "./nodeSettings";
import { ownershipRecordHandler } from "./ownershipRecord";
import { ciliumReadinessHandler, workloadReadinessHandler, type CiliumCluster } from "./readiness";
import { stackIdentityHandler } from "./stackIdentity";
import { workloadNamespaceHandler } from "./workloadNamespace";

// oxlint-disable-next-line typescript/no-explicit-any -- only here the engine's property bags meet the handlers' types
const HANDLERS: Readonly<Record<string, ResourceHandler<any, any>>> = {
  [TOKENS.ciliumInstallation]: ciliumInstallationHandler(connectWriter),
  [TOKENS.ciliumReadiness]: ciliumReadinessHandler(connectReader),
  [TOKENS.cluster]: clusterHandler,
  [TOKENS.ownershipRecord]: ownershipRecordHandler(connectWriter),
  [TOKENS.nodeImages]: nodeImagesHandler,
  [TOKENS.nodeSettings]: nodeSettingsHandler,
  [TOKENS.stackIdentity]: stackIdentityHandler,
  [TOKENS.workloadNamespace]: workloadNamespaceHandler(connectWriter),
  [TOKENS.workloadReadiness]: workloadReadinessHandler(connectReader),
};

/** Loaded late, as the next one. */
async function connectReader(kubeconfig: string): Promise<CiliumCluster> {
  const { connect }: typeof import("../../cluster/read") = require("../../cluster/read");
  const { restartDaemonSet }: typeof import("../../cluster/write") = require("../../cluster/write");
  return { ...connect(kubeconfig), restartAgents: () => restartDaemonSet(kubeconfig, CILIUM_NAMESPACE, "cilium") };
}

/** Loaded late: most resources do not need the Kubernetes client, and tests cannot load it. */
async function connectWriter(kubeconfig: string): Promise<ClusterWriter> {
  const { connectWriter: connect }: typeof import("../../cluster/write") = require("../../cluster/write");
  return connect(kubeconfig);
}

/** The key that marks a secret in the engine's property bags. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";

type Bag = Record<string, unknown>;

/** The `kind` provider: translates Pulumi's protocol into calls of the resource types' handlers. */
export function kindProvider(): Provider & { cancel(): Promise<void>; idle(): Promise<void> } {
  const cancellation = new AbortController();
  const running = new Set<Promise<unknown>>();
  const track = <T>(urn: string, operation: string, work: () => Promise<T>): Promise<T> => {
    const tracked = span(`kind provider: ${urn.split("::").pop()!}`, operation, work);
    running.add(tracked);
    return tracked.finally(() => running.delete(tracked));
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
      const { id, state } = await track(urn, "create", () =>
        handler(urn).create(plain(inputs), logFor(urn), cancellation.signal),
      );
      return { id, outs: state };
    },
    async read(id, urn, props: Bag) {
      const state = await handler(urn).read(plain(props));
      return state === undefined ? { id: "", props: {} } : { id, props: state };
    },
    async update(_id, urn, olds: Bag, news: Bag) {
      const update = () => handler(urn).update(plain(olds), plain(news), logFor(urn), cancellation.signal);
      return { outs: await track(urn, "update", update) };
    },
    async delete(id, urn, props: Bag) {
      await track(urn, "delete", () => handler(urn).delete(plain(props), logFor(urn), id));
    },
    async cancel() {
      cancellation.abort(new Error("The run was cancelled"));
    },
    /** Resolves when no operation is running. */
    async idle() {
      await Promise.allSettled([...running]);
    },
  };
}

// oxlint-disable-next-line typescript/no-explicit-any -- see HANDLERS
function handler(urn: string): ResourceHandler<any, any> {
  const type = urn.split("::")[2]!.split("$").pop()!;
  const found = HANDLERS[type];
  if (found === undefined)
    throw new Error(`The kind provider has no resource type ${type}; it has ${Object.keys(HANDLERS).join(", ")}`);
  return found;
}

/** A property bag with its secrets unwrapped. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const bag = value as Bag;
  if (SIGNATURE in bag) return plain(bag["value"]);
  return Object.fromEntries(Object.entries(bag).map(([key, inner]) => [key, plain(inner)]));
}

/** Messages that the engine shows with the resource. */
function logFor(urn: string): Log {
  const resource = { urn: output(urn) } as unknown as Resource;
  const quietly = (sent: Promise<void>) => void sent.catch(() => undefined);
  return {
    status: (message) => quietly(engineLog.info(message, resource, undefined, true)),
    warn: (message) => quietly(engineLog.warn(message, resource)),
  };
}
