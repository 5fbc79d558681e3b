import { at } from "../../../modes/tree";
import type { ApiEvidence } from "../../evidence/api";
import type { Evidence } from "../../evidence/gather";
import type { NodeEvidence } from "../../evidence/node";
import type { Config } from "./config";

/** Why something cannot be seen, and how it could be. */
export class Hidden {
  constructor(readonly why: string) {}
}

/** One thing that a datapath is or is not. All columns speak of it in the same words. */
export interface Dimension {
  readonly id: string;
  readonly title: string;
  /** What a configuration asks for; undefined where it does not say. */
  readonly configured?: (config: Config) => string | undefined;
  /** What an agent's status says; undefined in versions that do not tell. */
  readonly reported?: (status: unknown, config: Config) => string | undefined;
  /** What the datapath itself shows; undefined where the node did not tell. @throws Error saying what could not be read */
  readonly observed?: (
    node: NodeEvidence,
    api: ApiEvidence,
    config: Config,
    evidence: Evidence,
  ) => string | Hidden | undefined;
  /** Whether a configured word comes to a reported one. Default: the same text. */
  readonly isSame?: (left: string, right: string) => boolean;
  /** Whether a reported word, or else a configured one, comes to an observed one. Default: {@link isSame}. */
  readonly isShown?: (left: string, right: string, config: Config) => boolean;
  /** What an agent's log says when it falls back. Default: nothing. */
  readonly log?: RegExp;
  /** Which lines of a command's output, or elements of its JSON, say something of it. Default: all. */
  readonly shows?: RegExp;
  /** Whether nodes may differ in it. Default: false. */
  readonly isPerNode?: boolean;
}

export const textAt = (status: unknown, path: string): string | undefined => {
  const found = at(status, path.split("."));
  return found === undefined || found === null || typeof found === "object" ? undefined : String(found);
};

export const word = (names: Readonly<Record<string, string>>, value: string | undefined) =>
  value === undefined ? undefined : (names[value.toLowerCase()] ?? value);

export const TRAFFIC =
  "only traffic shows it: inspect --probe where this project's workload runs, or verify --with-workload";
export const only = (why: string) => () => new Hidden(why);
