import { endpointsOf, repeatedEndpoint, type RegistryEndpoint, type RegistryMirrors } from "../modes/registryMirrors";
import { pathText, type Problem } from "./problems";

/** Registry mirrors that containerd would not use as they are written. */
export function registryProblems(mirrors: RegistryMirrors): Problem[] {
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
