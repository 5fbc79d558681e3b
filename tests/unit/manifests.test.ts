import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiVersionsOf } from "../../modes/manifests";
import { chartAnswer, missingObjects, type RenderedObject } from "../../modes/rendering";
import { readManifests } from "../../settings/manifests";
import { CILIUM_ARGS } from "../support/ciliumArgs";
import { run } from "./support/mocks";
import { problemsOf, warningsOf } from "./support/settings";

const DEFINITION = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "servicemonitors.monitoring.coreos.com" },
  spec: {
    group: "monitoring.coreos.com",
    names: { kind: "ServiceMonitor" },
    versions: [
      { name: "v1", served: true },
      { name: "v1alpha1", served: false },
    ],
  },
};
const SECRET = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "cilium-ipsec-keys", namespace: "kube-system" },
  stringData: { keys: "3+ rfc4106(gcm(aes)) 00 128" },
};

const folder = mkdtempSync(join(tmpdir(), "manifests-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return name;
};
const read = (...sources: string[]) => readManifests(sources, folder);

describe("a manifest", () => {
  it("has objects in several documents and in lists, as YAML or JSON", async () => {
    const documents = file("documents.yaml", `---\n# none\n---\n${JSON.stringify(DEFINITION)}\n---\n`);
    const list = file("list.json", JSON.stringify({ apiVersion: "v1", kind: "SecretList", items: [SECRET] }));
    const typed = file(
      "typed.json",
      JSON.stringify({ apiVersion: "v1", kind: "NamespaceList", items: [{ metadata: { name: "a" } }] }),
    );
    expect((await read(typed)).objects).toEqual([{ apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } }]);
    expect(await read(documents, list)).toEqual({ objects: [DEFINITION, SECRET], problems: [], unread: [] });
  });

  it.each([
    ["a: [1\nb: 2\n", /^cilium\.manifests: x\.yaml:2: is not valid YAML: /],
    ["# nothing\n", /^cilium\.manifests: x\.yaml: has no Kubernetes object$/],
    ["kind: Secret\n", /^cilium\.manifests: x\.yaml: its object 1 has no apiVersion$/],
    ["apiVersion: v1\n", /^cilium\.manifests: x\.yaml: its object 1 has no kind$/],
    ["{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret}]}", /its object 1 has no metadata\.name$/],
    ["{apiVersion: v1, kind: Secret, metadata: {generateName: a}}", /its object 1 has no metadata\.name$/],
    ["{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: 1}}", /has no text as metadata\.namespace$/],
    [
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: 1}}",
      /its object 1 has b: 1, .*put it in quotes$/,
    ],
    ["{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {b: true}}}", /has b: true, which must be a string/],
    ["{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {b: 'no base64'}}", /as b; move it to stringData$/],
    ["apiVersion: v1\n---\n- 1\n", /its object 2 is no Kubernetes object$/],
    ["text", /its object 1 is no Kubernetes object$/],
    ["\n<!DOCTYPE html><title>Log in</title>", /^cilium\.manifests: x\.yaml: is a web page and no manifest; set the /],
    ["{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}", /is the namespace kube-system, which every/],
    [
      "{apiVersion: apiextensions.k8s.io/v1beta1, kind: CustomResourceDefinition, metadata: {name: a}}",
      /has the apiVersion apiextensions\.k8s\.io\/v1beta1, which Kubernetes 1\.22 and newer do not serve/,
    ],
    ["{apiVersion: v1, kind: A, metadata: {name: a}, __proto__: {b: 1}}", /__proto__ cannot be a key$/],
  ])("is refused: %j", async (text, problem) => {
    const { objects, problems } = await read(file("x.yaml", text));
    expect(objects).toEqual([]);
    expect(problems.map(({ key, rule }) => `${key}: ${rule}`)).toContainEqual(expect.stringMatching(problem));
  });

  it("has an object once, whether its namespace is named or not", async () => {
    const inDefault = { ...SECRET, metadata: { name: "a", namespace: "default" } };
    const { problems } = await read(
      file("a.yaml", JSON.stringify(inDefault)),
      file("b.yaml", JSON.stringify({ ...SECRET, metadata: { name: "a" } })),
    );
    expect(problems).toHaveLength(1);
  });

  it("exists, is a file, and has no object of another one", async () => {
    const text = JSON.stringify(SECRET);
    const { objects, problems } = await read(file("a.yaml", text), file("b.yaml", text), "none.yaml", ".");
    expect(objects).toEqual([SECRET]);
    expect(problems).toEqual([
      { key: "cilium.manifests: none.yaml", rule: "does not exist" },
      { key: "cilium.manifests: .", rule: "cannot be read (EISDIR)" },
      {
        key: "cilium.manifests: b.yaml",
        rule: 'has "Secret kube-system/cilium-ipsec-keys", which is in a.yaml too; remove one',
      },
    ]);
  });

  it("is read up to 16 MiB, and so is a device that has no end", async () => {
    const padded = (size: number) => `${JSON.stringify(SECRET)}\n#`.padEnd(size, "x");
    expect((await read(file("whole.yaml", padded(2 ** 24)))).problems).toEqual([]);
    const problem = /is larger than 16 MiB; set a file of only the objects that Cilium needs$/;
    const { problems } = await read(file("large.yaml", padded(2 ** 24 + 1)), "/dev/zero");
    expect(problems.map(({ rule }) => rule)).toEqual([expect.stringMatching(problem), expect.stringMatching(problem)]);
  });

  describe("at a URL", () => {
    let server: Server;
    let url: string;
    beforeAll(async () => {
      server = createServer(({ url: path }, reply) => {
        if (path === "/c.yaml") reply.writeHead(302, { location: "/login?to=/c.yaml" });
        else reply.statusCode = path === "/busy.yaml" ? 503 : path === "/b.yaml?token=s3cret" ? 404 : 200;
        if (path === "/endless.yaml") {
          const more = () => reply.write("#".repeat(2 ** 20), (error) => error ?? more());
          more();
        } else reply.end(path === "/a.yaml" ? JSON.stringify(DEFINITION) : "<!-- v1 -->\n<html>Log in</html>");
      });
      await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(() => server.close());

    it("is downloaded", async () => {
      expect((await read(`${url}/a.yaml`)).objects).toEqual([DEFINITION]);
    });

    it("is refused where the server has none, and may be tried again where nobody answers", async () => {
      const { problems, unread } = await read(
        `${url}/b.yaml?token=s3cret`,
        `${url}/busy.yaml`,
        "http://127.0.0.1:1/c.yaml",
      );
      expect(problems).toEqual([
        { key: `cilium.manifests: ${url}/b.yaml?…`, rule: "cannot be read: the server replied 404" },
      ]);
      expect(unread).toEqual([
        { key: `cilium.manifests: ${url}/busy.yaml`, rule: "cannot be read: the server replied 503" },
        { key: "cilium.manifests: http://127.0.0.1:1/c.yaml", rule: expect.any(String) },
      ]);
    });

    it("is no page to log in, and has an end", async () => {
      const { problems } = await read(`${url}/c.yaml`, `${url}/endless.yaml`);
      expect(problems).toEqual([
        {
          key: `cilium.manifests: ${url}/c.yaml`,
          rule: `is a web page and no manifest (it redirects to ${url}/login); set the address of the file itself, or download it and set its path`,
        },
        {
          key: `cilium.manifests: ${url}/endless.yaml`,
          rule: "is larger than 16 MiB; set a file of only the objects that Cilium needs",
        },
      ]);
    });

    it("holds no password", () => {
      expect(problemsOf({ "cilium.manifests": "https://u:p4ss@host/a.yaml" })).toEqual([
        expect.stringMatching(/^ {2}- cilium\.manifests: must not hold a user or password; [^4]*$/),
      ]);
    });
  });
});

