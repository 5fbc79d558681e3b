// The workload's image alone, as the project builds it: who has run this finds every layer in the builder's cache.
import { Image } from "@pulumi/docker";
import { Config } from "@pulumi/pulumi";
import { nettoolImageArgs } from "../../components/nettoolImage";

new Image("image", nettoolImageArgs(new Config().require("base")));
