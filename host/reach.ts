import type { MachineFinding } from "./finding";
import { run } from "./exec";

/** How long a host may take to answer. */
const ANSWER_SECONDS = 8;

/** Docker Hub's names: what images say, and where it answers. */
const DOCKER_HUB = "docker.io";
const DOCKER_HUB_HOST = "registry-1.docker.io";

/** The registry of an image's reference: its first part where that is a host. */
export function registryOf(image: string): string {
  const [first = "", ...rest] = image.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : DOCKER_HUB;
}

/** Those of these images that this machine's Docker does not have. @throws CommandError without a daemon */
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

/** Why a URL does not answer; any answer of it is one. */
export async function unreachable(url: string): Promise<string | undefined> {
  try {
    await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(ANSWER_SECONDS * 1000), redirect: "manual" });
    return undefined;
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    return cause?.message || (error as Error).message;
  }
}

/** Something that is fetched, and from where. */
export interface Source {
  readonly what: string;
  /** `https://` URLs that are asked one after the other; one answer will do. */
  readonly urls: readonly string[];
  readonly matters: string;
  readonly remedy: string;
}

/** Whether what is fetched can be had. Docker and nodes may reach other hosts than this process, so nothing fails by it. */
export async function judgeSource({ what, urls, matters, remedy }: Source): Promise<MachineFinding> {
  const reasons: string[] = [];
  for (const url of urls) {
    const reason = await unreachable(url);
    if (reason === undefined) return { subject: what, verdict: "pass", seen: `${new URL(url).host} answers`, matters };
    reasons.push(`${new URL(url).host} does not answer (${reason})`);
  }
  return { subject: what, verdict: "warning", seen: reasons.join("; "), matters, remedy };
}

/** The registries of images that Docker lacks, with the mirrors that nodes are told of. */
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
    matters: `all modes: ${images.length === 1 ? "an image that is" : `${images.length} images that are`} not here yet`,
    remedy: "set cluster.registryMirrors, or bring the images in an archive (npx cilium-modes images load)",
  }));
}

function grouped(images: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const image of images) groups.set(registryOf(image), [...(groups.get(registryOf(image)) ?? []), image]);
  return groups;
}

/** The variables by which programs find a proxy. */
export type Proxies = Readonly<Partial<Record<"HTTP_PROXY" | "HTTPS_PROXY" | "NO_PROXY", string>>>;

/** What proxies mean: kind hands this machine's on to its nodes, and Docker pulls by its own. */
export function judgeProxies(own: Proxies, daemon: Proxies): MachineFinding[] {
  const isSet = Boolean(own.HTTP_PROXY || own.HTTPS_PROXY);
  const isDockers = Boolean(daemon.HTTP_PROXY || daemon.HTTPS_PROXY);
  if (!isSet && !isDockers) return [];
  const finding = { subject: "proxies", matters: "what nodes and Docker pull" };
  if (isSet && !isDockers) {
    return [
      {
        ...finding,
        verdict: "warning",
        seen: "this machine's programs and kind's nodes use one, Docker's daemon does not",
        remedy: "tell Docker too: https://docs.docker.com/engine/daemon/proxy/",
      },
    ];
  }
  return [{ ...finding, verdict: "pass", seen: isSet ? "set for programs and for Docker" : "set for Docker" }];
}
