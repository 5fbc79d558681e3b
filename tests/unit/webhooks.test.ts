import { webhooksCheck } from "../../datapath/checks/webhooks";
import { judge } from "../../datapath/verify";
import { recordedEvidence, recordedExpectation } from "./support/evidence";

const cluster = (
  service: { namespace: string; name: string } | undefined,
  failurePolicy: string,
  resource: string,
) => ({
  list: (_version: string, plural: string) =>
    Promise.resolve(
      plural.startsWith("mutating")
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

async function judged(asked: object, isExternal = false) {
  const expectation = { ...recordedExpectation(), isExternal };
  const own = await webhooksCheck.read!(asked as never, expectation, new Set());
  return judge(webhooksCheck as never, recordedEvidence(), expectation, own);
}

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
