import { CILIUM_NAMESPACE } from "../../cluster/agents";
import type { EvidenceCluster } from "../../cluster/read";
import { valueOf, type ApiEvidence } from "../evidence/api";
import { fail, firstOf, inconclusive, pass, skipped, warning, whyUnread, type Check, type Finding } from "./check";
import { isCiliums, podsWithoutEndpoint } from "./kubernetes";

/** A webhook of a ValidatingWebhookConfiguration or MutatingWebhookConfiguration, as far as it decides whether objects can be written. */
interface Webhook {
  readonly name: string;
  readonly failurePolicy?: string;
  readonly clientConfig?: { readonly service?: { readonly namespace: string; readonly name: string } };
  readonly rules?: readonly { readonly resources?: readonly string[]; readonly operations?: readonly string[] }[];
}

interface Configuration {
  readonly metadata: { readonly name: string };
  readonly webhooks?: readonly Webhook[];
}

/** A webhook with the configuration that has it. */
interface Registered extends Webhook {
  readonly kind: "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration";
  readonly configuration: string;
}

const KINDS = {
  ValidatingWebhookConfiguration: "validatingwebhookconfigurations",
  MutatingWebhookConfiguration: "mutatingwebhookconfigurations",
} as const;

/** A ValidatingAdmissionPolicy, as far as it tells which objects it is asked about. */
interface Policy {
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly matchConstraints?: {
      readonly resourceRules?: readonly {
        readonly apiGroups?: readonly string[];
        readonly resources?: readonly string[];
        readonly operations?: readonly string[];
      }[];
    };
  };
}

interface Binding {
  readonly spec?: { readonly policyName?: string; readonly validationActions?: readonly string[] };
}

/** What admission was read of. */
interface Admission {
  readonly webhooks: readonly Registered[];
  /** Policies that deny what their expressions do not allow, or why they are unknown. */
  readonly denying: readonly Denying[] | string;
}

/** A policy, with the resources that it concerns. */
interface Denying {
  readonly name: string;
  readonly concerned: readonly string[];
  readonly isOfCilium: boolean;
}

/** Objects that Kubernetes and Cilium write whenever a pod or a node changes. */
const NEEDED =
  /^(?:\*(?:\/\*)?|pods|nodes|leases|endpoints|endpointslices|services|ciliumnodes|ciliumendpoints|ciliumendpointslices|ciliumidentities)$/;

/** Objects of cilium.io that Cilium writes itself; users write the others. */
const OF_CILIUM = /^(?:\*(?:\/\*)?|cilium(?:nodes|endpoints|endpointslices|identities)(?:\/.*)?)$/;

const WRITES = new Set(["*", "CREATE", "UPDATE"]);

/** Policies that may refuse to write Cilium's objects; only a try shows what their expressions do. */
async function readDenying(cluster: Pick<EvidenceCluster, "list">): Promise<readonly Denying[]> {
  const [policies, bindings] = await Promise.all([
    cluster.list<Policy>("admissionregistration.k8s.io/v1", "validatingadmissionpolicies"),
    cluster.list<Binding>("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings"),
  ]);
  const bound = new Set(
    bindings.flatMap(({ spec }) => (spec?.validationActions?.includes("Deny") ? [spec.policyName] : [])),
  );
  return policies.flatMap(({ metadata: { name }, spec }) => {
    // one that concerns pods has let those that exist pass
    const rules = (spec?.matchConstraints?.resourceRules ?? []).filter(
      ({ apiGroups = [], resources = [], operations = [] }) =>
        apiGroups.some((each) => each === "*" || each === "cilium.io") &&
        resources.some((each) => OF_CILIUM.test(each)) &&
        operations.some((each) => WRITES.has(each)),
    );
    if (rules.length === 0 || !bound.has(name)) return [];
    const isOfCilium = rules.some(({ apiGroups = [] }) => apiGroups.includes("cilium.io"));
    const concerned = rules.flatMap(({ apiGroups = [], resources = [] }) =>
      apiGroups.flatMap((group) => resources.map((each) => `${each}.${group}`)),
    );
    return [{ name, concerned, isOfCilium }];
  });
}

/** Whether pods wait for their network, or run and Cilium has no endpoint for them. */
function lacksEndpoints({ stuckPods, pods, ciliumEndpoints, config }: ApiEvidence): string | undefined {
  const stuck = valueOf(stuckPods ?? { value: [] }, []).find(isCiliums);
  if (stuck !== undefined) return `${stuck.namespace}/${stuck.name} gets no network on ${stuck.node}`;
  if ("error" in ciliumEndpoints || valueOf(config, undefined)?.data["disable-endpoint-crd"] === "true")
    return undefined;
  const [unknown] = podsWithoutEndpoint(valueOf(pods, []), ciliumEndpoints.value);
  return unknown && `${unknown.namespace}/${unknown.name} has no CiliumEndpoint`;
}

