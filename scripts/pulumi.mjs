// npm run pulumi -- <arguments>: run the Pulumi CLI with the tools and the state of npm start.
import { installDependencies, runPulumi } from "./project.mjs";

process.exitCode = installDependencies() || (await runPulumi(process.argv.slice(2)));
