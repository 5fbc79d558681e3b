import { has, type Since } from "./ciliumVersion";

/** Charts that check the cluster's name. */
const SHORT_CLUSTER_NAME: Since = ["1.16.0-rc.0"];

/** Longest name of a cluster for charts from 1.16 on: templates/validate.yaml of the charts. */
const MAX_CLUSTER_NAME = 32;

/** Longest name whose node `<name>-control-plane` still is a host's name, of 63 characters. */
const MAX_NODE_PREFIX = 49;

/** How many characters the name of a cluster of kind may have with a version of Cilium. */
export function longestClusterName(version: string): number {
  return has(SHORT_CLUSTER_NAME, version) ? MAX_CLUSTER_NAME : MAX_NODE_PREFIX;
}

/** Of a cluster that nobody gave a name. */
export function defaultClusterName(project: string, stack: string): string {
  return `${project}-${stack}`.toLowerCase();
}
