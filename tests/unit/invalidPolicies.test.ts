import { readApi, type ApiReader } from "../../datapath/evidence/api";
import { policiesCheck } from "../../datapath/checks/policies";
import { judge } from "../../datapath/verify";
import { recordedEvidence, recordedExpectation } from "./support/evidence";

const SAID = "L7 policy is not supported since L7 proxy is not enabled";

/** A policy with the condition that Cilium's operator writes. */
const policy = (name: string, status: string, message?: string) => ({
  metadata: { namespace: "shop", name },
  status: { conditions: [{ type: "Valid", status, message }] },
});

const read = (ciliumnetworkpolicies: readonly object[]) => {
  const lists: Record<string, readonly object[]> = { ciliumnetworkpolicies };
  const cluster: Partial<ApiReader> = {
    list: <T>(_version: string, plural: string) => Promise.resolve((lists[plural] ?? []) as readonly T[]),
  };
  return readApi(cluster as ApiReader);
};

describe("a policy that Cilium does not accept", () => {
  it("is a warning with its name and Cilium's words", async () => {
    const { policies, invalidPolicies } = await read([policy("web", "False", SAID), policy("db", "True")]);
    const [web, db] = ["web", "db"].map((name) => `CiliumNetworkPolicy shop/${name}`);
    expect(policies).toEqual({ value: [web, db] });
    expect(invalidPolicies).toEqual({ value: [{ policy: web, said: SAID }] });
    const evidence = recordedEvidence(({ api }) => Object.assign(api, { policies, invalidPolicies }));
    const { verdict, findings } = judge(policiesCheck, evidence, recordedExpectation(), undefined);
    expect(verdict).toBe("warning");
    expect(findings.find((each) => each.verdict === "warning")).toMatchObject({
      seen: "CiliumNetworkPolicy shop/web is not valid",
      reason: expect.stringContaining(SAID) as string,
      remedy: "correct it, or kubectl -n shop delete ciliumnetworkpolicy web",
    });
  });

  it("is not assumed of policies without a condition", async () => {
    expect((await read([{ metadata: { name: "any" } }])).invalidPolicies).toEqual({ value: [] });
  });
});
