import type { Check } from "./check";
import { agentsCheck } from "./agents";
import { configCheck } from "./config";
import { datapathMapsCheck } from "./datapathMaps";
import { devicesCheck } from "./devices";
import { dnsCheck } from "./dns";
import { dropsCheck } from "./drops";
import { fromHereCheck } from "./fromHere";
import { healthCheck } from "./health";
import { helmObjectsCheck } from "./helmObjects";
import { hopsCheck } from "./hops";
import { hubbleCheck } from "./hubble";
import { kernelCheck } from "./kernel";
import { kubeProxyCheck, kubeProxyRulesCheck } from "./kubeProxy";
import { cniCheck, controllersCheck, coreDnsCheck, nodesCheck, operatorCheck, workloadCheck } from "./kubernetes";
import { masqueradingCheck } from "./masquerading";
import { netfilterCheck } from "./netfilter";
import { packetPathCheck } from "./packetPath";
import { podNetworkCheck } from "./podNetwork";
import { policiesCheck } from "./policies";
import { programsCheck } from "./programs";
import { routesCheck } from "./routes";
import { hostPortsCheck, serviceCheck, serviceMapCheck } from "./serviceMap";
import { sourceAddressCheck } from "./sourceAddress";
import { featuresCheck, statusCheck } from "./status";
import {
  fromOutsideCheck,
  lostPacketsCheck,
  nodePortsCheck,
  packetSizeCheck,
  podToNodeCheck,
  podToPodCheck,
  servicesCheck,
  wayOutCheck,
} from "./traffic";
import { translationCheck } from "./translation";
import { webhooksCheck } from "./webhooks";

/** Every check, from the configuration to the traffic. */
export const CHECKS: readonly Check[] = [
  nodesCheck,
  webhooksCheck,
  configCheck,
  helmObjectsCheck,
  agentsCheck,
  statusCheck,
  featuresCheck,
  cniCheck,
  operatorCheck,
  controllersCheck,
  coreDnsCheck,
  kubeProxyCheck,
  kubeProxyRulesCheck,
  kernelCheck,
  devicesCheck,
  programsCheck,
  routesCheck,
  netfilterCheck,
  workloadCheck,
  serviceCheck,
  serviceMapCheck,
  hostPortsCheck,
  datapathMapsCheck,
  podNetworkCheck,
  policiesCheck,
  healthCheck,
  podToPodCheck,
  podToNodeCheck,
  packetSizeCheck,
  servicesCheck,
  nodePortsCheck,
  fromOutsideCheck,
  fromHereCheck,
  wayOutCheck,
  lostPacketsCheck,
  dnsCheck,
  sourceAddressCheck,
  hopsCheck,
  packetPathCheck,
  translationCheck,
  masqueradingCheck,
  dropsCheck,
  hubbleCheck,
] as readonly Check[];
