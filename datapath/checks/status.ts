import { IPV6_MASQUERADING } from "../../modes/evidence";
import { at } from "../../modes/tree";
import { featuresOf, IPV6_FEATURE } from "../../modes/features";
import { agentLog } from "../../cluster/agentLog";
import { CILIUM_NAMESPACE, listAgents, missingCrds } from "../../cluster/agents";
import { limited } from "../../cluster/limited";
import type { ClusterReader } from "../../cluster/read";
import { ipv6Unverified, valueOf } from "../evidence/api";
import { within } from "../../cluster/within";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { eachNode } from "./nodes";

/** How an agent's log tells that it routes, masquerades or translates otherwise than configured. */
const FALLBACK =
  /(?=.*(?:host.routing|masquerad|kube-proxy|NodePort|bandwidth|XDP|BIG TCP|netkit|TCX))(?:.*(?:falling back|disabl|requires))/i;

const DEVICES = "kube-proxy-replacement.deviceList";
const EXCLUSION = "masquerading.snat-exclusion-cidr-v4";
/** Its name before there were two. */
const EXCLUSION_OLD = "masquerading.snat-exclusion-cidr";

const FEATURES = "kube-proxy-replacement.features";
const HOSTNS_ONLY = `${FEATURES}.bpfSocketLBHostnsOnly`;

/** What the rows of the status are called, for messages. */
const NAMES: Readonly<Record<string, string>> = {
  "kube-proxy-replacement.mode": "KubeProxyReplacement",
  "routing.inter-host-routing-mode": "Routing Network",
  "routing.intra-host-routing-mode": "Routing Host",
  "host-routing.mode": "Host Routing",
  "masquerading.mode": "Masquerading",
  [IPV6_MASQUERADING]: "IPv6 masqueraded",
  [EXCLUSION]: "not masquerading",
  [DEVICES]: "on device",
  [`${FEATURES}.nodePort.mode`]: "Mode",
  [`${FEATURES}.nodePort.dsrMode`]: "DSR Dispatch Mode",
  [`${FEATURES}.nodePort.algorithm`]: "Backend Selection",
  [`${FEATURES}.nodePort.acceleration`]: "XDP Acceleration",
  [HOSTNS_ONLY]: "Socket LB Hostns-only",
  "datapath-mode": "Device Mode",
  "attach-mode": "Attach Mode",
};

/** Node to the lines of its agent's log about a fallback. */
type Fallbacks = ReadonlyMap<string, readonly string[]>;

const LOOK_AT_LOG = `kubectl -n ${CILIUM_NAMESPACE} logs -c cilium-agent -l k8s-app=cilium --tail=-1 | grep -i -e fall -e disabl -e requires`;

/** Whether every agent's effective status is the mode's. */
export const statusCheck: Check<Fallbacks> = {
  id: "status",
  question: "Does every agent report the expected mode?",
  needs: ["nodes"],
  timeoutSeconds: 20,
  read: async (cluster, _, nodes) =>
    readFallbacks(
      cluster,
      (await listAgents(cluster)).filter(({ node }) => nodes.has(node)),
    ),
  judge(evidence, { evidence: { statusJson, masqueradingCidr, nodePortDevice } }, fallbacks) {
    return eachNode(evidence, "status", ({ node }, output): Finding => {
      const nodes = [node];
      const status = parse(output);
      if (status instanceof Error) return inconclusive(node, status.message, undefined, { nodes });
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
        const reason = `the status has no ${missing.join(", ")}; the agent may be of another version than expected`;
        return inconclusive(node, reason, "kubectl -n kube-system exec ds/cilium -- cilium version", { nodes });
      }
      const seen = rows.map(({ path, found }) => `${nameOf(path)} ${found ?? "(none)"}`).join(", ");
      if (wrong.length === 0) return pass(node, seen);
      const expected = wrong.map(({ path, wanted }) => `${nameOf(path)} ${wanted}`).join(", ");
      const words = fallbacks.get(node) ?? [];
      const log = words.length === 0 ? "" : `; its log says ${words.map((line) => JSON.stringify(line)).join(", ")}`;
      return fail(node, seen, `the agent runs in another mode: expected ${expected}${log}`, LOOK_AT_LOG, {
        cause: "mode-fallback",
        nodes,
      });
    });
  },
};

/** Whether features beside the mode are in force where they are configured, and which of them nothing here verifies. */
export const featuresCheck: Check = {
  id: "features",
  question: "Is every other datapath feature that cilium-config turns on reported by every agent?",
  needs: ["nodes"],
  judge(evidence) {
    const config = valueOf(evidence.api.config, undefined);
    if (config === undefined) return [inconclusive("cluster", "cilium-config could not be read")];
    const unverified = featuresOf(config.data).flatMap(({ name, value, unverified: usual }) => {
      const why = name === IPV6_FEATURE ? (ipv6Unverified(evidence.api) ?? usual) : usual;
      return why === undefined ? [] : [skipped("cluster", `${name} (${value}) is not verified: ${why}`)];
    });
    const findings = eachNode(evidence, "status", ({ node }, output): Finding => {
      const status = parse(output);
      if (status instanceof Error) return inconclusive(node, status.message, undefined, { nodes: [node] });
      const judged = featuresOf(config.data).map((feature) => ({ ...feature, found: feature.reported(status) }));
      const wrong = judged.filter(({ expected, found }) => found !== undefined && !expected.test(found));
      const seen = judged.filter(({ found }) => found !== undefined);
      if (wrong.length === 0) return pass(node, `${seen.length} features as configured`);
      return fail(
        node,
        wrong.map(({ name, found }) => `${name}: ${found}`).join(", "),
        `configured: ${wrong.map(({ name, value }) => `${name} ${value}`).join(", ")}; the agent runs without a part of its configuration`,
        LOOK_AT_LOG,
        { cause: "mode-fallback", nodes: [node] },
      );
    });
    return [...findings, ...unverified];
  },
};

/** Long logs come slowly; a fallback's reason is worth only so much waiting. */
const LOG_SECONDS = 5;

/** An agent tells of a fallback when it starts. */
const LOG_BYTES = 400_000;

/** What the logs of some agents tell of fallbacks. */
export async function readFallbacks(
  cluster: ClusterReader,
  agents: readonly { readonly node: string; readonly pod: string }[],
): Promise<Fallbacks> {
  const entries = await limited(agents, async ({ node, pod }) => {
    const log = await within(LOG_SECONDS, agentLog(cluster, { node, pod }, LOG_BYTES)).catch(() => "");
    return [node, fallbackLines(log)] as const;
  });
  return new Map(entries);
}

/** How the line begins that says for what an agent waits before it starts to work. */
export const WAITS = "the agent waits for CRDs that the cluster does not have";

/** The messages of an agent's log by which it tells that it does otherwise than configured, or nothing yet. */
export function fallbackLines(log: string): string[] {
  const messages = log.split("\n").flatMap((line) => {
    const message = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
    return message !== undefined && FALLBACK.test(message) ? [message.replaceAll('\\"', '"')] : [];
  });
  const crds = missingCrds(log);
  return [...new Set(messages), ...(crds.length === 0 ? [] : [`${WAITS}: ${crds.join(", ")}`])];
}

function parse(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return new Error(`the status is not JSON: ${output.slice(0, 80)}`);
  }
}

function textAt(status: unknown, path: string): string | undefined {
  const found = at(status, path.split("."));
  if (typeof found === "boolean") return String(found);
  // agents leave out a switch that is off
  if (found === undefined && path === HOSTNS_ONLY && at(status, FEATURES.split(".")) !== undefined) return "false";
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
