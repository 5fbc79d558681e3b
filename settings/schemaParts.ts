import { z } from "zod";
import { isIpv4Address, type CidrProblem } from "../modes/cidr";
import type { KubeProxyReplacement } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import { networkPairProblem } from "../modes/ipFamily";
import { endpointUrlProblem } from "../modes/registryMirrors";
import { isOfOtherHome, withHome } from "./homePath";

/** What a schema knows about a setting beside its type: the source of all documentation of settings. */
export interface SettingMeta {
  /** Meaning, range and consequences. In code, settings and values are in backquotes. */
  readonly description: string;
  /** Description of a default that is not a fixed value. */
  readonly defaultText?: string;
  /** Name of an object's type in the Pulumi package's schema. */
  readonly title?: string;
  /** What else to do about a wrong value. */
  readonly hint?: string;
}

/** Parameters of the schema's own issues. */
export type IssueParams = Pick<CidrProblem, "suggestion">;

export const about = <T extends z.ZodType>(
  schema: T,
  description: string,
  more: Omit<SettingMeta, "description"> = {},
): T => schema.meta({ description, ...more });

// `pulumi config set` stores text, YAML has booleans and numbers: both are accepted
export const flag = () =>
  z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")], {
    error: "must be true or false",
  });

export const integer = (min: number, max: number) => {
  const error = `must be an integer from ${min} to ${max}`;
  const number = z.int({ error, abort: true }).min(min, { error }).max(max, { error });
  return z.union([number, z.string().regex(/^\d+$/).transform(Number).pipe(number)], { error });
};

/** A network, or in a dual-stack cluster one of each family. */
export const cidr = z
  .string({ error: "must be an IPv4 network such as 10.0.0.0/16" })
  .superRefine((text, context) => {
    const problem = networkPairProblem(text);
    if (problem === undefined) return;
    const params: IssueParams = { suggestion: problem.suggestion };
    context.addIssue({ code: "custom", message: problem.rule, params: { ...params } });
  })
  // for the JSON Schema, which cannot hold the function
  .meta({ pattern: "^(\\d{1,3}\\.){3}\\d{1,3}/\\d{1,2}(, ?[\\da-fA-F:]+/\\d{1,3})?$" });

const port = integer(1, 65535);
export const text = z.string({ error: "must be a string" }).min(1, { error: "must not be empty", abort: true });

/** A text that may be a path of this machine: `~` and `~/x` are of the home folder. */
export const path = text
  .refine((value) => !isOfOtherHome(value), "must not start with ~ and a name; set the whole path")
  .overwrite(withHome);

/** Several paths; one needs no list. */
export const paths = (error: string) => z.union([path, z.array(path)], { error }).transform((value) => [value].flat());

// passed to commands as one argument, which must not look like an option or like two arguments
const argument = (rule: string) => text.regex(/^[A-Za-z0-9][\w.:/@-]*$/, rule);
export const imageReference = argument("must be an image reference such as debian:12-slim");

export const resolver = text
  .refine(isIpv4Address, "must be an IPv4 address")
  .regex(/^(?!127\.|0\.0\.0\.0$)/, "is in the pod of CoreDNS itself, which would ask itself; set another resolver");

/** Name of a registry's folder on nodes; a path would escape from it. */
export const registryHost = text.regex(
  /^(\w[\w.-]*|\[[\da-fA-F:]+\])(:\d+)?$/,
  "must be the host of a registry, such as docker.io or localhost:5000",
);

/** Values of `kubeProxyReplacement`: current ones, and those of older Cilium versions. */
const KUBE_PROXY_WORDS: ReadonlyMap<string, KubeProxyReplacement> = new Map<string, KubeProxyReplacement>([
  ["true", true],
  ["false", false],
  ["strict", true],
  ["disabled", false],
  ["partial", "partial"],
  ["probe", "probe"],
]);

export const kubeProxyReplacement = z
  .union([z.boolean(), z.string()], { error: "must be true or false" })
  .transform((value, context): KubeProxyReplacement => {
    const meaning = typeof value === "boolean" ? value : KUBE_PROXY_WORDS.get(value.toLowerCase());
    if (meaning !== undefined) return meaning;
    context.addIssue({
      code: "invalid_value",
      values: [...KUBE_PROXY_WORDS.keys()],
      input: value,
      message: "must be true or false (or a value of older Cilium versions: strict, disabled, partial, probe)",
    });
    return z.NEVER;
  })
  .meta({ enum: [true, false, ...KUBE_PROXY_WORDS.keys()] });

