import { valueOf } from "../../../../datapath/evidence/api";
import { RECORDED_PODS, type Change } from "../evidence";

export const WORKER = "cmlead-worker";
export const {
  own: OWN,
  ownNetwork: OWN_NETWORK,
  peer: PEER,
  peerNetwork: PEER_NETWORK,
  peerNode: PEER_NODE,
} = RECORDED_PODS;

/** A pod's answer with more rules, and more lines in /etc/hosts. */
export const withMore = (output: string, rules: string, hosts: string) =>
  output.replace("32766:", `${rules}32766:`).replace("127.0.0.1\tlocalhost\n", `127.0.0.1\tlocalhost\n${hosts}`);

/** What every pod says of further queries to cluster DNS. */
export const queried =
  (said: { tcp?: string[]; outside?: string; again?: number[][] }): Change =>
  ({ traffic }) => {
    traffic!.queries = traffic!.pods.map(({ pod, node }) => ({ pod, node, again: [], tcp: [], ...said }));
  };

/** What the nodes' resolvers answer. */
export const resolving =
  (value: string): Change =>
  ({ nodes }) => {
    for (const node of nodes) node.sections.resolvers = { value };
  };

/** The worker's server answers no probe, and has left its Service. */
export const unready: Change = ({ api }) => {
  const server = valueOf(api.pods, []).find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!;
  server.ready = false;
  for (const { addresses } of valueOf(api.endpoints, [])) {
    const index = addresses.indexOf(server.address);
    if (index >= 0) (addresses as string[]).splice(index, 1);
  }
};

/** Its name, how it changes the recorded evidence, the check that finds it, its cause, and what the reason says. */
export type RecordedFault = readonly [string, Change, string, string, RegExp];
