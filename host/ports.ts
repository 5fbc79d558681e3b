import { createServer } from "node:net";
import { createSocket } from "node:dgram";
import type { KindPortMapping } from "../modes/kindConfig";
import type { MachineFinding } from "./finding";

/** Check whether the host ports of a stack's port mappings are free. */
export async function judgePorts(mappings: readonly KindPortMapping[]): Promise<MachineFinding[]> {
  const asked = await Promise.all(mappings.map(async (mapping) => ({ mapping, reason: await bindProblem(mapping) })));
  return asked.map(({ mapping: { listenAddress, hostPort, protocol }, reason }) => ({
    subject: `port ${listenAddress}:${hostPort}`,
    verdict: reason === undefined ? ("pass" as const) : ("fail" as const),
    seen: reason ?? (hostPort === 0 ? "Docker chooses a port" : "is free"),
    matters: "cluster.portMappings",
    ...(reason === undefined
      ? {}
      : {
          remedy: `set another hostPort in cluster.portMappings, or stop the program that listens (ss -l${protocol === "UDP" ? "u" : "t"}np sport = :${hostPort})`,
        }),
  }));
}

/** Why the port cannot be bound; undefined if it can, or if this process has no permission to try. */
async function bindProblem({ listenAddress, hostPort, protocol }: KindPortMapping): Promise<string | undefined> {
  if (hostPort === 0) return undefined;
  const code = await (protocol === "UDP" ? bindUdp(hostPort, listenAddress) : bindTcp(hostPort, listenAddress));
  if (code === "EADDRINUSE") return "is in use by another program";
  if (code === "EADDRNOTAVAIL") return `${listenAddress} is not an address of this machine`;
  return undefined;
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
