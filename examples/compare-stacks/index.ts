import * as pulumi from "@pulumi/pulumi";
import { readStack } from "cilium-modes/connect";

const stacks = new pulumi.Config().requireObject<string[]>("stacks");

// readStack leaves out the kubeconfig, so nothing here is secret
const all = pulumi.all(stacks.map((stack) => readStack(stack)));

/** Mode and verdict by cluster. */
export const modes = all.apply((each) =>
  Object.fromEntries(
    each.map(({ clusterName, mode, cilium: { version, tunnel }, verification: { verdict } }) => [
      clusterName,
      { mode, cilium: version, tunnel, verification: verdict },
    ]),
  ),
);

/** Evidence by check and cluster. */
export const evidence = all.apply((each) => {
  const checks = new Set(each.flatMap(({ verification }) => Object.keys(verification.checks)));
  return Object.fromEntries(
    [...checks]
      .sort()
      .map((check) => [
        check,
        Object.fromEntries(
          each.map(({ clusterName, verification }) => [clusterName, verification.checks[check] ?? ""]),
        ),
      ]),
  );
});
