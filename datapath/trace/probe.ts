import { randomBytes, randomInt } from "node:crypto";
import { connect } from "node:net";
import { runInPod, type Place } from "../probes";
import type { Mark } from "./legs";
import { askNode, type TraceCluster } from "./traceCluster";

/** Who sends a probe. */
export type Sender =
  | { readonly kind: "pod"; readonly place: Place }
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "machine" };

/** One packet to be followed, and what is asked for by it. */
export interface Probe {
  readonly mark: Mark;
  readonly command: string;
}

const SECONDS = 2;

/** Ports that systems choose no connection's from by themselves, so that nobody else's has one. */
const PORTS = [61_000, 65_500] as const;

/** A ping to an address, or a connection where there is a port. */
export function probeTo(address: string, port: number | undefined): Probe {
  const data = randomBytes(16);
  if (port === undefined) {
    return {
      mark: { protocol: "ICMP", data },
      command: `ping -n -c 1 -W ${SECONDS} -p ${data.toString("hex")} ${address}`,
    };
  }
  const own = randomInt(...PORTS);
  const token = data.toString("hex");
  return {
    mark: { protocol: "TCP", port: own, data: Buffer.from(token) },
    command: `curl -s -o /dev/null -m ${SECONDS} --local-port ${own} http://${address}:${port}/${token}`,
  };
}

/** Send a probe. @returns whether it was answered */
export async function send(
  cluster: TraceCluster,
  sender: Sender,
  { mark, command }: Probe,
  address: string,
  port: number | undefined,
): Promise<boolean> {
  switch (sender.kind) {
    case "pod":
      return !((await runInPod(cluster, sender.place, command)) instanceof Error);
    case "node":
      return (await askNode(cluster, sender.node, `${command} >/dev/null 2>&1 && echo answered`)).includes("answered");
    case "machine":
      return mark.protocol === "TCP" && connectFromHere(address, port!, mark.port, mark.data.toString());
  }
}

function connectFromHere(host: string, port: number, localPort: number, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localPort, timeout: SECONDS * 1000 });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => socket.write(`GET /${token} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
    socket.once("data", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
  });
}
