import {
  contradictionsIn,
  chartAnswer,
  refusalFindings,
  renderedImages,
  missingObjects,
  type RenderedObject,
} from "../../modes/rendering";
import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import { valueAt, type CiliumValuesArgs, type HelmValues } from "../../modes/ciliumValues";
import { CILIUM_ARGS } from "../support/ciliumArgs";

const ARGS: CiliumValuesArgs = { ...CILIUM_ARGS, version: "1.20.0" };

const EXPECTED = expectedCiliumConfig(ARGS);

/** What a chart renders: the mode's `cilium-config` with a change, and the agent. */
function rendered(
  change: Record<string, string | null> = {},
  args: string[] = [],
  env: object[] = [],
  image = "c",
): RenderedObject[] {
  const data = Object.fromEntries(
    Object.entries({ ...EXPECTED, ...change }).filter((entry): entry is [string, string] => entry[1] !== null),
  );
  const containers = [{ image, args: ["--config-dir=/tmp/cilium/config-map", ...args], env }];
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "cilium-config" }, data },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "cilium" },
      spec: { template: { spec: { containers } } },
    },
  ];
}

const found = (objects: readonly RenderedObject[], values: HelmValues = {}) =>
  [...missingObjects(objects), ...contradictionsIn(objects, { ...ARGS, extraValues: values })].map(({ key, rule }) => [
    key,
    rule,
  ]);

