import { inPod, kube, onEveryNode, onNode, patched, type Fault, type Script } from "./fault";

const COREFILE = kube("kubectl -n kube-system get configmap coredns -o jsonpath='{.data.Corefile}' | cksum")[0]!;
const RESTART_COREDNS =
  "kubectl -n kube-system rollout restart deployment coredns >/dev/null; kubectl -n kube-system rollout status deployment coredns --timeout=90s >/dev/null";

/** Edit CoreDNS' configuration with sed, and restart it. */
function corefile(edit: string): { inject: Script[]; undo: Script[]; probe: Script } {
  return {
    inject: kube(`[ -e $kept/corefile ] || kubectl -n kube-system get configmap coredns -o json >$kept/corefile
kubectl -n kube-system patch configmap coredns --type=merge -p "$(jq -r .data.Corefile $kept/corefile | sed '${edit}' | jq -Rsc '{data: {Corefile: .}}')" >/dev/null
${RESTART_COREDNS}`),
    undo: kube(`[ -e $kept/corefile ] || exit 0
kubectl -n kube-system patch configmap coredns --type=merge -p "$(jq -c '{data: .data}' $kept/corefile)" >/dev/null
${RESTART_COREDNS}; rm $kept/corefile`),
    probe: COREFILE,
  };
}

/** A pod's resolv.conf, edited. */
const resolvConf = (edit: string) => ({
  inject: inPod(
    `[ -e $kept/resolv.conf ] || cat /etc/resolv.conf >$kept/resolv.conf; sed '${edit}' $kept/resolv.conf >/etc/resolv.conf`,
  ),
  undo: inPod("[ ! -e $kept/resolv.conf ] || { cat $kept/resolv.conf >/etc/resolv.conf; rm $kept/resolv.conf; }"),
  probe: inPod("cat /etc/resolv.conf")[0]!,
});

