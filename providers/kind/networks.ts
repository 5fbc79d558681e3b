import type { CheckFailure } from "@pulumi/pulumi/provider";
import { overlap } from "../../modes/cidr";
import { kindNetwork, kindSubnets } from "../../host/docker";
import type { ClusterInputs } from "./inputs";

/** A network that must not share addresses with the nodes' own. */
export interface NetworkRule {
  /** Input of the resource. */
  readonly property: string;
  /** Key of the stack's configuration. */
  readonly setting: string;
  readonly cidr: string;
  /** What would happen. */
  readonly why: string;
}

/** The rules that kind's Docker network breaks; none while there is no such network. @throws CommandError without Docker */
export async function networkFailures(rules: readonly NetworkRule[]): Promise<CheckFailure[]> {
  const subnets = await kindSubnets();
  return rules.flatMap(({ property, setting, cidr, why }) =>
    subnets
      .filter((subnet) => overlap(cidr, subnet))
      .map((subnet) => ({
        property,
        reason: `${setting} ${cidr} overlaps ${subnet} of the Docker network ${kindNetwork()}: ${why}; set ${setting} to another network`,
      })),
  );
}

/** Those of its networks in which a cluster's nodes would be. @throws CommandError without Docker */
export function clusterNetworkFailures({
  podCidr,
  serviceCidr,
}: Pick<ClusterInputs, "podCidr" | "serviceCidr">): Promise<CheckFailure[]> {
  return networkFailures([
    { property: "podCidr", setting: "cluster.podCidr", cidr: podCidr, why: "pods and nodes would share addresses" },
    {
      property: "serviceCidr",
      setting: "cluster.serviceCidr",
      cidr: serviceCidr,
      why: "services and nodes would share addresses",
    },
  ]);
}
