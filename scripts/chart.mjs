import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";

/** The types of JSON Schema as letters of the table. */
const LETTERS = { boolean: "b", string: "s", integer: "i", number: "n", object: "o", array: "a", null: "0" };

/**
 * Read a packaged chart of Cilium: the values that its templates read, with their types, the values that it refuses, and
 * the images of its containers.
 */
export function readChart(archive) {
  const scratch = mkdtempSync(join(tmpdir(), "cilium-modes-chart-"));
  try {
    execFileSync("tar", ["xzf", archive, "-C", scratch]);
    const chart = join(scratch, "cilium");
    const text = (name) => readFileSync(join(chart, name), "utf8");
    // one chart names a key twice; Helm takes the last
    const values = parse(text("values.yaml"), { merge: true, uniqueKeys: false });
    const schema = existsSync(join(chart, "values.schema.json")) ? JSON.parse(text("values.schema.json")) : undefined;
    const under = (folder) =>
      existsSync(join(chart, folder))
        ? readdirSync(join(chart, folder), { recursive: true }).map((file) => join(folder, file))
        : [];
    const templates = [
      ...under("templates").filter((file) => /\.(yaml|tpl)$/.test(file)),
      // templates include these scripts and configurations by tpl
      ...under("files").filter((file) => /\.(bash|ya?ml|json)$/.test(file)),
    ].map(text);
    const { refused, reads } = references(templates);
    return { read: knownKeys(values, schema, reads), refused, images: imagesOf(values) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const QUOTED = /"([^"]+)"/g;
const PATH = /\.Values((?:\.[A-Za-z_]\w*)+)/g;

/** The values that templates name: read as a whole, or only tested for presence. */
function references(templates) {
  const whole = new Set();
  const exact = new Set();
  const refused = new Set();
  for (let template of templates) {
    template = template.replace(/\{\{-?\s*\/\*[\s\S]*?\*\/\s*-?\}\}/g, "");
    // a condition before a failure that only tests whether a value is set
    template = template.replace(
      /\{\{-?\s*if\s+(?:or\s+)?((?:\(*dig [^{}]*?\.Values\S*?\)*(?:\s*\|\s*toString\))?\s*|\.Values[\w.]+\s*)+)-?\}\}\s*\{\{-?\s*fail/g,
      (_all, condition) => {
        for (const path of pathsOf(condition)) refused.add(path);
        return "{{ fail";
      },
    );
    for (const [, object, name] of template.matchAll(/(?:hasKey|index)\s+\$?\.Values((?:\.\w+)*)\s+"([\w-]+)"/g))
      exact.add(`${object}.${name}`.slice(1));
    template = template.replace(/(?:hasKey|index)\s+\$?\.Values(?:\.\w+)*\s+"[\w-]+"/g, "");
    for (const path of pathsOf(template)) whole.add(path);
  }
  for (const path of [...whole, ...exact]) refused.delete(path);
  return { refused: [...refused], reads: { whole, exact: new Set([...whole, ...exact]) } };
}

function pathsOf(text) {
  const paths = [];
  const rest = text.replace(/dig\s+((?:"[^"]*"\s+)+)\.Values((?:\.\w+)*)/g, (_all, names, object) => {
    const steps = [...names.matchAll(QUOTED)].map(([, step]) => step);
    paths.push([...object.split(".").filter((step) => step && step !== "AsMap"), ...steps].join("."));
    return "";
  });
  for (const [, path] of rest.matchAll(PATH)) {
    const key = path.slice(1).replace(/\.?AsMap$/, "");
    if (key !== "") paths.push(key);
  }
  return paths;
}

/** Keys with their types: those of values.yaml that a template reads, and those that only a template names. */
function knownKeys(values, schema, { whole, exact }) {
  const known = new Map();
  const below = new Set([...exact].flatMap((path) => [...parentsOf(path), path]));
  const lookedInto = new Set([...exact].flatMap((path) => parentsOf(path)));
  const isRead = (path) => below.has(path) || [...parentsOf(path), path].some((part) => whole.has(part));
  const walk = (value, at, path) => {
    if (path !== "" && !isRead(path)) return;
    const children = isObject(value) ? Object.entries(value) : [];
    // a template that prints a whole object prints the user's own keys too
    const printed = !lookedInto.has(path);
    if (path !== "") known.set(path, typeOf(value, at, children.length === 0 || printed));
    for (const [key, child] of children) walk(child, at?.properties?.[key], path === "" ? key : `${path}.${key}`);
  };
  walk(values, schema, "");
  for (const path of exact) if (!known.has(path) && !underFree(known, path)) addPath(known, path);
  return [...known];
}

/** Add a path that only templates name: its parents are objects, its own type is unknown. */
function addPath(known, path) {
  for (const parent of parentsOf(path)) if (!known.has(parent)) known.set(parent, "o");
  known.set(path, "?");
}

/** `a` and `a.b` of `a.b.c`. */
function parentsOf(path) {
  return path
    .split(".")
    .slice(0, -1)
    .map((_, end, steps) => steps.slice(0, end + 1).join("."));
}

/** Whether a path lies in an object whose keys the user chooses. */
function underFree(known, path) {
  return parentsOf(path).some((parent) => known.get(parent)?.includes("*"));
}

/** The letters of a value's type. `*` marks an object whose keys the user chooses. */
function typeOf(value, schema, isFree) {
  const declared = schema?.type === undefined ? [] : [schema.type].flat();
  const free = isFree && (isObject(value) || declared.includes("object")) ? "*" : "";
  if (declared.length > 0)
    return `${declared
      .map((type) => LETTERS[type])
      .sort()
      .join("")}${free}`;
  if (value === null || schema?.anyOf || schema?.oneOf || schema?.enum) return "?";
  if (Array.isArray(value)) return "a";
  if (isObject(value)) return `o${free}`;
  // templates print numbers and text alike, so either is accepted
  return typeof value === "boolean" ? "b" : "?";
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Repository, tag and digest of the images that an installation starts, with those of Hubble Relay and UI. */
function imagesOf(values) {
  const shown = ({ repository, tag, useDigest, digest }) =>
    `${repository}:${tag}${useDigest && digest ? `@${digest}` : ""}`;
  const { image, operator, envoy, hubble } = values;
  return {
    agent: shown(image),
    operator: shown({
      ...operator.image,
      repository: `${operator.image.repository}-generic`,
      digest: operator.image.genericDigest,
    }),
    ...(envoy?.image ? { envoy: shown(envoy.image) } : {}),
    relay: shown(hubble.relay.image),
    uiBackend: shown(hubble.ui.backend.image),
    uiFrontend: shown(hubble.ui.frontend.image),
  };
}
