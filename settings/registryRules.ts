import { readPemFiles } from "../host/pemFiles";
import {
  DOCKER_HUB,
  endpointsOf,
  repeatedEndpoint,
  type RegistryEndpoint,
  type RegistryMirrors,
} from "../modes/registryMirrors";
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

/** Other names of Docker Hub, which no image reference has. */
const HUB_HOSTS = ["registry-1.docker.io", "index.docker.io", "registry.hub.docker.com", "hub.docker.com"];

/** Why containerd never looks for the mirrors of a host; undefined if it does. */
function hostRule(host: string): string | undefined {
  if (HUB_HOSTS.includes(host)) return `has no effect: images of Docker Hub are in ${DOCKER_HUB}; set that instead`;
  return host === host.toLowerCase()
    ? undefined
    : `has no effect: hosts of images are in lowercase; set ${host.toLowerCase()}`;
}

function endpointsProblems(mirrors: RegistryMirrors): Problem[] {
  return Object.entries(mirrors).flatMap(([host, mirror]) => {
    const path = ["cluster", "registryMirrors", host, "endpoints"];
    const repeated = repeatedEndpoint(mirror.endpoints);
    const rule = hostRule(host);
    return [
      ...(rule === undefined ? [] : [{ key: pathText(path.slice(0, -1)), rule }]),
      ...endpointsOf(mirror).flatMap((endpoint, index) => endpointProblems(endpoint, [...path, String(index)])),
      ...(repeated === undefined
        ? []
        : [{ key: pathText([...path, String(repeated)]), rule: "is an endpoint of this registry already; remove it" }]),
    ];
  });
}

/** Endpoints that may be others than was meant: a node is a container. */
export function registryWarnings(mirrors: RegistryMirrors): Problem[] {
  return Object.entries(mirrors).flatMap(([host, mirror]) =>
    endpointsOf(mirror).flatMap(({ url }, index) => {
      if (!/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname)) return [];
      const rule =
        "is in the node itself, and not on this machine; set a name or an address that containers reach, such as a registry's container in Docker's network kind";
      return [{ key: pathText(["cluster", "registryMirrors", host, "endpoints", String(index)]), rule }];
    }),
  );
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
