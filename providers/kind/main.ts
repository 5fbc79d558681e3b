import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { main } from "@pulumi/pulumi/provider";
import { kindProvider } from "./provider";

/** How often the provider looks whether its engine still lives. */
const PARENT_CHECK_MILLISECONDS = 1000;

/** How long it may take to clean up without an engine. */
const LAST_SECONDS = 60;

const args = process.argv.slice(2);
const engineAddress = args.find((arg) => !arg.startsWith("-"));
if (engineAddress !== undefined) {
  // the SDK's log functions send to this engine; there is no program, stack or monitor here
  pulumi.runtime.resetOptions("", "", 1, engineAddress, "", false, "");
}

const provider = kindProvider();

// An engine that was killed cannot cancel: what is under way ends, cleans up after itself, and so does this process.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid === parent) return;
  void provider
    .cancel()
    .then(() => Promise.race([provider.idle(), sleep(LAST_SECONDS * 1000)]))
    .finally(() => process.exit(1));
}, PARENT_CHECK_MILLISECONDS).unref();

void main(provider, args);
