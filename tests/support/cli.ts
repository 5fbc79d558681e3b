import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { main } from "../../cli/main";

const ROOT = resolve(__dirname, "../..");
const COMMAND = "cli/cilium-modes.mjs";

/** The command's file, for tests that start its process themselves. */
export const CLI = join(ROOT, COMMAND);

/** What a command line printed, and how it ended. */
export interface CommandResult {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/**
 * Run a command line inside the test, where its modules are loaded already: a process of its own takes a second. As in
 * `cliProcess`, it has no terminal, although the test may have one.
 */
export async function cli(...argv: string[]): Promise<CommandResult> {
  let [out, err] = ["", ""];
  const terminals = [process.stdout, process.stderr].map((stream) => [stream, stream.isTTY] as const);
  for (const [stream] of terminals) stream.isTTY = false;
  const spies = [
    jest.spyOn(console, "log").mockImplementation((text: string) => void (out += `${text}\n`)),
    jest.spyOn(console, "error").mockImplementation((text: string) => void (err += `${text}\n`)),
    jest.spyOn(process.stdout, "write").mockImplementation((text) => Boolean((out += String(text)))),
    jest.spyOn(process.stderr, "write").mockImplementation((text) => Boolean((err += String(text)))),
  ];
  try {
    await withEnvironment({ FORCE_COLOR: undefined, NO_COLOR: undefined }, () => main(argv));
    return { out, err, code: Number(process.exitCode ?? 0) };
  } finally {
    process.exitCode = 0;
    for (const [stream, isTerminal] of terminals) stream.isTTY = isTerminal;
    for (const spy of spies) spy.mockRestore();
  }
}

/**
 * Run a command line as users do, in a process of its own, without a terminal.
 * @param project folder of the project whose command it is. Default: this one
 */
export function cliProcess(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  { cwd, project = ROOT }: { readonly cwd?: string; readonly project?: string } = {},
): CommandResult {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env;
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(project, COMMAND), ...argv], {
    encoding: "utf8",
    env: { ...inherited, ...environment },
    ...(cwd !== undefined && { cwd }),
  });
  return { out: stdout, err: stderr, code: status ?? -1 };
}

/** Run something with other variables in the environment; those that are undefined are not set. */
export async function withEnvironment<T>(
  variables: Readonly<Record<string, string | undefined>>,
  run: () => Promise<T> | T,
): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  const set = (entries: Iterable<readonly [string, string | undefined]>) => {
    for (const [name, value] of entries) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  set(Object.entries(variables));
  try {
    return await run();
  } finally {
    set(before);
  }
}
