import { join } from "node:path";
import { Command } from "commander";
import { PACKAGE_DIRECTORY } from "../host/packageFile";
import { CHECKS } from "../datapath/checks/all";
import { ALL_MODES, TUNNELS } from "../modes/contract";
import { SCENARIOS } from "../modes/tracePaths";
import { knownStacks } from "./stackFile";
import { UsageError } from "./usage";

const SHELLS = ["bash", "zsh", "fish", "powershell"];

/** The values that options take, where they are known. */
const OPTION_VALUES: Readonly<Record<string, readonly string[]>> = {
  scenario: ["all", ...Object.keys(SCENARIOS)],
  expect: ALL_MODES,
  tunnel: TUNNELS,
  only: CHECKS.map(({ id }) => id),
  skip: CHECKS.map(({ id }) => id),
  shell: SHELLS,
};

/**
 * Print a shell's completion script, or the completions that such a script requests.
 * @param args a shell; or `--` and the words of the line
 */
export async function complete(program: Command, args: readonly string[]): Promise<void> {
  const { default: tab } = await import("@bomb.sh/tab/commander");
  // the library adds a verb of this name
  const others = new Command(program.name());
  for (const verb of program.commands) if (verb.name() !== "complete") others.addCommand(verb);
  const completion = tab(others);
  for (const [name, verb] of completion.commands) {
    for (const argument of verb.arguments.values()) {
      if (/^stacks?$/.test(argument.name)) argument.handler = (found) => addAll(knownStacks(), found);
    }
    for (const [option, values] of Object.entries(OPTION_VALUES)) {
      const known = verb.options.get(option);
      if (known !== undefined && name !== "") known.handler = (found) => addAll(values, found);
    }
  }
  if (args[0] === "--") {
    completion.parse(args.slice(1));
    return;
  }
  const [shell = ""] = args;
  if (!SHELLS.includes(shell)) throw new UsageError(`The shell must be one of ${SHELLS.join(", ")} (got "${shell}")`);
  const command = `'${process.execPath}' '${join(PACKAGE_DIRECTORY, "cli", "cilium-modes.mjs")}'`;
  if (shell === "bash") console.log(bashScript(program.name(), command));
  else completion.setup(program.name(), command, shell);
}

/**
 * bash's script, which also completes the command behind npx. The library's needs the package bash-completion, cannot be
 * sourced twice, and completes only a name on the PATH.
 */
const bashScript = (name: string, command: string) => `# bash completion for ${name}
__cilium_modes_complete() {
  local current=\${COMP_WORDS[COMP_CWORD]} first=1 word line
  local -a words=()
  COMPREPLY=()
  if [[ \${COMP_WORDS[0]##*/} == npx ]]; then
    if ((COMP_CWORD == 1)); then
      COMPREPLY=($(compgen -W ${name} -- "$current"))
      return
    fi
    [[ \${COMP_WORDS[1]} == ${name} ]] || return 0
    first=2
  fi
  # bash splits --option=value at the sign
  for word in "\${COMP_WORDS[@]:first:COMP_CWORD-first+1}"; do
    [[ $word == = ]] || words+=("$word")
  done
  while IFS= read -r line; do
    [[ $line == :* ]] || COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(${command} complete -- "\${words[@]}" 2>/dev/null)
}

if type ${name} >/dev/null 2>&1; then complete -o default -F __cilium_modes_complete ${name}; fi
if ! complete -p npx >/dev/null 2>&1; then complete -o default -F __cilium_modes_complete npx; fi`;

function addAll(values: readonly string[], found: (value: string, description: string) => void): void {
  for (const value of values) found(value, "");
}