describe("what a chart renders", () => {
  it("is accepted where it has what the mode needs", () => {
    expect(found(rendered())).toEqual([]);
    expect(found(rendered({ "enable-host-legacy-routing": "false" }))).toEqual([]);
  });

  it("has no image by digest where images are loaded", () => {
    const pod = { initContainers: [{ image: "c:v1" }], containers: [{ image: "relay:v1@sha256:0" }] };
    expect(renderedImages([{ kind: "Pod", spec: { containers: [{ name: "x" }, null] } }])).toEqual([]);
    const job = {
      apiVersion: "batch/v1",
      kind: "CronJob",
      spec: { jobTemplate: { spec: { template: { spec: pod } } } },
    };
    expect(renderedImages([...rendered(), job])).toEqual(["c", "c:v1", "relay:v1@sha256:0"]);
    expect(found([...rendered(), job])).toEqual([]);
    expect(contradictionsIn([...rendered(), job], { ...ARGS, loadImages: true })).toEqual([
      expect.objectContaining({
        severity: "error",
        rule: expect.stringContaining("asks for relay:v1@sha256:0") as string,
      }),
    ]);
  });

  it.each<[string, HelmValues, string | undefined]>([
    ["quay.io/cilium/cilium:v1.20.0@sha256:0", {}, undefined],
    ["quay.io/cilium/cilium:v1.20.0-lab.1", {}, undefined],
    ["quay.io/cilium/cilium:latest", {}, undefined],
    ["localhost:5000/cilium:v1.19.6", { image: { tag: "v1.19.6" } }, undefined],
    [
      "quay.io/cilium/cilium:v1.19.6@sha256:0",
      {},
      "is for Cilium 1.20.0 by cilium.version, and the chart is of 1.19.6;",
    ],
    ["quay.io/cilium/cilium:v1.20.2", {}, "and the chart is of 1.20.2; set cilium.version to that"],
    [
      "quay.io/cilium/cilium:v1.20.0:v1.20.0",
      {},
      "asks for the image quay.io/cilium/cilium:v1.20.0:v1.20.0, which is no",
    ],
    ["quay.io/cilium/cilium:sha256:00", { image: { tag: "sha256:00" } }, "which is no reference"],
  ])("has the agents' image %s with the values %j: %s", (image, values, rule) => {
    expect(found(rendered({}, [], [], image), values)).toEqual(
      rule === undefined ? [] : [["", expect.stringContaining(rule)]],
    );
  });

  it("is accepted without Cilium, as from another chart", () => {
    expect(found([])).toEqual([]);
  });

  it("names the extra key that takes the mode away", () => {
    const values = { extraConfig: { "enable-bpf-masquerade": "false" }, debug: { enabled: true } };
    expect(found(rendered({ "enable-bpf-masquerade": "false" }), values)).toEqual([
      [
        "extraConfig.enable-bpf-masquerade",
        expect.stringContaining('enable-bpf-masquerade is "false" instead of "true"'),
      ],
    ]);
  });

  it("names the argument and the variable that override the ConfigMap, of which the argument wins", () => {
    const variable = { name: "CILIUM_ENABLE_BPF_MASQUERADE", value: "false" };
    expect(found(rendered({}, ["--enable-bpf-masquerade=false"]))).toEqual([
      ["extraArgs", expect.stringContaining("the argument --enable-bpf-masquerade=false")],
    ]);
    expect(found(rendered({}, [], [variable]))).toEqual([
      ["extraEnv", expect.stringContaining("the variable CILIUM_ENABLE_BPF_MASQUERADE")],
    ]);
    expect(found(rendered({}, ["--enable-bpf-masquerade"], [variable]))).toEqual([]);
  });

  it("tells several keys that one value changes in one line", () => {
    const values = { eni: { enabled: true } };
    const [first, ...others] = found(rendered({ ipam: "eni", "enable-ipv4-masquerade": "false" }), values);
    expect(first).toEqual(["eni.enabled", expect.stringMatching(/enable-ipv4-masquerade is .* ipam is "eni"/)]);
    expect(others).toEqual([]);
  });

  it("names the value without which the chart renders something else, where several are set", async () => {
    const extraValues = { cni: { chainingMode: "x" }, debug: { enabled: true }, l7Proxy: true };
    const render = async (values: HelmValues) =>
      rendered(valueAt(values, "cni.chainingMode") === undefined ? {} : { tunnel: "vxlan" });
    const { contradictions } = await chartAnswer(await render(extraValues), { ...ARGS, extraValues }, render);
    expect(contradictions).toEqual([
      {
        severity: "error",
        key: "cni.chainingMode",
        rule: 'takes away what the settings ask for: tunnel is "vxlan" and must not be set; remove it',
      },
    ]);
  });

  it("is accepted with a key without value, as charts print an empty text", () => {
    const [config] = rendered();
    const data = { ...config!.data, "egress-masquerade-interfaces": null };
    expect(found([{ ...config, data }], { egressMasqueradeInterfaces: "" })).toEqual([]);
  });

  it("names the value that renders a key, also among others", () => {
    const values = { hubble: { eventBufferCapacity: 5000 }, l7Proxy: true };
    expect(found(rendered({ "hubble-event-buffer-capacity": "5000" }), values)).toEqual([
      ["hubble.eventBufferCapacity", expect.stringMatching(/^keeps Hubble/)],
    ]);
  });

  it("tells what the agent refuses of a key past the values", () => {
    const values = { extraConfig: { "enable-masquerade-to-route-source": "true" } };
    expect(found(rendered({ "enable-masquerade-to-route-source": "true" }), values)).toEqual([
      ["extraConfig.enable-masquerade-to-route-source", expect.stringMatching(/^ends the agent/)],
    ]);
  });

  it("names kinds that a new cluster does not know, and those of Kubernetes and Cilium not", () => {
    const objects = [
      { apiVersion: "monitoring.coreos.com/v1", kind: "ServiceMonitor" },
      { apiVersion: "gateway.networking.k8s.io/v1", kind: "GatewayClass" },
      { apiVersion: "cilium.io/v2alpha1", kind: "CiliumNodeConfig" },
      { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole" },
      { apiVersion: "policy/v1", kind: "PodDisruptionBudget" },
      { apiVersion: "v1", kind: "Service" },
    ];
    const rules = found(objects).map(([, rule]) => /create a (\S+)/.exec(rule!)![1]);
    expect(rules).toEqual(["ServiceMonitor", "GatewayClass"]);
  });
});

describe("what only Kubernetes refuses", () => {
  const pods = (spec: object, metadata: object = {}, more: object = {}): RenderedObject => ({
    kind: "Deployment",
    metadata: { name: "d" },
    spec: { ...more, template: { metadata, spec } },
  });

  it.each<[RenderedObject, HelmValues, string, RegExp]>([
    [
      pods({}, { labels: { team: 1 } }),
      { podLabels: { team: 1 } },
      "podLabels.team",
      /Deployment d: it has team: 1, .*quotes/,
    ],
    [pods({}, { annotations: { x: true } }), {}, "", /x: true/],
    [pods({ nodeSelector: { gpu: true } }), { nodeSelector: { gpu: true } }, "nodeSelector.gpu", /gpu: true/],
    [
      pods({ containers: [{ imagePullPolicy: "always" }] }),
      { image: { pullPolicy: "always" } },
      "image.pullPolicy",
      /Always, IfNotPresent, Never$/,
    ],
    [
      pods({ tolerations: [{ key: "gpu", operator: "Exist" }] }),
      { tolerations: [{ key: "gpu", operator: "Exist" }] },
      "tolerations",
      /operator: "Exist", which must be Exists/,
    ],
    [
      pods({ containers: [{ resources: { limits: { memory: "1gb" } } }] }),
      { resources: { limits: { memory: "1gb" } } },
      "resources.limits.memory",
      /"1gb", which must be a quantity/,
    ],
    [
      pods({ containers: [{ resources: { limits: { memory: "100Mi" }, requests: { memory: "1Gi", cpu: 1 } } }] }),
      { resources: { limits: { memory: "100Mi" }, requests: { memory: "1Gi" } } },
      "resources.limits.memory",
      /memory: "100Mi", which must not be below the request "1Gi"$/,
    ],
    [
      pods({}, {}, { strategy: { rollingUpdate: { maxUnavailable: "2" } } }),
      { updateStrategy: { rollingUpdate: { maxUnavailable: "2" } } },
      "updateStrategy.rollingUpdate.maxUnavailable",
      /maxUnavailable: "2", which must be a number, or a percentage/,
    ],
    [
      { kind: "PodDisruptionBudget", metadata: { name: "b" }, spec: { minAvailable: "half" } },
      { operator: { podDisruptionBudget: { enabled: true, minAvailable: "half" } } },
      "operator.podDisruptionBudget.minAvailable",
      /PodDisruptionBudget b: it has minAvailable: "half"/,
    ],
    [pods({ containers: [{ env: [{ name: "X", value: 1 }] }] }), {}, "", /X: 1/],
    [{ kind: "CronJob", metadata: { name: "c" }, spec: { schedule: "daily" } }, {}, "", /five fields of cron/],
    [
      pods({}, {}, { strategy: { type: "Recreate", rollingUpdate: { maxSurge: 1 } } }),
      { operator: { updateStrategy: { type: "Recreate" } } },
      "operator.updateStrategy.type",
      /set rollingUpdate: null/,
    ],
  ])("%j is refused", (object, values, key, rule) => {
    expect(found([object], values)).toEqual([[key, expect.stringMatching(rule)]]);
  });

  it("is nothing of this", () => {
    const spec = {
      nodeSelector: { gpu: "true" },
      tolerations: [{ operator: "Exists" }, { key: "a", value: "b", effect: "NoExecute" }],
      containers: [
        {
          imagePullPolicy: "IfNotPresent",
          env: [
            { name: "X", value: "1" },
            { name: "Y", valueFrom: {} },
            { name: "Z", value: null },
          ],
          resources: { limits: { cpu: 1, memory: "1.5Gi" }, requests: { cpu: "100m", memory: "1e6" } },
        },
        { resources: { limits: { cpu: 0.7, memory: "1Gi" }, requests: { cpu: "700m", memory: "1024Mi" } } },
        {
          resources: { limits: { cpu: "1E", memory: null, x: "1k" }, requests: { cpu: "1e3", memory: "1Ki", x: 1000 } },
        },
      ],
    };
    expect(
      found([pods(spec, { labels: { a: "1" } }, { strategy: { type: "Recreate", rollingUpdate: null } })]),
    ).toEqual([]);
    const counts = { rollingUpdate: { maxUnavailable: 2, maxSurge: "25%" } };
    expect(found([pods({}, {}, { updateStrategy: counts, strategy: { rollingUpdate: { maxSurge: null } } })])).toEqual(
      [],
    );
    const schema = { labels: { nullable: true } };
    expect(found([{ apiVersion: "v1", kind: "CustomResourceDefinition", spec: schema }])).toEqual([]);
  });
});

describe("what Cilium's pods need in a new cluster", () => {
  const own = (spec: object): RenderedObject => ({
    kind: "DaemonSet",
    metadata: { name: "cilium" },
    spec: { template: { spec } },
  });

  it.each<[object, HelmValues, string, RegExp]>([
    [
      { serviceAccountName: "mine" },
      { serviceAccounts: { cilium: { name: "mine" } } },
      "serviceAccounts.cilium.name",
      /need the ServiceAccount mine/,
    ],
    [
      { priorityClassName: "high" },
      { priorityClassName: "high" },
      "priorityClassName",
      /PriorityClass high, .*add it to/,
    ],
    [
      { volumes: [{ configMap: { name: "cni" } }] },
      { cni: { configMap: "cni" } },
      "cni.configMap",
      /mount the ConfigMap cni/,
    ],
  ])("is %j, and reported", (spec, values, key, rule) => {
    expect(missingObjects([own(spec)], [], values).map((each) => [each.key, each.rule])).toEqual([
      [key, expect.stringMatching(rule)],
    ]);
  });

  it("may be rendered, in manifests, in every cluster, or optional", () => {
    const spec = {
      serviceAccountName: "default",
      priorityClassName: "system-node-critical",
      volumes: [{ configMap: { name: "a" } }, { configMap: { name: "b", optional: true } }, { emptyDir: {} }],
    };
    const a = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "kube-system" } };
    const high = { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "high" } };
    expect(missingObjects([own(spec), a])).toEqual([]);
    expect(missingObjects([own({ ...spec, priorityClassName: "high" })], [a, high])).toEqual([]);
  });

  it("is also the namespace of each object, and permissions", () => {
    const dashboard = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "d", namespace: "monitoring" } };
    const values = { dashboards: { namespace: "monitoring" } };
    expect(missingObjects([dashboard], [], values)).toMatchObject([
      { key: "dashboards.namespace", rule: expect.stringContaining("namespace monitoring") as string },
    ]);
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "monitoring" } };
    expect(missingObjects([dashboard, namespace])).toEqual([]);
    expect(missingObjects([dashboard], [namespace])).toEqual([]);
    expect(missingObjects([], [], { rbac: { create: false } })).toMatchObject([{ key: "rbac.create" }]);
  });
});

