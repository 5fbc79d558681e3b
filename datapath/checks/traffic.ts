import { apiErrorLine } from "../apiError";
import { type ClusterReader } from "../cluster";
import { WORKLOAD } from "../../modes/workload";
import { fail, inconclusive, pass, type Check, type Expectation, type Finding } from "./check";

/** One pod of the workload. */
interface Place {
  readonly pod: string;
  readonly node: string;
  readonly address: string;
}

/** What one pod found out about its targets: target to `ok` or what went wrong; an error where it could not be asked. */
interface Asked {
  readonly from: Place;
  readonly answers: ReadonlyMap<string, string> | Error;
}

const CONTAINER = "nettool";

/** A name that nobody resolves is tried again for long. */
const TARGET_SECONDS = 8;

/** Each target's command, which must succeed; printed as `<number> <exit code>`. */
type Targets = readonly { readonly name: string; readonly command: string }[];

const NO_WORKLOAD = "the cluster has no workload of this project";
const skipWithoutWorkload = ({ nodePort }: Expectation) => (nodePort === undefined ? NO_WORKLOAD : undefined);

/** Whether every pod reaches every pod, on its own node and on every other. */
export const podToPodCheck: Check<readonly Asked[]> = {
  id: "pod-to-pod",
  question: "Does every pod reach every other pod, on its own node and across nodes, by ping and HTTP?",
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster) {
    const [servers, all] = await places(cluster);
    return ask(cluster, all, ({ address: own }) =>
      servers
        .filter(({ address }) => address !== own)
        .flatMap(({ address, node }) => [
          { name: `ping ${address} on ${node}`, command: `ping -c 1 -W 2 ${address}` },
          { name: `HTTP ${address} on ${node}`, command: `curl -sf -m 3 -o /dev/null http://${address}/` },
        ]),
    );
  },
  judge: (asked) =>
    judge(asked, "iptables -S FORWARD on both nodes, and the checks routes and health, tell where packets end"),
};

/** Whether services answer pods: the ClusterIP by its name, and every node's NodePort. */
export const servicesCheck: Check<readonly Asked[]> = {
  id: "services",
  question: "Do cluster DNS, the ClusterIP and every node's NodePort answer pods on every node?",
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, { nodePort }) {
    const [[servers], nodes] = await Promise.all([places(cluster), cluster.nodes()]);
    const addresses = nodes.flatMap(({ metadata, status }) => {
      const address = status?.addresses?.find(
        ({ type, address: text }) => type === "InternalIP" && text.includes("."),
      )?.address;
      return address === undefined ? [] : [{ node: metadata!.name!, address }];
    });
    const name = `${WORKLOAD.service}.${WORKLOAD.namespace}.svc.cluster.local`;
    const targets: Targets = [
      { name: "DNS kubernetes.default", command: "getent hosts kubernetes.default.svc.cluster.local" },
      { name: `ClusterIP ${WORKLOAD.service}`, command: `curl -sf -m 3 -o /dev/null http://${name}/` },
      ...addresses.map(({ node, address }) => ({
        name: `NodePort of ${node}`,
        command: `curl -sf -m 3 -o /dev/null http://${address}:${nodePort}/`,
      })),
    ];
    return ask(cluster, servers, () => targets);
  },
  judge: (asked) =>
    judge(
      asked,
      "the checks service-map and kube-proxy tell who should answer; kubectl -n kube-system get pods -l k8s-app=kube-dns for DNS",
    ),
};

/** The servers, one on every node, and all pods with tools. */
async function places(cluster: ClusterReader): Promise<[servers: Place[], all: Place[]]> {
  const [servers, clients] = await Promise.all([
    cluster.pods(WORKLOAD.namespace, `app=${WORKLOAD.daemonSet}`),
    cluster.pods(WORKLOAD.namespace, `run=${WORKLOAD.clientPod}`),
  ]);
  const placed = (pods: typeof servers): Place[] =>
    pods
      .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
      .map(({ metadata, spec, status }) => ({
        pod: metadata!.name!,
        node: spec?.nodeName ?? "",
        address: status?.podIP ?? "",
      }));
  return [placed(servers), [...placed(servers), ...placed(clients)]];
}

/** Have every pod try its targets, all at once. */
function ask(cluster: ClusterReader, from: readonly Place[], targetsOf: (place: Place) => Targets): Promise<Asked[]> {
  return Promise.all(
    from.map(async (place): Promise<Asked> => {
      const targets = targetsOf(place);
      const script = [
        ...targets.map(
          ({ command }, index) => `(timeout ${TARGET_SECONDS} ${command} >/dev/null 2>&1; echo "${index} $?") &`,
        ),
        "wait",
      ].join("\n");
      try {
        const { stdout } = await cluster.exec(WORKLOAD.namespace, place.pod, CONTAINER, ["sh", "-c", script]);
        const codes = new Map([...stdout.matchAll(/^(\d+) (\d+)$/gm)].map(([, index, code]) => [Number(index), code!]));
        const answers = targets.map(({ name }, index) => [name, said(codes.get(index))] as const);
        return { from: place, answers: new Map(answers) };
      } catch (error) {
        return { from: place, answers: new Error(apiErrorLine(error as Error)) };
      }
    }),
  );
}

function said(code: string | undefined): string {
  if (code === undefined) return "was not tried to its end";
  return code === "0" ? "ok" : `no answer (exit code ${code})`;
}

function judge(asked: readonly Asked[], remedy: string): Finding[] {
  if (asked.length === 0) return [inconclusive("cluster", "the workload has no pods", "run pulumi up --refresh")];
  return asked.map(({ from: { node, pod }, answers }): Finding => {
    const subject = `${pod} on ${node}`;
    if (answers instanceof Error) return inconclusive(subject, answers.message);
    if (answers.size === 0) return inconclusive(subject, "there was nobody to ask");
    const bad = [...answers].filter(([, answer]) => answer !== "ok");
    const seen = `${answers.size - bad.length} of ${answers.size} answered`;
    if (bad.length === 0) return pass(subject, seen);
    return fail(subject, seen, bad.map(([target, answer]) => `${target}: ${answer}`).join(", "), remedy);
  });
}
