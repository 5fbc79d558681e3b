import type { ValueFinding } from "./valueFinding";

/** Flags of agents that are read alike. */
interface Reading {
  /** What agents take. */
  readonly pattern: RegExp;
  /** The same in words. */
  readonly wanted: string;
  /** Keys of `cilium-config`, separated by spaces. */
  readonly keys: string;
}

/**
 * How agents read `cilium-config`: one value that they cannot read ends them (`validateConfigMap` in `pkg/option/config.go`).
 * From `Documentation/cmdref/cilium-agent.md` of Cilium 1.20.2.
 */
const READINGS: readonly Reading[] = [
  {
    // https://pkg.go.dev/time#ParseDuration; a number without unit is one of nanoseconds
    pattern: /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$|^\d*$/,
    wanted: "a duration such as 15s or 1h30m",
    keys: `agent-liveness-update-interval allocator-list-timeout bpf-ct-timeout-regular-any bpf-ct-timeout-regular-tcp
      bpf-ct-timeout-regular-tcp-fin bpf-ct-timeout-regular-tcp-syn bpf-ct-timeout-service-any bpf-ct-timeout-service-tcp
      bpf-ct-timeout-service-tcp-grace clustermesh-cache-ttl clustermesh-sync-timeout conntrack-gc-interval
      conntrack-gc-max-interval crd-wait-timeout dnsproxy-concurrency-processing-grace-period
      egress-gateway-reconciliation-trigger-interval endpoint-bpf-prog-watchdog-interval endpoint-policy-update-timeout
      endpoint-regen-interval envoy-config-retry-interval envoy-config-timeout envoy-policy-restore-timeout
      hubble-drop-events-interval hubble-export-aggregation-interval hubble-lost-event-send-interval
      identity-allocation-sync-interval identity-allocation-timeout identity-change-grace-period identity-max-jitter
      identity-restore-grace-period ipam-cilium-node-update-rate ipsec-key-rotation-duration iptables-lock-timeout
      k8s-client-connection-keep-alive k8s-client-connection-timeout k8s-heartbeat-timeout kvstore-lease-ttl
      l2-announcements-lease-duration l2-announcements-renew-deadline l2-announcements-retry-period mesh-auth-gc-interval
      mesh-auth-mutual-connect-timeout metrics-sampling-interval monitor-aggregation-interval nat-map-stats-interval
      tofqdns-idle-connection-grace-period tofqdns-proxy-response-max-delay vtep-sync-interval wireguard-persistent-keepalive`,
  },
  {
    pattern: /^[+-]?(?:0x[\da-f]+|\d+(?:\.0*)?)$|^$/i,
    wanted: "a whole number",
    keys: `agent-health-port bpf-auth-map-max bpf-ct-global-any-max bpf-ct-global-tcp-max bpf-events-default-burst-limit
      bpf-events-default-rate-limit bpf-fragments-map-max bpf-lb-affinity-map-max bpf-lb-maglev-map-max bpf-lb-maglev-table-size
      bpf-lb-map-max bpf-lb-rev-nat-map-max bpf-lb-service-backend-map-max bpf-lb-service-map-max bpf-lb-source-range-map-max
      bpf-nat-global-max bpf-neigh-global-max bpf-node-map-max bpf-policy-map-max bpf-policy-stats-map-max bpf-sock-rev-map-max
      cluster-health-port cluster-id dns-max-ips-per-restored-rule dnsproxy-concurrency-limit dnsproxy-socket-linger-timeout
      egress-gateway-policy-map-max endpoint-queue-size envoy-base-id http-idle-timeout http-max-grpc-timeout
      http-request-timeout http-retry-count http-retry-timeout http-stream-idle-timeout hubble-event-buffer-capacity
      hubble-event-queue-size hubble-export-file-max-backups hubble-export-file-max-size-mb k8s-client-burst
      max-connected-clusters mesh-auth-mutual-listener-port mesh-auth-queue-size monitor-queue-size mtu nat-map-stats-entries
      policy-queue-size proxy-admin-port proxy-connect-timeout proxy-idle-timeout-seconds proxy-initial-fetch-timeout
      proxy-max-connection-duration-seconds proxy-max-requests-per-connection proxy-prometheus-port proxy-xff-num-trusted-hops-egress
      proxy-xff-num-trusted-hops-ingress route-metric tofqdns-endpoint-max-ip-per-hostname
      tofqdns-max-deferred-connection-deletes tofqdns-min-ttl tofqdns-proxy-port trace-payloadlen tunnel-port`,
  },
];

/** The one prefix of switches, and the flags that have it without being switches. */
const SWITCH = /^enable-(?!policy$|.*-access$)/;
const TRUE_OR_FALSE = /^(?:1|0|t|f|T|F|true|false|TRUE|FALSE|True|False)?$/;

const BY_KEY = new Map(READINGS.flatMap((reading) => reading.keys.split(/\s+/).map((key) => [key, reading] as const)));

/** Helm prints large numbers so where a chart does not make them integers. */
const EXPONENT = /^\d(?:\.\d+)?e\+\d+$/;

/** Values of a rendered `cilium-config` that agents cannot read. @param pathOf Helm value that sets a key */
export function flagFindings(
  config: Readonly<Record<string, string | null | undefined>>,
  pathOf: (key: string) => string,
): ValueFinding[] {
  return Object.entries(config).flatMap(([key, value]): ValueFinding[] => {
    const { pattern, wanted } =
      BY_KEY.get(key) ?? (SWITCH.test(key) ? { pattern: TRUE_OR_FALSE, wanted: "true or false" } : {});
    if (pattern === undefined || typeof value !== "string" || pattern.test(value.trim())) return [];
    const fix = EXPONENT.test(value) ? `set extraConfig: {${key}: "${Number(value)}"} instead` : `set ${wanted}`;
    const rule = `ends the agent: it cannot read ${key} as ${wanted}, got ${JSON.stringify(value)}; ${fix}`;
    return [{ severity: "error", key: pathOf(key), rule }];
  });
}