/** Names, and those who answer for them. */
export const DNS_FAULTS: readonly Fault[] = [
  {
    name: "coredns-scaled-down",
    class: "dns",
    title: "CoreDNS has no replicas.",
    teaches: "Every name fails, inside the cluster and outside, while addresses work.",
    expect: ["dns-down"],
    inject: kube(
      "[ -e $kept/dns ] || kubectl -n kube-system get deployment coredns -o jsonpath='{.spec.replicas}' >$kept/dns; kubectl -n kube-system scale deployment coredns --replicas=0 >/dev/null; kubectl -n kube-system wait --for=delete pod -l k8s-app=kube-dns --timeout=60s >/dev/null",
    ),
    undo: kube(
      "[ ! -e $kept/dns ] || { kubectl -n kube-system scale deployment coredns --replicas=$(cat $kept/dns) >/dev/null; kubectl -n kube-system rollout status deployment coredns --timeout=90s >/dev/null; rm $kept/dns; }",
    ),
    probe: kube("kubectl -n kube-system get deployment coredns -o jsonpath='{.spec.replicas}'")[0]!,
  },
  {
    name: "cluster-domain-wrong",
    class: "dns",
    title: "CoreDNS answers for another domain than cluster.local.",
    teaches: "CoreDNS is healthy and says NXDOMAIN for every Service.",
    expect: ["dns-config", "dns-down"],
    ...corefile("s/cluster\\.local/cluster.other/g"),
  },
  {
    name: "coredns-refuses",
    class: "dns",
    title: "CoreDNS' Corefile has no plugin for Kubernetes.",
    teaches: "Names of Services are forwarded to resolvers that do not know them.",
    expect: ["dns-config", "dns-down"],
    ...corefile("/^ *kubernetes /,/^ *}/d"),
  },
  {
    name: "dns-service-without-pods",
    class: "dns",
    title: "The Service kube-dns selects no pod.",
    teaches: "CoreDNS runs and nobody reaches it: the Service's address refuses connections.",
    expect: ["dns-down", "dns-config", "service-changed"],
    ...patched(
      "service/kube-dns",
      "kube-system",
      `{"spec":{"selector":{"k8s-app":"nobody"}}}`,
      `{"spec":{"selector":{"k8s-app":"kube-dns"}}}`,
      "{.spec.selector.k8s-app}",
    ),
  },
  {
    name: "resolver-wrong-in-pod",
    class: "dns",
    title: "One pod's resolv.conf names a resolver that does not exist.",
    teaches: "Names fail in one pod only, after a timeout of seconds.",
    expect: ["dns-config", "dns-down"],
    ...resolvConf("s/^nameserver .*/nameserver 10.96.255.254/"),
  },
  {
    name: "search-domain-missing-in-pod",
    class: "dns",
    title: "One pod's resolv.conf has no search domains.",
    teaches: "Full names work; the short name of a Service does not.",
    expect: ["dns-config", "dns-down"],
    ...resolvConf("/^search/d"),
  },
  {
    name: "coredns-frozen",
    class: "dns",
    title: "Every CoreDNS process hangs (SIGSTOP).",
    teaches: "Queries time out after seconds, until the readiness probes fail and the Service is without backends.",
    expect: ["dns-down"],
    inject: onEveryNode("pkill -STOP -x coredns || true"),
    undo: onEveryNode("pkill -CONT -x coredns || true"),
    probe: onEveryNode("ps -o stat= -C coredns | cut -c1 | grep -c T || true")[0]!,
  },
  {
    name: "one-coredns-blocks-udp",
    class: "dns",
    title: "One of the CoreDNS pods drops UDP.",
    teaches: "It is ready by its HTTP probe, so half of all lookups take five seconds or fail.",
    expect: ["dns-down", "netfilter-foreign", "packet-loss"],
    inject: onEveryNode(
      "pod_address=$dns_pod_address; in_pod true 2>/dev/null || exit 0; in_pod iptables -w 5 -I INPUT -p udp --dport 53 -j DROP",
    ),
    undo: onEveryNode(
      "pod_address=$dns_pod_address; in_pod true 2>/dev/null || exit 0; while in_pod iptables -w 5 -D INPUT -p udp --dport 53 -j DROP 2>/dev/null; do :; done",
    ),
    probe: onEveryNode(
      "pod_address=$dns_pod_address; in_pod true 2>/dev/null || exit 0; in_pod iptables -w 5 -S INPUT | grep -c 'dport 53' || true",
    )[0]!,
  },
  {
    name: "dns-without-tcp",
    class: "dns",
    title: "The Service of cluster DNS has no port for TCP.",
    teaches: "Short answers come; those that do not fit into a datagram fail.",
    expect: ["dns-down"],
    inject: kube(
      `[ -e $kept/ports ] || kubectl -n kube-system get service kube-dns -o json | jq -c '{spec: {ports: .spec.ports}}' >$kept/ports
kubectl -n kube-system patch service kube-dns --type=merge -p "$(jq -c '.spec.ports |= map(select(.protocol != "TCP" or .port != 53))' $kept/ports)" >/dev/null; sleep 2`,
    ),
    undo: kube(
      `[ ! -e $kept/ports ] || { kubectl -n kube-system patch service kube-dns --type=merge -p "$(cat $kept/ports)" >/dev/null; rm $kept/ports; sleep 2; }`,
    ),
    probe: kube("kubectl -n kube-system get service kube-dns -o jsonpath='{.spec.ports[*].name}'")[0]!,
  },
  {
    name: "names-answered-wrongly",
    class: "dns",
    title: "CoreDNS answers for the workload's Service with an address outside the cluster.",
    teaches: "Names resolve, and connections go somewhere else: a forgotten hosts entry.",
    expect: ["dns-config"],
    ...corefile("s/^ *kubernetes /hosts {\\n 203.0.113.9 serversvc.nettool.svc.cluster.local\\n fallthrough\\n}\\n&/"),
  },
  {
    name: "pod-hosts-wrong",
    class: "dns",
    title: "/etc/hosts in one pod gives the workload's Service another address.",
    teaches: "Programs in that pod do not ask DNS for the name; dig and nslookup do, and find nothing wrong.",
    expect: ["dns-config"],
    inject: inPod(
      "[ -e $kept/hosts ] || cat /etc/hosts >$kept/hosts; { cat $kept/hosts; echo 192.0.2.9 serversvc.nettool.svc.cluster.local; } >/etc/hosts",
    ),
    undo: inPod("[ ! -e $kept/hosts ] || { cat $kept/hosts >/etc/hosts; rm $kept/hosts; }"),
    probe: inPod("cat /etc/hosts")[0]!,
  },
  {
    name: "dns-service-local",
    class: "dns",
    title: "The Service of cluster DNS has internalTrafficPolicy Local.",
    teaches: "Names resolve on nodes where CoreDNS runs, and nowhere else.",
    expect: ["service-changed"],
    ...patched(
      "service/kube-dns",
      "kube-system",
      '{"spec":{"internalTrafficPolicy":"Local"}}',
      '{"spec":{"internalTrafficPolicy":"Cluster"}}',
      "{.spec.internalTrafficPolicy}",
    ),
  },
  {
    name: "names-outside-unanswered",
    class: "dns",
    title: "CoreDNS forwards names outside the cluster to an address that nobody has.",
    teaches: "Names of Services resolve, and all others time out in every pod; the nodes resolve them.",
    expect: ["dns-outside"],
    ...corefile("s|forward \\. [^{]*|forward . 192.0.2.1 |"),
  },
  {
    name: "coredns-drops-tcp",
    class: "dns",
    title: "Every CoreDNS pod drops DNS over TCP.",
    teaches: "Short answers come by UDP. Those that do not fit into a datagram, and resolvers that use TCP, fail.",
    expect: ["dns-tcp"],
    inject: kube(
      `kubectl apply -f - >/dev/null <<X
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: drill}
spec:
  endpointSelector: {matchLabels: {k8s-app: kube-dns}}
  enableDefaultDeny: {ingress: false, egress: false}
  ingressDeny:
    - fromEntities: [all]
      toPorts: [{ports: [{port: "53", protocol: TCP}]}]
X
sleep 3`,
    ),
    undo: kube("kubectl delete ciliumclusterwidenetworkpolicy drill --ignore-not-found >/dev/null; sleep 2"),
    probe: kube("kubectl get ciliumclusterwidenetworkpolicy drill -o name --ignore-not-found")[0]!,
  },
  {
    name: "node-resolver-wrong",
    class: "dns",
    title: "One worker's own resolv.conf names a resolver that does not exist.",
    teaches:
      "Pods resolve names. The node's agent and kubelet find the API server by its name until they connect again.",
    expect: ["node-resolver"],
    inject: onNode(
      "[ -e $kept/resolv.conf ] || cat /etc/resolv.conf >$kept/resolv.conf; echo nameserver 192.0.2.1 >/etc/resolv.conf",
    ),
    undo: onNode("[ ! -e $kept/resolv.conf ] || { cat $kept/resolv.conf >/etc/resolv.conf; rm $kept/resolv.conf; }"),
    probe: onNode("cat /etc/resolv.conf")[0]!,
  },
  {
    name: "kubelet-cluster-domain-wrong",
    class: "dns",
    title: "The kubelet of one worker gives pods another domain than cluster.local.",
    teaches: "Pods that run are not affected. Each new pod on that node finds no Service by its short name.",
    expect: ["dns-config"],
    inject: onNode(
      "[ -e $kept/kubelet.yaml ] || cp /var/lib/kubelet/config.yaml $kept/kubelet.yaml; sed 's/^clusterDomain:.*/clusterDomain: corp.local/' $kept/kubelet.yaml >/var/lib/kubelet/config.yaml; systemctl restart kubelet; sleep 3",
    ),
    undo: onNode(
      "[ ! -e $kept/kubelet.yaml ] || { cat $kept/kubelet.yaml >/var/lib/kubelet/config.yaml; systemctl restart kubelet; sleep 3; rm $kept/kubelet.yaml; }",
    ),
    probe: onNode("grep ^clusterDomain: /var/lib/kubelet/config.yaml")[0]!,
    // the kubelet calls its pods not ready until it has probed them again
    settleSeconds: 25,
  },
];