function judgeDenying({ denying }: Admission, api: ApiEvidence, isExternal: boolean | undefined): Finding[] {
  if (typeof denying === "string") return [skipped("cluster", `admission policies: ${denying}`)];
  const lack = lacksEndpoints(api);
  return denying.flatMap(({ name, concerned, isOfCilium }): Finding[] => {
    const seen = `ValidatingAdmissionPolicy ${name}: ${firstOf(concerned, 3)}`;
    const remedy = `kubectl -n ${CILIUM_NAMESPACE} logs -l k8s-app=cilium -c cilium-agent --tail=-1 | grep "'${name}' with binding" shows what it denied; if that is Cilium's, except Cilium's accounts in it, or: kubectl delete validatingadmissionpolicy ${name}`;
    if (lack !== undefined) {
      const reason = `the policy ${name} can refuse writes of these objects, and ${lack}`;
      return [(isExternal ? warning : fail)("cluster", seen, reason, remedy, { cause: "admission-policy" })];
    }
    // clusters have harmless ones of every group
    if (!isOfCilium) return [];
    return [warning("cluster", seen, `the policy ${name} can refuse writes of Cilium's objects`, remedy)];
  });
}

/** Whether dead admission webhooks or policies block writes of the control plane and of Cilium. */
export const webhooksCheck: Check<Admission | string> = {
  id: "webhooks",
  question:
    "Does a Service answer for every admission webhook that can refuse pods, endpoints and Cilium's objects, and does no admission policy refuse them?",
  needs: [],
  async read(cluster) {
    try {
      const lists = Object.entries(KINDS).map(async ([kind, plural]) => {
        const all = await cluster.list<Configuration>("admissionregistration.k8s.io/v1", plural);
        return all.flatMap(({ metadata, webhooks = [] }) =>
          webhooks.map((each) => ({ ...each, kind: kind as Registered["kind"], configuration: metadata.name })),
        );
      });
      const [webhooks, denying] = await Promise.all([Promise.all(lists), readDenying(cluster).catch(whyUnread)]);
      return { webhooks: webhooks.flat(), denying };
    } catch (error) {
      return whyUnread(error);
    }
  },
  judge({ api }, { isExternal }, admission) {
    if (admission === undefined || typeof admission === "string") {
      const why = admission ?? "webhooks were not read";
      // a recorded cluster was not asked, and an account may not be allowed to
      return ["error" in api.nodes ? inconclusive("cluster", why) : skipped("cluster", why)];
    }
    const services = valueOf(api.services, undefined);
    const endpoints = valueOf(api.endpoints, undefined);
    if (services === undefined || endpoints === undefined)
      return [skipped("cluster", "Services or EndpointSlices could not be read")];
    const { webhooks } = admission;
    const dead = webhooks.flatMap((each): Finding[] => {
      const { service } = each.clientConfig ?? {};
      const needed = (each.rules ?? []).flatMap(({ resources = [] }) => resources.filter((name) => NEEDED.test(name)));
      // what is refused only if a webhook answers so
      if (each.failurePolicy === "Ignore" || service === undefined || needed.length === 0) return [];
      const of = (one: { readonly namespace: string }, name: string) =>
        one.namespace === service.namespace && name === service.name;
      if (endpoints.some((one) => of(one, one.service) && one.addresses.length > 0)) return [];
      const target = `${service.namespace}/${service.name}`;
      const problem = services.some((one) => of(one, one.name)) ? "has no ready endpoint" : "does not exist";
      return [
        (isExternal ? warning : fail)(
          "cluster",
          `${each.kind} ${each.configuration}: ${needed.join(", ")}`,
          `the webhook ${each.name} fails, as its Service ${target} ${problem}: the API server refuses to write ${needed.join(", ")}, so that Services and policies no longer follow the pods`,
          `start what answers at ${target}; if nobody needs it: kubectl delete ${each.kind.toLowerCase()} ${each.configuration}`,
          { cause: "webhook-unreachable" },
        ),
      ];
    });
    const found = [...dead, ...judgeDenying(admission, api, isExternal)];
    return found.length > 0 ? found : [pass("cluster", `${webhooks.length} webhooks, none unreachable`)];
  },
};
