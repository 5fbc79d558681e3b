import { agentFindingsOf } from "./agentValues";
import { contains, ipv4CidrProblem, isCidr } from "./cidr";
import { expectedCiliumConfig } from "./ciliumConfig";
import { ciliumValues, valueAt, type CiliumValuesArgs, type HelmValue } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS } from "./contract";
import { OPTION_PATHS } from "./datapathChoice";
import { IPAM_MODES, isIpamMode, NODE_POD_CIDR_MASK } from "./ipam";
import { at, same } from "./tree";
import type { ValueFinding } from "./valueFinding";

/** Values that a setting of this project sets, with that setting. */
const SETTINGS: Readonly<Record<string, string>> = {
  kubeProxyReplacement: "kubeProxyReplacement",
  tunnel: "tunnel",
  routingMode: "tunnel",
  tunnelProtocol: "tunnel",
  "bpf.masquerade": "bpf.masquerade",
  "bpf.hostLegacyRouting": "bpf.hostLegacyRouting",
  "cluster.name": "cluster.name",
  ipv4NativeRoutingCIDR: "cilium.nativeRoutingCIDR",
  autoDirectNodeRoutes: "cilium.autoDirectNodeRoutes",
  "ipam.mode": "cilium.ipam.mode",
  "ipam.operator.clusterPoolIPv4PodCIDRList": "cluster.podCidr",
  ...Object.fromEntries(OPTION_PATHS.map((path) => [path, path])),
};

/** From here on the chart looks up `k8sServiceHost: auto` in the cluster; older ones treat it as a host name. */
const AUTOMATIC_HOST: Since = ["1.16.0-pre.2"];

type Show = (value: HelmValue) => string;

/** Why a value is wrong; undefined if it is not. */
type Rule = (value: HelmValue, args: CiliumValuesArgs, shown: Show) => Omit<ValueFinding, "key"> | undefined;

const error = (rule: string): Omit<ValueFinding, "key"> => ({ severity: "error", rule });
const warning = (rule: string): Omit<ValueFinding, "key"> => ({ severity: "warning", rule });

/** From here on the chart names the DaemonSet by a value. */
const NAMED: Since = ["1.18.0-pre.0"];

/** From here on the chart knows a third type of encryption. */
const ZTUNNEL: Since = ["1.19.0-pre.0"];

/**
 * Cilium's operator serves Ingresses and Gateways only without kube-proxy, and otherwise logs a warning
 * (`operator/pkg/ingress/cell.go` and `operator/pkg/gateway-api/cell.go` of Cilium 1.20.2). Before Cilium 1.19 it also does
 * with `nodePort.enabled`.
 */
const onlyWithReplacement: Rule = (value, { mode, extraValues }) =>
  String(value) !== "true" ||
  MODE_CONTRACTS[mode].switches.kubeProxyReplacement !== false ||
  String(valueAt(extraValues, "nodePort.enabled")) === "true"
    ? undefined
    : warning("has no effect with kube-proxy, where Cilium's operator ignores it; set kubeProxyReplacement: true");

/** Templates make a missing number of days 0, with which a certificate has ended before it is used. */
const days: Rule = (value, _args, shown) =>
  Number(value) >= 1
    ? undefined
    : error(`must be a number of days such as 365, got ${shown(value)}; certificates would have ended at once`);

