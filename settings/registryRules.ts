import { readPemFiles } from "../host/pemFiles";
import { endpointsOf, repeatedEndpoint, type RegistryEndpoint, type RegistryMirrors } from "../modes/registryMirrors";
import { pathText, type IsSecretPath, type Problem } from "./problems";

/**
 * Registry mirrors that containerd would not use as they are written, or whose PEM files cannot be read.
 * @param directory of relative paths
 */
export function registryProblems(mirrors: RegistryMirrors, directory: string, isSecretPath: IsSecretPath): Problem[] {
  const problems = endpointsProblems(mirrors);
  const reported = new Set(problems.map(({ key }) => key));
  const ofFiles = readPemFiles(mirrors, directory, isSecretPath).problems.filter(({ key }) => !reported.has(key));
  return [...problems, ...ofFiles];
}

function endpointsProblems(mirrors: RegistryMirrors): Problem[] {
  return Object.entries(mirrors).flatMap(([host, mirror]) => {
    const path = ["cluster", "registryMirrors", host, "endpoints"];
    const repeated = repeatedEndpoint(mirror.endpoints);
    return [
      ...endpointsOf(mirror).flatMap((endpoint, index) => endpointProblems(endpoint, [...path, String(index)])),
      ...(repeated === undefined
        ? []
        : [{ key: pathText([...path, String(repeated)]), rule: "is an endpoint of this registry already; remove it" }]),
    ];
  });
}

/** Fields that only requests over TLS use. */
const OF_TLS = ["ca", "clientCertificate", "clientKey"] as const;

function endpointProblems(endpoint: RegistryEndpoint, path: readonly string[]): Problem[] {
  const problem = (field: string, rule: string) => ({ key: pathText([...path, field]), rule });
  if (endpoint.url.startsWith("http:")) {
    return OF_TLS.filter((field) => endpoint[field] !== undefined).map((field) =>
      problem(field, "has no effect without TLS; set an https URL, or remove it"),
    );
  }
  return endpoint.clientKey !== undefined && endpoint.clientCertificate === undefined
    ? [problem("clientKey", "requires clientCertificate, whose key it is")]
    : [];
}
