import { chartImages } from "./chartKeys";
import { valueAt, type CiliumValuesArgs, type ImageOverride } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";

/** The chart starts Envoy in pods of its own unless told otherwise. */
const ENVOY_BY_DEFAULT: Since = ["1.16.0-rc.1"];

/** From here on `l7Proxy: false` leaves Envoy out whatever else is set. */
const ENVOY_NEEDS_L7: Since = ENVOY_BY_DEFAULT;

/** The images that Cilium's pods ask nodes for. */
export interface CiliumImages {
  readonly agent: string;
  readonly operator: string;
  /** Undefined where the chart starts no Envoy. */
  readonly envoy?: string | undefined;
  /** Hubble's, where they are asked for. */
  readonly relay?: string | undefined;
  readonly uiBackend?: string | undefined;
  readonly uiFrontend?: string | undefined;
}

/** What stands for the part of a reference that only the chart knows. */
export const UNKNOWN_TAG = "<the chart's own tag>";

/** References of Cilium's images for these settings, with the chart's digests where those are known and used. */
export function ciliumImages(args: CiliumValuesArgs): CiliumImages {
  const { version, images, hubble, loadImages = false } = args;
  const own = chartImages(version) ?? {
    agent: `quay.io/cilium/cilium:v${version}`,
    operator: `quay.io/cilium/operator-generic:v${version}`,
    envoy: `quay.io/cilium/cilium-envoy:${UNKNOWN_TAG}`,
    relay: `quay.io/cilium/hubble-relay:v${version}`,
    uiBackend: `quay.io/cilium/hubble-ui-backend:${UNKNOWN_TAG}`,
    uiFrontend: `quay.io/cilium/hubble-ui:${UNKNOWN_TAG}`,
  };
  // the chart appends what kind of operator it is
  const operator = {
    ...images.operator,
    repository: images.operator.repository && `${images.operator.repository}-generic`,
  };
  return {
    agent: overridden(own.agent, images.agent),
    operator: overridden(own.operator, operator),
    ...(own.envoy !== undefined && startsEnvoy(args) ? { envoy: overridden(own.envoy, images.envoy) } : {}),
    ...(hubble?.relay ? { relay: asLoaded(own.relay, loadImages) } : {}),
    ...(hubble?.ui
      ? { uiBackend: asLoaded(own.uiBackend, loadImages), uiFrontend: asLoaded(own.uiFrontend, loadImages) }
      : {}),
  };
}

function asLoaded(reference: string, isLoaded: boolean): string {
  return isLoaded ? withoutDigest(reference) : reference;
}

/** The same as they are loaded into nodes. */
export function loadedImages(args: CiliumValuesArgs): readonly string[] {
  return Object.values(ciliumImages(args)).map(withoutDigest);
}

/** A reference as containerd finds a loaded image: by its tag. */
export function withoutDigest(reference: string): string {
  return reference.split("@")[0]!;
}

function startsEnvoy({ version, extraValues }: CiliumValuesArgs): boolean {
  const enabled = valueAt(extraValues, "envoy.enabled") ?? has(ENVOY_BY_DEFAULT, version);
  const l7Proxy = valueAt(extraValues, "l7Proxy") ?? true;
  return enabled === true && (l7Proxy !== false || !has(ENVOY_NEEDS_L7, version));
}

function overridden(reference: string, { repository, tag, useDigest }: ImageOverride): string {
  const [name, digest] = reference.split("@") as [string, string | undefined];
  const at = name.lastIndexOf(":");
  const plain = `${repository ?? name.slice(0, at)}:${tag ?? name.slice(at + 1)}`;
  const withDigest = useDigest ?? (repository === undefined && tag === undefined);
  return withDigest && digest !== undefined ? `${plain}@${digest}` : plain;
}
