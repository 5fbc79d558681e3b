import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ROUTING_MODES } from "../../modes/contract";
import { NODE_IMAGES } from "../../modes/releases";
import { parseSettings } from "../../settings/parse";
import { parse, problemsOf, warningsOf, type Config } from "./support/settings";

describe("parseSettings", () => {
  it.each(ROUTING_MODES)("reads mode %s from its stack file", (mode) => {
    const text = readFileSync(join(__dirname, `../../Pulumi.${mode}.yaml`), "utf8");
    const config = Object.fromEntries(
      [...text.matchAll(/^ {2}cilium-modes:([\w.]+): "(.*)"$/gm)].map((match) => [match[1]!, match[2]!]),
    );
    // every line that is not a comment was parsed
    const lines = text.split("\n").filter((line) => /^\s+[^#\s]/.test(line));
    expect(Object.keys(config)).toHaveLength(lines.length);
    expect(lines.length).toBeGreaterThan(0);
    expect(parse(config).mode).toBe(mode);
  });

  it("fills in all defaults", () => {
    expect(parse({})).toEqual({
      release: "1.20",
      mode: "kubeproxy",
      tunnel: "disabled",
      verify: "strict",
      verifyWhen: "changed",
      verifyNodes: 20,
      kubeProxyReplacement: false,
      kubeProxy: {},
      bpf: { masquerade: false, hostLegacyRouting: false },
      loadBalancer: {},
      socketLB: {},
      cluster: {
        name: "cilium-modes-dev",
        kubernetesVersion: "1.34.0",
        nodeImage: NODE_IMAGES["1.34.0"]!.image,
        workers: 2,
        ipFamily: "ipv4",
        podCidr: "10.0.0.0/16",
        serviceCidr: "10.96.0.0/16",
        registryMirrors: {},
        nodeLabels: {},
        featureGates: {},
        kubeadmConfigPatches: [],
        apiServerAddress: "127.0.0.1",
        apiServerPort: 0,
        portMappings: [],
        mounts: [],
        exportKubeconfig: false,
      },
      podNetworks: {},
      dns: { forward: "auto" },
      hubble: { relay: false, ui: false },
      cilium: {
        version: "1.20.2",
        chart: "cilium",
        repository: "https://helm.cilium.io",
        images: { agent: {}, operator: {}, envoy: {}, load: false },
        adopt: false,
        ipam: {},
        manifests: [],
        valuesFiles: [],
        nativeRoutingCIDR: "10.0.0.0/8",
        values: {},
      },
      nettool: { nodePort: 32000, baseImage: "debian:12-slim", loadImage: true },
    });
  });

  it("treats nested and dotted keys, text and JSON alike", () => {
    const nested = parse({ kubeProxyReplacement: "true", bpf: '{"masquerade":true}', cluster: '{"workers":1}' });
    const dotted = parse({ kubeProxyReplacement: "true", "bpf.masquerade": "true", "cluster.workers": "1" });
    const nestedText = parse({
      kubeProxyReplacement: "true",
      bpf: '{"masquerade":"true"}',
      cluster: '{"workers":"1"}',
    });
    expect(dotted).toEqual(nested);
    expect(nestedText).toEqual(nested);
    expect(nested).toMatchObject({ mode: "ebpf", bpf: { masquerade: true }, cluster: { workers: 1 } });
  });

  it("fills in the defaults in elements of lists", () => {
    const { cluster } = parse({
      "cluster.portMappings": '[{"containerPort":"80","hostPort":0}]',
      "cluster.mounts": '[{"hostPath":"a","containerPath":"/b"}]',
      "cluster.registryMirrors": '{"docker.io":{"endpoints":["http://m:5000"]}}',
    });
    expect(cluster.portMappings).toEqual([
      { node: "control-plane", containerPort: 80, hostPort: 0, listenAddress: "127.0.0.1", protocol: "TCP" },
    ]);
    expect(cluster.mounts).toEqual([{ hostPath: "a", containerPath: "/b", readOnly: false }]);
    expect(cluster.registryMirrors).toEqual({ "docker.io": { endpoints: ["http://m:5000"], insecure: false } });
  });

  it("accepts a setting that is both nested and dotted only with equal values", () => {
    const both = (masquerade: string) => ({
      kubeProxyReplacement: "true",
      bpf: '{"masquerade":true}',
      "bpf.masquerade": masquerade,
    });
    expect(parse(both("true")).mode).toBe("ebpf");
    const twice = "is set twice with different values, once nested and once with dots; remove one";
    expect(problemsOf(both("false"))).toEqual([`  - bpf.masquerade: ${twice}`]);
    expect(problemsOf({ cilium: '{"values":{"a":1}}', "cilium.values": '{"a":2}' })).toEqual([
      `  - cilium.values: ${twice}`,
    ]);
    expect(
      parse({ cilium: '{"values":{"a":{"b":1,"c":2}}}', "cilium.values": '{"a":{"c":2,"b":1}}' }).cilium.values,
    ).toEqual({
      a: { b: 1, c: 2 },
    });
  });

  it("keeps Helm values, and types dotted ones as helm --set does", () => {
    const values = (config: Record<string, string>) => parse(config).cilium.values;
    expect(values({ "cilium.values": '{"l7Proxy":false,"a":{"b":["1",null]}}' })).toEqual({
      l7Proxy: false,
      a: { b: ["1", null] },
    });
    // charts treat the text "false" as true
    expect(
      values({
        "cilium.values": '{"a":{"text":"false"}}',
        "cilium.values.l7Proxy": "false",
        "cilium.values.a.number": "-12",
        "cilium.values.a.none": "null",
        "cilium.values.a.version": "1.20",
        "cilium.values.a.code": "007",
      }),
    ).toEqual({ l7Proxy: false, a: { text: "false", number: -12, none: null, version: "1.20", code: "007" } });
  });

  it("ignores keys of other projects and of Pulumi", () => {
    const config = { "pulumi:tags": "{}", "kubernetes:context": "a", "cilium-modes-other:tunnel": "x" };
    expect(parseSettings({ project: "cilium-modes", stack: "x", config }).settings.mode).toBe("kubeproxy");
  });

  it.each([
    ["strict", true],
    ["disabled", false],
    ["true", true],
    ["false", false],
  ])("reads kubeProxyReplacement: %s as %s", (word, expected) => {
    expect(parse({ kubeProxyReplacement: word }).kubeProxyReplacement).toBe(expected);
  });
});

it("takes null for what a chart has by default", () => {
  expect(warningsOf({ "cilium.values": '{"bpf":null}' })).toEqual([expect.stringContaining("cilium.values.bpf: ")]);
  expect(parse({ "cilium.values": '{"debug":null}' }).cilium.values).toEqual({ debug: null });
});

describe("values that cannot work on kind's nodes", () => {
  const REPLACEMENT = { kubeProxyReplacement: "true" };
  const EBPF = { ...REPLACEMENT, "bpf.masquerade": "true" };
  const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";
  const WITHOUT_BALANCERS = "node.kubernetes.io/exclude-from-external-load-balancers";
  const AFFINITY = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
  const affinity = (part: string, key: string, operator: string, values?: string[]) => {
    const nodeSelectorTerms = [{ matchExpressions: [{ key, operator, values }] }];
    const own = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
    return JSON.stringify(part === "" ? { affinity: own } : { [part]: { affinity: own } });
  };

  it.each<[string, string, Record<string, string>?]>([
    ['{"k8sServiceHost":"localhost"}', 'k8sServiceHost: is "localhost", where kind\'s nodes have no'],
    ['{"k8sServiceHost":"127.0.0.1"}', 'k8sServiceHost: is "127.0.0.1"'],
    ['{"k8sServiceHost":"0.0.0.0"}', 'k8sServiceHost: is "0.0.0.0"'],
    ['{"k8sServiceHost":"LOCALHOST.localdomain"}', "k8sServiceHost: is "],
    ['{"k8sServiceHost":""}', 'k8sServiceHost: is "", so agents need a Service', REPLACEMENT],
    ['{"k8sServiceHost":null}', "k8sServiceHost: is null, so agents need a Service", REPLACEMENT],
    ['{"k8sServiceHost":"10.96.0.1"}', 'k8sServiceHost: is "10.96.0.1", so agents need a Service', EBPF],
    ['{"k8sServiceHost":"kubernetes.default.svc"}', "k8sServiceHost: is ", EBPF],
    ['{"k8sServiceHost":"https://a:6443"}', "k8sServiceHost: must be a host name or an address"],
    ['{"k8sServiceHost":"a:6443"}', "k8sServiceHost: must be a host name or an address"],
    ['{"k8sServiceHostRef":{"name":"cm","key":"host"}}', "k8sServiceHostRef: cannot be set"],
    ['{"devices":"enp+"}', 'devices: selects "enp+", and kind\'s nodes have only eth0'],
    ['{"devices":["bond0","eth1"]}', 'devices: selects ["bond0","eth1"]'],
    ['{"extraConfig":{"devices":"ens3"}}', 'extraConfig.devices: selects "ens3"'],
    ['{"extraArgs":["--devices=ens3"]}', 'extraArgs: selects "ens3"'],
    ['{"egressMasqueradeInterfaces":"enp+"}', 'egressMasqueradeInterfaces: selects "enp+"'],
    ['{"policyEnforcementMode":"Always"}', "policyEnforcementMode: drops the traffic of the workload"],
    ['{"extraConfig":{"enable-policy":"always"}}', "extraConfig.enable-policy: drops the traffic"],
    ['{"bandwidthManager":{"enabled":true}}', "bandwidthManager.enabled: needs net.core.default_qdisc"],
    ['{"agent":false}', "agent: is needed"],
    ['{"operator":{"enabled":false}}', "operator.enabled: is needed"],
    ['{"operator":{"replicas":0}}', "operator.replicas: must be at least 1, got 0"],
    ['{"cni":{"install":false}}', "cni.install: is needed"],
    ['{"alibabacloud":{"enabled":true}}', "alibabacloud.enabled: runs an operator that asks a cloud"],
    ['{"cni":{"confPath":"/var/lib/cni/net.d"}}', 'cni.confPath: is "/var/lib/cni/net.d", and containerd on kind'],
    ['{"cni":{"binPath":"/usr/lib/cni"}}', 'cni.binPath: is "/usr/lib/cni", and containerd'],
    ['{"cni":{"customConf":true}}', "cni.customConf: keeps agents from writing CNI's configuration"],
    ['{"cni":{"chainingMode":"aws-cni"}}', 'cni.chainingMode: is "aws-cni", and a new cluster has no other'],
    ['{"nodePort":{"range":"30000,31999"}}', "nodePort.range: must be two ports such as 30000,32767 with", EBPF],
    ['{"healthPort":10250}', "healthPort: is 10250, the port of the kubelet on the same nodes"],
    ['{"nodePort":{"range":"30000-32767"}}', "nodePort.range: ends the agent: it must be two ports", EBPF],
    ['{"nodePort":{"range":"32767,30000"}}', "nodePort.range: ends the agent", EBPF],
    [
      '{"nodePort":{"range":"30000,32800","autoProtectPortRange":false}}',
      'nodePort.autoProtectPortRange: ends the agent: nodePort.range "30000,32800" reaches 32768 or above, and agents then need autoProtectPortRange; remove it, or end the range before 32768',
      EBPF,
    ],
    [
      '{"nodePort":{"range":"30000,40000"},"extraConfig":{"enable-auto-protect-node-port-range":"false"}}',
      "extraConfig.enable-auto-protect-node-port-range: ends the agent",
      REPLACEMENT,
    ],
    [
      '{"hubble":{"relay":{"enabled":true},"ui":{"enabled":true,"service":{"type":"NodePort","nodePort":32000}}}}',
      "hubble.ui.service.nodePort: is 32000, which the workload has",
    ],
    [
      '{"hubble":{"relay":{"enabled":true,"service":{"type":"NodePort","nodePort":8080}}}}',
      "hubble.relay.service.nodePort: must be a port from 30000 to 32767, got 8080",
    ],
    ['{"tolerations":[]}', "tolerations: must tolerate node-role.kubernetes.io/control-plane, or no agent runs"],
    ['{"tolerations":null}', "tolerations: must tolerate node-role.kubernetes.io/control-plane"],
    ['{"tolerations":[{"key":"gpu","operator":"Exists"}]}', "tolerations: must tolerate node-role"],
    [
      '{"extraEnv":[{"name":"KUBERNETES_SERVICE_HOST","value":"127.0.0.1"},{"name":"KUBERNETES_SERVICE_PORT","value":"7445"}]}',
      "extraEnv: sets KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, and agents must ask",
    ],
    ['{"dnsPolicy":"ClusterFirstWithHostNet"}', 'dnsPolicy: is "ClusterFirstWithHostNet", so pods ask the cluster'],
    ['{"operator":{"dnsPolicy":"ClusterFirstWithHostNet"}}', "operator.dnsPolicy: is ", EBPF],
    [
      '{"k8s":{"apiServerURLs":"https://a:1 https://127.0.0.1:6443"}}',
      'k8s.apiServerURLs: has "https://127.0.0.1:6443"',
    ],
    ['{"name":"cilium-agent"}', 'name: is "cilium-agent", and this project looks for the DaemonSet cilium'],
    ['{"daemon":{"configSources":"config-map:mine"}}', "daemon.configSources: is ", EBPF],
    [
      '{"kubeConfigPath":"/var/lib/cilium/kubeconfig"}',
      'kubeConfigPath: is "/var/lib/cilium/kubeconfig", and kind\'s nodes have no such kubeconfig',
    ],
    ['{"kubeConfigPath":"/etc/kubernetes/admin.conf"}', "kubeConfigPath: is "],
    [affinity("", "gpu", "Exists"), `${AFFINITY}: excludes the node control-plane, so no agent runs there`],
    [affinity("", CONTROL_PLANE, "DoesNotExist"), `${AFFINITY}: excludes the node control-plane`],
    [affinity("", WITHOUT_BALANCERS, "DoesNotExist"), `${AFFINITY}: excludes the node control-plane`],
    [affinity("", CONTROL_PLANE, "Exists"), `${AFFINITY}: excludes the node worker-1`],
    [affinity("", "kubernetes.io/os", "NotIn", ["linux"]), `${AFFINITY}: excludes the node control-plane`],
    [affinity("operator", "role", "In", ["infra"]), `operator.${AFFINITY}: excludes every node, so no operator runs`],
    ['{"operator":{"tolerations":[]}}', "operator.tolerations: must tolerate node.kubernetes.io/not-ready"],
    [
      '{"operator":{"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute"}]}}',
      "operator.tolerations: must tolerate",
    ],
    ['{"nodeSelector":{"cilium":"yes"}}', 'nodeSelector: is {"cilium":"yes"}, so no agent runs on the node control-'],
    [
      '{"nodeSelector":{"node-role.kubernetes.io/control-plane":""}}',
      'nodeSelector: is {"node-role.kubernetes.io/control-plane":""}, so no agent runs on the node worker-1',
    ],
    ['{"operator":{"nodeSelector":{"role":"infra"}}}', 'operator.nodeSelector: is {"role":"infra"}, which no node has'],
    [
      '{"namespaceOverride":"cilium"}',
      'namespaceOverride: is "cilium", and this project looks for Cilium in kube-system',
    ],
    ['{"encryption":{"enabled":true,"type":"wiregard"}}', "encryption.type: must be ipsec or wireguard or ztunnel"],
  ])("are refused: %s", (values, line, config = {}) => {
    expect(problemsOf({ ...config, "cilium.values": values })).toEqual([
      expect.stringContaining(`cilium.values.${line}`),
    ]);
  });

  it("are reported together, so that no port is left over when its host is removed", () => {
    expect(problemsOf({ "cilium.values": '{"k8sServiceHost":"localhost","k8sServicePort":7445}' })).toEqual([
      expect.stringContaining("k8sServiceHost: is"),
      expect.stringContaining("k8sServicePort: is 7445, and the API server of kind's nodes has port 6443; remove it"),
    ]);
  });

  it.each<[string, Record<string, string>?]>([
    ['{"devices":"eth+"}'],
    ['{"devices":"bond0 eth0"}'],
    ['{"egressMasqueradeInterfaces":"eth0"}', REPLACEMENT],
    ['{"policyEnforcementMode":"default"}'],
    // kube-proxy serves the API server's Service
    ['{"k8sServiceHost":""}'],
    ['{"k8sServiceHost":"10.96.0.1","k8sServicePort":443}'],
    ['{"k8sServiceHost":"api.example"}', EBPF],
    ['{"cni":{"customConf":true,"configMap":"cni"}}'],
    ['{"cni":{"confPath":"/etc/cni/net.d/","binPath":"/opt/cni/bin"}}'],
    ['{"cni":{"chainingMode":"portmap"}}'],
    ['{"nodePort":{"range":"32000,32100"}}', EBPF],
    ['{"nodePort":{"range":"30000,31999"}}'],
    ['{"nodePort":{"range":"30000,40000"}}', EBPF],
    ['{"nodePort":{"autoProtectPortRange":false}}', EBPF],
    ['{"operator":{"tolerations":[{"operator":"Exists"}]}}'],
    ['{"tolerations":[{"operator":"Exists"}]}'],
    ['{"tolerations":[{"key":"node-role.kubernetes.io/control-plane","effect":"NoSchedule"}]}'],
    ['{"tolerations":[{"key":"node-role.kubernetes.io/control-plane","effect":""}]}'],
    ['{"tolerations":[{"key":"node-role.kubernetes.io/control-plane","effect":null}]}'],
    ['{"tolerations":[]}', { "cluster.workers": "0" }],
    ['{"dnsPolicy":"ClusterFirst"}'],
    ['{"dnsPolicy":"ClusterFirstWithHostNet","k8sServiceHost":"192.0.2.1"}', EBPF],
    ['{"k8s":{"apiServerURLs":"https://a:6443"}}'],
    ['{"name":"cilium"}'],
    ['{"daemon":{"configSources":"config-map:kube-system/cilium-config,cilium-node-config:kube-system"}}'],
    ['{"operator":{"tolerations":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}]}}'],
    ['{"nodeSelector":{"kubernetes.io/os":"linux","kubernetes.io/arch":"amd64"}}'],
    ['{"operator":{"nodeSelector":{"node-role.kubernetes.io/control-plane":""}}}'],
    ['{"operator":{"nodeSelector":{"role":"infra"}}}', { "cluster.nodeLabels": '{"worker-2":{"role":"infra"}}' }],
    ['{"encryption":{"enabled":false,"type":"none"}}'],
    ['{"kubeConfigPath":""}'],
    ['{"kubeConfigPath":"/etc/kubernetes/admin.conf"}', { "cluster.workers": "0" }],
    ['{"kubeConfigPath":"/lab/kubeconfig"}', { "cluster.mounts": '[{"hostPath":"/srv/lab","containerPath":"/lab/"}]' }],
    [affinity("", "kubernetes.io/os", "In", ["linux"])],
    [affinity("", "kubernetes.io/arch", "In", ["amd64", "arm64"])],
    [affinity("", "node-role.kubernetes.io/master", "DoesNotExist")],
    [affinity("", WITHOUT_BALANCERS, "DoesNotExist"), { "cluster.workers": "0" }],
    [affinity("", "gpu", "DoesNotExist")],
    [affinity("operator", CONTROL_PLANE, "Exists")],
    [affinity("operator", "role", "In", ["infra"]), { "cluster.nodeLabels": '{"worker-2":{"role":"infra"}}' }],
  ])("are others than %s", (values, config = {}) => {
    expect(parse({ ...config, "cilium.values": values }).cilium.values).toEqual(JSON.parse(values));
  });

  it("include images of another Cilium, which are a warning", () => {
    const rule =
      "is of Cilium 1.19, and the chart, its values and the expected evidence are of 1.20.2; set cilium.version";
    expect(
      warningsOf({ "cilium.values": '{"image":{"tag":"v1.19.6"},"operator":{"image":{"tag":"v1.20.0"}}}' }),
    ).toEqual([`cilium.values.image.tag: ${rule}`]);
    expect(warningsOf({ "cilium.images": '{"agent":{"tag":"lab"},"operator":{"tag":"v1.19.6-lab"}}' })).toEqual([
      `cilium.images.operator.tag: ${rule}`,
    ]);
  });

  it("include an MTU above that of Docker's networks, which are a warning", () => {
    expect(warningsOf({ "cilium.values": '{"MTU":9000}' })).toEqual([
      expect.stringMatching(/^cilium\.values\.MTU: is 9000, and the nodes' network takes packets of 1500 bytes/),
    ]);
    expect(warningsOf({ "cilium.values": '{"MTU":1400}' })).toEqual([]);
  });

  it("are a warning where kube-proxy makes up for them", () => {
    expect(warningsOf({ "cilium.values": '{"k8sServiceHost":""}' })).toEqual([
      'cilium.values.k8sServiceHost: is "", so agents reach the API server only through kube-proxy; remove it',
    ]);
    expect(() => warningsOf({ ...EBPF, "cilium.values": '{"k8sServiceHost":""}' })).not.toThrow("through kube-proxy");
  });

  it("include parts that Cilium's operator ignores beside kube-proxy, which is a warning", () => {
    const values = { "cilium.values": '{"ingressController":{"enabled":true}}' };
    expect(warningsOf(values)).toEqual([
      "cilium.values.ingressController.enabled: has no effect with kube-proxy, where Cilium's operator ignores it; set kubeProxyReplacement: true",
    ]);
    expect(warningsOf({ ...values, ...REPLACEMENT })).toEqual([]);
  });
});

describe("contradictory settings", () => {
  it.each([
    [{ "bpf.masquerade": "true" }, "bpf.masquerade: requires kubeProxyReplacement: true"],
    [
      { tunnel: "vxlan", "cilium.autoDirectNodeRoutes": "true" },
      "cilium.autoDirectNodeRoutes: requires tunnel: disabled, since traffic in vxlan",
    ],
    [
      { "cilium.autoDirectNodeRoutes": "false" },
      "cilium.autoDirectNodeRoutes: must not be false in a new cluster with several nodes",
    ],
    [{ "cluster.podCidr": "10.96.0.0/12" }, "cluster.podCidr: 10.96.0.0/12 overlaps cluster.serviceCidr 10.96.0.0/16"],
    [
      { "cluster.podCidr": "10.0.0.0/23" },
      "cluster.podCidr: 10.0.0.0/23 has room for 2 nodes with a /24 each, and the cluster has 3",
    ],
    [{ "cluster.podCidr": "10.0.0.0/25", "cluster.workers": "0" }, "10.0.0.0/25 has room for 0 nodes with a /24 each"],
    [
      { "cluster.podCidr": "10.0.0.0/7", "cluster.serviceCidr": "172.30.0.0/16", tunnel: "vxlan" },
      "cluster.podCidr: 10.0.0.0/7 is larger than Kubernetes accepts; the prefix must be at least /8",
    ],
    [{ "cluster.serviceCidr": "172.0.0.0/11" }, "cluster.serviceCidr: 172.0.0.0/11 is not accepted by Kubernetes"],
    [{ "cluster.serviceCidr": "10.96.0.0/29" }, "the prefix must be from /12 to /28"],
    [
      { "cluster.podCidr": "192.168.0.0/16" },
      "cilium.nativeRoutingCIDR: 10.0.0.0/8 does not contain cluster.podCidr 192.168.0.0/16",
    ],
    [
      { "cilium.nativeRoutingCIDR": "10.96.128.0/17", tunnel: "geneve" },
      "cilium.nativeRoutingCIDR: 10.96.128.0/17 is inside cluster.serviceCidr 10.96.0.0/16",
    ],
    [
      { "cluster.portMappings": '[{"node":"worker-3","containerPort":80,"hostPort":8080}]' },
      "cluster.portMappings.0.node: worker-3 does not exist; the cluster has 2 workers",
    ],
    [
      {
        "cluster.portMappings":
          '[{"containerPort":80,"hostPort":8080},{"containerPort":81,"hostPort":8080,"listenAddress":"0.0.0.0","node":"worker-1"}]',
      },
      "cluster.portMappings.1.hostPort: 8080 is taken by cluster.portMappings.0; set another port, or 0 for a free one",
    ],
    [{ "nettool.image": "nettool@sha256:00" }, "nettool.image: has a digest and cannot be loaded into nodes"],
  ])("are rejected: %j", (config, line) => {
    expect(problemsOf(config)).toEqual([expect.stringContaining(line)]);
  });

  it.each([
    { tunnel: "vxlan", "cluster.podCidr": "192.168.0.0/16" },
    { tunnel: "vxlan", "cilium.autoDirectNodeRoutes": "false" },
    { "cluster.workers": "0", "cilium.autoDirectNodeRoutes": "false" },
    { cilium: '{"autoDirectNodeRoutes":false,"values":{"bgpControlPlane":{"enabled":true}}}' },
    { "cilium.values.k8sServiceHostRef": '{"name":null,"key":null}' },
    { "cluster.podCidr": "10.0.0.0/8", "cluster.serviceCidr": "172.16.0.0/12" },
    { "cluster.serviceCidr": "10.96.0.0/28" },
    { "cluster.podCidr": "10.0.0.0/22" },
    { "cluster.portMappings": '[{"node":"worker-2","containerPort":80,"hostPort":8080}]' },
    ...['"hostPort":8080,"protocol":"UDP"', '"hostPort":8080,"listenAddress":"127.0.0.2"', '"hostPort":8081'].map(
      (second) => ({
        "cluster.portMappings": `[{"containerPort":80,"hostPort":8080},{"containerPort":80,${second}}]`,
      }),
    ),
    { "cluster.portMappings": '[{"containerPort":80,"hostPort":0},{"containerPort":81,"hostPort":0}]' },
    { nettool: '{"image":"nettool@sha256:00","loadImage":false}' },
  ])("do not include %j", (config) => {
    expect(() => parse(config as Record<string, string>)).not.toThrow();
  });
});

describe("a path of this machine", () => {
  const home = homedir();
  const inHome = (path: string): Record<string, string> => ({
    "cluster.mounts": JSON.stringify([{ hostPath: path, containerPath: "/data" }]),
    "cilium.chart": path,
    "cilium.manifests": JSON.stringify([path]),
  });

  it.each([
    ["~", home],
    ["~/a b", `${home}/a b`],
    ["./~/a", "./~/a"],
    ["a~", "a~"],
  ])("has the home folder instead of ~: %s", (path, whole) => {
    const { cluster, cilium } = parse(inHome(path));
    expect(cluster.mounts).toEqual([{ hostPath: whole, containerPath: "/data", readOnly: false }]);
    expect(cilium).toMatchObject({ chart: whole, manifests: [whole] });
    expect(parse({ "cilium.manifests": path }).cilium.manifests).toEqual([whole]);
  });

  it("is read in the home folder", () => {
    const mirrors = { "docker.io": { endpoints: [{ url: "https://m", ca: "~/none.crt" }] } };
    const config = { "cilium.valuesFiles": "~/none.yaml", "cluster.registryMirrors": JSON.stringify(mirrors) };
    expect(problemsOf(config)).toEqual([
      `  - cilium.valuesFiles: ${home}/none.yaml: does not exist`,
      `  - cluster.registryMirrors.docker.io.endpoints.0.ca: ${home}/none.crt does not exist`,
    ]);
  });

  it("must not be in the home folder of a named user, which only a shell finds", () => {
    const endpoints = [{ url: "https://m", ca: "~maria/x", clientCertificate: "~maria/x", clientKey: "~maria/x" }];
    const mirrors = { "cluster.registryMirrors": JSON.stringify({ "docker.io": { endpoints } }) };
    const config = {
      ...inHome("~maria/x"),
      ...mirrors,
      "cluster.kubeconfig": "~maria/x",
      "cilium.valuesFiles": "~maria/x",
    };
    const rule = "must not start with ~ and a name; set the whole path, got ";
    const endpoint = "cluster.registryMirrors.docker.io.endpoints.0";
    expect(
      problemsOf(config)
        .map((line) => line.replace("  - ", ""))
        .sort(),
    ).toEqual(
      [
        `cilium.chart: ${rule}"~maria/x"`,
        `cilium.manifests.0: ${rule}"~maria/x"`,
        `cilium.valuesFiles: ${rule}"~maria/x"`,
        `cluster.kubeconfig: ${rule}a secret value`,
        `cluster.mounts.0.hostPath: ${rule}"~maria/x"`,
        `${endpoint}.ca: ${rule}"~maria/x"`,
        `${endpoint}.clientCertificate: ${rule}a secret value`,
        `${endpoint}.clientKey: ${rule}a secret value`,
      ].sort(),
    );
  });
});

describe("a warning about the API server", () => {
  it.each([
    ["127.0.0.2", []],
    [
      "0.0.0.0",
      [
        "cluster.apiServerAddress: lets other machines reach the API server through this machine; use 127.0.0.1 unless they need it",
      ],
    ],
  ])("is given for its address %s: %j", (address, warnings) => {
    expect(warningsOf({ "cluster.apiServerAddress": address })).toEqual(warnings);
  });
});

describe("a warning about a mirror", () => {
  it.each([
    ["http://localhost:5000", true],
    ["http://127.0.0.1:5000", true],
    ["http://kind-registry:5000", false],
  ])("is given for a node's own address %s: %s", (url, isGiven) => {
    const mirrors = JSON.stringify({ "docker.io": { endpoints: [url] } });
    expect(warningsOf({ "cluster.registryMirrors": mirrors })).toEqual(
      isGiven
        ? [expect.stringMatching(/^cluster\.registryMirrors\.docker\.io\.endpoints\.0: is in the node itself/)]
        : [],
    );
  });
});

describe("kubeProxy.mode", () => {
  it.each(["iptables", "nftables", "ipvs"])("accepts %s in mode kubeproxy", (mode) => {
    expect(parse({ "kubeProxy.mode": mode }).kubeProxy).toEqual({ mode });
    expect(warningsOf({ "kubeProxy.mode": mode })).toEqual([]);
  });

  it.each<[Config, string]>([
    [
      { kubeProxyReplacement: "true", "kubeProxy.mode": "nftables" },
      "  - kubeProxy.mode: nftables requires mode kubeproxy, and this stack's mode is replacement; remove it, or set kubeProxyReplacement: false",
    ],
    [
      { kubeProxyReplacement: "true", "bpf.masquerade": "true", "kubeProxy.mode": "iptables" },
      "  - kubeProxy.mode: iptables requires mode kubeproxy, and this stack's mode is ebpf; remove it, or set kubeProxyReplacement: false",
    ],
    [
      { "cluster.kubernetesVersion": "1.30.0", "kubeProxy.mode": "nftables" },
      "  - kubeProxy.mode: nftables requires Kubernetes 1.31 or newer, and the nodes run 1.30.0; set cluster.kubernetesVersion, or remove kubeProxy.mode",
    ],
    [
      { "cluster.nodeImage": "own/node:v1.29.9", "kubeProxy.mode": "nftables" },
      "  - kubeProxy.mode: nftables requires Kubernetes 1.31 or newer, and the nodes run 1.29.9; set cluster.kubernetesVersion, or remove kubeProxy.mode",
    ],
    [{ "kubeProxy.mode": "userspace" }, '  - kubeProxy.mode: must be one of iptables, nftables, ipvs, got "userspace"'],
  ])("refuses %j", (config, line) => {
    expect(problemsOf(config)).toEqual([line]);
  });

  it("is accepted on nodes whose Kubernetes nobody knows", () => {
    expect(parse({ "cluster.nodeImage": "own/node:mine", "kubeProxy.mode": "nftables" }).kubeProxy.mode).toBe(
      "nftables",
    );
  });

  it("warns of ipvs from the Kubernetes on that deprecates it", () => {
    expect(warningsOf({ "cluster.kubernetesVersion": "1.35.0", "kubeProxy.mode": "ipvs" })).toEqual([
      "kubeProxy.mode: ipvs is deprecated since Kubernetes 1.35, and a later one will remove it; set nftables",
    ]);
  });
});

describe("settings of an external cluster", () => {
  const existing = { "cluster.kubeconfig": "~/.kube/config", "nettool.image": "registry.example/tools:1" };

  it("accept a path, a context or the content of a kubeconfig, and load no images", () => {
    expect(parse(existing)).toMatchObject({
      cluster: { kubeconfig: join(homedir(), ".kube/config") },
      nettool: { loadImage: false },
    });
    expect(parse({ "cluster.context": "lab", "nettool.image": "t@sha256:00", "cilium.adopt": "true" })).toMatchObject({
      cluster: { context: "lab" },
      cilium: { adopt: true },
    });
    // JSON arrives as an object
    expect(parse({ ...existing, "cluster.kubeconfig": '{"kind":"Config"}' }).cluster.kubeconfig).toBe(
      '{"kind":"Config"}',
    );
  });

  it.each<[Record<string, string>, string]>([
    [{ "nettool.image": "" }, "nettool.image: must not be empty"],
    [{ "cluster.workers": "1" }, "cluster.workers: cannot be set for an external cluster: the cluster has its own"],
    [{ "cluster.nodeImage": "n:1" }, "cluster.nodeImage: cannot be set for an external cluster"],
    [
      { "dns.forward": "node" },
      "dns.forward: cannot be set for an external cluster: this stack does not configure its CoreDNS",
    ],
    [
      { "kubeProxy.mode": "nftables" },
      "kubeProxy.mode: cannot be set for an external cluster: its kube-proxy keeps its mode",
    ],
    [{ "cilium.images.load": "true" }, "cilium.images.load: cannot be set for an external cluster: its nodes pull"],
    [{ "nettool.loadImage": "true" }, "nettool.loadImage: cannot be set for an external cluster: its nodes pull"],
  ])("do not include %j", (config, line) => {
    expect(problemsOf({ ...existing, ...config })).toEqual([expect.stringContaining(line)]);
  });

  it("require nettool.image, and cilium.adopt requires an external cluster", () => {
    expect(problemsOf({ "cluster.context": "lab" })).toEqual([
      expect.stringContaining("nettool.image: must be set for an external cluster: build images/nettool"),
    ]);
    expect(problemsOf({ "cilium.adopt": "true" })).toEqual([
      expect.stringContaining("cilium.adopt: requires cluster.kubeconfig or cluster.context"),
    ]);
  });

  it("may let NodePorts overlap a node's own ports, which are a warning, since its nodes may have others", () => {
    const values = '{"nodePort":{"range":"30000,40000","autoProtectPortRange":false}}';
    const inConfig =
      '{"nodePort":{"range":"30000,40000"},"extraConfig":{"enable-auto-protect-node-port-range":"false"}}';
    for (const [own, key] of [
      [values, "nodePort.autoProtectPortRange"],
      [inConfig, "extraConfig.enable-auto-protect-node-port-range"],
    ] as const)
      expect(warningsOf({ ...existing, kubeProxyReplacement: "true", "cilium.values": own })).toEqual([
        expect.stringMatching(new RegExp(`^cilium\\.values\\.${key}: ends agents on nodes whose .* 32768-60999`)),
      ]);
    expect(warningsOf({ ...existing, "cilium.values": values })).toEqual([]);
  });

  it("are hidden in messages even if they are not stored as secrets", () => {
    const [line] = problemsOf({ ...existing, cluster: '{"kubeconfig":["token: abc"]}', "cluster.kubeconfig": "" });
    expect(line).not.toContain("abc");
  });
});
