import { chartImages } from "./chartKeys";
import { valueAt, type CiliumValuesArgs, type ImageOverride } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";

/** From here on the chart runs Envoy in pods of its own by default. */
const ENVOY_BY_DEFAULT: Since = ["1.16.0-rc.1"];

/** From here on the chart never runs Envoy with `l7Proxy: false`. */
const ENVOY_NEEDS_L7: Since = ENVOY_BY_DEFAULT;

/** The images of Cilium's pods. */
export interface CiliumImages {
  readonly agent: string;
  readonly operator: string;
  /** Undefined if the chart does not run Envoy in pods of its own. */
  readonly envoy?: string | undefined;
  /** Undefined without Hubble Relay. */
  readonly relay?: string | undefined;
  readonly uiBackend?: string | undefined;
  readonly uiFrontend?: string | undefined;
}

/** Placeholder for a tag that only the chart knows. */
export const UNKNOWN_TAG = "<the chart's own tag>";

/** Image references for these inputs, with the chart's digests if they are known and used. */
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
  // the chart appends the kind of operator
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

/** Image references for loading into nodes. */
export function loadedImages(args: CiliumValuesArgs): readonly string[] {
  return Object.values(ciliumImages(args)).map(withoutDigest);
}

/** A reference without digest, by which containerd finds a loaded image. */
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