describe("objects before Cilium", () => {
  const monitor = { apiVersion: "monitoring.coreos.com/v1", kind: "ServiceMonitor", metadata: { name: "m" } };
  const agent = (secret: object): RenderedObject => ({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "cilium" },
    spec: { template: { spec: { containers: [{ image: "c" }], volumes: [{ name: "v" }, { secret }] } } },
  });
  const rules = (found: readonly { rule: string }[]) => found.map(({ rule }) => rule);

  it("define the kinds that the chart creates", () => {
    expect(rules(missingObjects([monitor]))).toEqual([
      "makes the chart create a ServiceMonitor (monitoring.coreos.com/v1), which a new cluster does not know; add its definition to cilium.manifests, or leave it off",
    ]);
    expect(missingObjects([monitor], [DEFINITION])).toEqual([]);
    const later = { ...monitor, apiVersion: "monitoring.coreos.com/v1alpha1" };
    expect(missingObjects([later], [DEFINITION])).toHaveLength(1);
    expect(apiVersionsOf([DEFINITION, SECRET])).toEqual([
      "monitoring.coreos.com/v1",
      "monitoring.coreos.com/v1/ServiceMonitor",
    ]);
  });

  it("are proposed where the chart asks for definitions, and where nothing would use a value", async () => {
    const refused =
      "execution error at (cilium/templates/validate.yaml:1:2): Service Monitor requires monitoring.coreos.com/v1 CRDs";
    const { findings } = await chartAnswer(refused, CILIUM_ARGS, async () => refused);
    expect(rules(findings)).toEqual([
      expect.stringMatching(/v1 CRDs \(.*\); cilium\.manifests can add these definitions$/),
    ]);
    const gateways = { "cilium.values": '{"gatewayAPI":{"enabled":true},"l7Proxy":true}' };
    const warning = expect.stringMatching(
      /gatewayAPI\.enabled: has no effect in a new cluster, [^]*cilium\.manifests$/,
    );
    expect(warningsOf(gateways)).toContainEqual(warning);
    expect(warningsOf({ ...gateways, "cilium.manifests": "a.yaml" })).not.toContainEqual(warning);
  });

  it("hold the Secrets that Cilium's pods mount", () => {
    const mounted = agent({ secretName: "cilium-ipsec-keys" });
    expect(rules(missingObjects([mounted]))).toEqual([
      "makes Cilium's pods mount the Secret cilium-ipsec-keys, which a new cluster does not have; add it, in the namespace kube-system, to cilium.manifests",
    ]);
    expect(missingObjects([mounted], [SECRET])).toEqual([]);
    // the chart may render it itself, and without a namespace
    expect(missingObjects([mounted, { ...SECRET, metadata: { name: "cilium-ipsec-keys" } }])).toEqual([]);
    for (const namespace of ["default", undefined]) {
      const elsewhere = { ...SECRET, metadata: { ...SECRET.metadata, namespace } };
      expect(missingObjects([mounted], [elsewhere])).toHaveLength(1);
    }
    expect(missingObjects([agent({ secretName: "a", optional: true })])).toEqual([]);
  });

  it("are none that the chart creates itself", async () => {
    const { findings } = await chartAnswer([SECRET], CILIUM_ARGS, async () => [SECRET], [SECRET]);
    expect(rules(findings)).toEqual([
      "makes the chart create the Secret kube-system/cilium-ipsec-keys, which cilium.manifests has too; remove it there",
    ]);
  });

  const program = (config: Record<string, string>) =>
    run(async () => {
      type Program = () => Promise<Record<string, never>>;
      return ((await import("../../index")) as unknown as { default: Program }).default;
    }, config);

  it("are created by the program, which tells the chart what they define", async () => {
    const copy = { "kubectl.kubernetes.io/last-applied-configuration": "its keys" };
    const applied = { ...SECRET, metadata: { ...SECRET.metadata, annotations: copy } };
    const manifests = JSON.stringify([
      join(folder, file("secret.yaml", JSON.stringify(applied))),
      join(folder, file("definition.yaml", JSON.stringify(DEFINITION))),
    ]);
    const { registered, called } = await program({ "cilium.manifests": manifests });
    const created = registered.filter(({ name }) => name.startsWith("cilium-manifest"));
    expect(created.map(({ type, name }) => [type, name])).toEqual([
      [
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "cilium-manifest CustomResourceDefinition.apiextensions.k8s.io servicemonitors.monitoring.coreos.com",
      ],
      ["kubernetes:v1:Secret", "cilium-manifest Secret kube-system/cilium-ipsec-keys"],
    ]);
    expect(created[0]!.inputs).toEqual({
      ...DEFINITION,
      metadata: { ...DEFINITION.metadata, annotations: { "pulumi.com/waitFor": "condition=Established" } },
    });
    // nothing waits for what may need a network, and no copy of a Secret is left in the state
    expect(created[1]!.inputs).toMatchObject({ metadata: { annotations: { "pulumi.com/skipAwait": "true" } } });
    expect(JSON.stringify(created[1]!.inputs)).not.toContain("its keys");
    const { jsonOpts } = called.find(({ token }) => token === "kubernetes:helm:template")!.inputs;
    expect(JSON.parse(String(jsonOpts))).toMatchObject({ api_versions: apiVersionsOf([DEFINITION]) });
  });

  it("that cannot be read end the program together with other problems", async () => {
    const manifests = { "cilium.manifests": '["/none.yaml", "http://127.0.0.1:1/c.yaml"]' };
    await expect(program({ ...manifests, "cluster.serviceCidr": "10.0.0.0/16" })).rejects.toThrow(
      /3 problems[^]*serviceCidr[^]*manifests: \/none\.yaml: does not exist\n[^]*c\.yaml: cannot be read \(/,
    );
  });
});

