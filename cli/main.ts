import { awaitCilium } from "./awaitCilium";
import { proveNodePort } from "./proveNodePort";

/** The verbs of this command; the stacks' resources run them. */
const VERBS: Readonly<Record<string, () => Promise<void>>> = {
  "await-cilium": awaitCilium,
  "prove-nodeport": proveNodePort,
};

const verb = process.argv[2] ?? "";
const action = VERBS[verb];
if (action === undefined) {
  console.error(`Unknown verb ${JSON.stringify(verb)}; known: ${Object.keys(VERBS).join(", ")}`);
  process.exit(2);
}
action().catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
