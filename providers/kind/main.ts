import { setTimeout as sleep } from "node:timers/promises";
// the whole SDK, with what a program needs, takes three times as long to load
import { main } from "@pulumi/pulumi/provider";
import { resetOptions } from "@pulumi/pulumi/runtime/settings";
import { kindProvider } from "./provider";

/** Interval between checks whether the engine is still running. */
const PARENT_CHECK_MILLISECONDS = 1000;

/** Maximum time for clean-up without an engine. */
const LAST_SECONDS = 60;

const args = process.argv.slice(2);
const engineAddress = args.find((arg) => !arg.startsWith("-"));
if (engineAddress !== undefined) {
  // the SDK's log functions send to this engine; a provider has no program, stack or monitor
  resetOptions("", "", 1, engineAddress, "", false, "");
}

const provider = kindProvider();

// A killed engine cannot cancel: running operations are cancelled here, clean up, and the process exits.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid === parent) return;
  void provider
    .cancel()
    .then(() => Promise.race([provider.idle(), sleep(LAST_SECONDS * 1000)]))
    .finally(() => process.exit(1));
}, PARENT_CHECK_MILLISECONDS).unref();

void main(provider, args);
