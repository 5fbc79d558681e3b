import { WORKLOAD } from "../../modes/workload";
import {
  askFromNodes,
  askFromPods,
  judgeAsked,
  nodeAddresses,
  places,
  skipWithoutWorkload,
  type Asked,
  type Targets,
} from "../probes";
import { inconclusive, pass, warning, type Check, type Finding } from "./check";

/** Whether every pod reaches every pod, on its own node and on every other. */
export const podToPodCheck: Check<readonly Asked[]> = {
  id: "pod-to-pod",
  question: "Does every pod reach every other pod, on its own node and across nodes, by ping and HTTP?",
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, expectation) {
    const { servers, all } = await places(cluster, expectation);
    // in a cluster of one node the only server has none to ask
    const from = all.filter(({ address: own }) => servers.some(({ address }) => address !== own));
    return askFromPods(cluster, from, ({ address: own }) =>
      servers
        .filter(({ address }) => address !== own)
        .flatMap(({ address, node }) => [
          { name: `ping ${address} on ${node}`, command: `ping -c 1 -W 2 ${address}` },
          { name: `HTTP ${address} on ${node}`, command: `curl -sf -m 3 -o /dev/null http://${address}/` },
        ]),
    );
  },
  judge: (asked) =>
    judgeAsked(asked, "iptables -S FORWARD on both nodes, and the checks routes and health, tell where packets end"),
};

/** Whether services answer pods: the ClusterIP by its name, and every node's NodePort. */
export const servicesCheck: Check<readonly Asked[]> = {
  id: "services",
  question: "Do cluster DNS, the ClusterIP and every node's NodePort answer pods on every node?",
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, expectation) {
    const { nodePort } = expectation;
    const [{ servers }, nodes] = await Promise.all([places(cluster, expectation), nodeAddresses(cluster)]);
    const name = `${WORKLOAD.service}.${WORKLOAD.namespace}.svc.cluster.local.`;
    const targets: Targets = [
      { name: "DNS kubernetes.default", command: "getent hosts kubernetes.default.svc.cluster.local." },
      { name: `ClusterIP ${WORKLOAD.service}`, command: `curl -sf -m 3 -o /dev/null http://${name}/` },
      ...nodes.map(({ node, address }) => ({
        name: `NodePort of ${node}`,
        command: `curl -sf -m 3 -o /dev/null http://${address}:${nodePort}/`,
      })),
    ];
    return askFromPods(cluster, servers, () => targets);
  },
  judge: (asked) =>
    judgeAsked(
      asked,
      "the checks service-map and kube-proxy tell who should answer; kubectl -n kube-system get pods -l k8s-app=kube-dns for DNS",
    ),
};

/** Whether every node's NodePort answers the nodes themselves, whose sockets are no pod's. */
export const nodePortsCheck: Check<readonly Asked[]> = {
  id: "node-ports",
  question: "Does every node's NodePort answer every node?",
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, { nodePort }) {
    const nodes = await nodeAddresses(cluster);
    return askFromNodes(
      cluster,
      nodes.map(({ node, address }) => ({ name: `NodePort of ${node}`, command: httpByBash(address, nodePort!) })),
    );
  },
  judge: (asked) =>
    judgeAsked(
      asked,
      "the checks service-map and kube-proxy tell who should answer",
      inconclusive("cluster", "there are no agents to ask on the nodes"),
    ),
};

/** The agent's image has no curl in every version, but bash. */
function httpByBash(address: string, port: number): string {
  return `bash -c 'exec 3<>/dev/tcp/${address}/${port} && printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3 && grep -q "^HTTP/1.* 200" <&3'`;
}

/** How long the machine that runs the check waits for a NodePort, in milliseconds. */
const HOST_TIMEOUT = 3000;

/** One node's NodePort as this machine sees it: `ok` or what went wrong. */
interface FromHere {
  readonly node: string;
  readonly url: string;
  readonly said: string;
}

/** Whether this machine reaches the NodePorts: nice to have, and no proof against the mode where it does not. */
export const hostCheck: Check<readonly FromHere[]> = {
  id: "node-ports-from-here",
  question: "Does every node's NodePort answer this machine?",
  timeoutSeconds: 15,
  skip: skipWithoutWorkload,
  async read(cluster, { nodePort }) {
    const nodes = await nodeAddresses(cluster);
    return Promise.all(
      nodes.map(async ({ node, address }) => {
        const url = `http://${address}:${nodePort}/`;
        return { node, url, said: await fetchFromHere(url) };
      }),
    );
  },
  judge(answers) {
    return answers.map(({ node, url, said }): Finding => {
      if (said === "ok") return pass(node, `${url} answered`);
      const reason = `${said}; with Docker Desktop, Colima or a remote Docker the nodes' network is in another machine, and a VPN or firewall may hide it`;
      return warning(node, `${url} did not answer`, reason, "map the port: cluster.portMappings in the settings");
    });
  },
};

/** Ask on a connection of its own. @returns `ok` or what went wrong. */
async function fetchFromHere(url: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(HOST_TIMEOUT);
    const response = await fetch(url, { signal, headers: { connection: "close" } });
    await response.arrayBuffer();
    return response.ok ? "ok" : `status ${response.status}`;
  } catch (error) {
    const { name, message, cause } = error as Error;
    if (name === "TimeoutError") return `no answer within ${HOST_TIMEOUT / 1000} s`;
    return cause instanceof Error ? cause.message : message;
  }
}
