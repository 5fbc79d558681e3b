import { createInterface } from "node:readline";
import { median } from "simple-statistics";
import { lastLine, readToEnd, type Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";

/** A place in a cluster that runs commands with the workload's tools. */
export interface Origin {
  /** Name of the pod or node, for messages. */
  readonly name: string;
  start(command: readonly string[]): Session;
}

/** Run a command and wait for it. @throws Error on timeout, or if it prints only errors */
export function ask({ name, start }: Origin, command: readonly string[], seconds: number): Promise<string> {
  return readToEnd(start(command), name, seconds);
}

/**
 * Opens a connection to an address every few milliseconds, and prints the name of the answering pod whenever it changes.
 * Ends when it reads a line, or after its time.
 */
const WATCH = `use strict; use warnings;
use IO::Handle; use Socket;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
my ($address, $port, $seconds) = @ARGV;
use constant { STEP => 0.01, CONNECT => 0.1, ANSWER => 1 };
sub now { clock_gettime(CLOCK_MONOTONIC) }
$| = 1; $SIG{PIPE} = 'IGNORE';
my $target = pack_sockaddr_in($port, inet_aton($address));
my ($end, $next, $last, %tries) = (now() + $seconds, 0, '');
print "ready\\n";
while ((my $now = now()) < $end) {
    if ($now >= $next) {
        $next = $now + STEP;
        if (socket(my $socket, PF_INET, SOCK_STREAM, 0)) {
            $socket->blocking(0);
            $tries{fileno $socket} = { socket => $socket, until => $now + CONNECT, text => undef }
                if connect($socket, $target) || $!{EINPROGRESS};
        }
    }
    my ($in, $out) = ('', '');
    vec($in, fileno STDIN, 1) = 1;
    for my $number (keys %tries) {
        my $try = $tries{$number};
        if ($now > $try->{until}) { delete $tries{$number} }
        elsif (defined $try->{text}) { vec($in, $number, 1) = 1 }
        else { vec($out, $number, 1) = 1 }
    }
    my $wait = $next - now();
    next if select($in, $out, undef, $wait > 0 ? $wait : 0) <= 0;
    exit 0 if vec($in, fileno STDIN, 1);
    for my $number (keys %tries) {
        my $try = $tries{$number};
        if (vec($out, $number, 1)) {
            my $failed = unpack('i', getsockopt($try->{socket}, SOL_SOCKET, SO_ERROR));
            my $request = "GET / HTTP/1.1\\r\\nHost: $address\\r\\nConnection: close\\r\\n\\r\\n";
            if ($failed || !syswrite $try->{socket}, $request) { delete $tries{$number} }
            else { @$try{qw(until text)} = (now() + ANSWER, '') }
        }
        elsif (vec($in, $number, 1)) {
            next if sysread $try->{socket}, $try->{text}, 4096, length $try->{text};
            delete $tries{$number};
            if ($try->{text} =~ /PodName: (\\S+)/ && $1 ne $last) { $last = $1; print "answer $last\\n" }
        }
    }
}`;

/** A continuous watch of the pods that answer at an address. */
export interface Watch {
  /** Resolves once every answer is noticed. */
  readonly ready: Promise<void>;
  /** Time of a pod's first answer, by `performance.now()`. @throws Error on timeout */
  answerOf(pod: string, seconds: number): Promise<number>;
  end(): void;
}

/** Timeout of the watch's start. */
const START_SECONDS = 10;

/** Watch an address for a number of seconds, or until the watch is ended. */
export function watch({ name, start }: Origin, address: string, port: number, seconds: number): Watch {
  const session = start(["perl", "-e", WATCH, address, String(port), String(seconds)]);
  const seen = new Map<string, number>();
  const waiting = new Set<() => void>();
  let problem: Error | undefined;
  let log = "";
  const wake = () => waiting.forEach((each) => each());
  const isOver = (reason: string | undefined) => {
    problem ??= new Error(`${name} cannot watch ${address}: ${reason ?? "the command exited"}`);
    wake();
  };
  session.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  session.stderr.on("error", () => undefined); // stdout has the same error
  session.stdout.on("error", ({ message }) => isOver(message));
  createInterface({ input: session.stdout })
    .on("line", (line) => {
      if (!seen.has(line)) seen.set(line, performance.now());
      wake();
    })
    .on("close", () => setImmediate(() => isOver(lastLine(log))))
    // reported by stdout already
    .on("error", () => undefined);
  const lineOf = (line: string, patience: number, what: string) => {
    let check = () => {};
    const arrival = new Promise<number>((resolve, reject) => {
      check = () => {
        const at = seen.get(line);
        if (at !== undefined) resolve(at);
        else if (problem !== undefined) reject(problem);
      };
    });
    waiting.add(check);
    check();
    return within(patience, arrival, what).finally(() => waiting.delete(check));
  };
  const ready = lineOf("ready", START_SECONDS, `${name} does not start to watch ${address}`).then(() => undefined);
  ready.catch(() => undefined);
  return {
    ready,
    answerOf: (pod, patience) => lineOf(`answer ${pod}`, patience, `${name} gets no answer of ${pod} at ${address}`),
    end: () => session.end(),
  };
}

/** Times connections to all addresses in turn, and prints a line of µs for each pass; the first pass is warm-up. */
const CONNECT = `use strict; use warnings;
use Socket;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
my ($passes, $port, @addresses) = @ARGV;
$SIG{PIPE} = 'IGNORE';
for my $pass (0 .. $passes) {
    my @took;
    for my $address (@addresses) {
        local $SIG{ALRM} = sub { die "no answer at $address\\n" };
        alarm 3;
        my $target = pack_sockaddr_in($port, inet_aton($address));
        socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "no socket: $!\\n";
        my $begin = clock_gettime(CLOCK_MONOTONIC);
        connect($socket, $target) or die "no connection to $address: $!\\n";
        push @took, sprintf '%.1f', (clock_gettime(CLOCK_MONOTONIC) - $begin) * 1e6;
        # read to the end, so that the server is idle before the next connection
        syswrite $socket, "GET / HTTP/1.1\\r\\nHost: $address\\r\\nConnection: close\\r\\n\\r\\n";
        1 while sysread $socket, my $text, 4096;
        alarm 0;
    }
    print "connected @took\\n" if $pass > 0;
}`;

const CONNECT_SECONDS = 60;

/** Time new connections to each address. @returns the median of each pass in µs @throws Error if one failed */
export async function timeConnections(
  origin: Origin,
  addresses: readonly string[],
  port: number,
  passes: number,
): Promise<number[]> {
  const command = ["perl", "-e", CONNECT, String(passes), String(port), ...addresses];
  const medians = parseConnections(await ask(origin, command, CONNECT_SECONDS), addresses.length);
  if (medians.length < passes) throw new Error(`${origin.name} timed ${medians.length} of ${passes} passes`);
  return medians;
}

/** The median of each complete pass in the output. */
export function parseConnections(output: string, count: number): number[] {
  return [...output.matchAll(/^connected (.*)$/gm)]
    .map(([, line]) => line!.split(" ").map(Number))
    .filter((took) => took.length === count)
    .map((took) => median(took));
}