export const image = (description: string) =>
  about(
    z
      .strictObject({
        repository: about(
          argument("must be the name of an image, such as quay.io/cilium/cilium").optional(),
          "Name without tag",
          { defaultText: "the chart's" },
        ),
        tag: about(argument("must be the tag of an image, such as v1.20.2").optional(), "Tag", {
          defaultText: "the chart's",
        }),
        useDigest: about(flag().optional(), "Append the chart's digest", {
          defaultText: "`true` for the chart's own image, unless `cilium.images.load` is set",
        }),
      })
      .prefault({}),
    description,
    { title: "Image", defaultText: "the chart's" },
  );

/** A version as charts name it; images have tags with v. */
export const withoutV = (version: string) => version.replace(/^v/, "");

export const nodeName = text.regex(/^(control-plane|worker-[1-9]\d{0,3})$/, "must be control-plane or worker-<number>");

export const portMapping = about(
  z.strictObject({
    node: about(
      nodeName.default(DEFAULTS.cluster.portMapping.node),
      "Node whose port is mapped: `control-plane`, `worker-1`, …",
    ),
    containerPort: about(port, "Port of the node, 1 to 65535", { defaultText: "required" }),
    hostPort: about(integer(0, 65535), "Port of this machine, 1 to 65535; with 0 Docker chooses a free one", {
      defaultText: "required",
    }),
    listenAddress: about(
      text.refine(isIpv4Address, "must be an IPv4 address").default(DEFAULTS.cluster.portMapping.listenAddress),
      "IPv4 address of this machine to listen on; other machines cannot reach 127.0.0.1",
    ),
    protocol: about(
      z
        .enum(["TCP", "UDP", "SCTP"], { error: "must be TCP, UDP or SCTP" })
        .default(DEFAULTS.cluster.portMapping.protocol),
      "`TCP`, `UDP` or `SCTP`",
    ),
  }),
  "Port of this machine that leads to a node",
  { title: "PortMapping" },
);

export const mount = about(
  z.strictObject({
    hostPath: about(
      path.regex(/^[^:]+$/, "must not have a colon, at which Docker divides a mount"),
      "Path on this machine",
      { defaultText: "required" },
    ),
    containerPath: about(
      text.regex(/^\/+[^/:][^:]*$/, "must be an absolute path below /, without a colon"),
      "Absolute path in every node",
      { defaultText: "required" },
    ),
    readOnly: about(flag().default(false), "Mount read-only"),
  }),
  "Path of this machine that every node mounts",
  { title: "Mount" },
);

/** Fields of settings that messages never show, and that stack files may hold encrypted. */
export const SECRET_FIELDS: readonly string[] = ["authorization", "clientCertificate", "clientKey"];

const endpointUrl = z
  .string({ error: "must be an http or https URL" })
  .superRefine((url, context) => {
    const message = endpointUrlProblem(url);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  })
  .meta({ format: "uri" });

const pemFile = (what: string) =>
  about(path.optional(), `${what}: a PEM file of this machine, or its content`, { defaultText: "none" });

const endpoint = z.union(
  [
    endpointUrl,
    about(
      z.strictObject({
        url: about(endpointUrl, "http or https URL without user and password", { defaultText: "required" }),
        overridePath: about(
          flag().optional(),
          "Send requests to the URL's path as it is, instead of to `/v2` below it, as Harbor's proxy projects require",
          { defaultText: "`true` if the path continues after `/v2`" },
        ),
        ca: pemFile("Certificate authorities to trust beside the nodes' own"),
        clientCertificate: pemFile("Client certificate, perhaps with its key"),
        clientKey: pemFile("Key of the client certificate"),
        authorization: about(
          text
            .regex(/^[!-~]+ [!-~]+$/, "must be a scheme and credentials, such as Basic and the base64 of user:password")
            .refine(
              (header) => !/^basic (?![\w+/-]+=*$)/i.test(header),
              "must have base64 after Basic, that of user:password",
            )
            .optional(),
          "`Authorization` header: a scheme and credentials, such as `Basic <base64 of user:password>`",
          { defaultText: "none" },
        ),
        insecure: about(flag().optional(), "Skip the verification of the TLS certificate", {
          defaultText: "`insecure` of the mirrors",
        }),
      }),
      "Registry that is asked before another one",
      { title: "RegistryEndpoint" },
    ),
  ],
  { error: "must be an http or https URL, or an object with one" },
);

export const mirror = about(
  z.strictObject(
    {
      endpoints: about(
        z.array(endpoint).min(1, "must have at least one endpoint"),
        "Registries to ask in this order, before the registry itself: URLs, or objects with the fields below",
        { defaultText: "required" },
      ),
      insecure: about(flag().default(false), "Skip the verification of the endpoints' TLS certificates"),
    },
    { error: (issue) => (issue.code === "invalid_type" ? "must be an object with a list of endpoints" : undefined) },
  ),
  "Mirrors of a registry",
  { title: "RegistryMirror" },
);
