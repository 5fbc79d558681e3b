// npm run pulumi -- <arguments>: the Pulumi CLI with the tools and the state that npm start uses.
import { installDependencies, runPulumi } from "./project.mjs";

process.exitCode = installDependencies() || (await runPulumi(process.argv.slice(2)));
