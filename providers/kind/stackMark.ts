import { randomUUID } from "node:crypto";
import type { ResourceHandler } from "./provider";

/**
 * The resource `kind:index:StackMark`: a random id that is in the stack's state before its cluster is made, and on
 * the cluster's nodes from their first moment. It tells a cluster that this stack began from one of the same name
 * that somebody else made, also after a run was killed.
 */
export const stackMarkHandler: ResourceHandler<object, object> = {
  check: async () => [],
  diff: async () => ({ changes: false, replaces: [] }),
  create: async () => ({ id: randomUUID(), state: {} }),
  read: async (olds) => olds,
  update: async (_olds, news) => news,
  delete: async () => undefined,
};
