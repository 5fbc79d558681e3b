import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_DIRECTORY, packageFile } from "../host/packageFile";

/** Folder of the nettool image's build context in this package. */
export const NETTOOL_CONTEXT = "images/nettool";

/** The image's name, with a hash of the base image and the build context as tag. */
export function builtImageName(baseImage: string): string {
  const context = join(PACKAGE_DIRECTORY, NETTOOL_CONTEXT);
  const hash = createHash("sha256").update(baseImage);
  for (const file of readdirSync(context).sort()) hash.update(`\0${file}\0`).update(readFileSync(join(context, file)));
  return `cilium-modes/nettool:${hash.digest("hex").slice(0, 12)}`;
}

/** Arguments of `@pulumi/docker` for the build, in a program that runs in the current folder. */
export function nettoolImageArgs(baseImage: string) {
  const context = packageFile(NETTOOL_CONTEXT);
  return {
    imageName: builtImageName(baseImage),
    build: {
      context,
      dockerfile: `${context}/Dockerfile`,
      args: { BASE_IMAGE: baseImage },
      platform: process.arch === "arm64" ? "linux/arm64" : "linux/amd64",
    },
    skipPush: true,
  };
}
