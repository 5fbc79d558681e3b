import { Image } from "@pulumi/docker";
import { Deployment } from "@pulumi/kubernetes/apps/v1";
import { Service } from "@pulumi/kubernetes/core/v1";
import * as pulumi from "@pulumi/pulumi";
import { NodeImages, type RoutingMode } from "cilium-modes/components";
import { connect } from "cilium-modes/connect";

const config = new pulumi.Config();
// fails, in previews too, if the stack was destroyed, has another mode, or its mode is not proven
const cluster = connect(config.require("stack"), { mode: config.get<RoutingMode>("mode"), verified: true });

const image = new Image("image", {
  imageName: "hello-app:1.0",
  build: { context: "image", args: { BASE_IMAGE: config.get("baseImage") ?? "debian:12-slim" } },
  skipPush: true,
});
const loaded = new NodeImages(
  "node-images",
  { clusterName: cluster.clusterName, clusterInstance: cluster.clusterIdentifier, images: [image.imageName] },
  { dependsOn: image },
);

const labels = { app: "hello-app" };
const inCluster = { provider: cluster.provider, dependsOn: loaded };
new Deployment(
  "deployment",
  {
    metadata: { name: "hello-app", labels },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: "hello-app",
              image: image.imageName,
              ports: [{ containerPort: 8080 }],
              readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 2 },
            },
          ],
        },
      },
    },
  },
  inCluster,
);
const service = new Service(
  "service",
  { metadata: { name: "hello-app" }, spec: { selector: labels, ports: [{ port: 8080, targetPort: 8080 }] } },
  inCluster,
);

/** Routing mode of the cluster. */
export const mode = cluster.mode;
/** URL of the service for nodes and pods. */
export const url = pulumi.interpolate`http://${service.spec.clusterIP}:8080`;
