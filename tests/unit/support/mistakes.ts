import fc from "fast-check";
import { settingPaths } from "../../../settings/schemaPaths";
import { anyText } from "./anyText";
import type { Config } from "./settings";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type Tree = { [key: string]: Tree | Json };
type Path = readonly string[];

/** Something of every setting, and nothing wrong. */
const VALID: { readonly [key: string]: Json } = {
  release: "1.20",
  tunnel: "disabled",
  kubeProxyReplacement: true,
  bpf: { masquerade: true },
  verify: "strict",
  verifyWhen: "changed",
  verifyNodes: 20,
  cluster: {
    name: "lab",
    kubernetesVersion: "1.34.0",
    nodeImage: "kindest/node:v1.34.0",
    workers: 2,
    podCidr: "10.0.0.0/16",
    serviceCidr: "10.96.0.0/16",
    registryMirrors: {
      "docker.io": {
        endpoints: [
          "http://mirror:5000",
          { url: "https://mirror.example", authorization: "Basic eA==", insecure: true },
        ],
        insecure: false,
      },
    },
    portMappings: [
      { node: "worker-1", containerPort: 30000, hostPort: 0, listenAddress: "127.0.0.1", protocol: "TCP" },
    ],
    nodeLabels: { "worker-1": { "example.com/rack": "a" } },
    featureGates: { AllAlpha: false },
    kubeadmConfigPatches: ["kind: KubeletConfiguration\nmaxPods: 60"],
    apiServerAddress: "127.0.0.1",
    apiServerPort: 6443,
    mounts: [{ hostPath: "/tmp", containerPath: "/host", readOnly: true }],
    exportKubeconfig: false,
  },
  dns: { forward: ["192.0.2.53"] },
  hubble: { relay: true, ui: true },
  cilium: {
    version: "1.20.2",
    chart: "cilium",
    repository: "https://helm.cilium.io",
    images: {
      agent: { repository: "quay.io/cilium/cilium", tag: "v1.20.2", useDigest: true },
      operator: { repository: "quay.io/cilium/operator", tag: "v1.20.2", useDigest: false },
      envoy: { repository: "quay.io/cilium/cilium-envoy", tag: "v1.36.6", useDigest: false },
      load: false,
    },
    nativeRoutingCIDR: "10.0.0.0/8",
    autoDirectNodeRoutes: true,
    values: { l7Proxy: true, bpf: {} },
  },
  nettool: { nodePort: 32000, baseImage: "debian:12-slim", image: "tools:1", loadImage: true },
};

/** One mistake, to be put into a configuration that has none. */
export interface Mistake {
  /** What it replaces or adds. */
  readonly path: Path;
  readonly value: Json;
  /** Key to use instead of the path's last one. */
  readonly rename?: string;
  /** The path that the error must name; of a key that needs quotes, the one above it. */
  readonly named: string;
  /** Told only where every setting by itself is right. */
  readonly late?: boolean;
}

const at = (path: string): Path => path.split(".");
/** The parts of a text that spaces part. */
const each = (text: string): string[] => text.split(" ");
const paths = (text: string): Path[] => each(text).map(at);
const oneOf = <T>(values: readonly T[]) => fc.constantFrom(...values);
export const mistake = (path: Path, value: Json, named = path.join(".")): Mistake => ({ path, value, named });
const mistakes = (where: readonly Path[], value: fc.Arbitrary<Json>) =>
  fc.tuple(oneOf(where), value).map(([path, wrong]) => mistake(path, wrong));

// the settings by what they take

