import { CILIUM_NAMESPACE, CONFIG_MAP } from "../../cluster/agents";
import { isByStack } from "../../modes/ciliumValues";
import { concernsPackets } from "../../modes/datapathConfig";
import { valueOf } from "../evidence/api";
import { fail, firstOf, inconclusive, pass, warning, type Check } from "./check";

/** Keys that one finding names. */
const MAX_KEYS = 4;
/** Restarts all agents. */
export const RESTART = `kubectl -n ${CILIUM_NAMESPACE} rollout restart daemonset/cilium`;

/** Whether `cilium-config` holds what the mode needs, and nothing that takes it away. */
export const configCheck: Check = {
  id: "config",
  question: "Does cilium-config hold the mode's settings, and nothing that changes the datapath beside them?",
  needs: [],
  judge({ api }, { ciliumConfig, datapathConfig = {}, isExternal }) {
    if (!("value" in api.config)) {
      const remedy = `kubectl -n ${CILIUM_NAMESPACE} get configmap ${CONFIG_MAP}`;
      return [inconclusive("cluster", api.config.error, remedy, { cause: "cluster-unreachable" })];
    }
    const { data, writers } = api.config.value;
    const byMode = Object.entries(ciliumConfig).flatMap(([key, value]) =>
      (data[key] ?? null) === value ? [] : [{ key, expected: shown(value) }],
    );
    const beside = Object.entries(datapathConfig).flatMap(([key, allowed]) =>
      data[key] === undefined || allowed.includes(data[key])
        ? []
        : [{ key, expected: allowed.map(shown).join(" or ") }],
    );
    const known = new Set([...byMode, ...beside].map(({ key }) => key));
    const rendered = valueOf(api.rendered, null);
    const edited = rendered === null ? [] : editedKeys(data, rendered.config).filter(({ key }) => !known.has(key));
    const telling = (keys: readonly Wrong[]) => {
      const writer = writers.find((each) => keys.some(({ key }) => each.keys.includes(key)));
      const by = writer === undefined ? "" : `; last written by ${writer.manager} at ${writer.time}`;
      const seen = firstOf(
        keys.map(({ key }) => `${key}: ${shown(data[key])}`),
        MAX_KEYS,
      );
      return {
        seen,
        reason: `expected ${firstOf(
          keys.map(({ key, expected }) => `${key}: ${expected}`),
          MAX_KEYS,
        )}${by}`,
      };
    };
    const count = new Set([
      ...Object.keys(ciliumConfig),
      ...Object.keys(datapathConfig),
      ...Object.keys(rendered?.config ?? {}),
    ]);
    // how another cluster is configured beside its mode is its owner's choice
    const wrong = [...byMode, ...beside, ...(isExternal ? [] : edited)];
    if (wrong.length > 0) {
      const { seen, reason } = telling(wrong);
      const remedy = isExternal
        ? `set the Helm values that render these keys, then ${RESTART}`
        : `pulumi up --refresh; if it comes back, find out who writes the ConfigMap: kubectl -n ${CILIUM_NAMESPACE} get configmap ${CONFIG_MAP} --show-managed-fields -o yaml`;
      return [fail("cluster", seen, reason, remedy, { cause: "config-changed" })];
    }
    if (edited.length > 0) {
      const { seen, reason } = telling(edited);
      return [
        warning(
          "cluster",
          seen,
          `Helm rendered other values: ${reason}`,
          "set them as Helm values, so that an upgrade keeps them",
        ),
      ];
    }
    const seen = `${count.size} keys as expected`;
    if (!isExternal && rendered?.status === "deployed" && !isByStack(rendered.description)) {
      return [
        fail(
          "cluster",
          `Helm's last revision: ${rendered.description}`,
          "somebody other than pulumi up installed this revision of Cilium, perhaps with other values",
          "pulumi up --refresh installs the stack's own values again",
          { cause: "config-changed" },
        ),
      ];
    }
    if (rendered !== null) return [pass("cluster", seen)];
    const why = "error" in api.rendered ? api.rendered.error : "Helm has no record of Cilium";
    if (isExternal) return [pass("cluster", `${seen}; not compared with Helm's values: ${why}`)];
    return [
      "error" in api.rendered
        ? inconclusive("cluster", why, `kubectl -n ${CILIUM_NAMESPACE} get secrets -l owner=helm`, {
            cause: "cluster-unreachable",
          })
        : inconclusive("cluster", why, "pulumi up --refresh installs Cilium again"),
    ];
  },
};

/** A key of `cilium-config` that has not the value that it should. */
interface Wrong {
  readonly key: string;
  readonly expected: string;
}

/** Keys that may change what becomes of packets, and were edited after Helm rendered them. */
function editedKeys(data: Readonly<Record<string, string>>, rendered: Readonly<Record<string, string>>): Wrong[] {
  return Object.keys({ ...rendered, ...data })
    .filter((key) => concernsPackets(key) && flat(data[key]) !== flat(rendered[key]))
    .map((key) => ({ key, expected: shown(rendered[key]) }));
}

/** A value of `cilium-config` as findings show it. */
export function shown(value: string | null | undefined): string {
  return value === null || value === undefined ? "(not set)" : JSON.stringify(value);
}

/** Values are compared on one line, as the agent prints them; an empty one is the same as none. */
export const flat = (value: string | undefined) => (value ?? "").replaceAll("\n", " ").trim();
