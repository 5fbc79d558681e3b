import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { withPemContents, type RegistryMirrors } from "../modes/registryMirrors";

/** Mirrors with the contents of PEM files instead of paths. @throws Error naming the setting of a file that is none */
export function readPemFiles(mirrors: RegistryMirrors): RegistryMirrors {
  return withPemContents(mirrors, (path, setting) => {
    // of a key it may be the content in another form
    const shown = setting.endsWith(".clientKey") ? "its file" : path;
    let content: string;
    try {
      content = readFileSync(path.replace(/^~(?=\/)/, homedir()), "utf8");
    } catch (error) {
      throw new Error(`${setting}: ${shown} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
    if (content.includes("-----BEGIN ")) return content;
    throw new Error(`${setting}: ${shown} is not a PEM file; convert it with openssl x509 or openssl pkey`);
  });
}
