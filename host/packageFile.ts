import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Folder of this package: the checkout, or where it was installed. */
export const PACKAGE_DIRECTORY = packageDirectory(__dirname);

/**
 * A file of this package as commands and builds in the program's folder find it. The path is relative, so that the
 * same program in another folder has nothing to change.
 */
export function packageFile(...path: readonly string[]): string {
  return relative(process.cwd(), join(PACKAGE_DIRECTORY, ...path));
}

/** Built JavaScript lies a folder deeper than its source. */
function packageDirectory(from: string): string {
  return existsSync(join(from, "package.json")) ? from : packageDirectory(dirname(from));
}
