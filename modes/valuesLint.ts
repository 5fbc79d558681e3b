import { ChartKeys, chartsThatRead } from "./chartKeys";
import type { CiliumValuesArgs, HelmValue, HelmValues } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { suggest } from "./suggest";
import { contradictions, type ValueFinding } from "./valueRules";

/** Charts of these versions check types against a schema; before, a template prints whatever it gets. */
const SCHEMA: Since = ["1.16.0-pre.1"];

/** Keys that templates name behind another one that always has a value, from these charts on. */
const WITHOUT_EFFECT: Readonly<Record<string, Since>> = { hostServices: ["1.13.0-rc0"] };

const NEVER: Since = ["9999.0.0"];

/** What a chart has instead of a key that it does not read; project settings by their own name. */
const INSTEAD: Readonly<Record<string, string>> = {
  tunnel: "the setting tunnel of this project",
  routingMode: "the setting tunnel of this project",
  tunnelProtocol: "the setting tunnel of this project",
  monitorAggregation: "bpf.monitorAggregation",
  nativeRoutingCIDR: "the setting cilium.nativeRoutingCIDR of this project",
  hostRouting: "bpf.hostLegacyRouting, with the opposite meaning",
  "bpf.hostRouting": "bpf.hostLegacyRouting",
  hostServices: "socketLB",
  "nodePort.enabled": "kubeProxyReplacement, which brings NodePorts with it",
  "hostPort.enabled": "kubeProxyReplacement, which brings host ports with it",
  hostPort: "kubeProxyReplacement, which brings host ports with it",
  "externalIPs.enabled": "kubeProxyReplacement, which brings external IPs with it",
  externalIPs: "kubeProxyReplacement, which brings external IPs with it",
  "ipam.operator.clusterPoolIPv4PodCIDR": "the setting cluster.podCidr of this project",
  enableCiliumEndpointSlice: "ciliumEndpointSlice.enabled",
  "encryption.keyFile": "encryption.ipsec.keyFile",
  "encryption.mountPath": "encryption.ipsec.mountPath",
  "encryption.secretName": "encryption.ipsec.secretName",
  "encryption.interface": "encryption.ipsec.interface",
  "proxy.prometheus.enabled": "envoy.prometheus.enabled",
  "proxy.prometheus.port": "envoy.prometheus.port",
};

/**
 * What the chart of this version would ignore, refuse or take for something else among the extra values, and what
 * would take the mode away again.
 */
export function lintValues(
  args: CiliumValuesArgs,
  shown: (value: HelmValue) => string = JSON.stringify,
): ValueFinding[] {
  const lint = new Lint(args.version, shown);
  const findings = lint.object(args.extraValues, "");
  const told = new Set(findings.filter(({ severity }) => severity === "error").map(({ key }) => key));
  return [...findings, ...contradictions(args, shown).filter(({ key }) => !told.has(key))];
}

class Lint {
  private readonly chart: ChartKeys;

  constructor(
    private readonly version: string,
    private readonly shown: (value: HelmValue) => string,
  ) {
    this.chart = new ChartKeys(version);
  }

  /** `isFree`: the chart prints the object as it is, so that its keys are the user's own. */
  object(values: HelmValues, path: string, isFree = false): ValueFinding[] {
    return Object.entries(values).flatMap(([step, value]) => {
      const key = path === "" ? step : `${path}.${step}`;
      return isFree && this.chart.typesOf(key) === undefined ? [] : this.value(value, key);
    });
  }

  private value(value: HelmValue, key: string): ValueFinding[] {
    if (this.chart.refuses(key) && isSet(value)) {
      return [
        { severity: "error", key, rule: `is refused by the chart of Cilium ${this.version}; ${this.instead(key)}` },
      ];
    }
    const types = has(own(WITHOUT_EFFECT, key) ?? NEVER, this.version) ? undefined : this.chart.typesOf(key);
    // what the chart refuses may stand below a key that it does not read
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

  /** In Helm null takes a default away, whatever its type; an object's with all that templates look for in it. */
  private typeFinding(value: HelmValue, key: string, types: string): ValueFinding | undefined {
    const letters = types.replace("*", "");
    if (value === null && types === "o") {
      const rule = `is an object, and null takes away what templates read in it, which may fail then; set its keys instead`;
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
          rule: `must be ${wanted}, got ${found}; the schema of the chart of Cilium ${this.version} refuses it`,
        }
      : {
          severity: "warning",
          key,
          rule: `must be ${wanted}, got ${found}; the templates of the chart take it for something else`,
        };
  }

  /** Where to go from a key that the chart does not take. */
  private instead(key: string): string {
    const known = own(INSTEAD, key);
    if (known !== undefined) return `use ${known}`;
    const steps = key.split(".");
    const step = steps.at(-1)!;
    const siblings = this.chart.childrenOf(steps.slice(0, -1).join("."));
    const sibling = suggest(step, siblings);
    const elsewhere = this.chart.endingWith(step);
    const charts = chartsThatRead(key);
    const history = charts === undefined ? "no known chart reads it" : `charts ${charts} read it`;
    if (charts === undefined && sibling !== undefined)
      return `did you mean "${[...steps.slice(0, -1), sibling].join(".")}"?`;
    return elsewhere.length === 1 ? `did you mean "${elsewhere[0]}"?` : history;
  }
}

/** JSON's types as the table has them. */
const TYPE_NAMES = new Map([
  ["b", "true or false"],
  ["s", "text"],
  ["i", "a whole number"],
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

/** What a template's `if` takes for true. */
function isSet(value: HelmValue): boolean {
  return Boolean(value) && !(Array.isArray(value) && value.length === 0);
}

function isObject(value: HelmValue): value is HelmValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An entry of a table; what every object inherits is none. */
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
