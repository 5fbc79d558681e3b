import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readValues } from "../../modes/valuesYaml";
import { parse, problemsOf, warningsOf } from "./support/settings";

describe("a values file", () => {
  // what helm template 3.22 prints of each with {{ .Values | toJson }}
  it.each<[string, unknown]>([
    ["[yes, Yes, on, ON, y, n, off, No, 'yes']", [true, true, true, true, true, false, false, false, "yes"]],
    ["[0777, 0o17, 0x1F, 1_000, 0b11, -012, 08]", [511, 15, 31, 1000, 3, -10, 8]],
    ["[12:30, 190:20:30, 2001-12-14]", ["12:30", "190:20:30", "2001-12-14"]],
    ["[1e3, .5, +1, 1_0.5]", [1000, 0.5, 1, 10.5]],
    ["[~, null, '']", [null, null, ""]],
    ["!!binary aGVsbG8=", "hello"],
    ["{<<: {p: 1}, q: 2, 8080: port, yes: 1}", { p: 1, q: 2, "8080": "port", true: 1 }],
    ["1\na: 2", 2],
    ["1\n---\na: 2", 1],
  ])("is read as Helm reads it: a: %s", (text, value) => {
    expect(readValues(`a: ${text}\n`)).toEqual({ values: { a: value } });
  });

  it.each(["", "# nothing\n", "---\n"])("may be empty: %j", (text) => {
    expect(readValues(text)).toEqual({ values: {} });
  });

  it.each<[string, string, number | undefined]>([
    ["a: 1\nb: [1\nc: 2\n", "is not valid YAML", 3],
    ["\ta: 1", "is not valid YAML: Tabs are not allowed", 1],
    ["a: *x\n", "is not valid YAML: Unresolved alias", undefined],
    ["- a\n", "must be a mapping of Helm values, got a list", undefined],
    ["text", "must be a mapping of Helm values, got a string", undefined],
    ["a: {b: .inf}\n", "a.b is Infinity", undefined],
    ["a: {__proto__: {b: 1}}\n", "a.__proto__ cannot be a key", undefined],
  ])("is refused: %j", (text, problem, line) => {
    expect(readValues(text)).toEqual({ problem: expect.stringContaining(problem), ...(line && { line }) });
  });
});

describe("cilium.valuesFiles", () => {
  const folder = mkdtempSync(join(tmpdir(), "values-"));
  const file = (name: string, text: string | Buffer) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are merged in their order, and before cilium.values", () => {
    const first = file("first.yaml", "hubble: {enabled: yes, metrics: {enabled: [dns, drop]}}\nl7Proxy: true\n");
    const second = file("second.yaml", "hubble: {metrics: {enabled: [tcp]}, relay: null}\nl7Proxy: false\n");
    const config = { "cilium.valuesFiles": JSON.stringify([first, second]) };
    expect(parse({ ...config, "cilium.values.hubble.enabled": "false" }).cilium.values).toEqual({
      hubble: { enabled: false, metrics: { enabled: ["tcp"] }, relay: null },
      l7Proxy: false,
    });
    expect(parse({ "cilium.valuesFiles": first }).cilium.values).toMatchObject({ l7Proxy: true });
  });

  it("may be UTF-16, as PowerShell writes it", () => {
    const little = Buffer.from("\ufeffl7Proxy: false\n", "utf16le");
    for (const bytes of [little, Buffer.from(little).swap16()])
      expect(parse({ "cilium.valuesFiles": file("utf16.yaml", bytes) }).cilium.values).toEqual({ l7Proxy: false });
  });

  it("have each problem and each warning with its file and key", () => {
    const owned = file("owned.yaml", "ipam: {mode: kubernetes}\nk8sServicePort: 7445\n");
    const broken = file("broken.yaml", "a:\n  - b: c: d\n");
    const missing = join(folder, "missing.yaml");
    const config = { "cilium.valuesFiles": JSON.stringify([owned, broken, missing]), "cilium.values.tunnel": "vxlan" };
    const found = problemsOf(config);
    expect(found).toHaveLength(5);
    for (const line of [
      `  - ${owned}: ipam.mode: is "cluster-pool" according to the setting cilium.ipam.mode, got "kubernetes"`,
      `  - ${owned}: k8sServicePort: is 7445, and the API server of kind's nodes has port 6443`,
      `  - cilium.valuesFiles: ${broken}:2: is not valid YAML: Nested mappings`,
      `  - cilium.valuesFiles: ${missing}: does not exist`,
      "  - cilium.values.tunnel: is rejected by the chart",
    ]) {
      expect(found).toContainEqual(expect.stringContaining(line));
    }
    const dotted = file("dotted.yaml", "bpf.masquerade: true\nhubble: {relay.enabled: true}\n");
    expect(warningsOf({ "cilium.valuesFiles": dotted })).toEqual([
      expect.stringContaining(`${dotted}: bpf.masquerade: is one key with dots`),
      expect.stringContaining(`${dotted}: hubble.relay.enabled: is one key with dots`),
    ]);
    const ignored = file("ignored.yaml", "monitorAggregation: none\n");
    expect(warningsOf({ "cilium.valuesFiles": ignored })).toEqual([
      expect.stringContaining(`${ignored}: monitorAggregation: is ignored by the chart`),
    ]);
  });
});
