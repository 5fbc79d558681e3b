import { setTimeout as sleep } from "node:timers/promises";
import { execInNode, listNodes, type KindNode } from "../../host/docker";
import { loadIntoNodes } from "../../host/imageImport";
import type { Log } from "./handler";

/** How often nodes that are being made are looked at. */
const PAUSE_MILLISECONDS = 500;

/** Loading that goes on while kind makes the nodes. It never fails: what is missing is brought later. */
export interface EarlyLoading {
  /** Let it come to its end in nodes that it has found; there will be no others. */
  finish(): Promise<void>;
  /** End it. */
  giveUp(): Promise<void>;
}

/** Bring images to the nodes of a cluster as soon as their containerd answers, while kind is still at work on them. */
export function loadEarly(
  { name, workers, images }: { readonly name: string; readonly workers: number; readonly images: readonly string[] },
  log: Log,
  signal: AbortSignal,
): EarlyLoading {
  const [waiting, working] = [new AbortController(), new AbortController()];
  const works = AbortSignal.any([signal, working.signal]);
  const load = async () => {
    const nodes = await nodesThatAnswer(name, workers + 1, AbortSignal.any([works, waiting.signal]));
    await loadIntoNodes(images, nodes, (message) => log.status(message), works);
  };
  const loading = images.length === 0 ? Promise.resolve() : load().catch(() => undefined);
  return {
    finish() {
      waiting.abort();
      return loading;
    },
    giveUp() {
      working.abort();
      return loading;
    },
  };
}

async function nodesThatAnswer(cluster: string, count: number, signal: AbortSignal): Promise<KindNode[]> {
  for (;;) {
    signal.throwIfAborted();
    const nodes = (await listNodes(cluster)).filter(({ running }) => running);
    const answers = nodes.map(({ name }) =>
      execInNode(name, ["ctr", "--namespace=k8s.io", "images", "list", "--quiet"], { signal }).then(
        () => true,
        () => false,
      ),
    );
    if (nodes.length === count && (await Promise.all(answers)).every(Boolean)) return nodes;
    await sleep(PAUSE_MILLISECONDS, undefined, { signal });
  }
}
