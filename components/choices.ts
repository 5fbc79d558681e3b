import * as pulumi from "@pulumi/pulumi";

/** Programs in other languages pass any text. @throws pulumi.RunError when it is none of the words */
export function checkChoice(component: string, argument: string, word: unknown, words: readonly string[]): void {
  if (words.includes(word as string)) return;
  throw new pulumi.RunError(
    `${component}: ${argument} must be one of ${words.join(", ")}, got ${JSON.stringify(word) ?? "nothing"}`,
  );
}