const RULES: Readonly<Record<string, Rule>> = {
  "hubble.tls.auto.certValidityDuration": days,
  "clustermesh.apiserver.tls.auto.certValidityDuration": days,
  "tls.ca.certValidityDuration": days,
  // one that agents cannot read ends the reading (pkg/ipmasq/ipmasq.go)
  "ipMasqAgent.config.nonMasqueradeCIDRs": (value, _args, shown) =>
    value === null || (Array.isArray(value) && value.every((each) => isCidr(String(each))))
      ? undefined
      : error(
          `must be a list of networks such as 10.0.0.0/8, got ${shown(value)}; agents would read nothing of ipMasqAgent.config`,
        ),
  // operator/pkg/ingress compares with dedicated alone
  "ingressController.loadbalancerMode": (value, _args, shown) =>
    ["dedicated", "shared", "", null].includes(value as string | null)
      ? undefined
      : warning(`is ${shown(value)}, which Cilium's operator takes for shared; set shared or dedicated`),
  enableIPv4Masquerade: (value) =>
    String(value) === "false"
      ? error("disables masquerading, without which pods cannot reach networks outside the cluster; remove it")
      : undefined,
  "ipam.mode": (value, _args, shown) =>
    isIpamMode(value)
      ? undefined
      : error(`must be ${IPAM_MODES.join(" or ")}, got ${shown(value)}; set cilium.ipam.mode instead`),
  "ipam.operator.clusterPoolIPv4MaskSize": (value, { podCidrMaskSize = NODE_POD_CIDR_MASK }, shown) =>
    Number(value) === podCidrMaskSize
      ? undefined
      : error(
          `must be ${podCidrMaskSize}, got ${shown(value)}; remove it: nodes get a /${NODE_POD_CIDR_MASK} each, and a Cilium that is adopted keeps its own size`,
        ),
  "operator.replicas": (value, { nodeCount }, shown) => {
    if (Number(value) > nodeCount)
      return error(
        `must be at most ${nodeCount}, got ${shown(value)}; two operators cannot run on one node, and the others would remain pending`,
      );
    return value !== null && Number(value) < 1
      ? error(`must be at least 1, got ${shown(value)}; without an operator, nodes get no networks for their pods`)
      : undefined;
  },
  "encryption.type": (value, { version, extraValues }, shown) => {
    const types = ["ipsec", "wireguard", ...(has(ZTUNNEL, version) ? ["ztunnel"] : [])];
    return types.includes(String(value)) || String(valueAt(extraValues, "encryption.enabled")) !== "true"
      ? undefined
      : error(`must be ${types.join(" or ")}, got ${shown(value)}; the chart would encrypt nothing`);
  },
  "gatewayAPI.enabled": onlyWithReplacement,
  "ingressController.enabled": onlyWithReplacement,
  "operator.image.repository": (value, _args, shown) =>
    String(value).endsWith("-generic")
      ? error(`must be without -generic, which the chart appends, got ${shown(value)}`)
      : undefined,
  namespaceOverride: (value, _args, shown) =>
    value === null || value === "" || value === "kube-system"
      ? undefined
      : error(`is ${shown(value)}, and this project looks for Cilium in kube-system; remove it`),
  name: (value, { version }, shown) =>
    [null, "", "cilium"].includes(value as string | null) || !has(NAMED, version)
      ? undefined
      : error(`is ${shown(value)}, and this project looks for the DaemonSet cilium; remove it`),
  "daemon.configSources": (value, _args, shown) =>
    (value ?? "") === "" || /(?:^|,)config-map:(?:[\w.-]+\/)?cilium-config(?:,|$)/.test(String(value))
      ? undefined
      : error(
          `is ${shown(value)}, so agents do not read the mode in cilium-config; add config-map:cilium-config at the start`,
        ),
  "debug.verbose": (value, _args, shown) =>
    value === null || typeof value === "string"
      ? undefined
      : error(`must be a string of words separated by spaces, got ${shown(value)}`),
  k8sServiceHost: (value, { version, clusterName }, shown) => {
    if (typeof value === "string" && /^\w+:\/\/|\/|^[^:]+:\d+$/.test(value))
      return error(`must be a host name or an address, got ${shown(value)}; set the port in k8sServicePort`);
    if (value !== "auto") return undefined;
    const fix = `remove it to use ${clusterName}-control-plane`;
    return has(AUTOMATIC_HOST, version)
      ? warning(`is looked up only when Helm installs, and remains "auto" in offline rendering; ${fix}`)
      : error(`is a host named "auto" for Cilium ${version}; ${fix}`);
  },
  kubeProxyReplacement: (value, { version }) =>
    typeof value === "boolean" && value && !has(["1.14.0-snapshot.0"], version)
      ? error(
          `must be a string in the chart of Cilium ${version}, which cannot compare true; use the setting kubeProxyReplacement of this project`,
        )
      : undefined,
};

