import { isSet, wordsOf, type AgentRule, type Config } from "./agentConfig";
import { isCidr } from "./cidr";

/**
 * Least and most entries of maps, by key (`pkg/option/config.go`, `pkg/maps/nodemap/cell.go` and `pkg/loadbalancer/config.go`).
 */
const ENTRIES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  "bpf-ct-global-tcp-max": [2 ** 10, 2 ** 24],
  "bpf-ct-global-any-max": [2 ** 10, 2 ** 24],
  "bpf-nat-global-max": [2 ** 10, 2 ** 24],
  "bpf-auth-map-max": [2 ** 8, 2 ** 24],
  "bpf-node-map-max": [2 ** 14, Infinity],
  "bpf-fragments-map-max": [2 ** 8, 2 ** 16],
  "bpf-lb-map-max": [1, Infinity],
};

/** With this size, agents fit the table of NAT to those of connections. */
const DEFAULT_NAT_ENTRIES = 2 ** 19;

const entriesOf = (config: Config, key: string) => Number(config[key] || NaN);
const portsOf = (range: string | null | undefined) => (range ?? "").split(",").map(Number);

/** Whether an agent cannot compile a pattern: Go knows no lookarounds and back references, and more flags than JavaScript. */
function isBadPattern(pattern: string): boolean {
  if (/(?<!\\)(?:\(\?<?[=!]|\\[1-9])/.test(pattern)) return true;
  if (/\(\?|(?:[$^]|\\b)[*+?{]/i.test(pattern)) return false;
  try {
    new RegExp(pattern);
    return false;
  } catch {
    return true;
  }
}

/** Words of which an agent takes one, by key; in the chart's table of values they are texts. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  "bpf-lb-mode": ["snat", "dsr", "hybrid"],
  "bpf-lb-algorithm": ["random", "maglev"],
  "bpf-lb-dsr-dispatch": ["opt", "ipip", "geneve"],
  "bpf-lb-acceleration": ["disabled", "native", "best-effort", "testing-only"],
  "identity-allocation-mode": ["crd", "kvstore", "doublewrite-readcrd", "doublewrite-readkvstore"],
  "service-no-backend-response": ["reject", "drop"],
  "packetization-layer-pmtud-mode": ["always", "blackhole", "disabled", "unset"],
  "underlay-protocol": ["ipv4", "ipv6", "auto"],
  "allow-localhost": ["auto", "always", "policy"],
  "policy-deny-response": ["none", "icmp"],
  "monitor-aggregation": ["none", "disabled", "lowest", "low", "medium", "max", "maximum", "0", "1", "2", "3", "4"],
};

/** The same of lists. */
const LISTED_WORDS: Readonly<Record<string, readonly string[]>> = {
  "monitor-aggregation-flags": ["none", "all", "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"],
  "policy-cidr-match-mode": ["nodes", "pods"],
};

/** Metrics of Hubble in all versions; one that an agent does not know ends it. */
const HUBBLE_METRICS = [
  ...["dns", "drop", "flow", "flows-to-world", "http", "httpV2", "icmp", "kafka", "policy", "port-distribution"],
  ...["sctp", "tcp"],
];

/** Sizes of a table of Maglev, all prime (`pkg/maglev/maglev.go`). */
const MAGLEV_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071];

/** Whether a table of Maglev or its seed, which is the base64 of 12 bytes, is wrong. */
const isBadMaglev = (config: Config) => {
  const size = config["bpf-lb-maglev-table-size"];
  const seed = config["bpf-lb-maglev-hash-seed"];
  return (
    (isSet(config, "bpf-lb-maglev-table-size") && !MAGLEV_SIZES.includes(Number(size))) ||
    (isSet(config, "bpf-lb-maglev-hash-seed") && !/^[A-Za-z0-9+/]{16}$/.test(seed!))
  );
};
const MAGLEV = {
  keys: ["bpf-lb-maglev-table-size", "bpf-lb-maglev-hash-seed"],
  rule: `ends the agent: maglev.tableSize must be one of ${MAGLEV_SIZES.join(", ")}, and maglev.hashSeed the output of head -c12 /dev/urandom | base64 -w0`,
};

/**
 * What agents refuse of the value of a key, whatever else is set, or beside those of the same table. Sources:
 * `pkg/option/config.go`, `pkg/loadbalancer/config.go` and what is named below, of Cilium 1.20.2 and alike in older versions.
 */
export const KEY_RULES: readonly AgentRule[] = [
  {
    keys: ["bpf-map-dynamic-size-ratio"],
    isBroken: (config) => Math.abs(Number(config["bpf-map-dynamic-size-ratio"] ?? 0) - 0.5) > 0.5,
    rule: "ends the agent: it is a share of the memory, at most 1.0",
  },
  {
    keys: ["cluster-id"],
    isBroken: (config) => Number(config["cluster-id"] ?? 0) > Number(config["max-connected-clusters"] ?? 255),
    rule: "ends the agent: it must be at most clustermesh.maxConnectedClusters, 255 by default",
  },
  ...Object.entries(ENTRIES).map(([key, [least, most]]) => ({
    keys: [key],
    isBroken: (config: Config) => entriesOf(config, key) < least || entriesOf(config, key) > most,
    rule: `ends the agent: the map must have at least ${least}${most === Infinity ? "" : ` and at most ${most}`} entries`,
  })),
  {
    keys: ["bpf-nat-global-max"],
    isBroken: (config) => {
      const [nat, tcp, any] = ["nat-global", "ct-global-tcp", "ct-global-any"].map((map) =>
        entriesOf(config, `bpf-${map}-max`),
      );
      return nat !== DEFAULT_NAT_ENTRIES && nat! > tcp! + any!;
    },
    rule: "ends the agent: the table of NAT must not be larger than bpf.ctTcpMax and bpf.ctAnyMax together",
  },
  {
    keys: ["bpf-events-default-rate-limit", "bpf-events-default-burst-limit"],
    isBroken: (config) =>
      isSet(config, "bpf-events-default-rate-limit") !== isSet(config, "bpf-events-default-burst-limit"),
    rule: "ends the agent: bpf.events.default needs both rateLimit and burstLimit",
  },
  {
    ...MAGLEV,
    isBroken: (config) => isBadMaglev(config) && config["bpf-lb-algorithm"] === "maglev",
    gone: ["1.18.0-pre.0"],
  },
  { ...MAGLEV, isBroken: isBadMaglev, since: ["1.18.0-pre.0"] },
  {
    keys: ["nodeport-addresses"],
    // charts join them with commas, and agents take these beside spaces, as not for exclude-local-address
    isBroken: (config) => wordsOf(config["nodeport-addresses"]?.replaceAll(",", " ")).some((text) => !isCidr(text)),
    rule: "ends the agent: nodePort.addresses are networks such as 192.168.0.0/16, and no devices",
  },
  {
    keys: ["exclude-local-address"],
    isBroken: (config) => wordsOf(config["exclude-local-address"]).some((text) => !isCidr(text)),
    rule: "ends the agent: addresses that are not the node's own are networks such as 10.0.0.0/24, separated by spaces",
  },
  {
    keys: ["container-ip-local-reserved-ports"],
    isBroken: (config) =>
      !/^(?:auto|\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)?$/.test(config["container-ip-local-reserved-ports"] ?? ""),
    rule: "ends the agent: it must be auto, or ports and ranges with commas, such as 80,8000-8100",
  },
  {
    // pkg/labelsfilter/filter.go
    keys: ["labels"],
    isBroken: (config) =>
      wordsOf(config["labels"]).some((word) => {
        const pattern = word.slice(word.indexOf(":") + 1);
        return pattern === "" || isBadPattern(pattern.replace(/^!/, ""));
      }),
    rule: "ends the agent: labels are patterns of Go, separated by spaces, each perhaps after a source and !, such as k8s:!kubernetes\\.io",
  },
  {
    // pkg/mtu; the kernel takes these for devices of pods
    keys: ["mtu"],
    isBroken: (config) => {
      const mtu = entriesOf(config, "mtu");
      return mtu !== 0 && (mtu < 68 || mtu > 2 ** 16 - 1);
    },
    rule: "leaves pods without a network: their devices take an MTU from 68 to 65535; remove it, to use that of the nodes' devices",
  },
  {
    keys: ["vlan-bpf-bypass"],
    isBroken: (config) => wordsOf(config["vlan-bpf-bypass"]).some((id) => !/^\d+$/.test(id)),
    rule: "ends the agent: VLANs are numbers",
  },
  {
    keys: ["node-port-range"],
    isBroken: (config) => {
      const [first = NaN, last = NaN, ...more] = portsOf(config["node-port-range"]);
      return isSet(config, "node-port-range") && !(first < last && last < 2 ** 16 && more.length === 0);
    },
    rule: "ends the agent: it must be two ports such as 30000,32767, the lower one first",
  },
  {
    keys: ["tunnel-port"],
    isBroken: (config) => Number(config["tunnel-port"] ?? 0) >= 2 ** 16,
    rule: "ends the agent: a port is at most 65535",
  },
  {
    keys: ["hubble-event-buffer-capacity"],
    isBroken: (config) => {
      const capacity = entriesOf(config, "hubble-event-buffer-capacity");
      return !Number.isNaN(capacity) && (capacity > 2 ** 16 - 1 || !Number.isInteger(Math.log2(capacity + 1)));
    },
    rule: "keeps Hubble from starting: it must be one less than a power of two, such as 8191, and at most 65535",
  },
  {
    keys: ["hubble-metrics"],
    isBroken: (config) =>
      wordsOf(config["hubble-metrics"]).some((metric) => !HUBBLE_METRICS.includes(metric.split(":")[0]!)),
    rule: `ends the agent, or in older versions keeps Hubble from starting: metrics are ${HUBBLE_METRICS.join(", ")}`,
  },
  ...Object.entries(LISTED_WORDS).map(([key, words]) => ({
    keys: [key],
    isBroken: (config: Config) => wordsOf(config[key]).some((word) => !words.includes(word.toLowerCase())),
    rule: `ends the agent: it must be a list, separated by spaces, of ${words.join(", ")}`,
  })),
  ...Object.entries(WORDS).map(([key, words]) => ({
    keys: [key],
    isBroken: (config: Config) => isSet(config, key) && !words.includes(config[key]!.toLowerCase()),
    rule: `ends the agent: it must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
  })),
];
