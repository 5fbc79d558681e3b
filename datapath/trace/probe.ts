import { createHash } from "node:crypto";
import { connect } from "node:net";
import { isIpv6Address } from "../../modes/cidr";
import { withPort } from "../../modes/ipFamily";
import { runInPod, type Place } from "../probes";
import type { Mark } from "./legs";
import { askNode, type TraceCluster } from "./traceCluster";

/** The sender of a probe. */
export type Sender =
  | { readonly kind: "pod"; readonly place: Place }
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "machine" };

/** The packet to trace, and the command that sends it. */
export interface Probe {
  readonly mark: Mark;
  readonly command: string;
}

const SECONDS = 2;

/** Ports above the ephemeral range, which no other connection uses. */
const PORTS = [61_000, 65_500] as const;

/** A recently used port is not free yet. */
const TRIED_PORTS = 10;

/** A ping to an address, or a connection if there is a port. @param now the time in milliseconds, from which its mark follows */
export function probeTo(address: string, port: number | undefined, now: number): Probe {
  const data = createHash("sha256").update(String(now)).digest().subarray(0, 16);
  const isIpv6 = isIpv6Address(address);
  if (port === undefined) {
    return {
      mark: { protocol: isIpv6 ? "ICMPv6" : "ICMP", data },
      command: `ping ${isIpv6 ? "-6 " : ""}-n -c 1 -W ${SECONDS} -p ${data.toString("hex")} ${address}`,
    };
  }
  const first = PORTS[0] + (now % (PORTS[1] - PORTS[0]));
  const ports = Array.from({ length: TRIED_PORTS }, (_, index) => first + index);
  const token = data.toString("hex");
  const url = `http://${withPort(address, port)}/${token}`;
  return {
    mark: { protocol: "TCP", ports, data: Buffer.from(token) },
    // brackets are patterns for shells, and for curl without -g
    command: `curl ${isIpv6 ? "-g " : ""}-s -o /dev/null -m ${SECONDS} --local-port ${first}-${ports.at(-1)} ${isIpv6 ? `'${url}'` : url}`,
  };
}

/** Exit codes without an answer: ping's 1 and 2, and curl's for refused, timed out and closed connections. */
const NO_ANSWER: readonly number[] = [1, 2, 7, 28, 52, 56];

/** Send a probe. @returns whether it was answered @throws Error if it could not be sent */
export async function send(
  cluster: TraceCluster,
  sender: Sender,
  { mark, command }: Probe,
  address: string,
  port: number | undefined,
): Promise<boolean> {
  if (sender.kind === "machine") {
    if (mark.protocol !== "TCP") throw new Error("This machine cannot send the ping; name a pod or node with --from");
    for (const localPort of mark.ports) {
      const answered = await connectFromHere(address, port!, localPort, mark.data.toString());
      if (answered !== "port in use") return answered;
    }
    throw new Error(
      `The ports ${mark.ports[0]} to ${mark.ports.at(-1)} of this machine are all in use; repeat the trace`,
    );
  }
  const script = `${command} >/dev/null 2>&1; echo "exit code $?"`;
  const output =
    sender.kind === "pod" ? await runInPod(cluster, sender.place, script) : await askNode(cluster, sender.node, script);
  const name = sender.kind === "pod" ? sender.place.pod : sender.node;
  const code = output instanceof Error ? undefined : /exit code (\d+)/.exec(output)?.[1];
  if (code === "0") return true;
  if (code !== undefined && NO_ANSWER.includes(Number(code))) return false;
  const why = output instanceof Error ? output.message : `exit code ${code}`;
  throw new Error(`${name} could not send the probe: ${why}: ${command}`);
}

function connectFromHere(
  host: string,
  port: number,
  localPort: number,
  token: string,
): Promise<boolean | "port in use"> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localPort, timeout: SECONDS * 1000 });
    const end = (answered: boolean | "port in use") => {
      socket.destroy();
      resolve(answered);
    };
    const name = isIpv6Address(host) ? `[${host}]` : host;
    socket.once("connect", () => socket.write(`GET /${token} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`));
    socket.once("data", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", ({ code }: NodeJS.ErrnoException) => end(code === "EADDRINUSE" ? "port in use" : false));
    socket.once("close", () => end(false));
  });
}
