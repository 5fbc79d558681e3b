import { WORKLOAD } from "../../modes/workload";
import { valueOf } from "../evidence/api";
import { counterOf, jsonOf, sectionOf, type NodeEvidence } from "../evidence/node";
import { NONE_LOST } from "../evidence/pods";
import type { TrafficEvidence } from "../evidence/traffic";
import { fail, inconclusive, pass, warning, type Check, type Finding } from "./check";
import { dropsBetween, MISSING_PROGRAM } from "./drops";
import { skipWithoutWorkload } from "./podNetwork";

/** What `cilium endpoint list -o json` prints of an endpoint, as far as it is needed. */
interface Endpoint {
  readonly status?: {
    readonly identity?: { readonly labels?: readonly string[] };
    readonly policy?: {
      readonly realized?: { readonly "policy-enabled"?: string; readonly l4?: Readonly<Record<string, unknown>> };
    };
  };
}

/** Whether policies leave the workload's probes alone. */
export const policiesCheck: Check = {
  id: "policies",
  question: "Do network policies let the probes pass, and does Cilium accept them?",
  needs: ["nodes", "traffic"],
  skip: skipWithoutWorkload,
  judge({ api, nodes, before, after, traffic }, { workload = WORKLOAD, isExternal }) {
    if (nodes.length === 0) return [inconclusive("cluster", "no node could be asked")];
    const policies = valueOf(api.policies, []);
    // other sources of policies are not listed
    const config = valueOf(api.config, undefined)?.data ?? {};
    const isListed = !Object.entries(config).some(
      ([key, value]) => OTHER_SOURCES.test(key) && !/^(?:false)?$/.test(value),
    );
    const isKnown = !isExternal && isListed && !("error" in api.policies);
    const invalid = valueOf(api.invalidPolicies ?? { value: [] }, []).map(({ policy, said }) =>
      warning(
        "cluster",
        `${policy} is not valid`,
        `Cilium does not accept ${policy} and enforces none or only a part of it: ${said.slice(0, 160)}`,
        `correct it, or ${deleting(policy)}`,
      ),
    );
    const findings = nodes.map((node): Finding => {
      const at = { nodes: [node.node] };
      const drops = dropsBetween(counterOf(before, node.node, "metrics"), counterOf(after, node.node, "metrics"));
      if (drops instanceof Error) return inconclusive(node.node, drops.message, undefined, at);
      const denied = [...drops].filter(([reason]) => /policy/i.test(reason) && !MISSING_PROGRAM.test(reason));
      const dropped = denied.reduce((sum, [, each]) => sum + each, 0);
      const enforced = enforcedOn(jsonOf<Endpoint[]>(node, "endpoints"), workload.namespace);
      const count = "error" in api.policies ? `unknown (${api.policies.error})` : policies.length;
      const seen = `policies in the cluster: ${count}, enforced on endpoints of the workload: ${enforced.length}`;
      const stale = isKnown && policies.length === 0 ? deniedIn(node) : [];
      if (stale instanceof Error) return inconclusive(node.node, stale.message, undefined, at);
      if (stale.length > 0) {
        return fail(
          node.node,
          `${seen}; ${stale.slice(0, 3).join("; ")}`,
          "a BPF policy map denies something, and no policy does",
          `kubectl -n kube-system delete pod ${node.agent}: the agent fills its maps when it starts`,
          { cause: "policy-map-stale", ...at },
        );
      }
      if (dropped === 0) return pass(node.node, seen);
      // any other pod may be denied something all the time
      const { probes = [], silent = [] } = traffic?.ipv6 ?? {};
      const isOfIpv4 = isAnyLost(traffic, node.node);
      const isOfIpv6 = traffic !== undefined && isAnyProbeLost({ probes, silent }, node.node);
      if (!isOfIpv4 && !isOfIpv6)
        return pass(node.node, `${seen}; ${dropped} packets of other pods were denied, and no probe`);
      const named = suspects(policies, workload.namespace, enforced);
      return fail(
        node.node,
        `${seen}; ${denied.map(([reason, each]) => `${each} × ${reason}`).join(", ")}`,
        `${named.length === 0 ? "a policy" : named.join(", ")} drops probes of the workload${isOfIpv4 ? "" : " by IPv6, and none by IPv4"}`,
        named.length === 0
          ? "kubectl get ciliumnetworkpolicies,ciliumclusterwidenetworkpolicies,networkpolicies -A"
          : `allow the workload's traffic in it${isOfIpv4 ? "" : ", where it lists 0.0.0.0/0 also that of ::/0"}, or delete it: ${named.map(deleting).join("; ")}`,
        { cause: "policy-drop", ...at },
      );
    });
    return [...findings, ...invalid];
  },
};

