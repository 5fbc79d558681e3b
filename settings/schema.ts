import semver from "semver";
import { z } from "zod";
import { ipv4CidrProblem, isIpv4Address } from "../modes/cidr";
import { TUNNELS, type KubeProxyReplacement } from "../modes/contract";
import { defaultClusterName } from "../modes/clusterName";
import { DEFAULTS, VERIFY, VERIFY_WHEN } from "../modes/defaults";
import { DEFAULT_RELEASE, NODE_IMAGES, RELEASE_NAMES } from "../modes/releases";

// `pulumi config set` stores text, YAML holds booleans and numbers: both are understood, and nothing else.
const flag = (rule = "must be true or false") =>
  z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")], { error: rule });

const integer = (min: number, max: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  const text = z.string().regex(/^\d+$/).transform(Number);
  return z
    .union([z.int({ error: rule, abort: true }), text], { error: rule })
    .refine((value) => value >= min && value <= max, { error: rule });
};

const cidr = z.string({ error: "must be an IPv4 network such as 10.0.0.0/16" }).superRefine((text, context) => {
  const problem = ipv4CidrProblem(text);
  if (problem) context.addIssue({ code: "custom", message: problem });
});

const port = integer(1, 65535);
const text = z.string({ error: "must be text" }).min(1, { error: "must not be empty", abort: true });

// what reaches commands as an argument of its own: none may take it for an option, or for two
const argument = (rule: string) => text.regex(/^[A-Za-z0-9][\w.:/@-]*$/, rule);
const imageReference = argument("must be an image's reference, such as debian:12-slim");

/** A registry as containerd names its folder on nodes: no path that leads elsewhere. */
const registryHost = text.regex(
  /^(\w[\w.-]*|\[[\da-fA-F:]+\])(:\d+)?$/,
  "must be a registry's host, such as docker.io or localhost:5000",
);

/** The words for `kubeProxyReplacement`: today's, and Cilium's older ones. */
const KUBE_PROXY_WORDS: ReadonlyMap<string, KubeProxyReplacement> = new Map<string, KubeProxyReplacement>([
  ["true", true],
  ["false", false],
  ["strict", true],
  ["disabled", false],
  ["partial", "partial"],
  ["probe", "probe"],
]);

const kubeProxyReplacement = z
  .union([z.boolean(), z.string()], { error: "must be true or false" })
  .transform((value, context): KubeProxyReplacement => {
    const meaning = typeof value === "boolean" ? value : KUBE_PROXY_WORDS.get(value.toLowerCase());
    if (meaning !== undefined) return meaning;
    context.addIssue({
      code: "invalid_value",
      values: [...KUBE_PROXY_WORDS.keys()],
      input: value,
      message: "must be true or false (or Cilium's older words strict, disabled, partial and probe)",
    });
    return z.NEVER;
  });

const image = z
  .strictObject({
    /** Name without tag. Default: the chart's own. */
    repository: argument("must be an image's name, such as quay.io/cilium/cilium").optional(),
    /** Default: the chart's own. */
    tag: argument("must be an image's tag, such as v1.20.2").optional(),
    /** Whether the chart's digest is appended. Default: true while repository and tag are the chart's own and nothing is loaded. */
    useDigest: flag().optional(),
  })
  .prefault({});

const portMapping = z.strictObject({
  /** Node that gets the mapping: `control-plane` (default), or `worker-1` and so on. */
  node: text
    .regex(/^(control-plane|worker-[1-9]\d{0,3})$/, "must be control-plane or worker-<number>")
    .default("control-plane"),
  containerPort: port,
  /** 0 lets Docker choose a free port. */
  hostPort: integer(0, 65535),
  /** Default: 127.0.0.1, so that nothing outside this machine reaches it. */
  listenAddress: text.refine(isIpv4Address, "must be an IPv4 address").default("127.0.0.1"),
  protocol: z.enum(["TCP", "UDP", "SCTP"], { error: "must be TCP, UDP or SCTP" }).default("TCP"),
});

const mount = z.strictObject({
  hostPath: text,
  containerPath: text.startsWith("/", "must be an absolute path"),
  readOnly: flag().default(false),
});

