import { isIpv4Address } from "../../modes/cidr";
import { WORKLOAD } from "../../modes/workload";
import { readingOf, valueOf } from "../evidence/api";
import { sectionOf, type NodeEvidence } from "../evidence/node";
import type { Queries, TrafficEvidence } from "../evidence/traffic";
import { fail, inconclusive, pass, warning, type Check, type Finding } from "./check";
import { odd } from "./nodes";
import { isOnNode, skipWithoutWorkload } from "./podNetwork";
import { NO_PROBES } from "./traffic";

/** The resolver sends a query again after 5 s. */
const LOST_QUERY_MILLISECONDS = 4500;

/** A lookup that takes longer than this is slow, in milliseconds; on a machine whose pods wait for themselves nobody can tell. */
const SLOW_MILLISECONDS = 1000;
const BUSY_MILLISECONDS = 150;

/** Whether cluster DNS answers in other ways than a resolver asks: by TCP, for names outside, and each time at once. */
function judgeQueries(
  { pod, node, again, tcp, outside }: Queries,
  traffic: TrafficEvidence,
  nodes: readonly NodeEvidence[],
  isExternal: boolean,
): Finding | undefined {
  const subject = `${pod} on ${node}`;
  const unanswered = tcp.filter((code) => code !== "NOERROR").length;
  if (unanswered > 0) {
    return fail(
      subject,
      `${unanswered} of ${tcp.length} queries by TCP: ${tcp.join(", ")}`,
      "cluster DNS answers by UDP and not by TCP, which long answers need",
      "kubectl -n kube-system rollout restart deployment coredns; kubectl get networkpolicies,ciliumnetworkpolicies -A",
      // any of the CoreDNS pods may be the one
      { cause: "dns-tcp" },
    );
  }
  if (outside !== undefined && ["none", "SERVFAIL"].includes(outside) && nodes.some(resolvesOutside)) {
    const seen = `a name outside the cluster: ${outside === "none" ? "no answer" : outside}; the node's own resolver answers`;
    return (isExternal ? warning : fail)(
      subject,
      seen,
      "cluster DNS gets no answers for names outside the cluster",
      'kubectl -n kube-system get configmap coredns -o yaml: "forward" must lead to resolvers that CoreDNS reaches; kubectl get ciliumclusterwidenetworkpolicies and the policies of kube-system must let it ask them',
      { cause: "dns-outside" },
    );
  }
  const slow = again.flat().filter((each) => each >= SLOW_MILLISECONDS);
  if (slow.length > 1 && traffic.slowest < BUSY_MILLISECONDS) {
    return warning(
      subject,
      `${slow.length} of ${again.flat().length} further lookups took ${Math.min(...slow)} ms or more`,
      "cluster DNS answers late",
      "kubectl -n kube-system top pods -l k8s-app=kube-dns; kubectl -n kube-system logs -l k8s-app=kube-dns",
    );
  }
  return undefined;
}

/** Whether a resolver of the node says that a name does not exist, or exists: code 3 or 0. */
function resolvesOutside(node: NodeEvidence): boolean {
  const text = sectionOf(node, "resolvers");
  return typeof text === "string" && /^\S+ +4d 4f \w\w \w[03]\s*$/m.test(text);
}

