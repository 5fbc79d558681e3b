import { WORKLOAD } from "../../modes/workload";
import { valueOf } from "../evidence/api";
import { counterOf, jsonOf } from "../evidence/node";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";
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
  question: "Do network policies let the probes pass?",
  needs: ["nodes", "traffic"],
  skip: skipWithoutWorkload,
  judge({ api, nodes, before, after }, { workload = WORKLOAD }) {
    if (nodes.length === 0) return [inconclusive("cluster", "no node could be asked")];
    const policies = valueOf(api.policies, []);
    return nodes.map((node): Finding => {
      const at = { nodes: [node.node] };
      const drops = dropsBetween(counterOf(before, node.node, "drops"), counterOf(after, node.node, "drops"));
      if (drops instanceof Error) return inconclusive(node.node, drops.message, undefined, at);
      const denied = [...drops].filter(([reason]) => /policy/i.test(reason) && !MISSING_PROGRAM.test(reason));
      const dropped = denied.reduce((sum, [, each]) => sum + each, 0);
      const enforced = enforcedOn(jsonOf<Endpoint[]>(node, "endpoints"), workload.namespace);
      const count = "error" in api.policies ? `unknown (${api.policies.error})` : policies.length;
      const seen = `policies in the cluster: ${count}, enforced on endpoints of the workload: ${enforced.length}`;
      if (dropped === 0) return pass(node.node, seen);
      const named = suspects(policies, workload.namespace, enforced);
      return fail(
        node.node,
        `${seen}; ${denied.map(([reason, each]) => `${each} × ${reason}`).join(", ")}`,
        `${named.length === 0 ? "a policy" : named.join(", ")} drops probes of the workload`,
        named.length === 0
          ? "kubectl get ciliumnetworkpolicies,ciliumclusterwidenetworkpolicies,networkpolicies -A"
          : `allow the workload's traffic in it, or delete it: ${named.map(deleting).join("; ")}`,
        { cause: "policy-drop", ...at },
      );
    });
  },
};

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
