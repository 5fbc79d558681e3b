/** Labels of Kubernetes' own prefixes that a kubelet accepts: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go */
const KUBELET_LABELS = [
  "beta.kubernetes.io/instance-type",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "node.kubernetes.io/instance-type",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
];
const KUBELET_PREFIXES = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/** Labels that the kubelet gives to its node, and whose values Kubernetes relies on. */
const OF_THE_KUBELET = [
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "kubernetes.io/arch",
  "kubernetes.io/hostname",
  "kubernetes.io/os",
];

/** A label's name and value: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const NAME = /^[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MAX_PREFIX = 253;

/** Why a node cannot have a label when it is created: the rule and the fix; undefined if it can. */
export function labelProblem(label: string, value: string): string | undefined {
  const slash = label.indexOf("/");
  const [prefix, name] = slash < 0 ? [undefined, label] : [label.slice(0, slash), label.slice(slash + 1)];
  if (!NAME.test(name) || (prefix !== undefined && (!PREFIX.test(prefix) || prefix.length > MAX_PREFIX)))
    return "is not the key of a label; use [<domain>/]<name> with at most 63 of a-z, A-Z, 0-9, dashes, dots and underscores in the name";
  if (value !== "" && !NAME.test(value))
    return "must have a value of at most 63 of a-z, A-Z, 0-9, dashes, dots and underscores, which starts and ends with a letter or digit";
  if (OF_THE_KUBELET.includes(label)) return "is set by the kubelet itself; remove it";
  if (prefix === undefined || !isWithin(prefix, ["kubernetes.io", "k8s.io"])) return undefined;
  if (KUBELET_LABELS.includes(label) || isWithin(prefix, KUBELET_PREFIXES)) return undefined;
  return "is reserved: the kubelet does not start with it; use another domain, or kubectl label node when the cluster is up";
}

/** Whether a domain is one of these, or below one. */
const isWithin = (domain: string, domains: readonly string[]) =>
  domains.some((each) => domain === each || domain.endsWith(`.${each}`));
