import { has, type Since } from "./ciliumVersion";

/** From here on charts check the length of the cluster's name. */
const SHORT_CLUSTER_NAME: Since = ["1.16.0-rc.0"];

/** Maximum length in charts from 1.16 on: https://github.com/cilium/cilium/blob/v1.18.0/install/kubernetes/cilium/templates/validate.yaml */
const MAX_CLUSTER_NAME = 32;

/** Maximum length with which `<name>-control-plane` is a valid host name of 63 characters. */
const MAX_NODE_PREFIX = 49;

/** Maximum length of a kind cluster's name with a version of Cilium. */
export function longestClusterName(version: string): number {
  return has(SHORT_CLUSTER_NAME, version) ? MAX_CLUSTER_NAME : MAX_NODE_PREFIX;
}

/** Default name of a stack's cluster. */
export function defaultClusterName(project: string, stack: string): string {
  return `${project}-${stack}`.toLowerCase();
}
