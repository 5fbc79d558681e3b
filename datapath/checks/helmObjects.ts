import { CILIUM_NAMESPACE } from "../../cluster/agents";
import type { HelmDrift, ObjectDrift } from "../../cluster/helmDrift";
import { fail, firstOf, inconclusive, pass, skipped, warning, whyUnread, type Check, type Finding } from "./check";

/** Workloads without whose pods there is no network. */
const NEEDED = new Set(["DaemonSet cilium", "Deployment cilium-operator"]);

const MOST_WORDS = 3;

/** Whether the objects from which Cilium's pods are made, and their permissions, are those that Helm rendered: running pods do not show it. */
export const helmObjectsCheck: Check<HelmDrift | undefined | string> = {
  id: "helm-objects",
  question: "Are Cilium's DaemonSets, Deployments, roles and bindings as Helm rendered them?",
  needs: [],
  skip: ({ isExternal }) =>
    isExternal === true ? "how another cluster's Cilium is installed is its owner's choice" : undefined,
  async read(cluster) {
    try {
      return await cluster.helmDrift(CILIUM_NAMESPACE);
    } catch (error) {
      return whyUnread(error);
    }
  },
  judge({ api: { rendered } }, _expectation, drift) {
    if (drift === undefined) return [skipped("cluster", "Helm has no record of Cilium")];
    // a recorded cluster was not asked for more than Helm's record
    if (typeof drift === "string")
      return ["error" in rendered ? inconclusive("cluster", drift) : skipped("cluster", drift)];
    const { release, status, compared, drifts, unread } = drift;
    if (status !== "deployed") return [skipped("cluster", `Helm's record is ${status}, and not deployed`)];
    const findings = drifts.map((each) => judgeDrift(each, release));
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
