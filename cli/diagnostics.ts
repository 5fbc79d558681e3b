import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { agentLog } from "../cluster/agentLog";
import { askAgent, CILIUM_NAMESPACE, CONFIG_MAP, listAgents, saveRules, type Agent } from "../cluster/agents";
import { apiErrorLine } from "../cluster/apiError";
import type { ClusterReader } from "../cluster/read";
import type { Evidence } from "../datapath/evidence/gather";
import { within } from "../cluster/within";
import type { Verification } from "../datapath/verify";
import { PLAIN } from "../render/terminal";
import { verificationText } from "./verificationText";

/** Time limit for the content of one file. */
const FILE_SECONDS = 20;

const JOURNAL = ["journalctl", "--no-pager", "--lines=2000"];

/** The commands for each agent, by the file that gets the output. */
const AGENT_COMMANDS: Readonly<Record<string, string>> = {
  "status.txt": "cilium status --verbose",
  "health.txt": "cilium-health status",
  "services.txt": "cilium service list",
  "endpoints.txt": "cilium endpoint list",
  "nat.txt": "cilium bpf nat list",
  "metrics.txt": "cilium metrics list",
  "rules.txt": saveRules(),
  "routes.txt": "ip -4 rule show; ip -4 route show table all",
  "interfaces.txt": "ip -s addr show",
};

/**
 * Gather evidence that helps to explain a failed verification. A file whose content cannot be read says why. No Secret is
 * read, and what looks like a key or a token is left out.
 */
export async function writeDiagnostics(
  directory: string,
  name: string,
  cluster: ClusterReader,
  verification: Verification,
  evidence?: Evidence,
): Promise<string> {
  const write = async (file: string, content: Promise<string> | string) => {
    const path = join(directory, file);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, withoutSecrets(await asked(() => within(FILE_SECONDS, Promise.resolve(content)))), {
      mode: 0o600,
    });
  };
  const shown = (value: unknown) => JSON.stringify(value, undefined, 2);
  await write("verification.txt", verificationText(name, verification, PLAIN, "all"));
  await write("verification.json", shown(verification));
  if (evidence !== undefined) await write("evidence.json", shown(evidence));
  const agents = await within(FILE_SECONDS, listAgents(cluster)).catch((error: Error) => error);
  await Promise.all([
    write(
      "nodes.json",
      asked(async () =>
        shown((await cluster.nodes()).map(({ metadata, status }) => ({ name: metadata?.name, status }))),
      ),
    ),
    write(
      "pods.json",
      asked(async () =>
        shown(
          (await cluster.allPods()).map(({ metadata, spec, status }) => ({
            namespace: metadata?.namespace,
            name: metadata?.name,
            node: spec?.nodeName,
            status,
          })),
        ),
      ),
    ),
    write(
      "events.txt",
      asked(() => cluster.events()),
    ),
    write(
      "cilium-config.json",
      asked(async () => shown((await cluster.configMap(CILIUM_NAMESPACE, CONFIG_MAP))?.data ?? null)),
    ),
    write(
      "operator.log",
      asked(() => logs(cluster, "io.cilium/app=operator", "cilium-operator")),
    ),
    write(
      "kube-proxy.log",
      asked(() => logs(cluster, "k8s-app=kube-proxy", "kube-proxy")),
    ),
    ...(agents instanceof Error
      ? [write("agents.txt", apiErrorLine(agents))]
      : agents.flatMap((agent) => agentFiles(cluster, agent, write))),
  ]);
  return resolve(directory);
}

function agentFiles(
  cluster: ClusterReader,
  agent: Agent,
  write: (file: string, content: Promise<string>) => Promise<void>,
): Promise<void>[] {
  const folder = `nodes/${agent.node}`;
  const { onNode } = cluster;
  const journal =
    onNode === undefined
      ? []
      : [
          write(
            `${folder}/journal.txt`,
            asked(() => onNode(agent.node, JOURNAL)),
          ),
        ];
  return [
    ...journal,
    write(
      `${folder}/agent.log`,
      asked(() => agentLog(cluster, agent)),
    ),
    ...Object.entries(AGENT_COMMANDS).map(([file, command]) =>
      write(
        `${folder}/${file}`,
        asked(async () => {
          const answer = await askAgent(cluster, agent, ["sh", "-c", command]);
          return answer instanceof Error ? answer.message : answer;
        }),
      ),
    ),
  ];
}

async function logs(cluster: ClusterReader, selector: string, container: string): Promise<string> {
  const pods = await cluster.pods(CILIUM_NAMESPACE, selector);
  const each = pods.map(async ({ metadata }) => {
    const name = metadata!.name!;
    return `== ${name}\n${await cluster.log(CILIUM_NAMESPACE, name, container).catch((error: Error) => apiErrorLine(error))}`;
  });
  return (await Promise.all(each)).join("\n") || "(no such pods)";
}

/** The text that was read, or one line that says why it was not. */
async function asked(read: () => Promise<string>): Promise<string> {
  return read().catch((error: Error) => `(could not be read: ${apiErrorLine(error)})`);
}

/** Keys in PEM, also in base64, and tokens of Kubernetes and kubeadm. */
const SECRETS =
  /-----BEGIN [^-]+-----[\s\S]*?(?:-----END [^-]+-----|$)|\bLS0tLS1CRUdJTi[\w+/=]*|\beyJ[\w-]+\.[\w-]+\.[\w-]+|\bBearer \S+|\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g;

/** A text without what looks like a key or a token. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRETS, "(left out)");
}
