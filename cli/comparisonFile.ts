import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Comparison, RESULTS_VERSION } from "../compare/results";
import { PROJECT_DIRECTORY } from "./stackFile";

/** Write a comparison's results. @returns the file; default: a new one in the project's .cilium-modes folder */
export async function keepComparison(comparison: Comparison, named: string | undefined): Promise<string> {
  const time = comparison.startedAt.replace(/[:.]/g, "-");
  const own = join(PROJECT_DIRECTORY, ".cilium-modes", "comparisons");
  if (named === undefined) await mkdir(own, { recursive: true });
  const file = named ?? join(own, `${time}.json`);
  await writeFile(file, `${JSON.stringify(comparison)}\n`);
  return file;
}

/** Read results. @throws Error if the file has none, or is of a newer format */
export async function readComparison(file: string): Promise<Comparison> {
  const text = await readFile(file, "utf8").catch(({ message }: Error) => {
    throw new Error(`${file} cannot be read: ${message}`);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error(`${file} is not JSON; write results with cilium-modes compare --out FILE`);
  }
  const version = (json as { resultsVersion?: unknown } | null)?.resultsVersion;
  if (typeof version === "number" && version > RESULTS_VERSION) {
    throw new Error(
      `${file} was written by a newer cilium-modes (format ${version}; this version reads 1 to ${RESULTS_VERSION})`,
    );
  }
  const parsed = Comparison.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${file} is not a results file of compare: ${issue!.path.join(".")}: ${issue!.message}`);
  }
  return parsed.data;
}
