import { randomUUID } from "node:crypto";
import { removeLeftNodes } from "./creation";
import type { StackMarkInputs } from "./inputs";
import type { ResourceHandler } from "./provider";

/**
 * The resource `kind:index:StackMark`: a random id that is in the stack's state before its cluster is made, and on
 * the cluster's nodes from their first moment. It tells a cluster that this stack began from one of the same name
 * that somebody else made, also after a run was killed. With it go the nodes that never came into the state.
 */
export const stackMarkHandler: ResourceHandler<StackMarkInputs, StackMarkInputs> = {
  check: async () => [],
  diff: async (olds, news) => ({ changes: olds.onNodes !== news.onNodes, replaces: [] }),
  create: async (inputs) => ({ id: randomUUID(), state: inputs }),
  read: async (olds) => olds,
  update: async (_olds, news) => news,
  async delete({ onNodes }, _log, id) {
    if (onNodes) await removeLeftNodes(id);
  },
};