/** Keys of cilium-config by which policies come from elsewhere than NetworkPolicies and Cilium's own two kinds. */
const OTHER_SOURCES = /^static-cnp-path$|cluster-?network-?policy/;

/** What the BPF policy maps of a node deny, by endpoint. */
function deniedIn(node: NodeEvidence): string[] | Error {
  const lines = node.sections.policyMaps === undefined ? "" : sectionOf(node, "policyMaps");
  if (lines instanceof Error) return lines;
  return lines.split("\nEndpoint ID: ").flatMap((endpoint) => {
    const id = /^(?:Endpoint ID: )?(\d+)/.exec(endpoint.trim())?.[1] ?? "unknown";
    return [...endpoint.matchAll(/^Deny\s+(\w+)\s+(\d+)\s+(\S+)/gm)].map(
      ([, way, identity, port]) => `endpoint ${id} denies ${way!.toLowerCase()} ${port} of identity ${identity}`,
    );
  });
}

/** Whether any probe or name of a node's, or for it, got no answer. */
function isAnyLost(traffic: TrafficEvidence | undefined, node: string): boolean {
  if (traffic === undefined) return true;
  return (
    isAnyProbeLost(traffic, node) ||
    traffic.resolutions.some((each) => each.node === node && !each.answered) ||
    traffic.pods.some(({ pinged }) => pinged !== undefined && pinged.lost !== NONE_LOST)
  );
}

function isAnyProbeLost({ probes, silent }: Pick<TrafficEvidence, "probes" | "silent">, node: string): boolean {
  return (
    silent.length > 0 ||
    probes.some(({ from, to, tries }) => {
      const concerns = from.node === node || to.node === node || from.node === undefined || to.node === undefined;
      return concerns && tries.some(({ failure, lost }) => failure !== undefined || lost > 0);
    })
  );
}

/** The realized policies, as JSON with the policies' names, of those endpoints of a namespace that enforce one. */
function enforcedOn(endpoints: readonly Endpoint[] | Error, namespace: string): string[] {
  if (endpoints instanceof Error) return [];
  return endpoints.flatMap(({ status }) => {
    const realized = status?.policy?.realized;
    const isOwn = status?.identity?.labels?.includes(`k8s:io.kubernetes.pod.namespace=${namespace}`);
    if (!isOwn || (realized?.["policy-enabled"] ?? "none") === "none") return [];
    return [JSON.stringify(realized)];
  });
}

/** The policies that an endpoint says its rules come from; else those that can select it. */
function suspects(policies: readonly string[], namespace: string, enforced: readonly string[]): string[] {
  const named = policies.filter((policy) => {
    const name = policy.split(/[ /]/).at(-1)!;
    return enforced.some((text) => text.includes(`policy.name=${name}"`));
  });
  if (named.length > 0) return named;
  return policies.filter((policy) => policy.includes(` ${namespace}/`) || policy.startsWith("CiliumClusterwide"));
}

function deleting(policy: string): string {
  const [kind, path] = policy.split(" ") as [string, string];
  const [namespace, name] = path.includes("/") ? (path.split("/") as [string, string]) : [undefined, path];
  return `kubectl ${namespace === undefined ? "" : `-n ${namespace} `}delete ${kind.toLowerCase()} ${name}`;
}
