import { nodeAddresses } from "../probes";
import { pass, warning, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** How long the machine that runs the check waits for a NodePort, in milliseconds, and how often it asks. */
const TIMEOUT = 4000;
const TRIES = 3;

/** One node's NodePort as this machine sees it: `ok` or what went wrong. */
interface FromHere {
  readonly node: string;
  readonly url: string;
  readonly said: string;
}

/** Whether this machine reaches the NodePorts: nice to have, and no proof against the mode where it does not. */
export const fromHereCheck: Check<readonly FromHere[]> = {
  id: "node-ports-from-here",
  question: "Does every node's NodePort answer this machine?",
  needs: ["traffic"],
  timeoutSeconds: 20,
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
  judge({ traffic }, _, answers) {
    // a client beside the nodes has the same network, and none of this machine's own peculiarities
    const outside = traffic?.probes.filter(({ flow }) => flow === "outside-to-node-port") ?? [];
    const worksOutside =
      outside.length > 0 && outside.every(({ tries }) => tries.every(({ failure }) => failure === undefined));
    return answers.map(({ node, url, said }): Finding => {
      if (said === "ok") return pass(node, `${url} answered`);
      const reason = worksOutside
        ? `${said}; a client on the nodes' network gets answers, so the way from this machine to the nodes is at fault (Docker Desktop, a VPN, a firewall)`
        : said;
      return warning(
        node,
        `${url} did not answer`,
        reason,
        `map the port with the setting cluster.portMappings, or check the route: ip route get ${new URL(url).hostname}`,
        { nodes: [node] },
      );
    });
  },
};

/** Ask on connections of its own, until one is answered. @returns `ok` or what went wrong. */
async function fetchFromHere(url: string): Promise<string> {
  let said = "";
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    said = await fetchOnce(url);
    if (said === "ok") return said;
  }
  return said;
}

async function fetchOnce(url: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(url, { signal, headers: { connection: "close" } });
    await response.arrayBuffer();
    return response.ok ? "ok" : `status ${response.status}`;
  } catch (error) {
    const { name, message, cause } = error as Error;
    if (name === "TimeoutError") return `no answer within ${TIMEOUT / 1000} s`;
    return cause instanceof Error ? cause.message : message;
  }
}
