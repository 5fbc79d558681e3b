import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Container, V1Namespace, V1Pod } from "@kubernetes/client-node";
import { PACKAGE_DIRECTORY } from "../host/packageFile";
import { WORKLOAD, WORKLOAD_CONTAINER, type WorkloadNames } from "../modes/workload";
import { AGENT_CONTAINER, askAgent, CILIUM_NAMESPACE, listAgents } from "../cluster/agents";
import { apiErrorLine } from "../cluster/apiError";
import type { ClusterReader } from "../cluster/read";
import type { ProbeWriter } from "../cluster/write";
import { nodeAddress, nodeIpv6Address } from "./clusterFacts";
import { isReady, podTrouble, withoutNode } from "./readiness";
import { ENDINGS, INTERRUPTED } from "../host/interruptible";

/** Marks namespaces of probe workloads, so that those of killed runs are found. */
const LABELS = {
  "app.kubernetes.io/managed-by": "cilium-modes",
  "app.kubernetes.io/component": "probe-workload",
} as const;
const SELECTOR = Object.entries(LABELS)
  .map(([key, value]) => `${key}=${value}`)
  .join(",");

const OWNER_MACHINE = "cilium-modes/machine";
const OWNER_PROCESS = "cilium-modes/process";

/** After this a namespace belongs to no run that is still alive. */
const MAX_AGE_SECONDS = 3600;

/** How long the probe pods may take to become ready. */
const READY_SECONDS = 90;

/** After this, pods that are being deleted are on nodes that do not answer. */
const TERMINATION_SECONDS = 20;

const POLL_MILLISECONDS = 500;

/** Files of `images/nettool` that any image with perl can run. */
const SCRIPTS = ["serve", "probe"] as const;
const SCRIPT_DIRECTORY = "/usr/local/bin";

const NAMES = { daemonSet: WORKLOAD.daemonSet, service: WORKLOAD.service, clientPod: WORKLOAD.clientPod };

/** Reports what takes a while, as the commands' own progress does. */
export type ReportProgress = <R>(
  what: string,
  work: (progress: { at(what: string): void; say(line: string): void }) => Promise<R>,
) => Promise<R>;

/**
 * Run work in a cluster with the test workload, which exists only meanwhile: in a namespace of its own, on every node,
 * with a NodePort that Kubernetes chooses. It is removed when the work ends, fails, or is interrupted, and so is
 * what killed runs left.
 * @param image default: the Cilium agent's, which every node already has
 * @throws Error when the image cannot run the scripts, or no probe pod becomes ready within 90 s
 */
export async function withProbeWorkload<T>(
  writer: ProbeWriter,
  cluster: ClusterReader,
  image: string | undefined,
  progress: ReportProgress,
  work: (workload: WorkloadNames, nodePort: number) => Promise<T>,
): Promise<T> {
  const used = image ?? (await agentImage(cluster));
  await progress("removing probe pods of earlier runs", ({ say }) => removeLeftovers(writer, say));
  const namespace = `cilium-modes-probe-${randomBytes(4).toString("hex")}`;
  const created = writer.create(namespaceOf(namespace));
  const remove = async () => {
    // a namespace that is still being created cannot be deleted yet
    await created.catch(() => undefined);
    await progress(`removing the namespace ${namespace}`, ({ say }) => removeNamespace(writer, namespace, say)).catch(
      (error: Error) =>
        console.error(
          `The namespace ${namespace} was not removed: ${apiErrorLine(error)}. Remove it: kubectl delete namespace ${namespace}`,
        ),
    );
  };
  return removedInAnyCase(remove, async () => {
    await created;
    const nodePort = await progress("creating the probe pods", ({ at, say }) => {
      return createWorkload(writer, cluster, { namespace, image: used }, at, say);
    });
    return work({ namespace, ...NAMES }, nodePort);
  });
}

/** The image of the agents, if it has what the scripts need. @throws Error with the remedy when it has not */
async function agentImage(cluster: ClusterReader): Promise<string> {
  const [daemonSet, agents] = await Promise.all([cluster.daemonSet(CILIUM_NAMESPACE, "cilium"), listAgents(cluster)]);
  const image = daemonSet.spec?.template.spec?.containers.find(({ name }) => name === AGENT_CONTAINER)?.image;
  const agent = agents.find(({ ready }) => ready);
  const remedy =
    "Name an image with perl that the nodes can pull, such as one built from images/nettool: --workload-image";
  if (image === undefined || agent === undefined)
    throw new Error(`No Cilium agent is ready, so its image cannot be used for the probe pods. ${remedy}`);
  const answer = await askAgent(cluster, agent, ["perl", "-MIO::Socket::INET", "-MIO::Select", "-e1"]);
  if (typeof answer === "string") return image;
  throw new Error(
    `The probe pods need perl, and the Cilium agent's image ${image} cannot run it (${answer.message}). ${remedy}`,
  );
}

