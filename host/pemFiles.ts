import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { withPemContents, type RegistryMirrors } from "../modes/registryMirrors";

/**
 * Mirrors with the contents of PEM files instead of paths.
 * @param directory of relative paths
 * @throws Error naming the setting of a file that is none
 */
export function readPemFiles(mirrors: RegistryMirrors, directory: string): RegistryMirrors {
  return withPemContents(mirrors, (path, setting) => {
    // it may be the content of a key in another form
    const shown = /\.(?:clientKey|clientCertificate)$/.test(setting) || /\n|^.{200}/s.test(path) ? "its file" : path;
    let content: string;
    try {
      content = readFileSync(resolve(directory, path), "utf8");
    } catch (error) {
      throw new Error(`${setting}: ${shown} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
    if (content.includes("-----BEGIN ")) return content;
    throw new Error(`${setting}: ${shown} is not a PEM file; convert it with openssl x509 or openssl pkey`);
  });
}
