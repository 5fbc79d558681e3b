import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(__dirname, "../../..");

/** Folders with what this project says and does; documentation and tests are others. */
const FOLDERS = [
  "cli",
  "cluster",
  "compare",
  "components",
  "datapath",
  "host",
  "modes",
  "policies",
  "providers",
  "render",
  "scripts",
  "settings",
];

/** The project's own code, by its path. */
export function sources(): ReadonlyMap<string, string> {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((file) => join(folder, String(file))),
  );
  const own = [...readdirSync(ROOT), ...files].filter(
    (file) => /\.(ts|mjs)$/.test(file) && !file.includes("node_modules") && !file.includes(join("scripts", "readme")),
  );
  return new Map(own.map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));
}
