import type { MachineFinding } from "./finding";
import { run } from "./exec";

/** Timeout of a request. */
const ANSWER_SECONDS = 8;

/** Docker Hub's name in image references, and the host of its API. */
const DOCKER_HUB = "docker.io";
const DOCKER_HUB_HOST = "registry-1.docker.io";

/** The registry of an image reference: its first part if that is a host, otherwise Docker Hub. */
export function registryOf(image: string): string {
  const [first = "", ...rest] = image.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : DOCKER_HUB;
}

/** The images that this machine's Docker does not have. */
export async function missingImages(images: readonly string[]): Promise<string[]> {
  const present = await Promise.all(
    images.map((image) =>
      run("docker", ["image", "inspect", "--format", "{{.Id}}", image]).then(
        () => true,
        () => false,
      ),
    ),
  );
  return images.filter((_, index) => !present[index]);
}

/** Why a URL does not respond; undefined for a response with any status. */
export async function unreachable(url: string): Promise<string | undefined> {
  try {
    await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(ANSWER_SECONDS * 1000), redirect: "manual" });
    return undefined;
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    return cause?.message || (error as Error).message;
  }
}

/** A source of downloads. */
export interface Source {
  readonly what: string;
  /** URLs that are requested in turn until one responds. */
  readonly urls: readonly string[];
  readonly matters: string;
  readonly remedy: string;
}

/** Check whether a source responds. At most a warning, since Docker and nodes may reach other hosts than this process. */
export async function judgeSource({ what, urls, matters, remedy }: Source): Promise<MachineFinding> {
  const reasons: string[] = [];
  for (const url of urls) {
    const reason = await unreachable(url);
    if (reason === undefined) return { subject: what, verdict: "pass", seen: `${new URL(url).host} responds`, matters };
    reasons.push(`${new URL(url).host} does not respond (${reason})`);
  }
  return { subject: what, verdict: "warning", seen: reasons.join("; "), matters, remedy };
}

/** The registries of missing images, with the mirrors that nodes use. */
export function registrySources(
  missing: readonly string[],
  mirrors: Readonly<Record<string, { readonly endpoints: readonly string[] }>>,
): Source[] {
  return [...grouped(missing)].map(([registry, images]) => ({
    what: `registry ${registry}`,
    urls: [
      ...(mirrors[registry]?.endpoints ?? []).map((endpoint) => new URL("/v2/", endpoint).href),
      `https://${registry === DOCKER_HUB ? DOCKER_HUB_HOST : registry}/v2/`,
    ],
    matters: `all modes: ${images.length === 1 ? "1 image is" : `${images.length} images are`} missing in Docker`,
    remedy: "set cluster.registryMirrors, or load the images from an archive (npx cilium-modes images load)",
  }));
}

function grouped(images: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const image of images) groups.set(registryOf(image), [...(groups.get(registryOf(image)) ?? []), image]);
  return groups;
}

/** Environment variables for proxies. */
export type Proxies = Readonly<Partial<Record<"HTTP_PROXY" | "HTTPS_PROXY" | "NO_PROXY", string>>>;

/** Check the proxies: kind passes this machine's to its nodes, and Docker pulls through its own. */
export function judgeProxies(own: Proxies, daemon: Proxies): MachineFinding[] {
  const isSet = Boolean(own.HTTP_PROXY || own.HTTPS_PROXY);
  const isDockerSet = Boolean(daemon.HTTP_PROXY || daemon.HTTPS_PROXY);
  if (!isSet && !isDockerSet) return [];
  const finding = { subject: "proxies", matters: "image pulls of nodes and Docker" };
  if (isSet && !isDockerSet) {
    return [
      {
        ...finding,
        verdict: "warning",
        seen: "set for this machine's programs and kind's nodes, but not for Docker's daemon",
        remedy: "configure Docker's proxy: https://docs.docker.com/engine/daemon/proxy/",
      },
    ];
  }
  return [{ ...finding, verdict: "pass", seen: isSet ? "set for programs and for Docker" : "set for Docker" }];
}
