import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { ROUTING_MODES } from "../../modes/contract";
import { stackSchemaText } from "../../scripts/readme/tables";
import { settingPaths } from "../../settings/schemaPaths";

const ROOT = join(__dirname, "../..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

describe("stack.schema.json", () => {
  const text = read("stack.schema.json");
  const schema = z.fromJSONSchema(JSON.parse(text) as z.core.JSONSchema.JSONSchema);
  const accepts = (config: Record<string, unknown>) => schema.safeParse({ encryptionsalt: "v1:a", config }).success;

  it("is current; npx tsx scripts/readme-tables.ts regenerates it", () => {
    expect(text).toBe(stackSchemaText());
  });

  it.each(ROUTING_MODES)("is named by the stack file of %s, and accepts it", (mode) => {
    const file = read(`Pulumi.${mode}.yaml`);
    expect(file.split("\n")[0]).toBe("# yaml-language-server: $schema=stack.schema.json");
    expect(schema.safeParse(parseYaml(file)).success).toBe(true);
  });

  it("knows every setting of the project in Pulumi.yaml by its dotted key", () => {
    const { name } = parseYaml(read("Pulumi.yaml")) as { name: string };
    const { properties } = JSON.parse(text) as { properties: { config: { properties: object } } };
    expect(Object.keys(properties.config.properties)).toEqual(settingPaths().map((path) => `${name}:${path}`));
  });

  it.each<[string, Record<string, unknown>]>([
    ["nested and dotted settings", { "cilium-modes:bpf": { masquerade: true }, "cilium-modes:cluster.workers": 0 }],
    ["text where YAML has booleans and numbers", { "cilium-modes:hubble.ui": "true", "cilium-modes:verifyNodes": "3" }],
    ["secrets, nested ones too", { "cilium-modes:cluster": { kubeconfig: { secure: "v1:b" } } }],
    [
      "a secret of a list's element",
      {
        "cilium-modes:cluster": {
          registryMirrors: { "docker.io": { endpoints: [{ url: "https://m", authorization: { secure: "v1:b" } }] } },
        },
      },
    ],
    ["dotted Helm values", { "cilium-modes:cilium.values.l7Proxy": false }],
    ["off, which YAML 1.1 reads as false", { "cilium-modes:verify": false }],
    ["settings of providers", { "kubernetes:context": "lab" }],
  ])("accepts %s", (_case, config) => {
    expect(accepts(config)).toBe(true);
  });

  it.each<[string, Record<string, unknown>]>([
    ["a misspelt setting", { "cilium-modes:tunel": "vxlan" }],
    ["a misspelt nested setting", { "cilium-modes:cluster": { worker: 1 } }],
    ["an unknown word", { "cilium-modes:tunnel": "gre" }],
    ["a number out of range", { "cilium-modes:cluster.workers": 21 }],
    ["a port mapping without a port", { "cilium-modes:cluster.portMappings": [{ node: "worker-1" }] }],
  ])("rejects %s", (_case, config) => {
    expect(accepts(config)).toBe(false);
  });
});
