import type { CheckFailure } from "@pulumi/pulumi/provider";
import type { NetworkConflict } from "../../host/networks";

/** Messages about a resource for the user. */
export interface Log {
  /** Shown while the resource is being changed, and removed afterwards. */
  status(message: string): void;
  warn(message: string): void;
}

/** The operations of one resource type. Inputs and states are plain values, with secrets unwrapped. */
export interface ResourceHandler<Inputs, State extends Inputs> {
  /**
   * In a preview, values that are not known yet are placeholder text.
   * @param olds the inputs of the last update; undefined for a new resource
   */
  check(inputs: Inputs, olds: Inputs | undefined): Promise<CheckFailure[]>;
  diff(olds: State, news: Inputs, log: Log): Promise<{ changes: boolean; replaces: string[] }>;
  create(inputs: Inputs, log: Log, signal: AbortSignal): Promise<{ id: string; state: State }>;
  /** The current state; undefined when the resource does not exist any more. */
  read(olds: State): Promise<State | undefined>;
  update(olds: State, news: Inputs, log: Log, signal: AbortSignal): Promise<State>;
  delete(olds: State, log: Log, id: string): Promise<void>;
}

/** A network conflict as the engine reports it. */
export function checkFailure({ property, seen, remedy }: NetworkConflict): CheckFailure {
  return { property, reason: `${seen}; ${remedy}` };
}
