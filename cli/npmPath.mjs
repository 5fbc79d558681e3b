import { delimiter, join } from "node:path";

/**
 * The folders of a PATH without npm's own, which npx and npm run put first: the program `pulumi` there is a shim that may
 * download the CLI, and hides the one that the user has installed.
 */
export function pathWithoutNpm(path = "") {
  return path
    .split(delimiter)
    .filter((folder) => !folder.replace(/[/\\]+$/, "").endsWith(join("node_modules", ".bin")));
}
