import { z } from "zod";
import { schemaFor } from "./schema";
import type { SettingMeta } from "./schemaParts";

/** Any stack's schema, for its keys and descriptions. */
const SCHEMA = schemaFor({ project: "project", stack: "stack" });

/**
 * The schema at a path, without its wrappers for defaults; undefined if there is none. Any step leads to the elements of
 * a list, or to the values of a record.
 */
export function schemaAt(path: readonly PropertyKey[]): z.ZodType | undefined {
  return path.reduce<z.ZodType | undefined>((schema, step) => schema && child(unwrap(schema), step), SCHEMA);
}

/** The keys that exist below a path of the configuration. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  const schema = schemaAt(path);
  const object = schema && objectIn(unwrap(schema));
  return object === undefined ? [] : Object.keys(object.shape);
}

/** An object's schema, or that of the alternative of a union that is an object. */
function objectIn(schema: z.ZodType): z.ZodObject | undefined {
  if (schema instanceof z.ZodObject) return schema;
  return schema instanceof z.ZodUnion
    ? (schema.options as readonly z.ZodType[]).map(objectIn).find((each) => each !== undefined)
    : undefined;
}

/** Paths of all settings, without the elements of lists and records. */
export function settingPaths(path: readonly string[] = []): string[] {
  return knownKeys(path).flatMap((key) => [[...path, key].join("."), ...settingPaths([...path, key])]);
}

/** The default of a setting; undefined if it is not a fixed value. */
export function defaultOf(path: readonly PropertyKey[]): unknown {
  const schema = schemaAt(path);
  return metaOf(path).defaultText === undefined && schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
}

/** What the schema says about a setting. @throws Error if there is no such setting, or no description */
export function metaOf(path: readonly PropertyKey[]): SettingMeta {
  const meta = schemaAt(path)?.meta();
  if (meta?.description === undefined) throw new Error(`The setting ${path.join(".")} has no description`);
  return meta as unknown as SettingMeta;
}

/** What else to do about a wrong value of a setting. */
export function hintOf(path: readonly PropertyKey[]): string | undefined {
  return schemaAt(path)?.meta()?.["hint"] as string | undefined;
}

/** A schema without its wrappers for defaults. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let inner: unknown = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    inner = inner.unwrap();
  }
  return inner as z.ZodType;
}

function child(schema: z.ZodType, step: PropertyKey): z.ZodType | undefined {
  const object = objectIn(schema);
  if (object !== undefined) return (object.shape as Record<PropertyKey, z.ZodType>)[step];
  if (schema instanceof z.ZodArray) return schema.element as z.ZodType;
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType;
  return undefined;
}
