import { Option } from "commander";

/** The option of benchmarks that create clusters. */
export const settingsOption = () =>
  new Option("--settings <file>", "JSON file with additional settings that this machine needs")
    .env("CILIUM_MODES_BENCH_SETTINGS")
    .makeOptionMandatory();

/** A signal that Ctrl-C and SIGTERM abort, so that the clusters of a run can be deleted. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) console.error("Interrupted: deleting the clusters of this run");
      controller.abort(new Error("interrupted"));
    });
  }
  return controller.signal;
}
