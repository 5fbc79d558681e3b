import { randomUUID } from "node:crypto";
import { removeLeftNodes } from "./creation";
import type { StackIdentityInputs } from "./inputs";
import type { ResourceHandler } from "./handler";

/**
 * The resource `kind:index:StackMark`: a random id that the state holds before the stack's cluster is created, and
 * that the cluster's nodes carry from their first moment. It distinguishes this stack's cluster from another one of the
 * same name, also after a killed run. Deleting it removes nodes that never entered the state.
 */
export const stackIdentityHandler: ResourceHandler<StackIdentityInputs, StackIdentityInputs> = {
  check: async () => [],
  diff: async (olds, news) => ({ changes: olds.onNodes !== news.onNodes, replaces: [] }),
  create: async (inputs) => ({ id: randomUUID(), state: inputs }),
  read: async (olds) => olds,
  update: async (_olds, news) => news,
  async delete({ onNodes }, _log, id) {
    if (onNodes) await removeLeftNodes(id);
  },
};
