import table from "../../../modes/chartKeys.json";

/** Every version of Cilium whose chart is known, oldest first. */
export const VERSIONS: readonly string[] = table.versions.filter((version) => !version.startsWith("1.12.0-rc"));
