import type { V1Pod } from "@kubernetes/client-node";
import { hostPortsCheck, serviceMapCheck } from "../../datapath/checks/serviceMap";
import { readApi, valueOf, type ApiReader, type PodState } from "../../datapath/evidence/api";
import { both, inNode, judged, recordedEvidence, recordedExpectation, type Change } from "./support/evidence";
import { WORKER } from "./support/faults/fault";

/** A pod beside the workload's, on the worker where Cilium gives NodePort 32000/TCP to a HostPort. */
const withPod = (own: Partial<PodState>): Change =>
  both(
    inNode("services", (text) => text.replace(/(0\.0\.0\.0:32000\/TCP +)NodePort/, "$1HostPort"), WORKER),
    ({ api }) => {
      if ("error" in api.pods) return;
      const pods = api.pods.value;
      const pod = pods.find(({ labels, node }) => labels["app"] === "nettool" && node === WORKER)!;
      const changed = { ...pod, namespace: "shop", name: "cart", labels: {}, ...own };
      pods.push(JSON.parse(JSON.stringify(changed)) as typeof pod);
    },
  );

const causesOn = (change: Change, check = serviceMapCheck) =>
  judged(recordedEvidence(change), recordedExpectation(), [check])
    .results.flatMap(({ findings }) => findings)
    .flatMap(({ subject, cause }) => (subject === WORKER && cause !== undefined ? [cause] : []));

describe("a NodePort that a HostPort takes", () => {
  it.each<[string, Partial<PodState>, string]>([
    ["the same port and protocol", { hostPorts: [{ port: 32000, protocol: "TCP" }] }, "host-port-taken"],
    ["the same port in evidence of earlier versions", { hostPorts: [32000] }, "host-port-taken"],
    ["another protocol", { hostPorts: [{ port: 32000, protocol: "SCTP" }] }, "service-map-stale"],
    ["the other protocol of the Service", { hostPorts: [{ port: 32000, protocol: "UDP" }] }, "service-map-stale"],
    ["the node's network", { hostPorts: [{ port: 32000, protocol: "TCP" }], hostNetwork: true }, "service-map-stale"],
  ])("is judged by a pod with %s", (_what, own, cause) => {
    expect(causesOn(withPod(own))).toEqual([cause]);
  });

  it("is reported beside the other frontends that are wrong", () => {
    const missing = inNode("services", (text) => text.replace(/^.*10\.96\.0\.10:9153\/TCP.*\n.*\n/m, ""), WORKER);
    const change = both(withPod({ hostPorts: [{ port: 32000, protocol: "TCP" }] }), missing);
    expect(causesOn(change)).toEqual(["host-port-taken", "service-map-stale"]);
  });

  it("is reported beside other HostPorts that the service map lacks", () => {
    const hostPorts = [
      { port: 32000, protocol: "UDP" },
      { port: 8080, protocol: "TCP" },
    ];
    expect(causesOn(withPod({ hostPorts }), hostPortsCheck)).toEqual(["host-port-taken", "service-map-stale"]);
    expect(causesOn(withPod({ hostPorts: [{ port: 32000, protocol: "TCP" }] }), hostPortsCheck)).toEqual([]);
  });

  it("is read with its protocol, which is TCP by default", async () => {
    const ports = [
      { containerPort: 1, hostPort: 53, protocol: "UDP" },
      { containerPort: 2, hostPort: 80 },
      { containerPort: 3 },
    ];
    const pod: V1Pod = { metadata: { name: "cart" }, spec: { containers: [{ name: "cart", ports }] } };
    const cluster: Partial<ApiReader> = { allPods: () => Promise.resolve([pod]), list: () => Promise.resolve([]) };
    const [{ hostPorts } = {}] = valueOf((await readApi(cluster as ApiReader)).pods, []);
    expect(hostPorts).toEqual([
      { port: 53, protocol: "UDP" },
      { port: 80, protocol: "TCP" },
    ]);
  });
});