describe("manifests that a new cluster cannot create before Cilium", () => {
  const object = (apiVersion: string, kind: string, namespace?: string) => ({
    apiVersion,
    kind,
    metadata: { name: "a", ...(namespace === undefined ? {} : { namespace }) },
  });
  const found = async (...manifests: ReturnType<typeof object>[]) =>
    (await chartAnswer([], CILIUM_ARGS, async () => [], manifests)).findings.map(
      ({ setting, rule }) => `${setting} ${rule}`,
    );

  it("are refused, with what to do", async () => {
    expect(await found(object("cilium.io/v2", "CiliumLoadBalancerIPPool"))).toEqual([
      expect.stringMatching(/^cilium\.manifests has the CiliumLoadBalancerIPPool a, .*create it after pulumi up$/),
    ]);
    expect(await found(object("example.com/v1", "Foo"))).toEqual([
      expect.stringMatching(/the Foo a \(example\.com\/v1\), .*add the definition/),
    ]);
    expect(await found(object("v1", "ConfigMap", "monitoring"))).toEqual([
      expect.stringMatching(/in the namespace monitoring, .*add the Namespace$/),
    ]);
  });

  it("are accepted where others come first, and in external clusters", async () => {
    const namespace = { ...object("v1", "Namespace"), metadata: { name: "monitoring" } };
    expect(await found(object("v1", "ConfigMap", "monitoring"), namespace)).toEqual([]);
    expect(await found(DEFINITION as never, object("monitoring.coreos.com/v1", "ServiceMonitor"))).toEqual([]);
    const external = await chartAnswer([], CILIUM_ARGS, async () => [], [object("cilium.io/v2", "CiliumNode")], false);
    expect(external.findings).toEqual([]);
  });
});
