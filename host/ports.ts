import { createServer } from "node:net";
import { createSocket } from "node:dgram";
import { DEFAULTS } from "../modes/defaults";
import type { KindConfigArgs, KindPortMapping } from "../modes/kindConfig";
import type { MachineFinding } from "./finding";

/** Ports of this machine that lead to nodes. */
export type HostPorts = Pick<KindConfigArgs, "portMappings" | "apiServerAddress" | "apiServerPort">;

/** A port of this machine, and the settings of its address and its number. */
interface HostPort extends Pick<KindPortMapping, "listenAddress" | "hostPort" | "protocol"> {
  readonly settings: { readonly address: string; readonly port: string };
}

const OF_MAPPING = { address: "listenAddress in cluster.portMappings", port: "hostPort in cluster.portMappings" };
const OF_API_SERVER = { address: "cluster.apiServerAddress", port: "cluster.apiServerPort" };

/** Check whether the ports of this machine that a stack uses are free, and their addresses this machine's. */
export async function judgePorts(args: HostPorts): Promise<MachineFinding[]> {
  const { portMappings, apiServerAddress: listenAddress, apiServerPort: hostPort } = args;
  const isDefault = listenAddress === DEFAULTS.cluster.apiServerAddress && hostPort === 0;
  const apiServer = { listenAddress, hostPort, protocol: "TCP", settings: OF_API_SERVER };
  const ports = [
    ...portMappings.map((mapping) => ({ ...mapping, settings: OF_MAPPING })),
    ...(isDefault ? [] : [apiServer]),
  ];
  return Promise.all(ports.map(judgePort));
}

async function judgePort(port: HostPort): Promise<MachineFinding> {
  const { listenAddress, hostPort, protocol, settings } = port;
  const finding = {
    subject: `port ${listenAddress}:${hostPort}`,
    matters: settings === OF_MAPPING ? "cluster.portMappings" : "the API server",
  };
  const code = await (protocol === "UDP" ? bindUdp(hostPort, listenAddress) : bindTcp(hostPort, listenAddress));
  if (code === "EADDRINUSE") {
    const listeners = `ss -l${protocol === "UDP" ? "u" : "t"}np sport = :${hostPort}`;
    const remedy = `set another ${settings.port}, or stop the program that listens (${listeners})`;
    return { ...finding, verdict: "fail", seen: "is in use by another program", remedy };
  }
  if (code === "EADDRNOTAVAIL") {
    const seen = `${listenAddress} is not an address of this machine`;
    return { ...finding, verdict: "fail", seen, remedy: `set another ${settings.address}` };
  }
  // also without the permission to try
  return { ...finding, verdict: "pass", seen: hostPort === 0 ? "a free port is chosen" : "is free" };
}

function bindTcp(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function bindUdp(port: number, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      resolve(error.code);
    });
    socket.bind({ port, address, exclusive: true }, () => socket.close(() => resolve(undefined)));
  });
}
