import { z } from "zod";
import { SECRET_FIELDS } from "./schemaParts";
import { defaultOf, knownKeys, metaOf, schemaAt, settingPaths, unwrap } from "./schemaPaths";

type JsonSchema = Readonly<Record<string, unknown>>;

/** A value that `pulumi config set --secret` has encrypted. */
const SECRET: JsonSchema = {
  type: "object",
  properties: { secure: { type: "string", description: "Encrypted by pulumi config set --secret" } },
  required: ["secure"],
  additionalProperties: false,
};

const reference = (name: string): JsonSchema => ({ $ref: `#/definitions/${name}` });

/** The JSON Schema of `Pulumi.<stack>.yaml`, by which editors complete and check settings. */
export function stackSchema(project: string): JsonSchema {
  const properties = Object.fromEntries(settingPaths().map((path) => [`${project}:${path}`, reference(path)]));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `A stack file of ${project}`,
    type: "object",
    properties: {
      config: {
        type: "object",
        properties,
        patternProperties: {
          [`^${project}:cilium\\.values\\.`]: { description: "A Helm value of Cilium's chart" },
          // other projects' and providers' configuration
          [`^(?!${project}:)`]: {},
        },
        additionalProperties: false,
      },
    },
    definitions: {
      secret: SECRET,
      ...Object.fromEntries(settingPaths().map((path) => [path, definition(path.split("."))])),
    },
  };
}

/** A section refers to its settings, so that each is described once. */
function definition(path: readonly string[]): JsonSchema {
  const keys = knownKeys(path);
  const { description } = metaOf(path);
  if (keys.length === 0) {
    const value = defaultOf(path);
    return {
      description,
      ...(value === undefined ? {} : { default: value }),
      anyOf: [valueSchema(path), reference("secret")],
    };
  }
  return {
    description,
    type: "object",
    properties: Object.fromEntries(keys.map((key) => [key, reference([...path, key].join("."))])),
    additionalProperties: false,
  };
}

/** The JSON Schema of a setting's value, as a user writes it, without the setting's own description. */
function valueSchema(path: readonly string[]): JsonSchema {
  const zodSchema = unwrap(schemaAt(path)!);
  // any JSON, which zod can only refer to
  if (zodSchema instanceof z.ZodRecord && zodSchema.valueType instanceof z.ZodLazy) return { type: "object" };
  const {
    $schema,
    default: _default,
    description,
    title,
    ...schema
  } = z.toJSONSchema(zodSchema, {
    io: "input",
    target: "draft-7",
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      // the project's own, which JSON Schema does not know
      delete jsonSchema["defaultText"];
      delete jsonSchema["hint"];
    },
  });
  return withSecretFields(schema) as JsonSchema;
}

/** A schema in which the fields that hold credentials may be encrypted. */
function withSecretFields(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withSecretFields);
  if (typeof schema !== "object" || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, inner]) => {
    if (!SECRET_FIELDS.includes(key)) return [key, withSecretFields(inner)];
    const { description, ...plain } = inner as JsonSchema;
    return [key, { description, anyOf: [plain, reference("secret")] }];
  });
  return Object.fromEntries(entries);
}
