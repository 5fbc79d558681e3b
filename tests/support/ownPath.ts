import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that is the whole PATH while each test of the surrounding block runs, and programs in it that print a line, always or with one first argument only. */
export function withOwnPath(): {
  readonly folder: string;
  /** @returns its path */
  program(name: string, prints: string, code?: number, only?: string): string;
} {
  let folder: string;
  const path = process.env["PATH"];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    process.env["PATH"] = folder;
  });
  afterEach(() => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get folder() {
      return folder;
    },
    program(name, prints, code = 0, only = "") {
      const file = join(folder, name);
      writeFileSync(
        file,
        `#!/bin/sh\n[ -z "${only}" ] || [ "$1" = "${only}" ] || exit 0\necho '${prints}'\nexit ${code}\n`,
      );
      chmodSync(file, 0o755);
      return file;
    },
  };
}
