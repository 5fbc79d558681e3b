import { ChartKeys } from "./chartKeys";
import type { CiliumValuesArgs, HelmValue, HelmValues } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { suggest } from "./suggest";
import type { ValueFinding } from "./valueFinding";
import { contradictions } from "./valueRules";

/** From here on charts check types with a schema; older templates print any value. */
const SCHEMA: Since = ["1.16.0-pre.1"];

/** Keys without effect from these charts on, since templates prefer another key that always has a value. */
const WITHOUT_EFFECT: Readonly<Record<string, Since>> = { hostServices: ["1.13.0-rc0"] };

const NEVER: Since = ["9999.0.0"];

/** Replacements of keys that charts do not read: other keys, or settings of this project. */
const INSTEAD: Readonly<Record<string, string>> = {
  tunnel: "the setting tunnel of this project",
  routingMode: "the setting tunnel of this project",
  tunnelProtocol: "the setting tunnel of this project",
  monitorAggregation: "bpf.monitorAggregation",
  nativeRoutingCIDR: "the setting cilium.nativeRoutingCIDR of this project",
  global: "its keys without global",
  cilium: "its keys without cilium",
  spec: "the keys of its values in a file of their own",
  hostRouting: "bpf.hostLegacyRouting, with the opposite meaning",
  "bpf.hostRouting": "bpf.hostLegacyRouting",
  hostServices: "socketLB",
  "ipam.operator.clusterPoolIPv4PodCIDR": "the setting cluster.podCidr of this project",
  enableCiliumEndpointSlice: "ciliumEndpointSlice.enabled",
  "encryption.keyFile": "encryption.ipsec.keyFile",
  "encryption.mountPath": "encryption.ipsec.mountPath",
  "encryption.secretName": "encryption.ipsec.secretName",
  "encryption.interface": "encryption.ipsec.interface",
  "ipam.operator.clusterPoolIPv6PodCIDR": "ipam.operator.clusterPoolIPv6PodCIDRList",
  "ipam.operator.replicas": "operator.replicas",
  bgp: "bgpControlPlane.enabled, and resources of BGP's control plane",
  "bgp.enabled": "bgpControlPlane.enabled, and resources of BGP's control plane",
  "bgp.announce": "bgpControlPlane.enabled, and resources of BGP's control plane",
  datapathMode: "bpf.datapathMode",
  identityGCInterval: "operator.identityGCInterval",
  identityHeartbeatTimeout: "operator.identityHeartbeatTimeout",
  "clustermesh.enableMCSAPISupport": "clustermesh.mcsapi.enabled",
  "clustermesh.apiserver.tls.ca": "tls.ca",
  "hubble.tls.ca": "tls.ca",
  "hubble.flowBufferSize": "hubble.eventBufferCapacity",
  "encryption.strictMode.enabled": "encryption.strictMode.egress.enabled",
  "encryption.strictMode.cidr": "encryption.strictMode.egress.cidr",
  "encryption.strictMode.allowRemoteNodeIdentities": "encryption.strictMode.egress.allowRemoteNodeIdentities",
  "l2podAnnouncements.interface": "l2podAnnouncements.interfacePattern",
  "securityContext.extraCapabilities": "securityContext.capabilities",
  enableIngressController: "ingressController.enabled",
  "proxy.prometheus.enabled": "envoy.prometheus.enabled",
  "proxy.prometheus.port": "envoy.prometheus.port",
};

/** What `kubeProxyReplacement` includes since charts stopped reading keys of its own for it. */
const INCLUDED: Readonly<Record<string, string>> = {
  "nodePort.enabled": "NodePorts",
  hostPort: "host ports",
  "hostPort.enabled": "host ports",
  externalIPs: "external IPs",
  "externalIPs.enabled": "external IPs",
};

/**
 * The extra values that the chart of this version would ignore, reject or misinterpret, and those that contradict the
 * mode.
 */
export function lintValues(
  args: CiliumValuesArgs,
  shown: (value: HelmValue) => string = JSON.stringify,
): ValueFinding[] {
  const lint = new Lint(args.version, shown);
  const findings = lint.object(args.extraValues, "");
  const reported = new Set(findings.filter(({ severity }) => severity === "error").map(({ key }) => key));
  return [...findings, ...contradictions(args, shown).filter(({ key }) => !reported.has(key))];
}

class Lint {
  private readonly chart: ChartKeys;

  constructor(
    private readonly version: string,
    private readonly shown: (value: HelmValue) => string,
  ) {
    this.chart = new ChartKeys(version);
  }

