import { join } from "node:path";
import { Command } from "commander";
import { PACKAGE_DIRECTORY } from "../host/packageFile";
import { CHECKS } from "../datapath/checks/all";
import { ALL_MODES, TUNNELS } from "../modes/contract";
import { SCENARIOS } from "../modes/tracePaths";
import { knownStacks } from "./stackFile";

const SHELLS = ["bash", "zsh", "fish", "powershell"];

/** What options take, where that is known. */
const OPTION_VALUES: Readonly<Record<string, readonly string[]>> = {
  scenario: ["all", ...Object.keys(SCENARIOS)],
  expect: ALL_MODES,
  tunnel: TUNNELS,
  only: CHECKS.map(({ id }) => id),
  skip: CHECKS.map(({ id }) => id),
};

/**
 * Print a shell's script, or what completes a line that such a script asks for.
 * @param args a shell; or `--` and the words of the line
 */
export async function complete(program: Command, args: readonly string[]): Promise<void> {
  const { default: tab } = await import("@bomb.sh/tab/commander");
  // the library brings a verb of this name along
  const others = new Command(program.name());
  for (const verb of program.commands) if (verb.name() !== "complete") others.addCommand(verb);
  const completion = tab(others);
  for (const [name, verb] of completion.commands) {
    for (const argument of verb.arguments.values()) {
      if (/^stacks?$/.test(argument.name)) argument.handler = (found) => tellAll(knownStacks(), found);
    }
    for (const [option, values] of Object.entries(OPTION_VALUES)) {
      const known = verb.options.get(option);
      if (known !== undefined && name !== "") known.handler = (found) => tellAll(values, found);
    }
  }
  if (args[0] === "--") {
    completion.parse(args.slice(1));
    return;
  }
  const [shell = ""] = args;
  if (!SHELLS.includes(shell))
    throw new Error(`There is no completion for ${JSON.stringify(shell)}; known shells are ${SHELLS.join(", ")}`);
  completion.setup(
    program.name(),
    `'${process.execPath}' '${join(PACKAGE_DIRECTORY, "cli", "cilium-modes.mjs")}'`,
    shell,
  );
}

function tellAll(values: readonly string[], found: (value: string, description: string) => void): void {
  for (const value of values) found(value, "");
}
