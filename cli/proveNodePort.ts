import { z } from "zod";
import { WORKLOAD } from "../modes/workload";
import { connect } from "../datapath/cluster";
import { askDns, askNodePorts, fetchFromHere, fetchFromPod } from "../datapath/nodePortProof";
import { required } from "./environment";

const Targets = z.array(z.object({ name: z.string(), url: z.string() })).min(1);

/** Ask every node's NodePort and cluster DNS from every node's pod. @throws Error saying what answered what. */
export async function proveNodePort(): Promise<void> {
  const cluster = connect(required("CILIUM_MODES_KUBECONFIG"));
  const targets = Targets.parse(JSON.parse(required("CILIUM_MODES_TARGETS")));
  const timeoutSeconds = Number(required("CILIUM_MODES_TIMEOUT_SECONDS"));
  const deadline = Date.now() + timeoutSeconds * 1000;
  const client = { name: WORKLOAD.clientPod, fetch: fetchFromPod(cluster, WORKLOAD.namespace, WORKLOAD.clientPod) };
  const answers = (
    await Promise.all([
      askNodePorts(targets, fetchFromHere, client, deadline),
      askDns(cluster, WORKLOAD.namespace, `app=${WORKLOAD.daemonSet}`, targets.length, deadline),
    ])
  ).flat();
  const lines = answers.map(({ question, ok, said }) => `  ${ok ? "ok  " : "FAIL"} ${question}: ${said}`);
  const failed = answers.filter(({ ok }) => !ok).length;
  if (failed > 0) {
    throw new Error(
      [`${failed} of ${answers.length} questions had no right answer within ${timeoutSeconds} s:`, ...lines].join("\n"),
    );
  }
  console.log(lines.join("\n"));
}