/** Run work, and remove what it needs afterwards; a signal ends the process after that, a second one at once. */
async function removedInAnyCase<T>(remove: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  let removal: Promise<void> | undefined;
  const removeOnce = () => (removal ??= remove());
  let interrupted = false;
  const stop = () => {
    if (interrupted) process.exit(INTERRUPTED);
    interrupted = true;
    console.error("Interrupted: removing the probe pods (press Ctrl-C again to leave them)");
    void removeOnce().finally(() => process.exit(INTERRUPTED));
  };
  for (const signal of ENDINGS) process.on(signal, stop);
  try {
    return await work();
  } finally {
    await removeOnce();
    // the process is about to exit; what failed for want of pods is no result
    if (interrupted) await new Promise(() => undefined);
    for (const signal of ENDINGS) process.off(signal, stop);
  }
}

/** Remove what killed runs left. What cannot be removed is reported, and stops nothing. */
async function removeLeftovers(writer: ProbeWriter, say: (line: string) => void): Promise<void> {
  const found = await writer.namespaces(SELECTOR);
  const names = found.filter((each) => isLeftover(each, new Date())).map(({ metadata }) => metadata!.name!);
  await Promise.all(
    names.map((name) =>
      removeNamespace(writer, name, say).then(
        () => say(`Removed the namespace ${name}, which an earlier run left`),
        (error: Error) => say(`The namespace ${name} of an earlier run was not removed: ${apiErrorLine(error)}`),
      ),
    ),
  );
}

/** Whether the run that created the namespace cannot be alive: by its process on this machine, elsewhere by its age. */
function isLeftover({ metadata }: V1Namespace, now: Date): boolean {
  const { creationTimestamp, annotations = {} } = metadata!;
  const ageSeconds = (now.getTime() - (creationTimestamp?.getTime() ?? 0)) / 1000;
  if (ageSeconds > MAX_AGE_SECONDS) return true;
  return annotations[OWNER_MACHINE] === thisMachine() && !isAlive(Number(annotations[OWNER_PROCESS]));
}

