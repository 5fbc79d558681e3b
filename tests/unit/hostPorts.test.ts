import { ChartKeys } from "../../modes/chartKeys";
import { mergeValues, type CiliumValuesArgs, type HelmValue, type HelmValues } from "../../modes/ciliumValues";
import { HOST_PORTS, portFindings } from "../../modes/hostPorts";
import { CILIUM_ARGS } from "../support/ciliumArgs";

const found = (extraValues: HelmValues, more: Partial<CiliumValuesArgs> = {}, isKind = true) =>
  portFindings({ ...CILIUM_ARGS, ...more, extraValues }, JSON.stringify, isKind).map(
    ({ key, rule }) => `${key} ${rule}`,
  );

/** Values with one value at a path. */
const at = (path: string, value: HelmValue) =>
  path.split(".").reduceRight((inner, step) => ({ [step]: inner }), value) as HelmValues;

const ON: HelmValues = {
  prometheus: { enabled: true },
  pprof: { enabled: true },
  operator: { prometheus: { enabled: true }, pprof: { enabled: true } },
  hubble: { metrics: { enabled: ["dns"] } },
  envoy: { enabled: true, debug: { admin: { enabled: true } } },
  authentication: { mutual: { spire: { enabled: true } } },
  ingressController: { enabled: true, hostNetwork: { enabled: true } },
};

describe("ports of nodes", () => {
  it.each<[HelmValues, string, Partial<CiliumValuesArgs>?]>([
    [
      { healthPort: 10250 },
      "healthPort is 10250, the port of the kubelet on the same nodes; set another, or remove it",
    ],
    [{ healthPort: 6443 }, "healthPort is 6443, the port of the API server"],
    [{ healthPort: 10256 }, "healthPort is 10256, the port of kube-proxy's health check", { mode: "kubeproxy" }],
    [{ healthPort: 9890 }, "healthPort is 9890, the port of the agent's gops"],
    [
      { prometheus: { enabled: true, port: 9963 } },
      "prometheus.port is 9963, the port of the operator's metrics (operator.prometheus.port)",
    ],
    [
      { operator: { prometheus: { enabled: true, port: "9879" } } },
      'operator.prometheus.port is "9879", the port of the agent\'s health check (healthPort)',
      { version: "1.12.4" },
    ],
    [
      { hubble: { listenAddress: ":4240" } },
      'hubble.listenAddress is ":4240", the port of the agent\'s health checks of',
    ],
    [{ hubble: { metrics: { enabled: ["dns"], port: 4244 } } }, "hubble.metrics.port is 4244, the port of Hubble ("],
    [{ envoy: { prometheus: { port: 9878 } } }, "envoy.prometheus.port is 9878, the port of Envoy's health check"],
    [
      { kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256" },
      'kubeProxyReplacementHealthzBindAddr is "0.0.0.0:10256", the port of kube-proxy\'s',
      { mode: "partial" as CiliumValuesArgs["mode"] },
    ],
    [
      { healthPort: 9000, prometheus: { enabled: true, port: 9000 } },
      "prometheus.port is 9000, the port of the agent's health check (healthPort)",
    ],
  ])("are taken: %j", (values, words, more = {}) => {
    expect(found(values, more)).toEqual([expect.stringContaining(words)]);
  });

  it.each<[HelmValues, Partial<CiliumValuesArgs>?, boolean?]>([
    [{ healthPort: 9879 }],
    [{ healthPort: 10250 }, {}, false],
    [{ healthPort: 10256 }],
    [{ prometheus: { port: 9963 } }],
    [{ prometheus: { enabled: true, port: 9963 } }, { version: "1.14.19" }],
    [{ prometheus: { enabled: true, port: 9963 }, operator: { hostNetwork: false } }],
    [{ healthPort: 9964 }, { version: "1.15.19" }],
    [{ healthPort: 9878, envoy: { enabled: false } }],
    [{ healthPort: 9878, upgradeCompatibility: "1.15" }],
    [{ hubble: { enabled: false }, healthPort: 4244 }],
    [{ hubble: { listenAddress: "" } }],
    [{ dnsProxy: { proxyPort: 0 } }],
    [{ kubeProxyReplacementHealthzBindAddr: "0.0.0.0:10256" }],
  ])("are free: %j", (values, more = {}, isKind = true) => {
    expect(found(values, more, isKind)).toEqual([]);
  });

  it.each(["1.12.4", "1.13.18", "1.14.19", "1.15.19", "1.16.19", "1.17.18", "1.18.12", "1.19.6", "1.20.0"])(
    "are different for everything in Cilium %s",
    (version) => {
      const chart = new ChartKeys(version);
      const settable = HOST_PORTS.filter(({ path }) => chart.typesOf(path) !== undefined);
      // copies of a chart's values set every port
      const values = settable.reduce((all, { path, port }) => mergeValues(all, at(path, port)), ON);
      expect(found(values, { version })).toEqual([]);
      for (const { path } of settable)
        expect(found(mergeValues(values, at(path, 10250)), { version })).toEqual([
          expect.stringContaining(`${path} is 10250, the port of the kubelet`),
        ]);
    },
  );
});