const MIRROR: Path = ["cluster", "registryMirrors", "docker.io"];
const ENDPOINTS: Path = [...MIRROR, "endpoints"];
const FLAGS: readonly Path[] = [
  ...paths("bpf.masquerade cluster.exportKubeconfig cluster.mounts.0.readOnly nettool.loadImage"),
  ...paths(
    "hubble.relay hubble.ui cilium.adopt cilium.images.agent.useDigest cilium.images.load cilium.autoDirectNodeRoutes",
  ),
  [...MIRROR, "insecure"],
  [...ENDPOINTS, "1", "insecure"],
  at("cluster.featureGates.AllAlpha"),
];
const NUMBERS: readonly (readonly [Path, number, number])[] = [
  [at("cluster.workers"), 0, 20],
  [at("verifyNodes"), 1, 1000],
  [at("cluster.portMappings.0.containerPort"), 1, 65535],
  [at("cluster.portMappings.0.hostPort"), 0, 65535],
  [at("cluster.apiServerPort"), 0, 65535],
  [at("nettool.nodePort"), 30000, 32767],
];
const WORDS: readonly Path[] = [
  ...paths("release tunnel verify verifyWhen kubeProxyReplacement cluster.kubernetesVersion"),
  ...paths("cluster.portMappings.0.protocol cluster.portMappings.0.node"),
];
const NETWORKS = paths("cluster.podCidr cluster.serviceCidr cilium.nativeRoutingCIDR");
const ADDRESSES = paths("cluster.portMappings.0.listenAddress cluster.apiServerAddress dns.forward.0");
const URLS: readonly Path[] = [at("cilium.repository"), [...ENDPOINTS, "0"], [...ENDPOINTS, "1", "url"]];
const VERSION = at("cilium.version");
const NAME = at("cluster.name");
const IMAGES: readonly Path[] = [
  ...paths("cluster.nodeImage nettool.image nettool.baseImage"),
  ...each("agent operator envoy").flatMap((image) =>
    paths(`cilium.images.${image}.repository cilium.images.${image}.tag`),
  ),
];
/** What becomes an argument of docker, kind or crictl, or a part of one. */
export const ARGUMENTS = [...IMAGES, NAME, VERSION, at("cluster.portMappings.0.node")].map((path) => path.join("."));
const TEXTS: readonly Path[] = [
  ...[...NETWORKS, ...ADDRESSES, ...URLS, ...IMAGES, VERSION, NAME],
  ...paths("cilium.chart cluster.mounts.0.hostPath cluster.mounts.0.containerPath"),
];
const OBJECTS: readonly Path[] = [
  ...paths("bpf cluster dns cilium hubble nettool cluster.registryMirrors cilium.values"),
  ...paths("cluster.nodeLabels cluster.nodeLabels.worker-1 cluster.featureGates"),
  ...paths("cilium.images cilium.images.agent cluster.mounts.0 cluster.portMappings.0"),
  MIRROR,
];
const LISTS: readonly Path[] = [
  ...paths("cluster.portMappings cluster.mounts cluster.kubeadmConfigPatches"),
  ENDPOINTS,
];

// values that are wrong

const INHERITED = each("__proto__ constructor toString hasOwnProperty valueOf isPrototypeOf __defineGetter__");

/** Texts that are none of the settings' words, versions, networks, addresses or images. */
const HOSTILE: readonly string[] = [
  ...[
    "",
    " ",
    "\t",
    "a b",
    "a\nb",
    "a\u0000b",
    "\u001b[31mred",
    "\u009b31m",
    "\u202etxet",
    "\u2028",
    "\ufeff",
    "\ud800",
  ],
  ...[
    "😀",
    "é".repeat(300),
    "x;".repeat(10_000),
    "-",
    "--help",
    "-v",
    "--post-renderer=x",
    "../../etc",
    "{{ .Values }}",
  ],
  ...["$(reboot)", "`id`", "a;reboot", "a|b", "a&&b", "a>b", "'", '"', "\\", "%00", "[object Object]"],
  ...["    at main (x.ts:1:1)", "x\n    at main (x.ts:1:1)", "{", "[", '{"a":', "[1,", "{workers: 1}"],
];
export const hostile = fc.oneof(
  oneOf(HOSTILE),
  anyText(20).filter((text) => /[^\w.:/@\s-]/.test(text)),
);
/** The same, and words that only an image may be called. */
export const weird = fc.oneof(
  hostile,
  oneOf([...INHERITED, ...each("null NaN Infinity undefined ZodError"), "x".repeat(20_000), "9".repeat(5_000)]),
);

