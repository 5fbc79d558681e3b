import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";

/**
 * Ends a program with a message alone. Pulumi's SDK (3.259) formats every error that ends a program, those included of which
 * it shows the message only; with a stack trace that takes it 20 s and more, until a string becomes too long.
 */
export class ProgramError extends pulumi.RunError {
  /** The message alone. */
  [inspect.custom](): string {
    return this.message;
  }
}
