import { valueOf } from "../evidence/api";
import { fail, inconclusive, pass, skipped, warning, whyUnread, type Check, type Finding } from "./check";

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

/** Objects that Kubernetes and Cilium write whenever a pod or a node changes. */
const NEEDED =
  /^(?:\*(?:\/\*)?|pods|nodes|leases|endpoints|endpointslices|services|ciliumnodes|ciliumendpoints|ciliumendpointslices|ciliumidentities)$/;

/** Whether no admission webhook that nobody answers keeps the control plane and Cilium from writing their objects. */
export const webhooksCheck: Check<readonly Registered[] | string> = {
  id: "webhooks",
  question: "Does a Service answer for every admission webhook that can refuse pods, endpoints and Cilium's objects?",
  needs: [],
  async read(cluster) {
    try {
      const lists = Object.entries(KINDS).map(async ([kind, plural]) => {
        const all = await cluster.list<Configuration>("admissionregistration.k8s.io/v1", plural);
        return all.flatMap(({ metadata, webhooks = [] }) =>
          webhooks.map((each) => ({ ...each, kind: kind as Registered["kind"], configuration: metadata.name })),
        );
      });
      return (await Promise.all(lists)).flat();
    } catch (error) {
      return whyUnread(error);
    }
  },
  judge({ api }, { isExternal }, webhooks) {
    if (webhooks === undefined || typeof webhooks === "string") {
      const why = webhooks ?? "webhooks were not read";
      // a recorded cluster was not asked, and an account may not be allowed to
      return ["error" in api.nodes ? inconclusive("cluster", why) : skipped("cluster", why)];
    }
    const services = valueOf(api.services, undefined);
    const endpoints = valueOf(api.endpoints, undefined);
    if (services === undefined || endpoints === undefined)
      return [skipped("cluster", "Services or EndpointSlices could not be read")];
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
    return dead.length > 0 ? dead : [pass("cluster", `${webhooks.length} webhooks, none unreachable`)];
  },
};
