import { webhooksCheck } from "../../datapath/checks/webhooks";
import { judge } from "../../datapath/verify";
import { valueOf } from "../../datapath/evidence/api";
import { type Change, recordedEvidence, recordedExpectation } from "./support/evidence";

const cluster = (
  service: { namespace: string; name: string } | undefined,
  failurePolicy: string,
  resource: string,
) => ({
  list: (_version: string, plural: string) =>
    Promise.resolve(
      !plural.startsWith("validatingwebhook")
        ? []
        : [
            {
              metadata: { name: "policy" },
              webhooks: [
                {
                  name: "policy.example.com",
                  failurePolicy,
                  clientConfig: { service },
                  rules: [{ resources: [resource] }],
                },
              ],
            },
          ],
    ),
});

async function judged(asked: object, isExternal = false, change?: Change) {
  const expectation = { ...recordedExpectation(), isExternal };
  const own = await webhooksCheck.read!(asked as never, expectation, new Set());
  return judge(webhooksCheck as never, recordedEvidence(change), expectation, own);
}

/** A cluster with a policy of these objects, bound with an action. */
const policed = (apiGroups: string[], resources: string[], action = "Deny") => ({
  list: (_version: string, plural: string) => {
    const rules = [{ apiGroups, resources, operations: ["CREATE", "UPDATE"] }];
    const lists: Record<string, object[]> = {
      validatingadmissionpolicies: [
        { metadata: { name: "frozen" }, spec: { matchConstraints: { resourceRules: rules } } },
      ],
      validatingadmissionpolicybindings: [{ spec: { policyName: "frozen", validationActions: [action] } }],
    };
    return Promise.resolve(lists[plural] ?? []);
  },
});

const NOBODY = { namespace: "nettool", name: "nobody" };

describe("an admission webhook", () => {
  it.each(["endpointslices", "ciliumendpoints", "*", "*/*"])(
    "fails without a Service if %s need it",
    async (resource) => {
      const { verdict, findings } = await judged(cluster(NOBODY, "Fail", resource));
      expect([verdict, findings[0]!.cause]).toEqual(["fail", "webhook-unreachable"]);
      expect(findings[0]!.reason).toContain("Service nettool/nobody does not exist");
      expect(findings[0]!.remedy).toContain("kubectl delete validatingwebhookconfiguration policy");
    },
  );

  it("passes where a Service answers, where its failure is ignored, and where it is about other objects", async () => {
    const dns = { namespace: "kube-system", name: "kube-dns" };
    for (const asked of [
      cluster(dns, "Fail", "pods"),
      cluster(NOBODY, "Ignore", "pods"),
      cluster(NOBODY, "Fail", "widgets"),
      cluster(undefined, "Fail", "pods"),
    ])
      expect((await judged(asked)).verdict).toBe("pass");
  });

  it("only warns in an external cluster, and is skipped where nobody may list it", async () => {
    expect((await judged(cluster(NOBODY, "Fail", "pods"), true)).verdict).toBe("warning");
    expect((await judged({ list: () => Promise.reject(new Error("forbidden")) })).verdict).toBe("skipped");
  });
});

describe("an admission policy", () => {
  const stuck: Change = ({ api }) => {
    const pod = { namespace: "shop", name: "cart", node: "cmlead-worker", seconds: 40, said: "" };
    api.stuckPods = { value: [pod] };
  };
  const unknown: Change = ({ api }) => void valueOf(api.ciliumEndpoints, []).pop();

  it.each([
    [["cilium.io"], ["*/*"]],
    [["*"], ["*"]],
    [["*"], ["ciliumendpoints"]],
  ])("is the cause if it concerns %s, and pods get no network or no CiliumEndpoint", async (groups, resources) => {
    for (const [change, lack] of [
      [stuck, "shop/cart gets no network on cmlead-worker"],
      [unknown, "has no CiliumEndpoint"],
    ] as const) {
      const { verdict, findings } = await judged(policed(groups, resources), false, change);
      expect([verdict, findings[0]!.cause]).toEqual(["fail", "admission-policy"]);
      expect(findings[0]!.reason).toContain(lack);
      expect(findings[0]!.remedy).toContain("kubectl delete validatingadmissionpolicy frozen");
    }
  });

  it("is a warning if it names Cilium's objects, and else passes", async () => {
    expect((await judged(policed(["cilium.io"], ["*/*"]))).verdict).toBe("warning");
    expect((await judged(policed(["cilium.io"], ["*/*"]), true, stuck)).verdict).toBe("warning");
    // which users write, and Cilium does not
    expect((await judged(policed(["cilium.io"], ["ciliumnetworkpolicies"]), false, stuck)).verdict).toBe("pass");
    expect((await judged(policed(["*"], ["*"]))).verdict).toBe("pass");
    expect((await judged(policed(["cilium.io"], ["*"], "Audit"), false, stuck)).verdict).toBe("pass");
    expect((await judged(policed([""], ["pods"]), false, stuck)).verdict).toBe("pass");
    expect((await judged(policed(["apps"], ["deployments"]), false, stuck)).verdict).toBe("pass");
  });

  it("is no evidence where nobody may list it", async () => {
    const { list } = policed([], []);
    const forbidden = (version: string, plural: string) =>
      plural.includes("policies") ? Promise.reject(new Error("forbidden")) : list(version, plural);
    const { verdict, findings } = await judged({ list: forbidden });
    expect([verdict, findings[0]!.reason]).toEqual(["skipped", expect.stringContaining("admission policies: ")]);
  });
});