const anything: fc.Arbitrary<Json> = fc.oneof(
  weird,
  fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
  oneOf<Json>([[], {}, [[]], [{}], { a: 1 }, ["x"], [null], { a: { b: [1] } }]),
);

const OF_TYPE: Readonly<Record<string, readonly Json[]>> = {
  number: [0, 1, -1, 1.5, 1e21, 5e-324],
  boolean: [true, false],
  null: [null],
  list: [[], [1], ["x"], [[]], [{}]],
  object: [{}, { a: 1 }, { toJSON: 1 }, { length: 1 }],
  text: ["x", "yes", "0x10"],
};
const wrongType = (where: readonly Path[], types: string) =>
  mistakes(where, oneOf(each(types).flatMap((type) => OF_TYPE[type]!)));

const octet = fc.integer({ min: 0, max: 255 });
const address = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join("."));
const badAddress = fc.oneof(
  oneOf([...each("1.2.3 1.2.3.4.5 256.1.1.1 1.2.3.-4 01.2.3.4 0x1.2.3.4 ::1 dns.example 1"), "1.2.3.4 ", "1.2.3.4\n"]),
  address.map((text) => `${text}/24`),
  weird,
);
const hostBits = fc.tuple(octet, octet, fc.integer({ min: 1, max: 255 }), fc.integer({ min: 0, max: 16 }));
const badNetwork = fc.oneof(
  oneOf([
    ...each("10.0.0/16 10.0.0.0/ 10.0.0.0/-1 10.0.0.0/16/1 10.0.0.0/0x10 010.0.0.0/8 fd00::/8 /16"),
    "10.0.0.0/8\n",
  ]),
  address, // no prefix
  fc.tuple(address, fc.integer({ min: 33, max: 1000 })).map((parts) => parts.join("/")),
  hostBits.map(([b, c, d, prefix]) => `10.${b}.${c}.${d}/${prefix}`),
  weird,
);
const BAD_URLS = each("helm.cilium.io /charts //host https:// http//x -https://x ://x https://[::1 https://host:port");
const BAD_VERSIONS = each("v1.20.2 1.20 1 1.20.2.3 latest =1.20.2 ^1.20.2 1.20.x 01.20.2 1.20.2- -1.20.2 1.20.2;id");
const BAD_NAMES = each("Lab -lab lab- lab_1 lab.1 lab/1");
const BAD_WORDS = each("strictt enabled on 1.2 tcp worker-0 worker-01 control-plane-1");
const BAD_NUMBERS: readonly Json[] = [1.5, -0.5, 1e21, ...each("1e3 +5 0x10 १२ 5.0"), "9".repeat(400)];

// keys that are wrong

const KNOWN = settingPaths().map(at);
const isBelow = (path: Path, above: Path) =>
  path.length > above.length && above.every((step, index) => path[index] === step);
const isKnown = (path: Path) => KNOWN.some((known) => known.length === path.length && known.join() === path.join());
const isPlain = (key: string) => /^[\w:/-]{1,100}$/.test(key);

/** A word with a letter too few, one twice, two changed about, or one of the other case. */
const slip = (word: string) =>
  fc.tuple(fc.nat({ max: word.length - 1 }), oneOf(each("drop double swap case"))).map(([index, how]) => {
    const [before, letter, after] = [word.slice(0, index), word[index]!, word.slice(index + 1)];
    if (how === "drop") return before + after;
    if (how === "double") return before + letter + letter + after;
    if (how === "swap") return before + after.slice(0, 1) + letter + after.slice(1);
    return before + (letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase()) + after;
  });

/** Keys in lists and records, which have no path of their own in the schema. */
const INNER: readonly Path[] = [
  ...paths("cluster.mounts.0.hostPath cluster.mounts.0.containerPath"),
  ...paths("cluster.portMappings.0.node cluster.portMappings.0.hostPort"),
  ENDPOINTS,
];
const misspelt = oneOf([...KNOWN.filter((path) => reach(VALID, path) !== undefined), ...INNER]).chain((path) =>
  slip(path.at(-1)!)
    .filter((rename) => isPlain(rename) && rename !== path.at(-1) && !isKnown([...path.slice(0, -1), rename]))
    .map((rename): Mistake => {
      const named = [...path.slice(0, -1), rename].join(".");
      return { ...mistake(path, reach(VALID, path)!, named), rename };
    }),
);