const mirror = z.strictObject({
  /** URLs asked in this order before the registry itself. */
  endpoints: z
    .array(z.url({ protocol: /^https?$/, error: "must be an http or https URL" }))
    .min(1, "must name at least one endpoint"),
  /** Skip the check of the endpoints' TLS certificates. */
  insecure: flag().default(false),
});

/** Helps where nobody has set the name that is wrong. */
export const NAME_DEFAULT = "set another, the default is <project>-<stack>";

/**
 * The schema of a stack's configuration. Every field says what it means (`scripts/readme/settings.ts` says it to
 * users); changing anything in `cluster` but `registryMirrors` and `exportKubeconfig` replaces a cluster of kind, and
 * never one that exists.
 */
export function schemaFor({ project, stack }: { project: string; stack: string }) {
  return z.strictObject({
    /** Versions of Cilium and Kubernetes that go together; each can be set alone as well. */
    release: z
      .enum(RELEASE_NAMES, {
        error: `must be one of ${RELEASE_NAMES.map((name) => `"${name}"`).join(", ")}, in quotes`,
      })
      .default(DEFAULT_RELEASE),
    /** How pod traffic crosses nodes. Default: not at all encapsulated. */
    tunnel: z.enum(TUNNELS, { error: `must be one of ${TUNNELS.join(", ")}` }).default(DEFAULTS.tunnel),
    /** Cilium instead of kube-proxy. Changing this replaces the cluster. */
    kubeProxyReplacement: kubeProxyReplacement.default(false),
    bpf: z
      .strictObject({
        /** Masquerade in BPF, which also turns on BPF host routing; needs `kubeProxyReplacement`. */
        masquerade: flag().default(false),
      })
      .prefault({}),
    /**
     * What happens when the mode asked for is not the mode in force: `strict` fails the run, `warn` tells it,
     * `off` looks at nothing.
     */
    verify: z
      .preprocess(
        // YAML's older readers take off for false
        (word) => (word === "false" || word === false ? "off" : word),
        z.enum(VERIFY, { error: `must be one of ${VERIFY.join(", ")}` }),
      )
      .default(DEFAULTS.verify),
    /** Which runs verify: those after a change, or every one, which then always updates the verification. */
    verifyWhen: z.enum(VERIFY_WHEN, { error: `must be one of ${VERIFY_WHEN.join(", ")}` }).default(DEFAULTS.verifyWhen),
    /** How many nodes the verification looks at; in a larger cluster a sample of so many, spread over all. */
    verifyNodes: integer(1, 1000).default(DEFAULTS.verifyNodes),
    cluster: z
      .strictObject({
        /**
         * A cluster that exists, instead of a new one of kind: path of its kubeconfig, or what stands in one (then
         * better a secret). What kind would be told cannot be set beside it.
         */
        kubeconfig: z
          // JSON is YAML too, and arrives as what it means
          .preprocess((value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : value), text)
          .optional(),
        /** The context to use. Default: the kubeconfig's current one; without `kubeconfig` one of the user's own. */
        context: text.optional(),
        /** Also Cilium's name of the cluster, and the prefix of its nodes' names. */
        name: text
          .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, `must consist of a-z, 0-9 and inner dashes; ${NAME_DEFAULT}`)
          .prefault(defaultClusterName(project, stack)),
        /** One of the versions whose node image is known by digest. Default: the release's. */
        kubernetesVersion: z
          .enum(Object.keys(NODE_IMAGES) as [string, ...string[]], {
            error: `must be one of ${Object.keys(NODE_IMAGES).join(", ")}; for another set cluster.nodeImage`,
          })
          .optional(),
        /** Overrides `kubernetesVersion`; any image that kind accepts. */
        nodeImage: imageReference.optional(),
        /** Nodes beside the control plane. */
        workers: integer(0, 20).default(DEFAULTS.cluster.workers),
        /** Where Cilium's cluster pool takes the nodes' /24 from. */
        podCidr: cidr.default(DEFAULTS.cluster.podCidr),
        serviceCidr: cidr.default(DEFAULTS.cluster.serviceCidr),
        /** Registry host to its mirrors, written to `/etc/containerd/certs.d/<host>/hosts.toml` on the nodes. */
        registryMirrors: z.record(registryHost, mirror).default({}),
        portMappings: z.array(portMapping).default([]),
        /** Host paths seen in every node. */
        mounts: z.array(mount).default([]),
        /** Write the context `kind-<name>` into the user's kubeconfig; destroying the cluster removes it. */
        exportKubeconfig: flag().default(false),
      })
      .prefault({}),
    dns: z
      .strictObject({
        /**
         * Resolvers that CoreDNS asks for names outside the cluster. `auto`: this machine's own, where the mode
         * cannot use Docker's; `node`: always the node's; or a list of IPv4 addresses.
         */
        forward: z
          .union([z.enum(["auto", "node"]), z.array(text.refine(isIpv4Address, "must be an IPv4 address")).min(1)], {
            error: 'must be "auto", "node" or a list of IPv4 addresses',
          })
          .default(DEFAULTS.dnsForward),
      })
      .prefault({}),
    cilium: z
      .strictObject({
        /** Chart and image version, from 1.12 on. Default: the release's. */
        version: text
          .refine((version) => semver.valid(version) === version, "must be a version without v, such as 1.20.2")
          .optional(),
        /** Chart name in `repository`, an `oci://` reference, or the path of a chart's folder or .tgz. */
        chart: text
          .regex(/^[^-\p{Cc}]\P{Cc}*$/u, "must be a chart's name, an oci:// reference or a path")
          .default(DEFAULTS.cilium.chart),
        /** Helm repository of `chart`; not used for paths and `oci://`. */
        repository: z.url({ error: "must be a URL" }).default(DEFAULTS.cilium.repository),
        images: z
          .strictObject({
            agent: image,
            /** The chart appends `-generic` to the repository. */
            operator: image,
            envoy: image,
            /** Bring Cilium's images from this machine's Docker into the nodes instead of pulling them there. */
            load: flag().default(false),
          })
          .prefault({}),
        /** Whether a Cilium that somebody else installed in an existing cluster is taken over; destroy then leaves it. */
        adopt: flag().default(false),
        /** Networks that pods reach without masquerading, in native routing. */
        nativeRoutingCIDR: cidr.default(DEFAULTS.cilium.nativeRoutingCIDR),
        /** Install routes to the other nodes' pods; needs all nodes in one network. Default: with native routing. */
        autoDirectNodeRoutes: flag().optional(),
        /**
         * Helm values merged last, over everything that this project sets. In a key with dots, such as
         * `cilium.values.l7Proxy`, true, false, null and whole numbers are no text.
         */
        values: z.record(z.string(), z.json(), { error: "must be an object of Helm values" }).default({}),
      })
      .prefault({}),
    hubble: z
      .strictObject({
        /** Collects the flows of all agents, for the command `hubble` and the UI. */
        relay: flag().default(false),
        /** Shows flows and services in a browser; needs `relay`. */
        ui: flag().default(false),
      })
      .prefault({}),
    nettool: z
      .strictObject({
        nodePort: integer(30000, 32767).default(DEFAULTS.nettool.nodePort),
        /** Base of the image built from `images/nettool`: a Debian or Ubuntu. */
        baseImage: imageReference.default(DEFAULTS.nettool.baseImage),
        /** A ready image with the same tools, instead of the build. */
        image: imageReference.optional(),
        /** Bring the ready `image` from this machine's Docker into the nodes; false: let the nodes pull it. */
        loadImage: flag().default(true),
      })
      .prefault({}),
  });
}

export type ParsedSettings = z.output<ReturnType<typeof schemaFor>>;

/** Any stack's schema, for its keys. */
const SCHEMA = schemaFor({ project: "", stack: "" });

/** The keys that exist below a path of the configuration. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  let at: unknown = SCHEMA;
  for (const step of path) at = child(unwrap(at), step);
  const inner = unwrap(at);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** Every setting's whole path, as far as the schema names its keys. */
export function settingPaths(path: readonly string[] = []): string[] {
  return knownKeys(path).flatMap((key) => [[...path, key].join("."), ...settingPaths([...path, key])]);
}

function child(schema: unknown, step: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) return (schema.shape as Record<PropertyKey, unknown>)[step];
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}

function unwrap(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodOptional) at = at.unwrap();
  return at;
}
