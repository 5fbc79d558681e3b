import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import { ConfigMap } from "@pulumi/kubernetes/core/v1";
import * as pulumi from "@pulumi/pulumi";
import { readStackOutputs } from "../../outputs";

// Typed and checked: a stack without these outputs is one clear error.
const cluster = readStackOutputs(new pulumi.Config().require("stack"));

const kubernetes = new KubernetesProvider("cilium-modes", {
  kubeconfig: cluster.apply(({ kubeconfig }) => kubeconfig),
  clusterIdentifier: pulumi.unsecret(cluster.apply(({ apiEndpoint }) => apiEndpoint)),
});

const note = new ConfigMap(
  "routing-mode",
  { metadata: { name: "routing-mode" }, data: { mode: pulumi.unsecret(cluster.apply(({ mode }) => mode)) } },
  { provider: kubernetes },
);

/** The routing mode that the other stack's settings ask for. */
export const mode = pulumi.unsecret(cluster.apply((outputs) => outputs.mode));
/** Where that mode is written down in the cluster. */
export const configMap = note.metadata.name;
