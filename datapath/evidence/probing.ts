import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_DIRECTORY } from "../../host/packageFile";

/** How a probe is carried. `udp-unconnected`: a socket that never calls connect, as many resolvers have it. */
export type Protocol = "tcp" | "udp" | "udp-unconnected" | "icmp";

/** One thing to be probed. */
export interface Target {
  /** Unique among the targets of one sender; without blanks and commas. */
  readonly id: string;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** TCP: bytes that the server sends. UDP and ICMP: length of the payload, sent with DF. */
  readonly bytes: number;
  /** Maximum number of tries, one after the other. */
  readonly tries: number;
  /** Stop when this number of pods has answered; 0: never. */
  readonly distinct: number;
  /** How long one try may take, in seconds. */
  readonly seconds: number;
}

/** How one try ended. */
export interface Try {
  readonly target: string;
  readonly milliseconds: number;
  /** Packets that had to be sent again because they were lost. */
  readonly lost: number;
  /** Why it failed; undefined when it was answered. */
  readonly failure?: string | undefined;
  /** Pod that answered. */
  readonly pod?: string | undefined;
  /** Client's address as the server saw it. */
  readonly client?: string | undefined;
  /** TTL of the answer. */
  readonly ttl?: number | undefined;
}

/** The client of the targets' family, as it is sent to whoever probes: an older image of the workload has another or none. */
const client = (targets: readonly Target[]) => {
  const isIpv6 = targets.some(({ address }) => address.includes(":"));
  return readFileSync(join(PACKAGE_DIRECTORY, "images", "nettool", isIpv6 ? "probe6" : "probe"), "utf8");
};

/** The command that probes all targets, where there is perl. */
function probeCommand(targets: readonly Target[]): readonly string[] {
  return ["perl", "-e", client(targets), ...targets.map(argumentOf)];
}

/** The same for a shell, with targets of one family; where there is no perl, bash probes what it can: TCP, and UDP with a connected socket. */
export function probeScript(targets: readonly Target[]): string {
  const words = probeCommand(targets).map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const plain = targets.filter(({ protocol }) => protocol === "tcp" || protocol === "udp");
  return `command -v perl >/dev/null && exec ${words.join(" ")}\nexec bash -c '${BASH_CLIENT.replaceAll("'", `'\\''`)}' bash ${plain.map(argumentOf).join(" ")}`;
}

/** The client for images without perl. Bash opens connections itself; it can see neither a TTL nor set DF. */
const BASH_CLIENT = `one() {
  IFS=, read -r id protocol address port bytes tries distinct seconds <<< "$1"
  for ((try = 1; try <= tries; try++)); do
    if [ "$protocol" = tcp ]; then request="GET /probe?bytes=$bytes HTTP/1.0"$'\\r\\n\\r\\n'; else request="$id "; fi
    answer=$(timeout "$seconds" bash -c 'exec 3<>/dev/$0/$1/$2 && printf "%s" "$3" >&3 && if [ $0 = udp ]; then head -c 64 <&3; else cat <&3; fi' "$protocol" "$address" "$port" "$request" 2>&1 | tr -d '\\0' | grep -ao -m 1 'pod=[^ ]* client=[^ ]*')
    if [ -n "$answer" ]; then echo "$id $try ok 0 0 $answer"; else echo "$id $try failed 0 0 no answer within $seconds s"; fi
  done
}
for target in "$@"; do one "$target" & done
wait`;

const argumentOf = ({ id, protocol, address, port, bytes, tries, distinct, seconds }: Target) =>
  [id, protocol, address, port, bytes, tries, distinct, seconds].join(",");

/** What the client printed. */
export function triesOf(output: string): Try[] {
  return [...output.matchAll(/^(\S+) \d+ (ok|failed) (\d+) (\d+) (.*)$/gm)].map(
    ([, target, outcome, milliseconds, lost, said]) => ({
      target: target!,
      milliseconds: Number(milliseconds),
      lost: Number(lost),
      ...(outcome === "failed"
        ? { failure: said! }
        : {
            pod: /\bpod=(\S+)/.exec(said!)?.[1],
            client: clientIn(said!),
            ttl: numberOf(/\bttl=(\d+)/.exec(said!)?.[1]),
          }),
    }),
  );
}

/** The client's address, which has brackets if it is of IPv6. */
function clientIn(said: string): string | undefined {
  const [, ipv4, ipv6] = /\bclient=(?:([\d.]+)|\[([\da-f:]+)\]):/.exec(said) ?? [];
  return ipv4 ?? ipv6;
}

const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text));
