import { valueOf, type ApiEvidence } from "./api";
import type { Probe, TrafficEvidence } from "./traffic";

/** Hubble tells of a flow a moment after it passed. */
const ATTEMPTS = [0, 1, 2, 3, 4];
const ATTEMPT_SECONDS = 0.5;

/** Older flows are of other probes. */
const SINCE = "30s";

/** Prints this where the agent's image has no `hubble`. */
export const NO_HUBBLE = "no-hubble-command";

/** Whether `cilium-config` turns Hubble on; unknown counts as on. */
export function isHubbleOn({ config }: ApiEvidence): boolean {
  const known = valueOf(config, undefined);
  return known === undefined || known.data["enable-hubble"] === "true";
}

/** The probe of which a node's Hubble is asked: from the previous node's server, which connects once more at last. */
export function observedProbe({ probes, pods }: TrafficEvidence, node: string): Probe | undefined {
  const own = pods.filter((pod) => pod.node === node).map(({ address }) => address);
  const previous = pods.find(({ pinged }) => pinged !== undefined && own.includes(pinged.address));
  return probes.find(
    ({ flow, shape, from, to }) =>
      flow === "pod-to-pod" &&
      shape === "tcp/small" &&
      from.name === previous?.pod &&
      to.address === previous.pinged!.address,
  );
}

/** Lists the flows of that probe; undefined where there is none, or no Hubble. */
export function hubbleScript(api: ApiEvidence, traffic: TrafficEvidence, node: string): string | undefined {
  const probe = observedProbe(traffic, node);
  if (probe === undefined || !isHubbleOn(api)) return undefined;
  return `command -v hubble >/dev/null || { echo ${NO_HUBBLE}; exit 0; }
for attempt in ${ATTEMPTS.join(" ")}; do
  [ $attempt = 0 ] || sleep ${ATTEMPT_SECONDS}
  seen=$(timeout 8 hubble observe --since ${SINCE} -o json --from-ip ${probe.from.address} --to-ip ${probe.to.address}) || exit 1
  [ -z "$seen" ] || { printf '%s\\n' "$seen"; exit 0; }
done`;
}
