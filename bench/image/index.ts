// Builds only the workload's image, so that later builds find every layer in the cache.
import { Image } from "@pulumi/docker";
import { Config } from "@pulumi/pulumi";
import { nettoolImageArgs } from "../../components/nettoolImage";

new Image("image", nettoolImageArgs(new Config().require("base")));
