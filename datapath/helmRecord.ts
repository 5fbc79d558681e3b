import { gunzipSync, gzipSync } from "node:zlib";
import type { V1Secret } from "@kubernetes/client-node";

/** What Helm keeps of one revision of a release, in a Secret of its namespace. */
export interface HelmRecord {
  readonly revision: number;
  /** `deployed`, `failed`, `pending-install` and the like: https://pkg.go.dev/helm.sh/helm/v3/pkg/release#Status */
  readonly status: string;
  /** Whoever installed the revision may have put it there; Helm's own words otherwise. */
  readonly description: string;
}

/** Label selector of a release's records that are neither replaced by a later one nor uninstalled. */
export function recordsOf(release: string): string {
  return `owner=helm,name=${release},status!=superseded,status!=uninstalled`;
}

/** The latest of a release's records. */
export function latestRecord(secrets: readonly V1Secret[]): V1Secret | undefined {
  return [...secrets].sort((a, b) => revisionOf(b) - revisionOf(a))[0];
}

/** Read a record. @throws Error when the Secret holds none */
export function readRecord(secret: V1Secret): HelmRecord {
  const { info } = payloadOf(secret);
  return { revision: revisionOf(secret), status: info.status, description: info.description ?? "" };
}

/**
 * The same record of a revision that failed: Helm then neither takes an operation for being under way, nor the
 * release's name for being in use (with `replace`), and an upgrade still starts from the last deployed revision.
 */
export function asFailed(secret: V1Secret, description: string): V1Secret {
  const payload = payloadOf(secret);
  const failed = { ...payload, info: { ...payload.info, status: "failed", description } };
  // Helm's own encoding, inside that of Secrets
  const release = gzipSync(JSON.stringify(failed)).toString("base64");
  return {
    ...secret,
    metadata: { ...secret.metadata, labels: { ...secret.metadata?.labels, status: "failed" } },
    data: { ...secret.data, release: Buffer.from(release).toString("base64") },
  };
}

interface Payload {
  readonly info: { readonly status: string; readonly description?: string };
}

function payloadOf({ metadata, data }: V1Secret): Payload {
  try {
    const release = Buffer.from(data!["release"]!, "base64").toString();
    return JSON.parse(gunzipSync(Buffer.from(release, "base64")).toString()) as Payload;
  } catch {
    throw new Error(`Secret ${metadata?.name} holds no record of Helm`);
  }
}

function revisionOf({ metadata }: V1Secret): number {
  return Number(metadata?.labels?.["version"] ?? 0);
}
