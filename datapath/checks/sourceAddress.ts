import { containsAddress } from "../../modes/cidr";
import { readingOf, valueOf } from "../evidence/api";
import { COVERAGE } from "../evidence/coverage";
import { addressesOn, ipv6AddressesOn } from "../evidence/node";
import type { Probe } from "../evidence/traffic";
import { byIpv6, fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";
import { nameOf, NO_PROBES, nodesOf } from "./traffic";

/** Whether servers see the addresses that the mode lets them see. */
export const sourceAddressCheck: Check = {
  id: "source-address",
  question: "Does the server see each client's own address, or its node's, exactly where the mode rewrites it?",
  needs: ["traffic", "nodes"],
  skip: skipWithoutWorkload,
  judge({ traffic, api, nodes: evidences }, { evidence }) {
    if (traffic === undefined || traffic.pods.length === 0) return [inconclusive("cluster", NO_PROBES)];
    const nodes = readingOf(api.nodes);
    const nodeOf = (name: string | undefined) => nodes.find((each) => each.name === name);
    // what Cilium translates and sends through a tunnel comes from its own address on the node
    const onCiliumHost = (read: typeof addressesOn) => (name: string | undefined) => {
      const node = evidences.find((each) => each.node === name);
      return node === undefined ? undefined : read(node, "cilium_host")[0];
    };
    const addresses = { of: (name: string | undefined) => nodeOf(name)?.address, inTunnel: onCiliumHost(addressesOn) };
    const ipv6Addresses = {
      of: (name: string | undefined) => nodeOf(name)?.ipv6Address,
      inTunnel: onCiliumHost(ipv6AddressesOn),
    };
    const nodeOfPod = new Map(traffic.pods.map(({ pod, node }) => [pod, node]));
    const isCilium = evidence.serviceMap.nodePort === "present";
    const config = valueOf(api.config, undefined)?.data ?? {};
    const balancing = config["bpf-lb-mode"] ?? config["node-port-mode"] ?? "snat";
    // DSR leaves the client's address alone on the way in; hybrid does so by TCP only
    const keepsClient = (shape: string) => balancing === "dsr" || (balancing === "hybrid" && shape.startsWith("tcp"));
    const isHostOnly = config["bpf-lb-sock-hostns-only"] === "true";
    const natives = ["ipv4", "ipv6"].flatMap((family) => config[`${family}-native-routing-cidr`] || []);
    const allowed = (
      { flow, from, to, shape }: Probe,
      pod: string | undefined,
      { of: addressOf, inTunnel }: typeof addresses,
    ): { readonly addresses: readonly string[]; readonly why: string } | undefined => {
      const own = { addresses: [from.address], why: "the client's own address" };
      // what a service gives back to the client itself gets Cilium's loopback address
      if (pod === from.name) return undefined;
      switch (flow) {
        case "pod-to-pod":
        case "pod-to-cluster-ip":
          return own;
        case "pod-to-node-port": {
          // kube-proxy masquerades on the asked node; Cilium translates in the pod's socket
          if (!isCilium) return undefined;
          const asked = addressOf(to.node);
          // without sockets of pods, the asked node translates
          if (!isHostOnly || to.node === from.node || asked === undefined) return own;
          return { addresses: [from.address, asked], why: `${own.why}, or the asked node's ${asked}` };
        }
        case "pod-to-outside": {
          if (natives.some((native) => containsAddress(native, to.address))) return own;
          const address = addressOf(from.node);
          return address === undefined ? undefined : { addresses: [address], why: `its node's address ${address}` };
        }
        case "outside-to-node-port": {
          const isTunnel = evidence.tunnelDevice !== "none";
          const address = isTunnel ? inTunnel(to.node) : addressOf(to.node);
          if (address === undefined || !isCilium) return undefined;
          const isLocal = pod !== undefined && nodeOfPod.get(pod) === to.node;
          const why = `the receiving node's address ${address}${isTunnel ? " on cilium_host" : ""}`;
          if (isLocal) return own;
          if (keepsClient(shape)) return { ...own, why: `${own.why}, which loadBalancer.mode ${balancing} keeps` };
          return { addresses: [address], why };
        }
        case "pod-to-node":
        case "node-to-pod":
        case "node-to-cluster-ip":
        case "node-to-node-port":
          return undefined;
      }
    };
    const judgedOf = (probes: readonly Probe[], of: typeof addresses) =>
      probes.flatMap((probe) =>
        probe.tries.flatMap(({ client, pod }) => {
          const want = client === undefined ? undefined : allowed(probe, pod, of);
          return want === undefined ? [] : [{ probe, client: client!, pod, want }];
        }),
      );
    const judged = judgedOf(traffic.probes, addresses);
    const ofIpv6 = judgedOf(traffic.ipv6?.probes ?? [], ipv6Addresses);
    if (judged.length === 0)
      return [skipped("cluster", "no server told a client's address: its image is older than this check")];
    const findingsOf = (all: typeof judged) => {
      const senders = new Map<string, typeof judged>();
      for (const each of all)
        senders.set(nameOf(each.probe.from), [...(senders.get(nameOf(each.probe.from)) ?? []), each]);
      return [...senders].map(([subject, own]): Finding => {
        const wrong = own.filter(({ client, want }) => !want.addresses.includes(client));
        if (wrong.length === 0) return pass(subject, `${own.length} clients' addresses as expected`);
        const [{ probe, client, pod, want }] = wrong as [(typeof wrong)[number]];
        return fail(
          subject,
          `${wrong.length} of ${own.length} answers name another client`,
          `${COVERAGE[probe.flow].from} to ${probe.to.name} (${probe.shape}): ${pod ?? "the server"} saw ${client}, expected ${want.why}`,
          probe.from.node === undefined
            ? `kubectl -n kube-system exec ds/cilium -- cilium status --verbose (in the agent of ${probe.to.node}): load balancer mode`
            : `on ${probe.from.node}: iptables -t nat -S POSTROUTING; kubectl -n kube-system exec ds/cilium -- cilium bpf nat list (in its agent)`,
          {
            cause: "source-address",
            nodes: [
              ...new Set(
                wrong.flatMap((each) => [
                  ...nodesOf(each.probe.from),
                  ...(each.probe.flow === "outside-to-node-port" ? nodesOf(each.probe.to) : []),
                ]),
              ),
            ],
          },
        );
      });
    };
    return [...findingsOf(judged), ...byIpv6(findingsOf(ofIpv6))];
  },
};
