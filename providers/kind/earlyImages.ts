import { setTimeout as sleep } from "node:timers/promises";
import { execInNode, listNodes, type KindNode } from "../../host/docker";
import { loadIntoNodes, pullOnce } from "../../host/imageImport";
import { span } from "../../host/timings.cjs";
import type { Log } from "./handler";
import type { ClusterInputs } from "./inputs";

/** Their row of timings. */
const ROW = "images while kind works";

/** Interval between checks for new nodes. */
const PAUSE_MILLISECONDS = 500;

/** How long a cluster that is ready waits for its images. */
const PATIENCE_MILLISECONDS = 300_000;

/**
 * Images on their way into nodes while kind creates them. It never fails: `NodeImages` loads what is missing later, and
 * nodes pull by themselves.
 */
export interface EarlyLoading {
  /** Wait for what is on its way into the nodes that were found, not for others; 5 minutes at most. */
  finish(): Promise<void>;
  /** Stop loading. */
  giveUp(): Promise<void>;
}

/**
 * Bring images into the nodes of a cluster as soon as their containerd responds, while kind still configures them: from this
 * machine's Docker, and from registries.
 */
export function loadEarly(
  { name, workers, images, pulledImages }: Pick<ClusterInputs, "name" | "workers" | "images" | "pulledImages">,
  log: Log,
  signal: AbortSignal,
): EarlyLoading {
  const [waiting, working] = [new AbortController(), new AbortController()];
  const works = AbortSignal.any([signal, working.signal]);
  const say = (message: string) => log.status(message);
  const load = async () => {
    const found = AbortSignal.any([works, waiting.signal]);
    const nodes = await span(ROW, "wait for containerd", () => nodesThatRespond(name, workers + 1, found));
    await Promise.allSettled([
      images.length === 0 ? undefined : span(ROW, "load", () => loadIntoNodes(images, nodes, say, works)),
      ...pulledImages.map((image) => pullOnce(image, nodes, `${ROW}: ${image}`, say, works)),
    ]);
  };
  const loading = images.length + pulledImages.length === 0 ? Promise.resolve() : load().catch(() => undefined);
  return {
    async finish() {
      waiting.abort();
      const patience = setTimeout(() => working.abort(), PATIENCE_MILLISECONDS);
      await loading;
      clearTimeout(patience);
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
