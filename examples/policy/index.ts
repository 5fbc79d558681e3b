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
      description: "Only the client pod can connect to the servers, on port 80.",
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

/** Namespace and name of the policy. */
export const name = pulumi.interpolate`${workload.namespace}/${policy.metadata.name}`;
