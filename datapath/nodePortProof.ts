import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterReader } from "./cluster";

/** One node whose NodePort is asked. */
export interface NodePortTarget {
  readonly name: string;
  readonly url: string;
}

/**
 * Ask every node's NodePort from this machine; where this machine reaches none of them (Docker's own virtual machine
 * is between), from a pod.
 */
export async function askNodePorts(
  targets: readonly NodePortTarget[],
  here: Fetch,
  pod: { readonly name: string; readonly fetch: Fetch },
  deadline: number,
): Promise<Answer[]> {
  const direct = await Promise.all(targets.map((target) => askNodePort(target, here, deadline)));
  if (direct.some(({ ok }) => ok)) return direct;
  const fromPod = await Promise.all(targets.map((target) => askNodePort(target, pod.fetch, 0)));
  return fromPod.map((answer, index) => ({
    ...answer,
    question: `${answer.question} (from pod ${pod.name}; this machine: ${direct[index]!.said})`,
  }));
}

/** What asking one target brought. */
export interface Answer {
  readonly question: string;
  readonly ok: boolean;
  /** The answer's first line, or what went wrong. */
  readonly said: string;
}

/** Fetch a URL and return the body. @throws Error when there is no answer with status 200. */
export type Fetch = (url: string) => Promise<string>;

/** The line by which the nettool server tells who answered. */
const SERVER_LINE = /^PodName: \S+ \| PodIP: \S+ \d+\.\d+\.\d+\.\d+\/32$/m;

const RETRY_MILLISECONDS = 1000;
const REQUEST_SECONDS = 3;
const SERVICE_NAME = "kubernetes.default.svc.cluster.local";

/** Ask a NodePort until the nettool server answers or the deadline is over. */
export async function askNodePort(target: NodePortTarget, fetchText: Fetch, deadline: number): Promise<Answer> {
  const question = `${target.name} ${target.url}`;
  for (;;) {
    const answer = await fetchText(target.url).then(judge, (error: Error) => ({ ok: false, said: reasonOf(error) }));
    if (answer.ok || Date.now() >= deadline) return { question, ...answer };
    await sleep(RETRY_MILLISECONDS);
  }
}

function judge(body: string): { ok: boolean; said: string } {
  const line = SERVER_LINE.exec(body)?.[0];
  return line === undefined
    ? { ok: false, said: `answered, but not the nettool server: ${body.slice(0, 120)}` }
    : { ok: true, said: line };
}

/** Ask cluster DNS from each of so many pods until each has an answer or the deadline is over. */
export async function askDns(
  cluster: ClusterReader,
  namespace: string,
  labelSelector: string,
  podCount: number,
  deadline: number,
): Promise<Answer[]> {
  let pods = await cluster.pods(namespace, labelSelector);
  while (pods.length < podCount && Date.now() < deadline) {
    await sleep(RETRY_MILLISECONDS);
    pods = await cluster.pods(namespace, labelSelector);
  }
  if (pods.length < podCount)
    return [
      { question: `DNS from pods ${labelSelector}`, ok: false, said: `${pods.length} of ${podCount} pods are there` },
    ];
  return Promise.all(
    pods.map(async ({ metadata, spec }) => {
      const question = `DNS from ${metadata!.name} on ${spec!.nodeName}: ${SERVICE_NAME}`;
      for (;;) {
        const answer = await cluster
          .exec(namespace, metadata!.name!, "nettool", ["getent", "ahostsv4", SERVICE_NAME])
          .then(
            ({ exitCode, stdout, stderr }) => ({
              ok: exitCode === 0 && stdout !== "",
              said: stdout.split(/\s/)[0] || stderr.trim() || `no address (exit code ${exitCode})`,
            }),
            (error: Error) => ({ ok: false, said: reasonOf(error) }),
          );
        if (answer.ok || Date.now() >= deadline) return { question, ...answer };
        await sleep(RETRY_MILLISECONDS);
      }
    }),
  );
}

/** Fetch from this machine, on a connection of its own. */
export const fetchFromHere: Fetch = async (url) => {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(REQUEST_SECONDS * 1000),
    headers: { connection: "close" },
  });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  return response.text();
};

/** Fetch from a pod of the cluster. */
export function fetchFromPod(cluster: ClusterReader, namespace: string, pod: string): Fetch {
  return async (url) => {
    const { exitCode, stdout, stderr } = await cluster.exec(namespace, pod, "nettool", [
      "curl",
      "-sS",
      "--fail",
      "--max-time",
      String(REQUEST_SECONDS),
      url,
    ]);
    if (exitCode !== 0) throw new Error(stderr.trim() || `curl ended with exit code ${exitCode}`);
    return stdout;
  };
}

function reasonOf(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return error.name === "TimeoutError" ? `no answer within ${REQUEST_SECONDS} s` : (cause ?? error.message);
}
