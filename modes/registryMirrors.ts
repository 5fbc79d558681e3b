/** A registry that containerd asks instead of another one, before that. */
export interface RegistryEndpoint {
  /** http or https URL without user and password. */
  readonly url: string;
  /**
   * Send requests to the URL's path as it is, instead of to `/v2` below it. Default: true if the path continues after
   * `/v2`, as Harbor's proxy projects do.
   */
  readonly overridePath?: boolean | undefined;
  /** PEM file of the certificate authorities to trust beside the nodes' own, or its content. Default: none. */
  readonly ca?: string | undefined;
  /** PEM file of a client certificate, or its content. Default: none. */
  readonly clientCertificate?: string | undefined;
  /** PEM file of the client certificate's key, or its content. Secret. Default: the file of the certificate. */
  readonly clientKey?: string | undefined;
  /** `Authorization` header, such as `Basic <base64 of user:password>`. Secret. Default: none. */
  readonly authorization?: string | undefined;
  /** Skip the verification of the TLS certificate. Default: `insecure` of the mirrors. */
  readonly insecure?: boolean | undefined;
}

/** Mirrors of a registry. */
export interface RegistryMirror {
  /** Registries to ask in this order, before the registry itself; a text is the URL of one. */
  readonly endpoints: readonly (string | RegistryEndpoint)[];
  /** Skip the verification of the endpoints' TLS certificates. Default: false. */
  readonly insecure?: boolean | undefined;
}

/** Mirrors by registry host; `_default` stands for every other registry. */
export type RegistryMirrors = Readonly<Record<string, RegistryMirror>>;

/** Key of the mirrors of every registry that has none of its own. */
export const EVERY_REGISTRY = "_default";

/** Folder in which containerd looks for the `hosts.toml` of registries. */
export const CERTS_DIRECTORY = "/etc/containerd/certs.d";

/** A key or an authorization that only Pulumi can decrypt, as commands read it. */
export const ENCRYPTED = "encrypted secret";

/** The fields of an endpoint that hold a PEM file's path or content, and its name on nodes. */
const PEM_FILES = { ca: "ca.crt", clientCertificate: "client.cert", clientKey: "client.key" } as const;

/** Docker Hub's name in image references, and the host of its API. */
export const DOCKER_HUB = "docker.io";
const DOCKER_HUB_HOST = "registry-1.docker.io";

/** A file of a registry's folder on nodes. */
export interface RegistryFile {
  readonly name: string;
  readonly content: string;
}

/** URL of a registry itself. */
export function registryUrl(host: string): string {
  return `https://${host === DOCKER_HUB ? DOCKER_HUB_HOST : host}`;
}

/** The endpoints of a mirror with all that applies to them. */
export function endpointsOf({ endpoints, insecure }: RegistryMirror): RegistryEndpoint[] {
  return endpoints.map((endpoint) => {
    const own = typeof endpoint === "string" ? { url: endpoint } : endpoint;
    return { ...own, insecure: own.insecure ?? insecure };
  });
}

/** A URL as containerd reads it: a slash at the end of its path would be doubled. */
const withoutSlash = (url: string) => url.replace(/\/+$/, "");

/** Whether containerd uses the URL's path as it is. Its own default is never. */
function overridesPath({ url, overridePath }: RegistryEndpoint): boolean {
  return overridePath ?? /\/v2\/./.test(new URL(withoutSlash(url)).pathname);
}

/** URL below which containerd asks an endpoint for repositories. */
export function apiRoot(endpoint: RegistryEndpoint): string {
  const url = withoutSlash(endpoint.url);
  return overridesPath(endpoint) || new URL(url).pathname.endsWith("/v2") ? url : `${url}/v2`;
}

/** Why containerd cannot ask a URL, or would not as it is written; undefined if it can. */
export function endpointUrlProblem(text: string): string | undefined {
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) return "must be an http or https URL";
  const { username, password, search, hash } = new URL(text);
  if (username !== "" || password !== "")
    return "must have no user and password, which containerd ignores; remove them, and set authorization to Basic and the base64 of user:password";
  return search === "" && hash === "" ? undefined : "must have no query and no fragment, which containerd ignores";
}