/** Whether names of the cluster resolve in every pod. */
export const dnsCheck: Check = {
  id: "dns",
  question:
    "Do names resolve in pods on every node, of the cluster also by TCP, and outside where a node resolves them?",
  needs: ["nodes", "traffic"],
  skip: skipWithoutWorkload,
  judge({ traffic, api, nodes }, { workload = WORKLOAD, isExternal }) {
    if (traffic === undefined || traffic.pods.length === 0) return [inconclusive("cluster", NO_PROBES)];
    const dns = valueOf(api.services, []).find(
      ({ namespace, name }) => namespace === "kube-system" && (name === "kube-dns" || name === "coredns"),
    );
    const unserved = ["UDP", "TCP"].filter(
      (protocol) => dns !== undefined && !dns.ports.some((each) => each.protocol === protocol && each.port === 53),
    );
    if (unserved.length > 0) {
      return [
        fail(
          "cluster",
          `Service ${dns!.name}: ${dns!.ports.map(({ protocol, port }) => `${port}/${protocol}`).join(", ")}`,
          `cluster DNS has no port 53 for ${unserved.join(" and ")}: long answers need TCP, all others UDP`,
          `kubectl -n kube-system edit service ${dns!.name}`,
          { cause: "dns-down" },
        ),
      ];
    }
    return traffic.pods.map(({ pod, node, output }): Finding => {
      const subject = `${pod} on ${node}`;
      const at = { nodes: [node] };
      const own = traffic.resolutions.filter((each) => each.pod === pod);
      if (own.length === 0) return inconclusive(subject, "the pod did not say whether names resolve", undefined, at);
      // on a busy machine an answer is late without being lost
      const isLate = (milliseconds: number) =>
        milliseconds >= LOST_QUERY_MILLISECONDS && traffic.slowest < LOST_QUERY_MILLISECONDS / 4;
      const failed = own.filter(({ answered, milliseconds }) => !answered || isLate(milliseconds));
      const unlike = odd(
        traffic.pods.map((each) => ({ node: each.pod, text: each.output?.split("---\n")[3]?.trim() })),
        ({ text }) => text,
      ).find((each) => each.node === pod);
      const server = /^nameserver (\S+)/m.exec(output?.split("---\n")[3] ?? "")?.[1];
      const isOther =
        server !== undefined && dns !== undefined && server !== dns.clusterIp && !isOnNode(server, node, nodes);
      const seen = `${own.length - failed.length} of ${own.length} names resolved by ${server ?? "no nameserver"}`;
      const search = /^search (.*)$/m.exec(output?.split("---\n")[3] ?? "")?.[1] ?? "";
      const domain = `${workload.namespace}.svc.cluster.local`;
      // another cluster may have another domain
      if (
        failed.length === 0 &&
        !isOther &&
        !isExternal &&
        server !== undefined &&
        !search.split(" ").includes(domain)
      ) {
        return fail(
          subject,
          `search ${search || "(none)"}`,
          `the pod's resolv.conf does not search ${domain}, so that short names of Services do not resolve`,
          `kubectl -n ${workload.namespace} delete pod ${pod}; the kubelet's clusterDomain must be cluster.local`,
          { cause: "dns-config", ...at },
        );
      }
      const misled = own.flatMap(({ name, answered, address = "" }) => {
        const [service, namespace] = name.split(".");
        const { clusterIp, clusterIps } =
          valueOf(api.services, []).find((each) => each.name === service && each.namespace === namespace) ?? {};
        const known = clusterIps ?? (clusterIp === undefined || !isIpv4Address(address) ? undefined : [clusterIp]);
        return answered && address !== "" && known !== undefined && !known.includes(address)
          ? [`${name} is ${address}, and its Service has ${known.join(" and ")}`]
          : [];
      });
      if (misled.length > 0) {
        return fail(
          subject,
          misled.join("; "),
          "cluster DNS answers with addresses that its Services do not have",
          "kubectl -n kube-system get configmap coredns -o yaml; kubectl -n kube-system rollout restart deployment coredns",
          { cause: "dns-config" },
        );
      }
      if (failed.length === 0 && !isOther && unlike === undefined) {
        const queries = traffic.queries?.find((each) => each.pod === pod);
        return (queries && judgeQueries(queries, traffic, nodes, isExternal ?? false)) ?? pass(subject, seen);
      }
      if (unlike !== undefined && !isOther && server !== undefined) {
        return fail(
          subject,
          unlike.own.replaceAll("\n", "; "),
          `the pod's resolv.conf differs from the other pods' (${unlike.most.replaceAll("\n", "; ")})`,
          `kubectl -n ${workload.namespace} delete pod ${pod}; look at its spec.dnsPolicy and spec.dnsConfig`,
          { cause: "dns-config", ...at },
        );
      }
      if (isOther || server === undefined) {
        return fail(
          subject,
          seen,
          `the pod's resolv.conf names ${server ?? "no nameserver"}, and cluster DNS is ${dns?.clusterIp ?? "unknown"}`,
          `kubectl -n ${workload.namespace} delete pod ${pod}; the kubelet's clusterDNS must be ${dns?.clusterIp ?? "the address of Service kube-dns"}`,
          { cause: "dns-config", ...at },
        );
      }
      const endpoints = readingOf(api.endpoints)
        .filter((each) => each.namespace === "kube-system" && each.service === dns?.name && each.protocol === "UDP")
        .flatMap(({ addresses }) => addresses);
      const servers = valueOf(api.pods, []).filter(({ address }) => endpoints.includes(address));
      const why =
        endpoints.length === 0
          ? "Service kube-dns has no ready endpoint"
          : failed.every(({ answered }) => answered)
            ? `a query to cluster DNS at ${server} was lost, and only the resolver's next one was answered`
            : `cluster DNS at ${server} gives no answer`;
      return fail(
        subject,
        seen,
        `${failed.map(({ name }) => name).join(", ")} did not resolve: ${why}`,
        "kubectl -n kube-system get pods -l k8s-app=kube-dns; kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns; kubectl -n kube-system logs -l k8s-app=kube-dns",
        { cause: "dns-down", nodes: [node, ...servers.map((server) => server.node)] },
      );
    });
  },
};
