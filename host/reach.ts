import type { MachineFinding } from "./finding";
import { run } from "./exec";
import { request } from "./request";

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

/** How a host answers a request. */
export interface Answer {
  /** `refuses`: it answers with something else than what is asked for; `unknown`: it does not answer. */
  readonly outcome: "answers" | "refuses" | "unknown";
  /** What it does, as a sentence about the host. */
  readonly words: string;
}

export const responding: Answer = { outcome: "answers", words: "responds" };

/** The answer of a host that cannot be reached. */
export const silent = ({ message }: Error): Answer => ({
  outcome: "unknown",
  words: `does not respond (${message})`,
});

/** A host that has the downloads. */
export interface SourceHost {
  readonly name: string;
  ask(): Promise<Answer>;
}

/** A source of downloads. */
export interface Source {
  readonly what: string;
  /** Hosts that are asked in turn until one answers as it should. */
  readonly hosts: readonly SourceHost[];
  readonly matters: string;
  readonly remedy: string;
  /** Fix of a host that refuses, where it is another one. */
  readonly correction?: string;
}

/** A host that only has to respond, with any status. */
export function hostOf(url: string): SourceHost {
  return {
    name: new URL(url).host,
    ask: () => request(url, { method: "HEAD" }).then(() => responding, silent),
  };
}

/**
 * Check whether a source responds. At most a warning, since Docker and nodes may reach other hosts than this process: so
 * only an answer tells something about a host before the last one.
 */
export async function judgeSource({ what, hosts, matters, remedy, correction }: Source): Promise<MachineFinding> {
  const seen: string[] = [];
  let isRefused = false;
  for (const { name, ask } of hosts) {
    const { outcome, words } = await ask();
    isRefused ||= outcome === "refuses";
    seen.push(`${name} ${words}`);
    if (outcome === "answers") {
      const finding = { subject: what, seen: seen.join("; "), matters };
      return isRefused
        ? { ...finding, verdict: "warning", remedy: correction ?? remedy }
        : { ...finding, verdict: "pass" };
    }
  }
  return {
    subject: what,
    verdict: "warning",
    seen: seen.join("; "),
    matters,
    remedy: isRefused ? (correction ?? remedy) : remedy,
  };
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
