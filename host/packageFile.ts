import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Folder of this package: the checkout, or its folder in node_modules. */
export const PACKAGE_DIRECTORY = packageDirectory(__dirname);

/**
 * Path of a file of this package for commands and builds that run in the program's folder. It is relative, so that the
 * same program in another folder shows no changes.
 */
export function packageFile(...path: readonly string[]): string {
  return relative(process.cwd(), join(PACKAGE_DIRECTORY, ...path));
}

/** Built JavaScript is one folder deeper than its source. */
function packageDirectory(from: string): string {
  return existsSync(join(from, "package.json")) ? from : packageDirectory(dirname(from));
}
