import semver from "semver";
import { z } from "zod";
import { isIpv4Address } from "../modes/cidr";
import { NEWEST_CILIUM_MINOR } from "../modes/ciliumVersion";
import { TUNNELS } from "../modes/contract";
import {
  ACCELERATIONS,
  DATAPATH_MODES,
  DSR_DISPATCHES,
  LOAD_BALANCER_ALGORITHMS,
  LOAD_BALANCER_MODES,
} from "../modes/datapathChoice";
import { defaultClusterName } from "../modes/clusterName";
import { DEFAULTS, VERIFY, VERIFY_WHEN } from "../modes/defaults";
import { IPAM_MODES } from "../modes/ipam";
import { DEFAULT_IPV6, IP_FAMILIES } from "../modes/ipFamily";
import { DEFAULT_KUBE_PROXY_MODE, KUBE_PROXY_MODES } from "../modes/kubeProxy";
import { DEFAULT_RELEASE, NODE_IMAGES, RELEASE_NAMES } from "../modes/releases";
import {
  about,
  flag,
  integer,
  cidr,
  text,
  path,
  paths,
  imageReference,
  resolver,
  registryHost,
  kubeProxyReplacement,
  image,
  withoutV,
  nodeName,
  portMapping,
  mount,
  mirror,
} from "./schemaParts";

/** A word that may be left to Cilium. */
const word = <Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, { error: `must be one of ${words.join(", ")}` }).optional();

/** Hint about the cluster's name, whose default follows the stack's name and can be invalid. */
export const NAME_HINT = "set another name; the default is <project>-<stack>";

/**
 * The schema of a stack's configuration, and the only place where settings are described: tables in the documentation,
 * the JSON Schema of stack files and the Pulumi package's schema are generated from it. Changing a setting of `cluster`
 * replaces a kind cluster, except `registryMirrors` and `exportKubeconfig`.
 */