const ABOVE: readonly Path[] = [
  ...paths("bpf cluster dns cilium hubble cilium.images cilium.images.envoy nettool cluster.mounts.0"),
  ...[[], MIRROR],
];
const unknown = fc
  .tuple(oneOf(ABOVE), fc.oneof(weird, fc.stringMatching(/^[a-zA-Z0-9:/-]{1,12}$/)), anything)
  .filter(([above, key]) => !isKnown([...above, key]) && (above.length > 0 || key !== ""))
  .map(([above, key, value]) => mistake([...above, key], value, (isPlain(key) ? [...above, key] : above).join(".")));

const inherited = fc
  .tuple(
    oneOf([...ABOVE, ...paths("cilium.values cilium.values.bpf cluster.registryMirrors")]),
    oneOf(INHERITED),
    anything,
  )
  .map(([above, key, value]) => mistake([...above, key], value));

// settings that are right, each by itself

const late = (path: string, value: Json, named = path): Mistake => ({ ...mistake(at(path), value, named), late: true });
const lates = (path: string, values: readonly Json[]) => values.map((value) => late(path, value));

const CONTRADICTIONS: readonly Mistake[] = [
  late("kubeProxyReplacement", false, "bpf.masquerade"),
  late("kubeProxyReplacement", "disabled", "bpf.masquerade"),
  ...lates("kubeProxyReplacement", ["partial", "probe"]),
  late("tunnel", "vxlan", "cilium.autoDirectNodeRoutes"),
  late("tunnel", "geneve", "cilium.autoDirectNodeRoutes"),
  ...lates("cluster.serviceCidr", each("172.0.0.0/11 172.16.0.0/29 172.16.0.0/32")),
  ...lates("cluster.podCidr", each("10.96.0.0/16 10.96.128.0/17 10.0.0.0/8 10.0.0.0/7 0.0.0.0/0")),
  ...lates("cluster.podCidr", each("10.0.0.0/23 10.0.0.0/24 10.0.0.0/25 10.0.0.0/32")),
  ...lates("cilium.nativeRoutingCIDR", each("192.168.0.0/16 10.0.0.0/17 10.96.0.0/16 10.96.1.0/24")),
  ...lates(
    "cluster.name",
    [33, 63, 5_000].map((length) => "n".repeat(length)),
  ),
  ...lates("cluster.portMappings.0.node", ["worker-3", "worker-9999"]),
  late("cluster.workers", 0, "cluster.portMappings.0.node"),
  late("nettool.image", "tools:1@sha256:00"),
  ...lates("cilium.version", each("1.11.0 0.0.0 1.11.20-rc.1")),
  late("cilium.images.load", true, "cilium.images.agent.useDigest"),
];

const masquerades = ["yes", 1, [], {}, false, "\u001b[2J\n".repeat(1_000)];
const HELM_VALUES: readonly Mistake[] = [
  ...masquerades.map((masquerade) => late("cilium.values", { bpf: { masquerade } }, "cilium.values.bpf.masquerade")),
  ...["x".repeat(20_000), [1], 3].map((hubble) => late("cilium.values", { hubble }, "cilium.values.hubble")),
  late("cilium.values", { kubeProxyReplacement: false }, "cilium.values.kubeProxyReplacement"),
];

/** So many objects or lists in one another. */
function nest(depth: number, isList: boolean): Json {
  let made: Json = 1;
  for (let level = 0; level < depth; level++) made = isList ? [made] : { a: made };
  return made;
}

