import { nodeAddresses } from "../probes";
import { pass, skipped, warning, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** One node's NodePort as this machine sees it: `ok` or what went wrong. */
interface FromHere {
  readonly node: string;
  readonly url: string;
  readonly said: string;
}

/** Whether this machine reaches the NodePorts: nice to have, and no proof against the mode where it does not. */
export const fromHereCheck: Check<readonly FromHere[] | undefined> = {
  id: "node-ports-from-here",
  question: "Does every node's NodePort answer this machine?",
  needs: ["traffic"],
  timeoutSeconds: 20,
  skip: skipWithoutWorkload,
  async read(cluster, { nodePort }) {
    const { reach } = cluster;
    if (reach === undefined) return undefined;
    const nodes = await nodeAddresses(cluster);
    return Promise.all(
      nodes.map(async ({ node, address }) => {
        const url = `http://${address}:${nodePort}/`;
        return { node, url, said: await reach(url) };
      }),
    );
  },
  judge({ traffic }, _, answers) {
    if (answers === undefined)
      return [skipped("cluster", "the cluster is a recorded one, which this machine cannot reach")];
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
