import * as pulumi from "@pulumi/pulumi";
import { ProgramError } from "./programError";

/** Check an argument that has fixed values, since programs in other languages may pass any text. @throws pulumi.RunError */
export function checkChoice(component: string, argument: string, word: unknown, words: readonly string[]): void {
  if (words.includes(word as string)) return;
  throw new ProgramError(
    `${component}: ${argument} must be one of ${words.join(", ")}, got ${JSON.stringify(word) ?? "nothing"}`,
  );
}

/** The value of an argument that must be known in previews. @throws pulumi.RunError if it is not known yet */
export async function knownValue<T>(argument: string, input: pulumi.Input<T>): Promise<T> {
  // not in the SDK's types: `apply` never runs for an unknown value
  const output = pulumi.output(input) as unknown as { promise(): Promise<T>; readonly isKnown: Promise<boolean> };
  if (!(await output.isKnown)) {
    throw new ProgramError(`${argument} must be known in a preview; deploy the resource that it comes from first`);
  }
  return output.promise();
}

/** Whether an argument has a plain value, and not an output or a promise. */
export function isPlain<T>(input: pulumi.Input<T>): input is T {
  return !pulumi.Output.isInstance(input) && !(input instanceof Promise);
}
