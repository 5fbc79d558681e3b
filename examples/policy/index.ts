import { CustomResource } from "@pulumi/kubernetes/apiextensions";
import * as pulumi from "@pulumi/pulumi";
import { connect } from "cilium-modes/connect";

const { provider, workload } = connect(new pulumi.Config().require("stack"), { verified: true });

const policy = new CustomResource(
  "only-the-client",
  {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "only-the-client", namespace: workload.namespace },
    spec: {
      description: "The servers answer the client pod on port 80, and nobody else.",
      endpointSelector: { matchLabels: { app: workload.daemonSet } },
      ingress: [
        {
          fromEndpoints: [{ matchLabels: { run: workload.clientPod } }],
          toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }],
        },
      ],
    },
  },
  { provider },
);

/** Where it stands. */
export const name = pulumi.interpolate`${workload.namespace}/${policy.metadata.name}`;