describe("objects that a new cluster does not know", () => {
  const monitor = { apiVersion: "monitoring.coreos.com/v1", kind: "ServiceMonitor" };

  it("are reported with the values that ask for them", () => {
    const values = {
      prometheus: { serviceMonitor: { enabled: true, trustCRDsExist: true } },
      operator: { prometheus: { serviceMonitor: { enabled: false } } },
      hubble: { metrics: { serviceMonitor: { enabled: true } } },
    };
    expect(missingObjects([monitor, monitor], [], values)).toMatchObject([
      {
        key: "prometheus.serviceMonitor.enabled",
        rule: expect.stringMatching(/or leave it off, with hubble\.metrics\.serviceMonitor\.enabled$/) as string,
      },
    ]);
    expect(missingObjects([monitor])).toMatchObject([
      { key: "", rule: expect.stringMatching(/leave it off$/) as string },
    ]);
  });

  it("and further refusals are reported beside the chart's first", async () => {
    const render = (values: HelmValues) =>
      valueAt(values, "debug.enabled") !== undefined
        ? "Error: execution error at (cilium/templates/validate.yaml:1:2): no .Values.debug.enabled"
        : valueAt(values, "bpf.tproxy") !== undefined
          ? "Error: execution error at (cilium/templates/validate.yaml:3:4): no .Values.bpf.tproxy"
          : [monitor];
    const extraValues = {
      debug: { enabled: true },
      bpf: { tproxy: true, masquerade: true },
      prometheus: { serviceMonitor: { enabled: true } },
    };
    const asked = jest.fn(async (values: HelmValues) => render(values));
    const { findings, images } = await chartAnswer(render(extraValues), { ...ARGS, extraValues }, asked);
    expect(findings.map(({ key }) => key)).toEqual([
      "debug.enabled",
      "bpf.tproxy",
      "prometheus.serviceMonitor.enabled",
    ]);
    expect(images).toBeUndefined();
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it("include IPsec's keys in a Secret of manifests", async () => {
    const volumes = [{ name: "cilium-ipsec-secrets", secret: { secretName: "keys" } }];
    const spec = { template: { spec: { volumes, containers: [{ image: "c" }] } } };
    const data = { "enable-ipsec": "true", "ipsec-key-file": "/etc/ipsec/keys" };
    const objects = [
      { kind: "DaemonSet", metadata: { name: "cilium" }, spec },
      { kind: "ConfigMap", metadata: { name: "cilium-config" }, data },
    ];
    const secret = (content: object, name = "keys") => ({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "kube-system" } },
      ...content,
    });
    const findings = async (...manifests: ReturnType<typeof secret>[]) =>
      (await chartAnswer(objects, ARGS, async () => objects, manifests, false)).findings;
    expect(await findings(secret({ data: { key: "eA==" } }))).toMatchObject([
      {
        setting: "cilium.manifests",
        rule: expect.stringMatching(/^has the Secret keys without keys, which/) as string,
      },
    ]);
    expect(await findings(secret({ stringData: { keys: "3 …" } }), secret({}, "other"))).toEqual([]);
  });

  it("are not asked for without end where the chart says the same without the value", async () => {
    const error = "Error: execution error at (cilium/templates/validate.yaml:1:2): no .Values.debug.enabled";
    const extraValues = { debug: { enabled: true } };
    const { findings } = await chartAnswer(error, { ...ARGS, extraValues }, async () => error);
    expect(findings).toHaveLength(1);
  });
});

