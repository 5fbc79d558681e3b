import { setTimeout as sleep } from "node:timers/promises";
import { execInNode, listNodes, type KindNode } from "../../host/docker";
import { loadIntoNodes } from "../../host/imageImport";
import { span } from "../../host/timings.cjs";
import type { Log } from "./handler";

/** Their row of timings. */
const ROW = "images while kind works";

/** Interval between checks for new nodes. */
const PAUSE_MILLISECONDS = 500;

/** Loading of images while kind creates the nodes. It never fails: `NodeImages` loads missing images later. */
export interface EarlyLoading {
  /** Finish loading into the nodes that were found, without waiting for others. */
  finish(): Promise<void>;
  /** Stop loading. */
  giveUp(): Promise<void>;
}

/** Load images into the nodes of a cluster as soon as their containerd responds, while kind still configures them. */
export function loadEarly(
  { name, workers, images }: { readonly name: string; readonly workers: number; readonly images: readonly string[] },
  log: Log,
  signal: AbortSignal,
): EarlyLoading {
  const [waiting, working] = [new AbortController(), new AbortController()];
  const works = AbortSignal.any([signal, working.signal]);
  const load = async () => {
    const found = AbortSignal.any([works, waiting.signal]);
    const nodes = await span(ROW, "wait for containerd", () => nodesThatRespond(name, workers + 1, found));
    await span(ROW, "load", () => loadIntoNodes(images, nodes, (message) => log.status(message), works));
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

async function nodesThatRespond(cluster: string, count: number, signal: AbortSignal): Promise<KindNode[]> {
  for (;;) {
    signal.throwIfAborted();
    const nodes = (await listNodes(cluster)).filter(({ running }) => running);
    const responses = nodes.map(({ name }) =>
      execInNode(name, ["ctr", "--namespace=k8s.io", "images", "list", "--quiet"], { signal }).then(
        () => true,
        () => false,
      ),
    );
    if (nodes.length === count && (await Promise.all(responses)).every(Boolean)) return nodes;
    await sleep(PAUSE_MILLISECONDS, undefined, { signal });
  }
}
