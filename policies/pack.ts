// pulumi preview --policy-pack policies
import { PolicyPack } from "@pulumi/policy";
import { clusterNameLength, noOpenPorts, noUnpinnedImages, oneMode } from "./rules";

new PolicyPack("cilium-modes", { policies: [clusterNameLength, noUnpinnedImages, noOpenPorts, oneMode] });