  /** @param isFree whether the chart prints the object unchanged, so that users choose its keys */
  object(values: HelmValues, path: string, isFree = false): ValueFinding[] {
    return Object.entries(values).flatMap(([step, value]) => {
      const key = path === "" ? step : `${path}.${step}`;
      if (isFree && (step.includes(".") || this.chart.typesOf(key) === undefined)) return [];
      return step.includes(".") ? [dotted(step, key)] : this.value(value, key);
    });
  }

  private value(value: HelmValue, key: string): ValueFinding[] {
    if (this.chart.refuses(key) && isSet(value)) {
      return [
        { severity: "error", key, rule: `is rejected by the chart of Cilium ${this.version}; ${this.instead(key)}` },
      ];
    }
    const types = has(own(WITHOUT_EFFECT, key) ?? NEVER, this.version) ? undefined : this.chart.typesOf(key);
    // a rejected key may be below a key that the chart does not read
    if (types === undefined && isObject(value)) {
      const below = this.object(value, key).filter(({ severity }) => severity === "error");
      if (below.length > 0) return below;
    }
    if (types === undefined) {
      return [
        { severity: "warning", key, rule: `is ignored by the chart of Cilium ${this.version}; ${this.instead(key)}` },
      ];
    }
    const wrong = this.typeFinding(value, key, types);
    if (wrong !== undefined) return [wrong];
    return isObject(value) && types !== "?" ? this.object(value, key, types.includes("*")) : [];
  }

  /** In Helm, null removes a default of any type; that of an object includes everything that templates read in it. */
  private typeFinding(value: HelmValue, key: string, types: string): ValueFinding | undefined {
    const letters = types.replace("*", "");
    if (value === null && types === "o") {
      const rule = `is an object, and null removes everything that templates read in it, so they may fail; set its keys instead`;
      return { severity: "warning", key, rule };
    }
    if (value === null || letters === "?" || lettersOf(value).some((letter) => letters.includes(letter)))
      return undefined;
    const names = [...TYPE_NAMES].filter(([letter]) => letters.includes(letter));
    const wanted = names.map(([, name]) => name).join(" or ");
    const found = this.shown(value);
    return has(SCHEMA, this.version)
      ? {
          severity: "error",
          key,
          rule: `must be ${wanted}, got ${found}; the schema of the chart of Cilium ${this.version} rejects it`,
        }
      : {
          severity: "warning",
          key,
          rule: `must be ${wanted}, got ${found}; the chart's templates misinterpret it`,
        };
  }

  /** The replacement of a key that the chart does not read. */
  private instead(key: string): string {
    const known = own(INSTEAD, key);
    const isOfOtherCharts = known !== undefined && /^[\w.]+$/.test(known) && this.chart.typesOf(known) === undefined;
    if (known !== undefined && !isOfOtherCharts) return `use ${known}`;
    const included = own(INCLUDED, key);
    if (included !== undefined) return `remove it: kubeProxyReplacement: true includes ${included}`;
    const steps = key.split(".");
    const step = steps.at(-1)!;
    const siblings = this.chart.childrenOf(steps.slice(0, -1).join("."));
    const sibling = suggest(step, siblings);
    // a key of the same name in another part of Cilium has it by chance
    const elsewhere = this.chart
      .endingWith(step)
      .filter((known) => steps.every((each) => known.split(".").includes(each)));
    if (!this.chart.wasEverRead(key) && sibling !== undefined)
      return `did you mean "${[...steps.slice(0, -1), sibling].join(".")}"?`;
    return elsewhere.length === 1 ? `did you mean "${elsewhere[0]}"?` : this.chart.historyOf(key);
  }
}

/** One key with dots, which templates cannot read: `helm --set` alone takes dots for a path. */
function dotted(step: string, key: string): ValueFinding {
  const nested = step
    .split(".")
    .reduceRight((value, each) => `{${each}: ${value}}`, "…")
    .slice(1, -1);
  return { severity: "warning", key, rule: `is one key with dots, which the chart ignores; nest it: ${nested}` };
}

/** JSON types by their letter in the table of charts. */
const TYPE_NAMES = new Map([
  ["b", "true or false"],
  ["s", "a string"],
  ["i", "an integer"],
  ["n", "a number"],
  ["o", "an object"],
  ["a", "a list"],
  ["0", "null"],
]);

function lettersOf(value: HelmValue): string[] {
  if (Array.isArray(value)) return ["a"];
  if (isObject(value)) return ["o"];
  if (typeof value === "number") return Number.isInteger(value) ? ["i", "n"] : ["n"];
  return [typeof value === "boolean" ? "b" : "s"];
}

/** Whether a template's `if` treats a value as true. */
function isSet(value: HelmValue): boolean {
  return Boolean(value) && !(Array.isArray(value) && value.length === 0);
}

function isObject(value: HelmValue): value is HelmValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A table's own entry, without keys that every object inherits. */
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