export function schemaFor({ project, stack }: { project: string; stack: string }) {
  return z.strictObject({
    release: about(
      z
        .enum(RELEASE_NAMES, {
          error: `must be one of ${RELEASE_NAMES.map((name) => `"${name}"`).join(", ")}, in quotes`,
        })
        .default(DEFAULT_RELEASE),
      `Versions of Cilium and Kubernetes that are tested together, \`"${RELEASE_NAMES.at(-1)}"\` to \`"${RELEASE_NAMES[0]}"\`. In quotes, since YAML reads 1.20 as the number 1.2`,
    ),
    tunnel: about(
      z.enum(TUNNELS, { error: `must be one of ${TUNNELS.join(", ")}` }).default(DEFAULTS.tunnel),
      "Encapsulation of pod traffic between nodes: `disabled` (native routing), `vxlan` or `geneve`",
    ),
    kubeProxyReplacement: about(
      kubeProxyReplacement.default(false),
      "Replace kube-proxy with Cilium. Also accepts the values of older Cilium versions: `strict` (true), `disabled` (false), `partial` (Cilium 1.12 to 1.15) and `probe` (1.12.0 to 1.12.10), which both keep kube-proxy. Adding or removing kube-proxy replaces the cluster",
    ),
    kubeProxy: about(
      z
        .strictObject({
          mode: about(
            z.enum(KUBE_PROXY_MODES, { error: `must be one of ${KUBE_PROXY_MODES.join(", ")}` }).optional(),
            "How kube-proxy translates Services in mode `kubeproxy`: `iptables`, `nftables` (Kubernetes 1.31 or newer) or `ipvs` (deprecated since Kubernetes 1.35; the kernel needs IPVS). A change replaces the cluster",
            { defaultText: `\`${DEFAULT_KUBE_PROXY_MODE}\`; an external cluster keeps its own` },
          ),
        })
        .prefault({}),
      "kube-proxy of a new cluster",
    ),
    bpf: about(
      z
        .strictObject({
          masquerade: about(
            flag().default(false),
            "Masquerade in BPF, which also enables BPF host routing. Requires `kubeProxyReplacement`",
          ),
          hostLegacyRouting: about(
            flag().default(false),
            "Let packets pass the host's stack also with BPF masquerading (mode `ebpf-legacy`), for firewalls on nodes and Talos' host DNS. The Helm value `bpf.hostLegacyRouting: true` means the same",
          ),
          datapathMode: about(
            word(DATAPATH_MODES),
            "Kind of the pods' devices: `veth`, `netkit` or `netkit-l2` (Cilium 1.16, Linux 6.8, BPF host routing), or `auto` (Cilium 1.20), with which agents choose netkit or, without a message, veth. Cannot change while pods run",
            { defaultText: "Cilium's, `veth`" },
          ),
          enableTCX: about(
            flag().optional(),
            "Attach Cilium's programs to devices by TCX, which needs Cilium 1.16 and Linux 6.6; with false, by legacy tc",
            { defaultText: "Cilium's: `true` where the kernel has TCX" },
          ),
        })
        .prefault({}),
      "BPF features of Cilium",
    ),
    loadBalancer: about(
      z
        .strictObject({
          mode: about(
            word(LOAD_BALANCER_MODES),
            "How a NodePort's requests from outside reach a pod on another node: with the asked node's address, to which the pod replies (`snat`); with the client's address, to which the pod replies directly (`dsr`); or like `dsr` by TCP and like `snat` by UDP (`hybrid`). Requires `kubeProxyReplacement`",
            { defaultText: "Cilium's, `snat`" },
          ),
          dsrDispatch: about(
            word(DSR_DISPATCHES),
            "How DSR tells the pod's node of the asked address: by an IP option (`opt`, in native routing), by Geneve (`geneve`, Cilium 1.14, in native routing or `tunnel: geneve`), or by IP in IP (`ipip`, Cilium 1.19, in native routing)",
            { defaultText: "Cilium's, `opt`" },
          ),
          algorithm: about(
            word(LOAD_BALANCER_ALGORITHMS),
            "Choice of the pod for a request from outside: `random`, or `maglev`, with which every node chooses the same pod for a client's address and port. Requests from pods are always random. Requires `kubeProxyReplacement`",
            { defaultText: "Cilium's, `random`" },
          ),
          acceleration: about(
            word(ACCELERATIONS),
            "Serve requests from outside with XDP: `disabled`, `native` (on all devices), or `best-effort` (Cilium 1.15: on devices whose driver can). On kind's devices XDP loses requests, and the verification fails. Requires `kubeProxyReplacement`",
            { defaultText: "Cilium's, `disabled`" },
          ),
        })
        .prefault({}),
      "How Cilium serves NodePorts",
      { title: "LoadBalancer" },
    ),
    socketLB: about(
      z
        .strictObject({
          hostNamespaceOnly: about(
            flag().optional(),
            "Let the socket load balancer serve the nodes' own sockets only, as Istio needs it; pods' packets are translated at the pods' devices. Requires `kubeProxyReplacement`",
            { defaultText: "Cilium's, `false`" },
          ),
        })
        .prefault({}),
      "The load balancer in sockets",
      { title: "SocketLB" },
    ),
    verify: about(
      z
        .union([z.enum(VERIFY), z.literal([false, "false"]).transform((): "off" => "off")], {
          // YAML 1.1 reads off as false
          error: `must be one of ${VERIFY.join(", ")}`,
        })
        .default(DEFAULTS.verify),
      "Consequence of a mode that is not in force: `strict` fails the run, `warn` only reports it, `off` skips the verification",
    ),
    verifyWhen: about(
      z.enum(VERIFY_WHEN, { error: `must be one of ${VERIFY_WHEN.join(", ")}` }).default(DEFAULTS.verifyWhen),
      "Runs of `pulumi up` that verify: those that change something (`changed`), or all (`always`, with which every preview shows an update)",
    ),
    verifyNodes: about(
      integer(1, 1000).default(DEFAULTS.verifyNodes),
      "Maximum number of nodes to verify, 1 to 1000; larger clusters are sampled",
    ),
    cluster: about(
      z
        .strictObject({
          kubeconfig: about(
            z
              // JSON is valid YAML, and arrives as an object
              .union([path, z.record(z.string(), z.unknown()).transform((value) => JSON.stringify(value))], {
                error: "must be the path or the content of a kubeconfig",
              })
              .optional(),
            "External cluster to use instead of a new kind cluster: path of its kubeconfig, or the content (as a secret)",
            { defaultText: "none" },
          ),
          context: about(
            text.optional(),
            "Context of the external cluster in `cluster.kubeconfig`; without that, in your own kubeconfig",
            { defaultText: "the current context" },
          ),
          name: about(
            text
              .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must consist of a-z, 0-9 and inner dashes")
              .prefault(defaultClusterName(project, stack)),
            "Name of the kind cluster, and Cilium's name of the cluster: a-z, 0-9 and inner dashes, at most 32 characters (49 with Cilium 1.15 or older)",
            { defaultText: "`<project>-<stack>`", hint: NAME_HINT },
          ),
          kubernetesVersion: about(
            z
              .enum(Object.keys(NODE_IMAGES) as [string, ...string[]], {
                error: `must be one of ${Object.keys(NODE_IMAGES).join(", ")}`,
              })
              .optional(),
            `Kubernetes version of the nodes: one whose node image is known by digest, ${Object.keys(NODE_IMAGES).at(-1)} to ${Object.keys(NODE_IMAGES)[0]}`,
            { defaultText: "the release's", hint: "for another version set cluster.nodeImage" },
          ),
          nodeImage: about(
            imageReference.optional(),
            "Node image that kind accepts; overrides `cluster.kubernetesVersion`",
            { defaultText: "kind's image of that version, by digest" },
          ),
          workers: about(
            integer(0, 20).default(DEFAULTS.cluster.workers),
            "Number of nodes in addition to the control plane, 0 to 20",
          ),
          ipFamily: about(
            z
              .enum(IP_FAMILIES, { error: `must be one of ${IP_FAMILIES.join(", ")}` })
              .default(DEFAULTS.cluster.ipFamily),
            "Addresses of pods, Services and nodes in a new cluster: `ipv4`, or IPv4 and IPv6 (`dual`). `ipv6` alone is not supported yet. A change replaces the cluster",
          ),
          podCidr: about(
            cidr.optional(),
            "IPv4 network of the pods, /8 or smaller; each node gets a /24 of it. With `ipFamily: dual`, an IPv6 network, from /48 to /64, may follow behind a comma; each node gets a /64 of it. The Cilium of an external cluster keeps its own",
            {
              defaultText: `\`${DEFAULTS.cluster.podCidr}\`, with \`dual\` also \`${DEFAULT_IPV6.podCidr}\`; in an external cluster that has a Cilium, its pool`,
            },
          ),
          serviceCidr: about(
            cidr.default(DEFAULTS.cluster.serviceCidr),
            `IPv4 network of the Services' ClusterIPs, from /12 to /28. With \`ipFamily: dual\`, an IPv6 network, from /108 to /124, may follow behind a comma; the default is \`${DEFAULT_IPV6.serviceCidr}\``,
          ),
          registryMirrors: about(
            z.record(registryHost, mirror, { error: "must be an object of registries" }).default({}),
            "Mirrors by registry host, such as `docker.io`, or `_default` for all others; written to the nodes as `hosts.toml`. Changes do not replace the cluster",
          ),
          portMappings: about(z.array(portMapping).default([]), "Ports of this machine that lead to nodes"),
          nodeLabels: about(
            z
              .record(
                nodeName,
                z.record(z.string(), z.string({ error: "must be a string, in quotes" }), {
                  error: "must be an object of labels",
                }),
                { error: "must be an object of nodes" },
              )
              .default({}),
            "Labels of Kubernetes nodes by node (`control-plane`, `worker-1`, …) and key, such as `topology.kubernetes.io/zone`",
          ),
          featureGates: about(
            z
              .record(
                text.regex(/^[A-Z][A-Za-z0-9]*$/, "must be the name of a feature gate, such as AllAlpha"),
                flag(),
                {
                  error: "must be an object of feature gates",
                },
              )
              .default({}),
            "Feature gates of Kubernetes' components, true or false by name",
          ),
          kubeadmConfigPatches: about(
            z
              .array(
                z.union([text, z.record(z.string(), z.unknown()).transform((value) => JSON.stringify(value))], {
                  error: "must be a patch in YAML, as text or as an object",
                }),
              )
              .default([]),
            "Merge patches of kubeadm's configuration for all nodes, each a YAML document with a `kind` such as `KubeletConfiguration`",
          ),
          apiServerAddress: about(
            text.refine(isIpv4Address, "must be an IPv4 address").default(DEFAULTS.cluster.apiServerAddress),
            "IPv4 address of this machine on which the API server listens; other machines cannot reach 127.0.0.1",
          ),
          apiServerPort: about(
            integer(0, 65535).default(DEFAULTS.cluster.apiServerPort),
            "Port of this machine for the API server, 1 to 65535; with 0 kind chooses a free one when it creates the cluster",
          ),
          mounts: about(z.array(mount).default([]), "Paths of this machine that every node mounts"),
          exportKubeconfig: about(
            flag().default(false),
            "Write the context `kind-<name>` to your kubeconfig; `destroy` removes it. Changes do not replace the cluster",
          ),
        })
        .prefault({}),
      "The kind cluster, or the external cluster to use",
    ),
    dns: about(
      z
        .strictObject({
          forward: about(
            z
              .union([z.enum(["auto", "node"]), z.array(resolver).min(1)], {
                error: 'must be "auto", "node" or a list of IPv4 addresses',
              })
              .default(DEFAULTS.dnsForward),
            "Resolvers that CoreDNS forwards external names to: this machine's if the mode needs them (`auto`), the nodes' own (`node`), or a list of IPv4 addresses",
          ),
        })
        .prefault({}),
      "Name resolution in the cluster",
    ),
    cilium: about(
      z
        .strictObject({
          version: about(
            text
              .refine((version) => semver.valid(version) === withoutV(version), "must be a version such as 1.20.2")
              .transform(withoutV)
              .optional(),
            `Version of Cilium's chart and images, 1.12.0 or newer; above ${NEWEST_CILIUM_MINOR}, the rules of ${NEWEST_CILIUM_MINOR} apply, with a warning`,
            { defaultText: "the release's" },
          ),
          chart: about(
            path
              .regex(/^[^-\p{Cc}]\P{Cc}*$/u, "must be the name of a chart, an oci:// reference or a path")
              .regex(/^(?!(?!oci:)\w+:\/\/)/, "must not be a URL; download the chart and set its path")
              .regex(
                /^[./~]|\.tgz$|^oci:|^[^/]*$/,
                "must be the chart's name alone, or a path that starts with ./ or /",
              )
              .default(DEFAULTS.cilium.chart),
            "Chart name in `cilium.repository`, an `oci://` reference, or the path of a chart's folder or `.tgz`",
          ),
          repository: about(
            z
              .url({ error: "must be a URL" })
              .regex(
                /^(?!oci:)/,
                "must be a Helm repository; for a registry, set cilium.chart to oci:// and the chart's path",
              )
              .default(DEFAULTS.cilium.repository),
            "Helm repository of `cilium.chart`; ignored for paths and `oci://`",
          ),
          images: about(
            z
              .strictObject({
                agent: image("Image of the agent and its init containers"),
                operator: image("Image of the operator; the chart appends `-generic` to the repository"),
                envoy: image("Image of Envoy"),
                load: about(
                  flag().default(false),
                  "Load Cilium's images from this machine's Docker into the nodes, and refer to them by tag",
                ),
              })
              .prefault({}),
            "Images of Cilium",
            { title: "Images" },
          ),
          adopt: about(
            flag().default(false),
            "Take over a Cilium that another owner installed in an external cluster; `destroy` leaves it there",
          ),
          ipam: about(
            z
              .strictObject({
                mode: about(
                  z.enum(IPAM_MODES, { error: `must be ${IPAM_MODES.join(" or ")}` }).optional(),
                  "Who gives nodes the networks of their pods: Cilium's operator (`cluster-pool`), or Kubernetes in the nodes' `spec.podCIDRs` (`kubernetes`). Cannot change while pods run",
                  { defaultText: "`cluster-pool`; in an external cluster that has a Cilium, its mode" },
                ),
              })
              .prefault({}),
            "Addresses of pods",
          ),
          nativeRoutingCIDR: about(
            cidr.default(DEFAULTS.cilium.nativeRoutingCIDR),
            "IPv4 network that pods reach without masquerading in native routing; contains `cluster.podCidr`. With `cluster.ipFamily: dual`, an IPv6 network may follow behind a comma; the default is the pods' IPv6 network",
          ),
          autoDirectNodeRoutes: about(
            flag().optional(),
            "Install routes to the pods of other nodes; requires that all nodes share a network",
            { defaultText: "`true` in native routing" },
          ),
          valuesFiles: about(
            paths("must be the path of a values file, or a list of them").default([]),
            "Helm values files, by paths relative to the project: one, or a list that is merged in this order before `cilium.values`. Checked as these are",
          ),
          manifests: about(
            paths("must be the path or the URL of a manifest, or a list of them")
              .refine((sources) => !sources.some((source) => /^https?:\/\/[^/?#]*@/i.test(source)), {
                error: "must not hold a user or password; download the file and set its path",
              })
              .default([]),
            "Manifests of Kubernetes objects to create before Cilium, by paths relative to the project or by URLs: one, or a list",
          ),
          values: about(
            z.record(z.string(), z.json(), { error: "must be an object of Helm values" }).default({}),
            "Helm values that are merged last, and checked against the chart's version. In a dotted key such as `cilium.values.l7Proxy`, true, false, null and integers are not strings",
          ),
        })
        .prefault({}),
      "Cilium's Helm release",
    ),
    hubble: about(
      z
        .strictObject({
          relay: about(
            flag().default(false),
            "Run Hubble Relay, which collects the flows of all agents; the agents' own Hubble is always enabled",
          ),
          ui: about(
            flag().default(false),
            "Run the Hubble UI, which requires `hubble.relay`; `npx cilium-modes hubble-ui <stack>` port-forwards it",
          ),
        })
        .prefault({}),
      "Parts of Hubble in addition to the agents",
      { title: "Hubble" },
    ),
    nettool: about(
      z
        .strictObject({
          nodePort: about(
            integer(30000, 32767).default(DEFAULTS.nettool.nodePort),
            "NodePort of the test workload's Service, 30000 to 32767",
          ),
          baseImage: about(
            imageReference.default(DEFAULTS.nettool.baseImage),
            "Debian or Ubuntu image that the tools of the workload's image come from; `images/nettool/tools` lists them",
          ),
          image: about(imageReference.optional(), "Existing image with the same tools, instead of the build", {
            defaultText: "built from `images/nettool`",
          }),
          loadImage: about(
            flag().default(true),
            "Load `nettool.image` from this machine's Docker into the nodes; with false, the nodes pull it",
          ),
        })
        .prefault({}),
      "The test workload",
    ),
  });
}

export type ParsedSettings = z.output<ReturnType<typeof schemaFor>>;
