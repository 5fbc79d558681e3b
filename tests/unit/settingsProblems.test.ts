import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { CERTIFICATE, KEY } from "./support/selfSigned";
import { parse, problemLines, problemsOf, type Config } from "./support/settings";

/** Cases of a mirror's endpoint, with the rest of the line that names it. */
const mirrored = (cases: readonly [string, unknown, string][]) =>
  cases.map(([about, endpoint, line]): [string, Config, string[]] => [
    about,
    { "cluster.registryMirrors": JSON.stringify({ "docker.io": { endpoints: [endpoint] } }) },
    [`cluster.registryMirrors.docker.io.endpoints.0${line}`],
  ]);

const otherKey = () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();

describe("ConfigurationError", () => {
  it("shows the warnings too, so that one run is enough", () => {
    const config = { tunnel: "vxlan", cilium: '{"autoDirectNodeRoutes":true,"values":{"noSuchPart":1}}' };
    expect(() => parse(config)).toThrow(
      new RegExp(
        [
          "^The configuration of stack dev has 1 problem; nothing was changed:",
          "  - cilium.autoDirectNodeRoutes: requires tunnel: disabled.*",
          "The configuration of stack dev has warnings:",
          "  - cilium.values.noSuchPart: is ignored by the chart .*$",
        ].join("\n"),
      ),
    );
  });

  it("has one line for each of five mistakes", () => {
    const lines = problemsOf({
      tunel: "disabled",
      kubeProxyReplacement: "maybe",
      "bpf.masquerad": "true",
      cluster: '{"workers":99,"podCidr":"10.0.0.1/16"}',
    });
    expect(lines.sort()).toEqual([
      '  - bpf.masquerad: is not a setting; did you mean "masquerade"?',
      '  - cluster.podCidr: has host bits set, got "10.0.0.1/16"; did you mean "10.0.0.0/16"?',
      "  - cluster.workers: must be an integer from 0 to 20, got 99",
      '  - kubeProxyReplacement: must be true or false (or a value of older Cilium versions: strict, disabled, partial, probe), got "maybe"',
      '  - tunel: is not a setting; did you mean "tunnel"?',
    ]);
  });

  const cases: [string, Config, string[]][] = [
    [
      "a misspelt word",
      { tunnel: "vxlna" },
      ['tunnel: must be one of disabled, vxlan, geneve, got "vxlna"; did you mean "vxlan"?'],
    ],
    ["an unknown word", { tunnel: "wireguard" }, ['tunnel: must be one of disabled, vxlan, geneve, got "wireguard"']],
    [
      "a misspelt boolean",
      { kubeProxyReplacement: "ture" },
      [
        'kubeProxyReplacement: must be true or false (or a value of older Cilium versions: strict, disabled, partial, probe), got "ture"; did you mean "true"?',
      ],
    ],
    [
      "a boolean that is a key of every object",
      { kubeProxyReplacement: "toString" },
      [
        'kubeProxyReplacement: must be true or false (or a value of older Cilium versions: strict, disabled, partial, probe), got "toString"',
      ],
    ],
    [
      "a word with a wrong ending",
      { verify: "strictly" },
      ['verify: must be one of strict, warn, off, got "strictly"; did you mean "strict"?'],
    ],
    [
      "a boolean in capitals",
      { "bpf.masquerade": "True" },
      ['bpf.masquerade: must be true or false, got "True"; did you mean "true"?'],
    ],
    ["a misspelt key", { "cluster.worker": "2" }, ['cluster.worker: is not a setting; did you mean "workers"?']],
    [
      "a key of another section",
      { podCidr: "10.1.0.0/16" },
      ['podCidr: is not a setting; did you mean "cluster.podCidr"?'],
    ],
    [
      "an unknown key",
      { zzzzzzzz: "2" },
      [
        "zzzzzzzz: is not a setting; valid keys here: release, tunnel, kubeProxyReplacement, kubeProxy, bpf, loadBalancer, socketLB, verify, verifyWhen, verifyNodes, cluster, dns, cilium, hubble, nettool",
      ],
    ],
    [
      "a number in words",
      { "cluster.workers": "two" },
      ['cluster.workers: must be an integer from 0 to 20, got "two"'],
    ],
    ["a fraction", { cluster: '{"workers":1.5}' }, ["cluster.workers: must be an integer from 0 to 20, got 1.5"]],
    ["an empty number", { "cluster.workers": "" }, ['cluster.workers: must be an integer from 0 to 20, got ""']],
    [
      "null as a number",
      { cluster: '{"workers":null}' },
      ["cluster.workers: must be an integer from 0 to 20, got null"],
    ],
    [
      "a number out of range",
      { "nettool.nodePort": "80" },
      ['nettool.nodePort: must be an integer from 30000 to 32767, got "80"'],
    ],
    [
      "an address instead of a network",
      { "cluster.podCidr": "10.0.0.0" },
      ['cluster.podCidr: must be an IPv4 network such as 10.0.0.0/16, got "10.0.0.0"'],
    ],
    [
      "a network with a leading zero",
      { "cluster.podCidr": "010.0.0.0/16" },
      ['cluster.podCidr: must be an IPv4 network such as 10.0.0.0/16, got "010.0.0.0/16"'],
    ],
    [
      "a cluster's name in capitals",
      { "cluster.name": "Upper" },
      [
        'cluster.name: must consist of a-z, 0-9 and inner dashes, got "Upper"; set another name; the default is <project>-<stack>',
      ],
    ],
    [
      "an empty string, once",
      { "cluster.name": "" },
      ['cluster.name: must not be empty, got ""; set another name; the default is <project>-<stack>'],
    ],
    [
      "a version that is a tag",
      { "cilium.version": "v1.20" },
      ['cilium.version: must be a version such as 1.20.2, got "v1.20"'],
    ],
    ["an object as text", { cluster: "two workers" }, ['cluster: must be an object, got "two workers"']],
    [
      "an object that is not valid JSON",
      { cluster: "{workers: 1}" },
      ['cluster: must be an object, got "{workers: 1}"; it is not valid JSON'],
    ],
    ["a list as an object", { "cluster.mounts": '{"a":1}' }, ['cluster.mounts: must be a list, got {"a":1}']],
    [
      "a setting used as an object",
      { tunnel: "vxlan", "tunnel.port": "1" },
      ['tunnel.port: "tunnel" is set to a value and used as an object; remove one'],
    ],
    [
      "each wrong element of a list",
      { "dns.forward": '["one.one.one.one","192.0.2.1","x"]' },
      [
        'dns.forward.0: must be an IPv4 address, got "one.one.one.one"',
        'dns.forward.2: must be an IPv4 address, got "x"',
      ],
    ],
    [
      "a misspelt word where a list is possible too",
      { "dns.forward": "atuo" },
      ['dns.forward: must be "auto", "node" or a list of IPv4 addresses, got "atuo"; did you mean "auto"?'],
    ],
    ["a wrong type in a list", { "dns.forward": '[1,"192.0.2.1"]' }, ["dns.forward.0: must be a string, got 1"]],
    ["an empty list", { "dns.forward": "[]" }, ["dns.forward: must not be empty, got []"]],
    [
      "a misspelt key in a record, once",
      { "cluster.registryMirrors": '{"docker.io":{"endpoint":["http://a"]}}' },
      ['cluster.registryMirrors.docker.io.endpoint: is not a setting; did you mean "endpoints"?'],
    ],
    [
      "a missing key",
      { "cluster.registryMirrors": '{"docker.io":{}}' },
      ["cluster.registryMirrors.docker.io.endpoints: must be a list, but is missing"],
    ],
    [
      "a URL with credentials, which are hidden",
      { "cluster.registryMirrors": '{"docker.io":{"endpoints":["ftp://user:word@a"]}}' },
      ['cluster.registryMirrors.docker.io.endpoints.0: must be an http or https URL, got "ftp://…@a"'],
    ],
    ...mirrored([
      [
        "an endpoint with user and password, which are hidden",
        "https://bob:p/s@mirror.example",
        ': must be an http or https URL, got "https://…@mirror.example"',
      ],
      [
        "an endpoint with user and password",
        "https://bob:pw@mirror.example",
        ': must have no user and password, which containerd ignores; remove them, and set authorization to Basic and the base64 of user:password, got "https://…@mirror.example"',
      ],
      ["an endpoint that is a number", 5, ": must be an http or https URL, or an object with one, got 5"],
      ["an endpoint without URL", { ca: "a" }, ".url: must be an http or https URL, but is missing"],
      [
        "hosts.toml's name of a field",
        { url: "https://a", override_path: true },
        '.override_path: is not a setting; did you mean "overridePath"?',
      ],
      [
        "an authorization without its scheme",
        { url: "https://a", authorization: "bob:pw" },
        ".authorization: must be a scheme and credentials, such as Basic and the base64 of user:password, got a secret value",
      ],
      [
        "an authorization in the wrong place",
        [{ authorization: "Basic cHc=" }],
        ': must be an http or https URL, or an object with one, got [{"authorization":"…"}]',
      ],
      [
        "a certificate authority without TLS",
        { url: "http://a", ca: "ca.crt" },
        ".ca: has no effect without TLS; set an https URL, or remove it",
      ],
      [
        "a key without its certificate",
        { url: "https://a", clientKey: "key.pem" },
        ".clientKey: requires clientCertificate, whose key it is",
      ],
    ]),
    [
      "mirrors of hosts that no image has",
      {
        "cluster.registryMirrors":
          '{"index.docker.io":{"endpoints":["http://a"]},"Quay.io":{"endpoints":["http://a"]}}',
      },
      [
        "cluster.registryMirrors.index.docker.io: has no effect: images of Docker Hub are in docker.io; set that instead",
        "cluster.registryMirrors.Quay.io: has no effect: hosts of images are in lowercase; set quay.io",
      ],
    ],
    [
      "mirrors that are no object",
      { "cluster.registryMirrors": '{"docker.io":["http://a"]}' },
      ['cluster.registryMirrors.docker.io: must be an object with a list of endpoints, got ["http://a"]'],
    ],
    [
      "fields of an endpoint by other names",
      {
        "cluster.registryMirrors":
          '{"docker.io":{"endpoints":[{"url":"https://a","skip_verify":true,"username":"bob"}]}}',
      },
      [
        'skip_verify: is not a setting; did you mean "insecure"?',
        'username: is not a setting; did you mean "authorization"?',
      ].map((line) => `cluster.registryMirrors.docker.io.endpoints.0.${line}`),
    ],
    [
      "credentials that are not encoded",
      { "cluster.registryMirrors": '{"docker.io":{"endpoints":[{"url":"https://a","authorization":"Basic bob:pw"}]}}' },
      [
        "cluster.registryMirrors.docker.io.endpoints.0.authorization: must have base64 after Basic, that of user:password, got a secret value",
      ],
    ],
    [
      "PEM files that are none",
      {
        "cluster.registryMirrors": JSON.stringify({
          _default: {
            endpoints: [
              { url: "https://a", ca: "/none/ca.crt", clientCertificate: "/none/cert.pem" },
              { url: "https://b", ca: "package.json" },
              { url: "https://c", ca: CERTIFICATE },
            ],
          },
        }),
      },
      [
        "cluster.registryMirrors._default.endpoints.0.ca: /none/ca.crt does not exist",
        "cluster.registryMirrors._default.endpoints.0.clientCertificate: its file does not exist",
        "cluster.registryMirrors._default.endpoints.1.ca: package.json is not a PEM file; convert it with openssl x509 or openssl pkey",
      ],
    ],
    [
      "certificates and keys that containerd cannot load",
      {
        "cluster.registryMirrors": JSON.stringify({
          _default: {
            endpoints: [
              { url: "https://a", ca: KEY },
              { url: "https://b", clientCertificate: KEY },
              { url: "https://c", clientCertificate: CERTIFICATE },
              { url: "https://d", clientCertificate: CERTIFICATE, clientKey: CERTIFICATE },
              { url: "https://e", clientCertificate: CERTIFICATE, clientKey: otherKey() },
              { url: "https://f", clientCertificate: CERTIFICATE, clientKey: KEY, ca: CERTIFICATE },
              { url: "https://g", clientCertificate: `${KEY}\n${CERTIFICATE}` },
            ],
          },
        }),
      },
      [
        "0.ca: has no certificate that can be read",
        "1.clientCertificate: has no certificate that can be read",
        "2.clientCertificate: has no private key beside it; set clientKey",
        "3.clientKey: has no private key that can be read without a password; decrypt it with openssl pkey",
        "4.clientKey: is the key of another certificate",
      ].map((line) => `cluster.registryMirrors._default.endpoints.${line}`),
    ],
    [
      "the same endpoint twice",
      { "cluster.registryMirrors": '{"docker.io":{"endpoints":["http://a",{"url":"http://a/"}]}}' },
      ["cluster.registryMirrors.docker.io.endpoints.1: is an endpoint of this registry already; remove it"],
    ],
    [
      "labels of nodes",
      {
        "cluster.nodeLabels":
          '{"worker-3":{},"worker-1":{"node-role.kubernetes.io/worker":""},"worker-2":{"ready":"a b"}}',
      },
      [
        "cluster.nodeLabels.worker-3: is a node that does not exist; the cluster has 2 workers",
        expect.stringMatching(
          /^ {2}- cluster\.nodeLabels\.worker-1\.node-role\.kubernetes\.io\/worker: is reserved: /,
        ) as string,
        expect.stringMatching(/^ {2}- cluster\.nodeLabels\.worker-2\.ready: must have a value /) as string,
      ],
    ],
    [
      "a label's value that YAML does not read as text",
      { "cluster.nodeLabels": '{"control-plane":{"ready":true}}' },
      ["cluster.nodeLabels.control-plane.ready: must be a string, in quotes, got true"],
    ],
    [
      "labels of an unknown node",
      { "cluster.nodeLabels": '{"worker":{}}' },
      ['cluster.nodeLabels.worker: must be control-plane or worker-<number>, got "worker"'],
    ],
    [
      "feature gates",
      { "cluster.featureGates": '{"AllAlpha":"on","allBeta":true}' },
      [
        'cluster.featureGates.AllAlpha: must be true or false, got "on"',
        'cluster.featureGates.allBeta: must be the name of a feature gate, such as AllAlpha, got "allBeta"',
      ],
    ],
    [
      "a patch of kubeadm's configuration, as an object",
      { "cluster.kubeadmConfigPatches": '[{"kind":"KubeProxyConfiguration","mode":"ipvs"}]' },
      [
        "cluster.kubeadmConfigPatches.0: must not set mode of KubeProxyConfiguration, which kind or this project sets; set kubeProxy.mode",
      ],
    ],
    [
      "a patch that is neither text nor an object",
      { "cluster.kubeadmConfigPatches": "[5]" },
      ["cluster.kubeadmConfigPatches.0: must be a patch in YAML, as text or as an object, got 5"],
    ],
    [
      "an address and a port of the API server",
      { "cluster.apiServerAddress": "localhost", "cluster.apiServerPort": "65536" },
      [
        'cluster.apiServerAddress: must be an IPv4 address, got "localhost"',
        'cluster.apiServerPort: must be an integer from 0 to 65535, got "65536"',
      ],
    ],
    [
      "a port of the API server that is mapped too",
      {
        "cluster.apiServerPort": "6443",
        "cluster.portMappings":
          '[{"containerPort":1,"hostPort":6443,"protocol":"UDP"},{"node":"worker-1","containerPort":1,"hostPort":6443,"listenAddress":"0.0.0.0"}]',
      },
      ["cluster.apiServerPort: 6443 is taken by cluster.portMappings.1; set another port, or 0 for a free one"],
    ],
    [
      "what kind can do and this project cannot",
      { cluster: '{"controlPlanes":3}' },
      [
        "cluster.controlPlanes: is not a setting: clusters have one control plane: kind puts a load balancer in front of several, without the mount that tells destroy whose container it is; bring such a cluster with cluster.kubeconfig",
      ],
    ],
    [
      "several mistakes in an element of a list",
      { "cluster.portMappings": '[{"node":"worker-01","containerPort":0,"hostPort":1,"protocol":"tcp"}]' },
      [
        'cluster.portMappings.0.node: must be control-plane or worker-<number>, got "worker-01"',
        "cluster.portMappings.0.containerPort: must be an integer from 1 to 65535, got 0",
        'cluster.portMappings.0.protocol: must be TCP, UDP or SCTP, got "tcp"; did you mean "TCP"?',
      ],
    ],
    [
      "a relative path in nodes",
      { "cluster.mounts": '[{"hostPath":"a","containerPath":"b"}]' },
      ['cluster.mounts.0.containerPath: must be an absolute path below /, without a colon, got "b"'],
    ],
    ...["https://helm.cilium.io/cilium-1.20.2.tgz", "cilium/cilium"].map((chart, index): [string, Config, string[]] => [
      `the chart ${chart}`,
      { "cilium.chart": chart },
      [
        `cilium.chart: must ${["not be a URL; download the chart and set its path", "be the chart's name alone, or a path that starts with ./ or /"][index]}, got "${chart}"`,
      ],
    ]),
    [
      "a registry as Helm repository",
      { "cilium.repository": "oci://quay.io/cilium/charts" },
      [
        'cilium.repository: must be a Helm repository; for a registry, set cilium.chart to oci:// and the chart\'s path, got "oci://quay.io/cilium/charts"',
      ],
    ],
    [
      "the operator's repository with the part that the chart appends",
      { "cilium.images": '{"operator":{"repository":"quay.io/cilium/operator-generic"}}' },
      [
        'cilium.images.operator.repository: must be without -generic, which the chart appends, got "quay.io/cilium/operator-generic"',
      ],
    ],
    [
      "values that Kubernetes refuses in cilium-config",
      {
        "cilium.values": '{"extraConfig":{"enable-x":true,"y":"1"},"operator":{"image":{"repository":"a/o-generic"}}}',
      },
      [
        'cilium.values.operator.image.repository: must be without -generic, which the chart appends, got "a/o-generic"',
        "cilium.values.extraConfig.enable-x: must be a string, in quotes, got true; Kubernetes refuses other values in cilium-config",
      ],
    ],
    [
      "a values file at a URL",
      { "cilium.valuesFiles": "https://a.example/values.yaml" },
      ["cilium.valuesFiles: https://a.example/values.yaml: is a URL; download it, and set the path of the file"],
    ],
    [
      "mounts that Docker refuses",
      {
        "cluster.mounts":
          '[{"hostPath":"/a:b","containerPath":"/"},{"hostPath":"/a","containerPath":"/c"},{"hostPath":"/b","containerPath":"/c/"}]',
      },
      [
        'cluster.mounts.0.hostPath: must not have a colon, at which Docker divides a mount, got "/a:b"',
        'cluster.mounts.0.containerPath: must be an absolute path below /, without a colon, got "/"',
      ],
    ],
    [
      "two mounts of one path",
      { "cluster.mounts": '[{"hostPath":"/a","containerPath":"/c"},{"hostPath":"/b","containerPath":"/c/"}]' },
      ["cluster.mounts.1.containerPath: is the path of cluster.mounts.0 too; set another path"],
    ],
    [
      "networks that are reserved",
      { "cluster.podCidr": "169.254.0.0/16", "cluster.serviceCidr": "127.0.0.0/16", tunnel: "vxlan" },
      [
        "cluster.podCidr: 169.254.0.0/16 overlaps 169.254.0.0/16, which is reserved for link-local addresses; set another network, such as 10.0.0.0/16",
        "cluster.serviceCidr: 127.0.0.0/16 overlaps 127.0.0.0/8, which is reserved for loopback addresses; set another network, such as 10.96.0.0/16",
      ],
    ],
    [
      "a resolver in CoreDNS itself",
      { "dns.forward": '["127.0.0.53","8.8.8.8"]' },
      [
        'dns.forward.0: is in the pod of CoreDNS itself, which would ask itself; set another resolver, got "127.0.0.53"',
      ],
    ],
    [
      "Helm values that are not an object",
      { "cilium.values": "l7Proxy=false" },
      ['cilium.values: must be an object of Helm values, got "l7Proxy=false"'],
    ],
  ];
  it.each(cases)("names the rule, the value and the fix for %s", (_case, config, lines) => {
    expect(problemsOf(config)).toEqual(lines.map((line) => (typeof line === "string" ? `  - ${line}` : line)));
  });

  it("lists the known Kubernetes versions, and how to use another", () => {
    expect(problemsOf({ "cluster.kubernetesVersion": "1.34" })).toEqual([
      expect.stringMatching(
        /^ {2}- cluster\.kubernetesVersion: must be one of 1\.37\.0, .*, got "1\.34"; for another version set cluster\.nodeImage; did you mean "1\.34\.0"\?$/,
      ),
    ]);
  });

  it("explains an invalid default of cluster.name", () => {
    const hint = "set another name; the default is <project>-<stack>";
    expect(problemsOf({}, [], "my_stack")).toEqual([
      `  - cluster.name: must consist of a-z, 0-9 and inner dashes, got "cilium-modes-my_stack"; ${hint}`,
    ]);
    expect(problemsOf({}, [], "x".repeat(20))).toEqual([
      `  - cluster.name: must have at most 32 characters with Cilium 1.20.2, got "cilium-modes-${"x".repeat(20)}"; ${hint}`,
    ]);
    expect(parse({}, [], "x".repeat(19)).cluster.name).toBe(`cilium-modes-${"x".repeat(19)}`);
  });

  it.each(["__proto__.polluted", "constructor.prototype.polluted", "toString", "bpf.__proto__"])(
    "rejects the key %s without changing any object's prototype",
    (key) => {
      expect(problemsOf({ [key]: "x" })).toEqual([`  - ${key}: is not a setting`]);
      expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    },
  );

  it("has lines of one form, whatever the keys and values", () => {
    const key = fc.oneof(
      fc.constantFrom("tunnel", "cluster", "cluster.workers", "bpf", "dns.forward", "cilium.values.a", "nettool.image"),
      fc.stringMatching(/^[a-z.]{1,12}$/),
    );
    const value = fc.oneof(fc.string(), fc.json(), fc.constantFrom("true", "1", "[", "{}"));
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 4 }), (config) => {
        try {
          parse(config);
        } catch (error) {
          const [headline, ...lines] = problemLines(error as Error);
          expect(headline).toMatch(
            /^The configuration of stack dev has (1 problem|\d+ problems); nothing was changed:$/,
          );
          expect(lines.length).toBeGreaterThan(0);
          for (const line of lines) {
            const words = line.replace(/"(\\.|[^"\\])*"/g, '""');
            expect(words).toMatch(/^ {2}- [\w.:/"-]*: (is|must|has|requires|disables|would|"|\d)/);
            expect(words).not.toMatch(/Invalid|undefined|\[object/);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
