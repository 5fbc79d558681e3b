import { readFileSync } from "node:fs";
import { join } from "node:path";
import { main } from "@pulumi/pulumi/provider";
import { PACKAGE_DIRECTORY } from "../host/packageFile";
import { componentProvider } from "./provider";

const { version } = JSON.parse(readFileSync(join(PACKAGE_DIRECTORY, "package.json"), "utf8")) as { version: string };

void main(componentProvider(version), process.argv.slice(2));
