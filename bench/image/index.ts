// The workload's image alone, as the project builds it: who has run this finds every layer in the builder's cache.
import { Image } from "@pulumi/docker";
import { Config } from "@pulumi/pulumi";
import { builtImageName, NETTOOL_CONTEXT } from "../../components/nettoolImage";

const root = "../..";
const base = new Config().require("base");
new Image("image", {
  imageName: builtImageName(base, root),
  build: {
    context: `${root}/${NETTOOL_CONTEXT}`,
    dockerfile: `${root}/${NETTOOL_CONTEXT}/Dockerfile`,
    args: { BASE_IMAGE: base },
    platform: process.arch === "arm64" ? "linux/arm64" : "linux/amd64",
  },
  skipPush: true,
});