/** Extra values that contradict the mode or a setting of this project. */
export function contradictions(args: CiliumValuesArgs, shown: Show): ValueFinding[] {
  const own = ciliumValues({ ...args, extraValues: {} });
  const broken = Object.entries(RULES).flatMap(([key, rule]) => {
    const value = valueAt(args.extraValues, key);
    const found = value === undefined ? undefined : rule(value, args, shown);
    return found === undefined ? [] : [{ ...found, key }];
  });
  const reported = new Set(broken.map(({ key }) => key));
  const overruled = Object.entries(SETTINGS).flatMap(([key, setting]): ValueFinding[] => {
    const value = valueAt(args.extraValues, key);
    const decided = valueAt(own, key);
    // a value that the chart ignores is reported elsewhere; templates print true and "true" alike
    if (value === undefined || reported.has(key) || decided === undefined || same(asDecided(value, decided), decided))
      return [];
    const rule = `is ${shown(decided)} according to the setting ${setting}, got ${shown(value)}; ${remedy(key, value, args)}`;
    return [{ severity: "error", key, rule }];
  });
  return [...broken, ...overruled, ...besideValues(args, shown), ...agentFindingsOf(args)];
}

/** Templates join a list and print a text alike. */
function asDecided(value: HelmValue, decided: HelmValue): HelmValue {
  return typeof value === "string" && Array.isArray(decided) ? value.split(" ") : value;
}

/** What to do about a value that a setting decides otherwise. */
function remedy(key: string, value: HelmValue, { podCidr }: CiliumValuesArgs): string {
  // what charts have for "not set"
  if (value === null || value === "") return "remove it";
  if (key === "autoDirectNodeRoutes" && String(value) === "false")
    return "remove it, or change the setting where something else makes the routes";
  const isElsewhere =
    key === "ipv4NativeRoutingCIDR" &&
    ipv4CidrProblem(String(value)) === undefined &&
    !contains(String(value), podCidr);
  return isElsewhere
    ? "change the setting instead, and set cluster.podCidr to a network in it"
    : "change the setting instead";
}

/** Keys of `cilium-config` that are set past the values, and otherwise than the settings need them. */
function besideValues(args: CiliumValuesArgs, shown: Show): ValueFinding[] {
  const expected = expectedCiliumConfig(args);
  const byConfig = Object.entries(at(args.extraValues, ["extraConfig"]) ?? {}).map(
    ([key, value]) => [`extraConfig.${key}`, key, String(value)] as const,
  );
  const given = valueAt(args.extraValues, "extraArgs") ?? [];
  const byArgument = (Array.isArray(given) ? given : []).flatMap((argument) => {
    const [, key, value = "true"] = /^--([\w-]+)(?:=(.*))?$/.exec(String(argument)) ?? [];
    return key === undefined ? [] : [["extraArgs", key, value] as const];
  });
  const untyped = Object.entries(at(args.extraValues, ["extraConfig"]) ?? {}).flatMap(([key, value]): ValueFinding[] =>
    typeof value === "string" || value === null
      ? []
      : [
          {
            severity: "error",
            key: `extraConfig.${key}`,
            rule: `must be a string, in quotes, got ${shown(value as HelmValue)}; Kubernetes refuses other values in cilium-config`,
          },
        ],
  );
  const contradicting = [...byConfig, ...byArgument].flatMap(([path, key, value]): ValueFinding[] => {
    const wanted = expected[key];
    if (wanted === undefined || value === wanted || (wanted === null && value === "false")) return [];
    const needed = wanted === null ? "no such key" : shown(wanted);
    return [
      {
        severity: "error",
        key: path,
        rule: `sets ${key} to ${shown(value)}, and the settings need ${needed}; change the settings instead`,
      },
    ];
  });
  const reported = new Set(untyped.map(({ key }) => key));
  return [...untyped, ...contradicting.filter(({ key }) => !reported.has(key))];
}
