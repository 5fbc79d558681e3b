import { STATUS_CODES } from "node:http";
import type { RequestOptions } from "node:https";
import { rootCertificates } from "node:tls";
import {
  apiRoot,
  DOCKER_HUB,
  ENCRYPTED,
  endpointsOf,
  EVERY_REGISTRY,
  registryUrl,
  type RegistryEndpoint,
  type RegistryMirrors,
} from "../modes/registryMirrors";
import { responding, silent, type Answer, type Source } from "./reach";
import { request, type Response } from "./request";

/** The registry of an image reference: its first part if that is a host, otherwise Docker Hub. */
export function registryOf(image: string): string {
  const [first = "", ...rest] = image.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : DOCKER_HUB;
}

/**
 * The registries of missing images, with the mirrors that nodes use. Each is asked for one of these images.
 * @param mirrors with the contents of PEM files
 */
export function registrySources(missing: readonly string[], mirrors: RegistryMirrors): Source[] {
  return [...grouped(missing)].map(([registry, images]) => {
    const key = registry in mirrors ? registry : EVERY_REGISTRY;
    const mirror = mirrors[key];
    const own =
      mirror === undefined ? [] : endpointsOf(mirror).map((endpoint) => ({ endpoint, query: `?ns=${registry}` }));
    return {
      what: `registry ${registry}`,
      hosts: [...own, { endpoint: { url: registryUrl(registry) }, query: "" }].map(({ endpoint, query }) => ({
        name: new URL(endpoint.url).host,
        ask: () => askRegistry(endpoint, `${manifestPath(images[0]!)}${query}`),
      })),
      matters: `all modes: ${images.length === 1 ? "1 image is" : `${images.length} images are`} missing in Docker`,
      remedy: "set cluster.registryMirrors, or load the images from an archive (npx cilium-modes images load)",
      ...(mirror === undefined ? {} : { correction: `correct cluster.registryMirrors.${key}, or remove it` }),
    };
  });
}

function grouped(images: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const image of images) groups.set(registryOf(image), [...(groups.get(registryOf(image)) ?? []), image]);
  return groups;
}

/** The parts of an image reference, completed as Docker Hub's short names need it; a digest decides over a tag. */
function partsOf(image: string): { registry: string; repository: string; tag: string; digest: string | undefined } {
  const registry = registryOf(image);
  const [name = "", digest] = (image.startsWith(`${registry}/`) ? image.slice(registry.length + 1) : image).split("@");
  const [, repository = name, tag = "latest"] = /^(.*?)(?::([^:/]+))?$/.exec(name) ?? [];
  const isShort = registry === DOCKER_HUB && !repository.includes("/");
  return { registry, repository: isShort ? `library/${repository}` : repository, tag, digest };
}

/** Path of an image's manifest below the root of a registry's API. */
export function manifestPath(image: string): string {
  const { repository, tag, digest } = partsOf(image);
  return `/${repository}/manifests/${digest ?? tag}`;
}

/** An image's name in containerd's store, where the kubelet finds it: complete, and without a tag if it has a digest. */
export function containerdReference(image: string): string {
  const { registry, repository, tag, digest } = partsOf(image);
  return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

/** The forms of manifests that containerd accepts. */
const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "*/*",
].join(", ");

/** Ask a registry for a manifest as containerd does: with its certificates and header, and with a token if it wants one. */
async function askRegistry(endpoint: RegistryEndpoint, path: string): Promise<Answer> {
  if ([endpoint.authorization, endpoint.clientCertificate, endpoint.clientKey].includes(ENCRYPTED))
    return { outcome: "unknown", words: "was not asked, since only Pulumi can read its secret" };
  const url = new URL(apiRoot(endpoint) + path);
  const options = tlsOptions(endpoint);
  const ask = (authorization: string | undefined) =>
    request(url.href, {
      ...options,
      method: "HEAD",
      headers: { accept: MANIFESTS, ...(authorization === undefined ? {} : { authorization }) },
    });
  try {
    let response = await ask(endpoint.authorization);
    const token = response.status === 401 ? await tokenFor(response, endpoint, options) : undefined;
    if (typeof token === "object") return token;
    if (token !== undefined) response = await ask(`Bearer ${token}`);
    return refusalOf(response, endpoint, url.pathname + url.search);
  } catch (error) {
    return failed(error as Error);
  }
}

/** The answer of a host to which a request failed. */
function failed(error: Error): Answer {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (!TLS_ERRORS.test(code)) return silent(error);
  // Node.js 24 adds advice about itself, while it is containerd that will pull
  return refusing(`fails in TLS (${message.split(";")[0]}); set its ca, or insecure: true`);
}

/** Codes of errors that another network would not change. */
const TLS_ERRORS = /CERT|SELF_SIGNED|ERR_(TLS|SSL|OSSL)|EPROTO/;

function tlsOptions({ ca, clientCertificate, clientKey, insecure }: RegistryEndpoint): RequestOptions {
  return {
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
    ...(clientCertificate === undefined ? {} : { cert: clientCertificate, key: clientKey ?? clientCertificate }),
    rejectUnauthorized: !insecure,
  };
}

/**
 * The token that a registry's challenge asks for, or what keeps from getting it; undefined without such a challenge, and
 * where the authorization is rejected: https://distribution.github.io/distribution/spec/auth/token/
 */
async function tokenFor(
  { headers }: Response,
  { authorization }: RegistryEndpoint,
  options: RequestOptions,
): Promise<string | Answer | undefined> {
  const challenge = headers["www-authenticate"] ?? "";
  const { realm, ...parameters } = Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]),
  ) as Record<string, string>;
  if (!/^bearer /i.test(challenge) || realm === undefined || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value);
  const wants = `wants a token from ${url.origin}${url.pathname}, which`;
  const header = authorization === undefined ? {} : { headers: { authorization } };
  const answer = await request(url.href, { ...options, ...header }).catch(failed);
  if ("outcome" in answer) return { ...answer, words: `${wants} ${answer.words}` };
  const { status, body } = answer;
  if (status === 401 || status === 403) return undefined;
  const token = status === 200 ? tokenIn(body) : undefined;
  return token ?? refusing(`${wants} answers ${statusText(status)} without one`);
}

/** The token in the answer of a token's server; undefined for anything else, such as a page to log in. */
function tokenIn(body: string): string | undefined {
  try {
    const { token, access_token: accessToken } = (JSON.parse(body) ?? {}) as Readonly<Record<string, unknown>>;
    const found = token ?? accessToken;
    return typeof found === "string" ? found : undefined;
  } catch {
    return undefined;
  }
}

const statusText = (status: number) => `${status} (${STATUS_CODES[status] ?? "unknown"})`;

/** What a registry's response to a request for an image means. */
function refusalOf({ status }: Response, { authorization }: RegistryEndpoint, asked: string): Answer {
  if (status < 400) return responding;
  const answer = `answers ${statusText(status)} to ${asked}`;
  if (status === 404) return refusing(`${answer}: it has no such image, or no registry at that path`);
  if (status !== 401 && status !== 403) return refusing(answer);
  const why = authorization === undefined ? "set its authorization" : "it rejects the authorization";
  return refusing(`${answer}: ${why}`);
}

const refusing = (words: string): Answer => ({ outcome: "refuses", words });