/** Two endpoints of a mirror at which containerd asks the same address: the index of the second; undefined if there are none. */
export function repeatedEndpoint(endpoints: RegistryMirror["endpoints"]): number | undefined {
  const all = endpointsOf({ endpoints });
  // each URL names one table of hosts.toml; a default port and capitals in a host change nothing
  const isSame = (a: RegistryEndpoint, b: RegistryEndpoint) =>
    withoutSlash(a.url) === withoutSlash(b.url) || new URL(apiRoot(a)).href === new URL(apiRoot(b)).href;
  const index = all.findIndex((endpoint, at) => all.findIndex((other) => isSame(other, endpoint)) < at);
  return index < 0 ? undefined : index;
}

/** Whether mirrors have a key or an authorization, which no state may hold in clear text. */
export function hasCredentials(mirrors: RegistryMirrors): boolean {
  const hasOne = ({ clientCertificate, clientKey, authorization }: RegistryEndpoint) =>
    // a certificate's file may hold its key
    [clientCertificate, clientKey, authorization].some((field) => field !== undefined);
  return Object.values(mirrors).some((mirror) => endpointsOf(mirror).some(hasOne));
}

/** Mirrors with the contents of PEM files instead of their paths. @param read reads a file, by its path and the setting that names it */
export function withPemContents(
  mirrors: RegistryMirrors,
  read: (path: string, setting: string) => string,
): RegistryMirrors {
  const content = (value: string, setting: string) =>
    value === ENCRYPTED || value.includes("-----BEGIN ") ? value : read(value, setting);
  const resolved = (endpoint: string | RegistryEndpoint, setting: string) =>
    typeof endpoint === "string"
      ? endpoint
      : {
          ...endpoint,
          ...Object.fromEntries(
            (Object.keys(PEM_FILES) as (keyof typeof PEM_FILES)[]).flatMap((key) => {
              const value = endpoint[key];
              return value === undefined ? [] : [[key, content(value, `${setting}.${key}`)]];
            }),
          ),
        };
  return Object.fromEntries(
    Object.entries(mirrors).map(([host, mirror]) => {
      const endpoints = mirror.endpoints.map((endpoint, index) =>
        resolved(endpoint, `cluster.registryMirrors.${host}.endpoints.${index}`),
      );
      return [host, { ...mirror, endpoints }];
    }),
  );
}

/**
 * The files of a registry's folder, `hosts.toml` last: https://github.com/containerd/containerd/blob/v2.0.0/docs/hosts.md
 * @param mirror with the contents of PEM files
 */
export function registryFiles(host: string, mirror: RegistryMirror): RegistryFile[] {
  const endpoints = endpointsOf(mirror);
  const pemFiles = endpoints.flatMap((endpoint, index) =>
    Object.entries(PEM_FILES).flatMap(([key, name]) => {
      const content = endpoint[key as keyof typeof PEM_FILES];
      return content === undefined ? [] : [{ name: `${index}-${name}`, content }];
    }),
  );
  const blocks = endpoints.map((endpoint, index) => hostBlock(endpoint, `${CERTS_DIRECTORY}/${host}/${index}-`));
  // without a server, containerd asks the registry of the image
  const server = host === EVERY_REGISTRY ? [] : [`server = ${JSON.stringify(registryUrl(host))}`];
  return [...pemFiles, { name: "hosts.toml", content: [...server, ...blocks].join("\n\n") + "\n" }];
}

/** The table of an endpoint in `hosts.toml`. @param prefix of its files' paths */
function hostBlock(endpoint: RegistryEndpoint, prefix: string): string {
  const { url, ca, clientCertificate, clientKey, authorization, insecure } = endpoint;
  const table = `host.${JSON.stringify(withoutSlash(url))}`;
  const file = (key: keyof typeof PEM_FILES) => JSON.stringify(prefix + PEM_FILES[key]);
  // containerd takes an empty key for a folder, and then refuses the whole file
  const certificate = file("clientCertificate");
  const client = clientKey === undefined ? certificate : `[${certificate}, ${file("clientKey")}]`;
  return [
    `[${table}]`,
    '  capabilities = ["pull", "resolve"]',
    ...(insecure ? ["  skip_verify = true"] : []),
    ...(overridesPath(endpoint) ? ["  override_path = true"] : []),
    ...(ca === undefined ? [] : [`  ca = ${file("ca")}`]),
    ...(clientCertificate === undefined ? [] : [`  client = [${client}]`]),
    ...(authorization === undefined ? [] : [`[${table}.header]`, `  Authorization = ${JSON.stringify(authorization)}`]),
  ].join("\n");
}