describe("a chart's refusal", () => {
  /** @param needs paths without which the chart has another reason */
  const refused = (error: string, extraValues: HelmValues, ...needs: string[]) =>
    refusalFindings(error, { ...ARGS, extraValues }, async (values) =>
      needs.every((path) => valueAt(values, path) !== undefined) ? error : undefined,
    );

  it("names the value, the chart's reason and the place in the chart", async () => {
    const error =
      "Error: execution error at (cilium/templates/validate.yaml:61:7): Hubble UI requires .Values.hubble.relay.enabled=true\n\nUse --debug flag to render out invalid YAML\n";
    const values = { hubble: { ui: { enabled: true }, metrics: {} }, debug: { enabled: true } };
    expect(await refused(error, values, "hubble.ui.enabled")).toEqual([
      {
        severity: "error",
        key: "hubble.ui.enabled",
        rule: "the chart of Cilium 1.20.0 refuses it: Hubble UI requires .Values.hubble.relay.enabled=true (cilium/templates/validate.yaml:61)",
      },
    ]);
  });

  it("names the only value where the chart names none, and finds it among several", async () => {
    const error =
      "Error: execution error at (cilium/templates/cilium-configmap.yaml:571:10): ipv6NativeRoutingCIDR must be set when routingMode is native";
    expect(await refused(error, { ipv6: { enabled: true } })).toMatchObject([{ key: "ipv6.enabled" }]);
    const values = { ipv6: { enabled: true }, debug: { enabled: true }, bgp: { enabled: true, x: 1 } };
    expect(await refused(error, values, "ipv6")).toMatchObject([{ key: "ipv6.enabled" }]);
    expect(await refused(error, values, "ipv6", "bgp.x")).toMatchObject([
      { key: "ipv6.enabled", rule: expect.stringContaining("refuses it, together with bgp.x: ipv6Native") as string },
    ]);
    expect(await refused(error, values)).toMatchObject([{ key: "" }]);
  });

  it("has the last line's reason where no template is to blame, as for a file that is no chart", async () => {
    const error = "Error: file 'c.tgz' does not appear to be a gzipped archive; got 'application/octet-stream'\n";
    const [found] = await refusalFindings(error, ARGS, async () => error);
    expect(found!.rule).toMatch(/refuses it: Error: file 'c\.tgz' does not appear to be a gzipped archive/);
  });

  it("leaves out what the provider tried", async () => {
    const error =
      "invocation of kubernetes:helm:template returned an error: failed to generate YAML for specified Helm chart: failed to create chart from template: chart requires kubeVersion: >= 1.21.0-0";
    expect(await refused(error, {})).toMatchObject([
      { rule: "the chart of Cilium 1.20.0 refuses it: chart requires kubeVersion: >= 1.21.0-0" },
    ]);
  });

  it("tells every line of a schema, in both forms of Helm", async () => {
    const head = "Error: values don't meet the specifications of the schema(s) in the following chart(s):\ncilium:\n";
    const pointers =
      "- at '/scheduling/mode': value must be one of 'anti-affinity', 'kube-scheduler'\n- at '/debug/enabled': got string, want boolean\n";
    expect((await refused(head + pointers, {})).map(({ key }) => key)).toEqual(["scheduling.mode", "debug.enabled"]);
    expect(await refused(`${head}- debug.enabled: Invalid type. Expected: boolean, given: string\n`, {})).toMatchObject(
      [{ key: "debug.enabled", rule: expect.stringContaining("Expected: boolean") as string }],
    );
  });

  it("tells the innermost reason of templates that include others", async () => {
    const error =
      'Error: template: cilium/templates/cilium-agent/daemonset.yaml:1:3: executing "x" at <include "a" .>: error calling include: template: cilium/templates/_helpers.tpl:10:4: executing "a" at <fail "no">: error calling fail: set a.b';
    expect(await refused(error, { a: { b: 1 }, c: 2 })).toMatchObject([
      {
        key: "a.b",
        rule: expect.stringMatching(/refuses it: set a\.b \(cilium\/templates\/_helpers\.tpl:10\)$/) as string,
      },
    ]);
  });
});
