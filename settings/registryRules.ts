import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readPemFiles } from "../host/pemFiles";
import {
  DOCKER_HUB,
  ENCRYPTED,
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
  const read = readPemFiles(mirrors, directory, isSecretPath);
  const ofFiles = [...read.problems, ...pemProblems(read.mirrors)].filter(({ key }) => !reported.has(key));
  return [...problems, ...ofFiles];
}

/** Certificates and keys that containerd could not load, so that it would pull nothing from the mirror. */
function pemProblems(mirrors: RegistryMirrors): Problem[] {
  return Object.entries(mirrors).flatMap(([host, mirror]) =>
    endpointsOf(mirror).flatMap(({ ca, clientCertificate, clientKey }, index) => {
      // other checks report files that could not be read; encrypted values are unknown here
      if ([ca, clientCertificate, clientKey].some((each) => each === ENCRYPTED || each === "")) return [];
      const path = ["cluster", "registryMirrors", host, "endpoints", String(index)];
      const problem = (field: string, rule: string) => [{ key: pathText([...path, field]), rule }];
      if (ca !== undefined && certificateIn(ca) === undefined)
        return problem("ca", "has no certificate that can be read");
      if (clientCertificate === undefined) return [];
      const certificate = certificateIn(clientCertificate);
      if (certificate === undefined) return problem("clientCertificate", "has no certificate that can be read");
      const key = keyIn(clientKey ?? clientCertificate);
      if (key === undefined)
        return clientKey === undefined
          ? problem("clientCertificate", "has no private key beside it; set clientKey")
          : problem(
              "clientKey",
              "has no private key that can be read without a password; decrypt it with openssl pkey",
            );
      return certificate.checkPrivateKey(key)
        ? []
        : problem(clientKey === undefined ? "clientCertificate" : "clientKey", "is the key of another certificate");
    }),
  );
}

function certificateIn(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function keyIn(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
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
