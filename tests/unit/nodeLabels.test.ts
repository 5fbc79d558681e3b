import { labelProblem } from "../../modes/nodeLabels";

describe("labelProblem", () => {
  it.each([
    ["tier", "backend"],
    ["tier", ""],
    ["example.com/rack", "a-1.b_2"],
    ["topology.kubernetes.io/zone", "a"],
    ["node.kubernetes.io/exclude-from-external-load-balancers", "true"],
    ["pool.node.kubernetes.io/x", "y"],
    ["notkubernetes.io/x", "y"],
    ["n".repeat(63), "v".repeat(63)],
  ])("accepts %s=%s", (label, value) => {
    expect(labelProblem(label, value)).toBeUndefined();
  });

  it.each([
    ["", "a", /^is not the key of a label/],
    ["-a", "b", /^is not the key of a label/],
    ["a b", "c", /^is not the key of a label/],
    ["/a", "b", /^is not the key of a label/],
    ["Example.com/a", "b", /^is not the key of a label/],
    ["a/b/c", "d", /^is not the key of a label/],
    ["n".repeat(64), "v", /^is not the key of a label/],
    ["tier", "a,b=c", /^must have a value of at most 63/],
    ["tier", "v".repeat(64), /^must have a value of at most 63/],
    ["kubernetes.io/hostname", "a", /^is set by the kubelet itself; remove it$/],
    ["node-role.kubernetes.io/worker", "", /^is reserved: .*kubectl label node/],
    ["node-restriction.kubernetes.io/a", "b", /^is reserved/],
    ["kubernetes.io/a", "b", /^is reserved/],
    ["a.k8s.io/b", "c", /^is reserved/],
  ])("refuses %j=%j", (label, value, rule) => {
    expect(labelProblem(label, value)).toMatch(rule);
  });
});
