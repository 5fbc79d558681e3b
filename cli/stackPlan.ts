import { builtImageName } from "../components/nettoolImage";
import { expectedCiliumConfig, type CiliumConfig } from "../modes/ciliumConfig";
import { ciliumValues, type CiliumValuesArgs, type HelmValues } from "../modes/ciliumValues";
import { MODE_CONTRACTS } from "../modes/contract";
import { expectedEvidence, onAnyDevice, type ExpectedEvidence } from "../modes/evidence";
import { ciliumImages, type CiliumImages } from "../modes/images";
import { kindConfig } from "../modes/kindConfig";
import { kindKubeProxyMode } from "../modes/kubeProxy";
import { ciliumArgs, kindNetworks } from "../settings/ciliumArgs";
import type { Settings } from "../settings/parse";
import { isExternal } from "../settings/release";

/** Every image that a stack's cluster runs, by reference. */
export interface PlannedImages extends CiliumImages {
  /** Undefined for an external cluster. */
  readonly node?: string | undefined;
  readonly nettool: string;
  /** The base of the nettool image, where it is built. */
  readonly nettoolBase?: string | undefined;
  /** The images of all Cilium's pods, as the chart renders them; undefined where it was not asked. */
  readonly rendered?: readonly string[] | undefined;
}

/** What a stack creates, and the datapath that it must have. */
export interface StackPlan {
  readonly settings: Settings;
  /** Undefined for an external cluster. */
  readonly kindConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly values: HelmValues;
  readonly contract: {
    readonly mode: string;
    readonly services: string;
    readonly hostRouting: string;
    readonly masquerading: string;
    /** The expected content of `cilium-config`. */
    readonly ciliumConfig: CiliumConfig;
    readonly evidence: ExpectedEvidence;
  };
  readonly images: PlannedImages;
}

/** Values that a preview reads from the external cluster, unless a stack sets them. */
const OF_CLUSTER = ["k8sServiceHost", "k8sServicePort"];

function withoutCluster(values: HelmValues, { extraValues }: CiliumValuesArgs): HelmValues {
  return Object.fromEntries(
    Object.entries(values).filter(([key]) => !OF_CLUSTER.includes(key) || extraValues[key] !== undefined),
  );
}

/** Derive the whole plan from a stack's settings. */
export function planStack(settings: Settings): StackPlan {
  const { mode, cluster, nettool } = settings;
  const kubeProxyMode = kindKubeProxyMode(mode, settings.kubeProxy.mode);
  const { services, hostRouting, masquerading } = MODE_CONTRACTS[mode];
  const args = ciliumArgs(settings);
  const external = isExternal(cluster);
  return {
    settings,
    ...(external ? {} : { kindConfig: kindConfig({ ...cluster, ...kindNetworks(settings), kubeProxyMode }) }),
    values: external ? withoutCluster(ciliumValues(args), args) : ciliumValues(args),
    contract: {
      mode,
      services,
      hostRouting,
      masquerading,
      ciliumConfig: expectedCiliumConfig(args),
      evidence: external ? onAnyDevice(expectedEvidence(args)) : expectedEvidence(args),
    },
    images: {
      ...(external ? {} : { node: cluster.nodeImage }),
      ...ciliumImages(args),
      ...(nettool.image === undefined
        ? { nettool: builtImageName(nettool.baseImage), nettoolBase: nettool.baseImage }
        : { nettool: nettool.image }),
    },
  };
}
