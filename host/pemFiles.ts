import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { withPemContents, type RegistryMirrors } from "../modes/registryMirrors";

/** A PEM file that cannot be used. */
export interface PemProblem {
  /** Path of the setting that names it. */
  readonly key: string;
  readonly rule: string;
}

/**
 * Mirrors with the contents of PEM files instead of paths, and what is wrong with these files.
 * @param directory of relative paths
 * @param isSecret whether messages must not show a setting, beside client certificates and keys
 */
export function readPemFiles(
  mirrors: RegistryMirrors,
  directory: string,
  isSecret: (key: string) => boolean = () => false,
): { mirrors: RegistryMirrors; problems: PemProblem[] } {
  const problems: PemProblem[] = [];
  const read = (path: string, key: string) => {
    // it may be the content of a key in another form
    const isHidden = isSecret(key) || /\.(?:clientKey|clientCertificate)$/.test(key) || /\n|^.{200}/s.test(path);
    const shown = isHidden ? "its file" : path;
    const refuse = (rule: string) => {
      problems.push({ key, rule: `${shown} ${rule}` });
      return "";
    };
    let content: string;
    try {
      content = readFileSync(resolve(directory, path), "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return refuse(code === "ENOENT" ? "does not exist" : `cannot be read (${code})`);
    }
    return content.includes("-----BEGIN ")
      ? content
      : refuse("is not a PEM file; convert it with openssl x509 or openssl pkey");
  };
  return { mirrors: withPemContents(mirrors, read), problems };
}