/** Where this process's id means the process: a container on the host's network has the host's name, but its own ids. */
function thisMachine(): string {
  try {
    return `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname(); // no Linux
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
  }
}

async function removeNamespace(writer: ProbeWriter, namespace: string, say: (line: string) => void): Promise<void> {
  // pods on a node that does not respond would keep the namespace
  const force = async () => {
    await writer.forcePodDeletion(namespace);
    say("Some nodes do not respond: probe pods there end when their kubelet is back");
  };
  const timer = setTimeout(() => void force().catch(() => undefined), TERMINATION_SECONDS * 1000);
  try {
    await writer.deleteNamespace(namespace);
  } finally {
    clearTimeout(timer);
  }
  // Cilium's operator would remove them too, but only after a quarter of an hour or more
  await writer.deleteCiliumIdentities(namespace);
}

/** Create the workload in its namespace and wait until it is ready. @returns its NodePort */
async function createWorkload(
  writer: ProbeWriter,
  cluster: ClusterReader,
  { namespace, image }: { readonly namespace: string; readonly image: string },
  at: (what: string) => void,
  say: (line: string) => void,
): Promise<number> {
  const start = new Date();
  for (const object of workloadObjects(namespace, image, await hasBothFamilies(cluster))) await writer.create(object);
  for (;;) {
    const { ready, wanted, pending } = await readWorkload(cluster, namespace);
    if (wanted > 0 && pending.length === 0) break;
    if (Date.now() - start.getTime() > READY_SECONDS * 1000) {
      const reasons = [...pending, ...(await refusals(cluster, start))].map((line) => `  - ${line}`).join("\n");
      if (ready === 0) throw new Error(`No probe pod became ready within ${READY_SECONDS} s:\n${reasons}`);
      // why they are not is what the verification is asked
      say(`${ready} of ${wanted} probe pods are ready after ${READY_SECONDS} s:\n${reasons}`);
      break;
    }
    at(`waiting for the probe pods, ${ready} of ${wanted} ready`);
    await sleep(POLL_MILLISECONDS);
  }
  const service = await cluster.service(namespace, NAMES.service);
  const nodePort = service?.spec?.ports?.[0]?.nodePort;
  if (nodePort === undefined) throw new Error(`The Service ${namespace}/${NAMES.service} has no NodePort`);
  return nodePort;
}

/** Whether a node has addresses of both families, so that Services may have them too. */
async function hasBothFamilies(cluster: ClusterReader): Promise<boolean> {
  return (await cluster.nodes()).some(
    ({ status }) => nodeAddress(status) !== undefined && nodeIpv6Address(status) !== undefined,
  );
}

/** How many of the probe pods are ready, and why the others are not. */
async function readWorkload(cluster: ClusterReader, namespace: string) {
  const [daemonSet, servers, clients] = await Promise.all([
    cluster.daemonSet(namespace, NAMES.daemonSet),
    cluster.pods(namespace, `app=${NAMES.daemonSet}`),
    cluster.pods(namespace, `run=${NAMES.clientPod}`),
  ]);
  const pods = [...servers, ...clients];
  const nodes = daemonSet.status?.desiredNumberScheduled ?? 0;
  const wanted = nodes === 0 ? 0 : nodes + 1;
  const notReady = pods.filter((pod) => !isReady(pod));
  const pending = notReady.map((pod) => withoutNode(pod)[0] ?? podTrouble(pod)[0] ?? notReadyLine(pod));
  const missing = wanted - pods.length;
  if (missing > 0) pending.push(`${missing} of ${wanted} pods do not exist yet`);
  return { ready: pods.length - notReady.length, wanted, pending };
}

function notReadyLine({ metadata, spec, status }: V1Pod): string {
  return `pod ${metadata?.name} on ${spec?.nodeName ?? "no node"}: ${status?.phase ?? "Unknown"}, not ready`;
}

/** What an admission controller said when it refused pods. */
async function refusals(cluster: ClusterReader, since: Date): Promise<string[]> {
  const events = await cluster.events().catch(() => "");
  const refused = events.split("\n").filter((line) => {
    const [time = "", object] = line.split(" ");
    return object === `DaemonSet/${NAMES.daemonSet}` && line.includes(" FailedCreate: ") && new Date(time) >= since;
  });
  return refused.slice(-1).map((line) => line.replace(/^\S+ /, ""));
}

function namespaceOf(name: string): V1Namespace {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name,
      labels: { ...LABELS, "pod-security.kubernetes.io/enforce": "privileged" },
      annotations: { [OWNER_MACHINE]: thisMachine(), [OWNER_PROCESS]: String(process.pid) },
    },
  };
}

/**
 * The scripts, a server on every node, the Service, and the client pod: as the stacks' workload, in any image with perl.
 * @param isDual whether the Service wants addresses of both families, as far as the API server has them
 */
function workloadObjects(namespace: string, image: string, isDual: boolean) {
  const labels = { app: NAMES.daemonSet };
  const scripts = { name: "nettool-scripts" };
  const container: V1Container = {
    name: WORKLOAD_CONTAINER,
    image,
    imagePullPolicy: "IfNotPresent",
    command: [`${SCRIPT_DIRECTORY}/serve`],
    env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
    ports: [{ containerPort: 80 }, { containerPort: 80, protocol: "UDP" }],
    readinessProbe: { httpGet: { path: "/", port: 80 }, periodSeconds: 1 },
    // ping by raw sockets, and lookups of routes with marks
    securityContext: { runAsUser: 0, capabilities: { add: ["NET_ADMIN", "NET_RAW"] } },
    volumeMounts: SCRIPTS.map((script) => ({
      name: scripts.name,
      mountPath: `${SCRIPT_DIRECTORY}/${script}`,
      subPath: script,
      readOnly: true,
    })),
  };
  const podSpec = {
    nodeSelector: { "kubernetes.io/os": "linux" },
    tolerations: [{ operator: "Exists" }],
    terminationGracePeriodSeconds: 1,
    // its own, since the namespace's default one may come later than the pods
    serviceAccountName: NAMES.daemonSet,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    containers: [container],
    volumes: [{ name: scripts.name, configMap: { name: scripts.name, defaultMode: 0o755 } }],
  };
  const metadata = (name: string, own: Readonly<Record<string, string>> = {}) => ({
    namespace,
    name,
    labels: { ...LABELS, ...own },
  });
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(NAMES.daemonSet) },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: metadata(scripts.name),
      data: Object.fromEntries(SCRIPTS.map((script) => [script, readFileSync(scriptFile(script), "utf8")])),
    },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: metadata(NAMES.daemonSet, labels),
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec } },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata(NAMES.service),
      spec: {
        type: "NodePort",
        ...(isDual ? { ipFamilyPolicy: "PreferDualStack" } : {}),
        selector: labels,
        ports: [
          { name: "cni", port: 80, targetPort: 80 },
          { name: "udp", protocol: "UDP", port: 80, targetPort: 80 },
        ],
      },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: metadata(NAMES.clientPod, { run: NAMES.clientPod }),
      spec: podSpec,
    },
  ];
}

const scriptFile = (script: string) => join(PACKAGE_DIRECTORY, "images", "nettool", script);
