import { gunzipSync, gzipSync } from "node:zlib";
import type { V1Secret } from "@kubernetes/client-node";
import { parse } from "yaml";
import { valueAt, type HelmValues } from "../modes/ciliumValues";
import { DATAPATH_KEYS } from "../modes/datapathConfig";
import { ciliumAmong, type RenderedCilium, type RenderedObject } from "../modes/rendering";
import { COMPARED_KINDS, type ComparedObject, type RecordedObjects } from "./helmDrift";

/** Helm's record of one revision of a release, kept in a Secret. */
export interface HelmRecord {
  readonly revision: number;
  /** `deployed`, `failed`, `pending-install` and the like: https://pkg.go.dev/helm.sh/helm/v3/pkg/release#Status */
  readonly status: string;
  /** Set by the installer, or else written by Helm. */
  readonly description: string;
}

/** Label selector of all releases' records that are neither superseded nor uninstalled. */
export const CURRENT_RECORDS = "owner=helm,status!=superseded,status!=uninstalled";

/** The same of one release. */
export function recordsOf(release: string): string {
  return `${CURRENT_RECORDS},name=${release}`;
}

const latestFirst = (secrets: readonly V1Secret[]) => [...secrets].sort((a, b) => revisionOf(b) - revisionOf(a));

/** The latest record of a release. */
export function latestRecord(secrets: readonly V1Secret[]): V1Secret | undefined {
  return latestFirst(secrets)[0];
}

/** Decode a record. @throws Error if the Secret has none */
export function readRecord(secret: V1Secret): HelmRecord {
  const { info } = payloadOf(secret);
  return { revision: revisionOf(secret), status: info.status, description: info.description ?? "" };
}

/** Cilium as Helm rendered it, and the record that has it. */
export interface RecordedCilium extends RenderedCilium, Pick<HelmRecord, "status" | "description"> {
  /** The datapath's values that the user gave, by path, without any others; undefined in evidence of older versions. */
  readonly values?: Readonly<Record<string, string>> | undefined;
}

/** Cilium as the latest record that has a `cilium-config` rendered it; undefined if none has. */
export function renderedCilium(secrets: readonly V1Secret[]): RecordedCilium | undefined {
  // during an upgrade, and after one that failed, the record before it is still there
  for (const secret of latestFirst(secrets)) {
    const { manifest = "", config } = payloadOf(secret);
    const { status, description } = readRecord(secret);
    const documents = documentsIn(manifest);
    const rendered = (kind: string, name: string) => {
      const named = new RegExp(`^  name: "?${name}"?$`, "m");
      const text = documents.find((each) => new RegExp(`^kind: ${kind}$`, "m").test(each) && named.test(each));
      return text === undefined ? undefined : (parsed(text) as RenderedObject);
    };
    const cilium = ciliumAmong(rendered);
    if (cilium !== undefined) return { status, description, values: datapathValues(config ?? {}), ...cilium };
  }
  return undefined;
}

/** Cilium's objects as the latest record of its release has them; undefined if none has a `cilium-config`. */
export function renderedObjects(secrets: readonly V1Secret[], namespace: string): RecordedObjects | undefined {
  for (const secret of latestFirst(secrets)) {
    const documents = documentsIn(payloadOf(secret).manifest ?? "");
    if (!documents.some((each) => /^kind: ConfigMap$/m.test(each) && /^  name: "?cilium-config"?$/m.test(each)))
      continue;
    const kinds = new RegExp(`^kind: (?:${Object.keys(COMPARED_KINDS).join("|")})$`, "m");
    const objects = documents
      .filter((each) => kinds.test(each))
      .map((each) => inNamespace(parsed(each) as ComparedObject, namespace));
    return { release: secret.metadata?.labels?.["name"] ?? "cilium", status: readRecord(secret).status, objects };
  }
  return undefined;
}

/** Helm installs objects without a namespace into the release's. */
function inNamespace(object: ComparedObject, namespace: string): ComparedObject {
  const { kind, metadata } = object;
  if (kind.startsWith("Cluster") || metadata.namespace !== undefined) return object;
  return { ...object, metadata: { ...metadata, namespace } };
}

const documentsIn = (manifest: string) => manifest.split(/^---.*$/m);

/** Helm reads YAML 1.1. */
const parsed = (text: string) => parse(text, { version: "1.1" }) as unknown;

/**
 * The same record with status `failed`. Helm then assumes neither that an operation is in progress nor (with `replace`)
 * that the release's name is in use, and still upgrades from the last deployed revision.
 */
export function asFailed(secret: V1Secret, description: string): V1Secret {
  const payload = payloadOf(secret);
  const failed = { ...payload, info: { ...payload.info, status: "failed", description } };
  // Helm encodes in base64, and Secrets do so again
  const release = gzipSync(JSON.stringify(failed)).toString("base64");
  return {
    ...secret,
    metadata: { ...secret.metadata, labels: { ...secret.metadata?.labels, status: "failed" } },
    data: { ...secret.data, release: Buffer.from(release).toString("base64") },
  };
}

interface Payload {
  readonly info: { readonly status: string; readonly description?: string };
  readonly manifest?: string;
  /** Values that the user gave. */
  readonly config?: HelmValues | null;
}

/** The values of the datapath among others, by path. */
export function datapathValues(values: HelmValues): Record<string, string> {
  return Object.fromEntries(
    DATAPATH_KEYS.flatMap(({ paths }) => paths).flatMap((path) => {
      const value = valueAt(values, path);
      return value === undefined || value === null || typeof value === "object" ? [] : [[path, String(value)]];
    }),
  );
}

function payloadOf({ metadata, data }: V1Secret): Payload {
  try {
    const release = Buffer.from(data!["release"]!, "base64").toString();
    return JSON.parse(gunzipSync(Buffer.from(release, "base64")).toString()) as Payload;
  } catch {
    throw new Error(`Secret ${metadata?.name} has no Helm record`);
  }
}

function revisionOf({ metadata }: V1Secret): number {
  return Number(metadata?.labels?.["version"] ?? 0);
}