/** Every way to be wrong, by its name. */
export const FAMILIES: Readonly<Record<string, fc.Arbitrary<Mistake>>> = {
  "a misspelt key": misspelt,
  "a key that does not exist": unknown,
  "a key that every object inherits": inherited,
  "a text of the wrong type": wrongType(TEXTS, "number boolean null list object"),
  "a switch of the wrong type": wrongType(FLAGS, "number null list object text"),
  "a number of the wrong type": wrongType(
    NUMBERS.map(([path]) => path),
    "boolean null list object text",
  ),
  "a word of the wrong type": wrongType(WORDS, "number null list object"),
  "an object of the wrong type": wrongType(OBJECTS, "number boolean null list text"),
  "a list of the wrong type": wrongType(LISTS, "number boolean null object text"),
  "a number out of range": oneOf(NUMBERS).chain(([path, min, max]) =>
    mistakes([path], fc.oneof(fc.integer({ max: min - 1 }), fc.integer({ min: max + 1 }), oneOf(BAD_NUMBERS))),
  ),
  "a word that does not exist": mistakes(WORDS, fc.oneof(weird, oneOf(BAD_WORDS))),
  "a malformed network": mistakes(NETWORKS, badNetwork),
  "a malformed address": mistakes(ADDRESSES, badAddress),
  "a malformed URL": mistakes(URLS, oneOf(["", "https:// host", "a b", ...BAD_URLS])),
  "a malformed version": mistakes([VERSION], fc.oneof(weird, oneOf(BAD_VERSIONS))),
  "a malformed name": mistakes([NAME], fc.oneof(hostile, oneOf(BAD_NAMES))),
  "a malformed image": mistakes(IMAGES, hostile),
  "a contradiction": oneOf(CONTRADICTIONS),
  "refused Helm values": oneOf(HELM_VALUES),
  "values in too many others": fc
    .tuple(
      oneOf(paths("cilium.values cluster tunnel dns.forward nettool.image elsewhere")),
      fc.integer({ min: 51, max: 3_000 }),
      fc.boolean(),
    )
    .map(([path, depth, isList]) => mistake(path, nest(depth, isList))),
};

export const anyMistake = fc.oneof(...Object.values(FAMILIES));

/** Up to so many mistakes, none in what another one replaces. */
export const severalMistakes = (maxLength: number) =>
  fc
    .array(anyMistake, { minLength: 2, maxLength })
    .map((all) => all.filter((made, index) => !all.slice(0, index).some((other) => overlaps(made, other))));

function overlaps({ path: a }: Mistake, { path: b }: Mistake): boolean {
  return isBelow(a, b) || isBelow(b, a) || a.join() === b.join();
}

/** Whether a key of its own has the same mistake: there, `5` is the text "5". */
export function survivesDots({ path, value }: Mistake): boolean {
  return typeof value === "object" ? value !== null : typeof value === "string" || !TEXTS.includes(path);
}

/** Paths of texts that could be told twice. */
export const NESTED_TEXTS = KNOWN.filter((path) => path.length > 1 && typeof reach(VALID, path) === "string");

/** The valid configuration with these mistakes in it. */
export function withMistakes(...made: readonly Mistake[]): Tree {
  const tree = structuredClone(VALID) as Tree;
  for (const { path, value, rename } of made) {
    const above = reach(tree, path.slice(0, -1)) as unknown as Tree;
    const key = path.at(-1)!;
    if (rename !== undefined) delete above[key];
    // assignment would set a prototype, where JSON has a key
    Object.defineProperty(above, rename ?? key, { value, enumerable: true, configurable: true, writable: true });
  }
  return tree;
}

function reach(tree: Json | Tree, path: Path): Json | undefined {
  let inner: unknown = tree;
  for (const step of path) inner = typeof inner === "object" && inner !== null ? (inner as Tree)[step] : undefined;
  return inner as Json | undefined;
}

const asText = (value: unknown) =>
  typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);

/** Each section as one object, as a stack's file has it. */
export function nested(tree: Tree): Config {
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, asText(value)]));
}

/** Each setting by a key of its own, as `pulumi config set` has it. */
export function dotted(tree: Tree, above: Path = []): Config {
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]) => {
      const path = [...above, key];
      const isSection = typeof value === "object" && value !== null && !Array.isArray(value);
      return isSection && KNOWN.some((known) => isBelow(known, path))
        ? Object.entries(dotted(value as Tree, path))
        : [[path.join("."), asText(value)]];
    }),
  );
}
