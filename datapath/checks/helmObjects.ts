import { CILIUM_NAMESPACE } from "../../cluster/agents";
import type { AccountState, HelmDrift, ObjectDrift } from "../../cluster/helmDrift";
import { valueOf, type PodState } from "../evidence/api";
import { fail, firstOf, inconclusive, pass, skipped, warning, whyUnread, type Check, type Finding } from "./check";

/** Workloads without whose pods there is no network. */
const NEEDED = new Set(["DaemonSet cilium", "Deployment cilium-operator"]);

const MOST_WORDS = 3;

/** Kubelets renew the tokens of running pods within this time, also for a ServiceAccount that replaced another. */
const TOKEN_SECONDS = 3600;

/** Label of Cilium's pods to the object that makes them. */
const OWNERS = [
  { label: "k8s-app", value: "cilium", owner: "daemonset cilium", what: "agents" },
  { label: "io.cilium/app", value: "operator", owner: "deployment cilium-operator", what: "operators" },
] as const;

/** Whether the objects from which Cilium's pods are made, and their permissions, are those that Helm rendered: running pods do not show it. */
export const helmObjectsCheck: Check<(HelmDrift & { readonly now: number }) | undefined | string> = {
  id: "helm-objects",
  question: "Are Cilium's DaemonSets, Deployments, roles and bindings as Helm rendered them?",
  needs: [],
  skip: ({ isExternal }) =>
    isExternal === true ? "how another cluster's Cilium is installed is its owner's choice" : undefined,
  async read(cluster) {
    try {
      const drift = await cluster.helmDrift(CILIUM_NAMESPACE);
      return drift && { ...drift, now: cluster.now() };
    } catch (error) {
      return whyUnread(error);
    }
  },
  judge({ api: { rendered, pods } }, _expectation, drift) {
    if (drift === undefined) return [skipped("cluster", "Helm has no record of Cilium")];
    // a recorded cluster was not asked for more than Helm's record
    if (typeof drift === "string")
      return ["error" in rendered ? inconclusive("cluster", drift) : skipped("cluster", drift)];
    const { release, status, compared, drifts, unread } = drift;
    if (status !== "deployed") return [skipped("cluster", `Helm's record is ${status}, and not deployed`)];
    const findings = drifts.map((each) => judgeDrift(each, release));
    const young = (drift.accounts ?? []).filter(({ createdAt }) => drift.now - createdAt < TOKEN_SECONDS * 1000);
    findings.push(...young.flatMap((each) => judgeAccount(each, valueOf(pods, []))));
    if (unread.length > 0) findings.push(skipped("cluster", `some objects could not be read: ${unread[0]}`));
    return findings.length > 0 ? findings : [pass("cluster", `${compared} objects as Helm rendered them`)];
  },
};

function judgeDrift(drift: ObjectDrift, release: string): Finding {
  const { kind, name, namespace, isMissing, changed, added } = drift;
  const object = `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
  const apply = `helm -n ${CILIUM_NAMESPACE} get manifest ${release} | kubectl apply -f -`;
  const own = `${kind.toLowerCase()} ${name}`;
  if (kind !== "DaemonSet" && kind !== "Deployment") {
    const words = firstOf(changed, MOST_WORDS, ";");
    return fail(
      "cluster",
      isMissing ? `no ${object}` : `${object} ${words}`,
      `${isMissing ? `${object}, which Helm installed, is gone` : `${object} is not as Helm rendered it`}: Cilium's pods lack permissions, and connections that they opened before hide it`,
      apply,
      { cause: "permission-missing" },
    );
  }
  const judge = NEEDED.has(`${kind} ${name}`) ? fail : warning;
  if (isMissing) {
    return judge(
      "cluster",
      `no ${object}`,
      `${object}, which Helm installed, is gone: pods that it left run on, and do not come back once they end`,
      apply,
      { cause: "object-missing" },
    );
  }
  const strange = added.map((each) => `${each} is not Helm's`);
  return judge(
    "cluster",
    `${object}: ${firstOf([...changed, ...strange], MOST_WORDS, ";")}`,
    `${object} is not as Helm rendered it: pods that start from now on run with the change`,
    // what only the object in the cluster has stays when a manifest is applied
    added.length > 0
      ? `kubectl -n ${namespace} edit ${own}: remove ${added.join(", ")}${changed.length > 0 ? `; then ${apply}` : ""}`
      : apply,
    { cause: "template-changed" },
  );
}

/** A pod's token names its ServiceAccount by uid, so that the API server refuses those of an account that was replaced. */
function judgeAccount({ namespace, name, createdAt }: AccountState, pods: readonly PodState[]): Finding[] {
  return OWNERS.flatMap(({ label, value, owner, what }): Finding[] => {
    const older = pods.filter(
      (pod) =>
        pod.namespace === namespace &&
        pod.labels[label] === value &&
        pod.account === name &&
        !pod.deleting &&
        Date.parse(pod.createdAt ?? "") < createdAt,
    );
    if (older.length === 0) return [];
    return [
      fail(
        "cluster",
        `ServiceAccount ${namespace}/${name} of ${new Date(createdAt).toISOString()} is newer than ${older.length} of its pods`,
        `ServiceAccount ${namespace}/${name} was deleted and created again: the API server refuses the tokens of ${what} that started before, so that new pods get no network`,
        `kubectl -n ${namespace} rollout restart ${owner}`,
        { cause: "account-replaced" },
      ),
    ];
  });
}
