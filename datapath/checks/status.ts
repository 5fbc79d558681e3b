import { at } from "../../modes/tree";
import { CILIUM_NAMESPACE, askAgents, listAgents, type AgentAnswer } from "../agents";
import type { ClusterReader } from "../cluster";
import { within } from "../within";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";

/** An agent's status, and what its log says of having fallen back. */
interface StatusEvidence {
  readonly answers: readonly AgentAnswer[];
  /** Node to the log's lines about a fallback. */
  readonly fallbacks: ReadonlyMap<string, readonly string[]>;
}

/** How an agent's log tells that it routes, masquerades or translates otherwise than configured. */
const FALLBACK = /(?=.*(?:host.routing|masquerad|kube-proxy|NodePort))(?:.*(?:falling back|disabl|requires))/i;

const DEVICES = "kube-proxy-replacement.deviceList";
const EXCLUSION = "masquerading.snat-exclusion-cidr-v4";
/** Its name before there were two. */
const EXCLUSION_OLD = "masquerading.snat-exclusion-cidr";

/** What the rows of the status are called, for messages. */
const NAMES: Readonly<Record<string, string>> = {
  "kube-proxy-replacement.mode": "KubeProxyReplacement",
  "routing.inter-host-routing-mode": "Routing Network",
  "routing.intra-host-routing-mode": "Routing Host",
  "host-routing.mode": "Host Routing",
  "masquerading.mode": "Masquerading",
  [EXCLUSION]: "not masquerading",
  [DEVICES]: "on device",
};

/** Whether every agent's effective status is the mode's. */
export const statusCheck: Check<StatusEvidence> = {
  id: "status",
  question: "Does every agent run in the mode that was asked for?",
  timeoutSeconds: 20,
  async read(cluster) {
    const [answers, fallbacks] = await Promise.all([
      // cilium is the name up to 1.14, and an alias after
      askAgents(cluster, "cilium", "status", "-o", "json"),
      readFallbacks(cluster),
    ]);
    return { answers, fallbacks };
  },
  judge({ answers, fallbacks }, { evidence: { statusJson, masqueradingCidr, nodePortDevice } }) {
    if (answers.length === 0) return [inconclusive("cluster", "there are no agents", "install Cilium")];
    return answers.map(({ node, output }): Finding => {
      const status = output instanceof Error ? output : parse(output);
      if (status instanceof Error) return inconclusive(node, status.message);
      const rows: { path: string; wanted: string; found: string | undefined }[] = [
        ...Object.entries(statusJson).map(([path, wanted]) => ({ path, wanted, found: textAt(status, path) })),
        ...(masqueradingCidr === undefined
          ? []
          : [
              {
                path: EXCLUSION,
                wanted: masqueradingCidr,
                found: textAt(status, EXCLUSION) ?? textAt(status, EXCLUSION_OLD),
              },
            ]),
        ...(nodePortDevice === undefined
          ? []
          : [{ path: DEVICES, wanted: nodePortDevice, found: devicesOf(status, nodePortDevice) }]),
      ];
      const missing = rows.filter(({ found }) => found === undefined).map(({ path }) => nameOf(path));
      const wrong = rows.filter(
        ({ wanted, found }) => found !== undefined && found.toLowerCase() !== wanted.toLowerCase(),
      );
      if (missing.length > 0 && wrong.length === 0) {
        return inconclusive(
          node,
          `the status has no ${missing.join(", ")}`,
          "is this another version of Cilium than the stack's?",
        );
      }
      const seen = rows.map(({ path, found }) => `${nameOf(path)} ${found ?? "(none)"}`).join(", ");
      if (wrong.length === 0) return pass(node, seen);
      const asked = wrong.map(({ path, wanted }) => `${nameOf(path)} ${wanted}`).join(", ");
      const words = fallbacks.get(node) ?? [];
      const cause =
        words.length === 0 ? "" : `; the agent's log: ${words.map((line) => JSON.stringify(line)).join(", ")}`;
      return fail(
        node,
        seen,
        `asked for ${asked}${cause}`,
        `look at the agent's log: kubectl -n ${CILIUM_NAMESPACE} logs -c cilium-agent -l k8s-app=cilium --tail=-1 | grep -i -e fall -e disabl`,
      );
    });
  },
};

/** Long logs come slowly; a fallback's reason is worth only so much waiting. */
const LOG_SECONDS = 5;

async function readFallbacks(cluster: ClusterReader): Promise<Map<string, readonly string[]>> {
  const agents = await listAgents(cluster);
  const entries = agents.map(async ({ node, pod }) => {
    const log = await within(LOG_SECONDS, cluster.log(CILIUM_NAMESPACE, pod, "cilium-agent")).catch(() => "");
    return [node, fallbackLines(log)] as const;
  });
  return new Map(await Promise.all(entries));
}

/** The messages of an agent's log by which it tells that it does otherwise than configured. */
export function fallbackLines(log: string): string[] {
  const messages = log.split("\n").flatMap((line) => {
    const message = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
    return message !== undefined && FALLBACK.test(message) ? [message.replaceAll('\\"', '"')] : [];
  });
  return [...new Set(messages)];
}

function parse(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return new Error(`the status is no JSON: ${output.slice(0, 80)}`);
  }
}

function textAt(status: unknown, path: string): string | undefined {
  const found = at(status, path.split("."));
  return typeof found === "string" && found !== "" ? found : undefined;
}

/** The wanted device where Cilium's services have it among others, else all that they have. */
function devicesOf(status: unknown, wanted: string): string | undefined {
  const found = at(status, DEVICES.split("."));
  if (!Array.isArray(found)) return undefined;
  const names = (found as { name?: string }[]).map(({ name }) => name ?? "");
  return names.includes(wanted) ? wanted : names.join(" ") || "none";
}

function nameOf(path: string): string {
  return NAMES[path] ?? path;
}
