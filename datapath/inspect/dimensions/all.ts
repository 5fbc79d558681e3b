import {
  attachmentDimension,
  bandwidthManagerDimension,
  bigTcpV4Dimension,
  bigTcpV6Dimension,
  deviceModeDimension,
  mtuDimension,
} from "./devices";
import type { Dimension } from "./dimension";
import {
  egressGatewayDimension,
  encryptionDimension,
  hostFirewallDimension,
  ipFamiliesDimension,
  ipamDimension,
  l7ProxyDimension,
} from "./features";
import { ipMasqAgentDimension, masqueradingDimension, notMasqueradedDimension } from "./masquerading";
import { hostRoutingDimension, networkDimension } from "./routing";
import {
  devicesDimension,
  lbAlgorithmDimension,
  lbModeDimension,
  servicesDimension,
  socketLbDimension,
  xdpDimension,
} from "./services";

/** The dimensions, those that make a mode first. */
export const DIMENSIONS: readonly Dimension[] = [
  servicesDimension,
  hostRoutingDimension,
  masqueradingDimension,
  notMasqueradedDimension,
  ipMasqAgentDimension,
  networkDimension,
  deviceModeDimension,
  attachmentDimension,
  xdpDimension,
  socketLbDimension,
  lbModeDimension,
  lbAlgorithmDimension,
  devicesDimension,
  mtuDimension,
  ipFamiliesDimension,
  ipamDimension,
  bandwidthManagerDimension,
  bigTcpV4Dimension,
  bigTcpV6Dimension,
  encryptionDimension,
  hostFirewallDimension,
  egressGatewayDimension,
  l7ProxyDimension,
];
