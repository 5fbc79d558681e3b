import * as pulumi from "@pulumi/pulumi";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";
import { beginInProgram, start } from "../host/timings.cjs";
import { ProgramError } from "./programError";

/** The part of the engine's client that registers resources, as the SDK calls it. */
interface Monitor {
  registerResource(request: Registration, done: (error: unknown, response: unknown) => void): unknown;
}

interface Registration {
  getType(): string;
  getName(): string;
  getCustom(): boolean;
}

/** The row of the program's own work. */
export const PROGRAM_ROW = "Pulumi program";

/**
 * Record when this program and its resources start and end, if timings are wanted. A resource starts when everything that
 * it depends on is there, and ends when the engine has created, updated or only compared it.
 * @throws pulumi.RunError if the file cannot be written
 */
export function recordProgram(): void {
  const begun = beginFile();
  if (begun === undefined) return;
  const { isBegun, engineStarted, programStarted } = begun;
  const phase = pulumi.runtime.isDryRun() ? "preview" : "update";
  // before an update, the same engine has run the preview
  if ((phase === "preview" || !isBegun) && engineStarted !== undefined)
    start(PROGRAM_ROW, "start of Pulumi", engineStarted)(programStarted);
  const end = start(PROGRAM_ROW, phase, programStarted);
  process.once("exit", () => end());
  start(PROGRAM_ROW, "load the program", programStarted)();
  const monitor = getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, done) => {
    if (!request.getCustom()) return register(request, done);
    const registered = start(`${request.getName()} (${request.getType()})`, phase);
    return register(request, (error, response) => {
      registered();
      done(error, response);
    });
  };
}

function beginFile() {
  try {
    return beginInProgram(`pulumi up: ${pulumi.getStack()}`);
  } catch (error) {
    throw new ProgramError(`${(error as Error).message}; nothing was changed`);
  }
}
