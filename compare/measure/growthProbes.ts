import { createInterface } from "node:readline";
import { median } from "simple-statistics";
import { lastLine, type Conversation } from "../../cluster/podExec";
import { within } from "../../cluster/within";

/** A place in a cluster that runs commands with the workload's tools. */
export interface Origin {
  /** Name of the pod or node, for messages. */
  readonly name: string;
  start(command: readonly string[]): Conversation;
}

/**
 * Reads a command from each line, and begins every line that it prints with the command's number:
 *
 * - `NUMBER watch ADDRESS PORT` opens a connection every few milliseconds, and prints the name of the answering pod
 *   whenever it changes, until the next line;
 * - `NUMBER connect PORT ADDRESS...` opens a connection to each address in turn, and prints how many µs each took. It does
 *   so twice; the first time is warm-up.
 *
 * Ends at an empty line, or with its input.
 */
const PROBER = `use strict; use warnings;
use IO::Handle; use Socket;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
use constant { STEP => 0.01, CONNECT => 0.1, ANSWER => 1 };
sub now { clock_gettime(CLOCK_MONOTONIC) }
$| = 1; $SIG{PIPE} = 'IGNORE';
my $input = '';
sub next_line {
    sysread STDIN, $input, 4096, length $input or exit 0 while $input !~ /\\n/;
    (my $line, $input) = split /\\n/, $input, 2;
    return $line;
}
sub request { "GET / HTTP/1.1\\r\\nHost: $_[0]\\r\\nConnection: close\\r\\n\\r\\n" }
sub watch_address {
    my ($id, $address, $port) = @_;
    my $target = pack_sockaddr_in($port, inet_aton($address));
    my ($next, $last, %tries) = (0, '');
    print "$id ready\\n";
    while ($input eq '') {
        my $now = now();
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
        return if vec($in, fileno STDIN, 1);
        for my $number (keys %tries) {
            my $try = $tries{$number};
            if (vec($out, $number, 1)) {
                my $failed = unpack('i', getsockopt($try->{socket}, SOL_SOCKET, SO_ERROR));
                if ($failed || !syswrite $try->{socket}, request($address)) { delete $tries{$number} }
                else { @$try{qw(until text)} = (now() + ANSWER, '') }
            }
            elsif (vec($in, $number, 1)) {
                next if sysread $try->{socket}, $try->{text}, 4096, length $try->{text};
                delete $tries{$number};
                if ($try->{text} =~ /PodName: (\\S+)/ && $1 ne $last) { $last = $1; print "$id answer $last\\n" }
            }
        }
    }
}
sub time_connections {
    my ($port, @addresses) = @_;
    my @took;
    for my $address (@addresses) {
        local $SIG{ALRM} = sub { die "no answer at $address\\n" };
        alarm 3;
        my $target = pack_sockaddr_in($port, inet_aton($address));
        socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "no socket: $!\\n";
        my $begin = now();
        connect($socket, $target) or die "no connection to $address: $!\\n";
        push @took, sprintf '%.1f', (now() - $begin) * 1e6;
        # read to the end, so that the server is idle before the next connection
        syswrite $socket, request($address);
        1 while sysread $socket, my $text, 4096;
        alarm 0;
    }
    return "connected @took";
}
while ((my $line = next_line()) ne '') {
    my ($id, $what, @words) = split ' ', $line;
    if ($what eq 'watch') {
        watch_address($id, @words);
        exit 0 if next_line() eq '';
    } else {
        my $result = eval { time_connections(@words); time_connections(@words) };
        chomp(my $problem = $@);
        alarm 0;
        print "$id ", $result // "failed $problem", "\\n";
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

/** Opens connections from one origin, with one process for all of them. */
export interface Prober {
  /** Watch an address until the watch is ended; nothing else can be asked meanwhile. */
  watch(address: string, port: number): Watch;
  /** Time a new connection to each address. @returns the median in µs @throws Error if one failed */
  timeConnections(addresses: readonly string[], port: number): Promise<number>;
  end(): void;
}

/** Timeout of the first answer, and of all connections. */
const START_SECONDS = 10;
const CONNECT_SECONDS = 60;

/** Start a prober. */
export function startProber({ name, start }: Origin): Prober {
  const session = start(["perl", "-e", PROBER]);
  /** Lines, with the time of their arrival. */
  const seen = new Map<string, number>();
  const waiting = new Set<() => void>();
  let problem: string | undefined;
  let log = "";
  let commands = 0;
  const wake = () => waiting.forEach((each) => each());
  const isOver = (reason = "the command exited") => {
    problem ??= reason;
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
  const ask = (command: string) => {
    commands += 1;
    session.send(`${commands} ${command}`);
    return commands;
  };
  /**
   * The first line that begins so, and its time.
   * @param late error if there is none in time
   * @param failing beginning of other errors
   */
  const lineOf = (beginning: string, patience: number, late: string, failing: string, isEnded = () => false) => {
    let check = () => {};
    const arrival = new Promise<readonly [line: string, at: number]>((resolve, reject) => {
      check = () => {
        const found = [...seen].find(([line]) => line.startsWith(beginning));
        if (found !== undefined) resolve(found);
        else if (problem !== undefined) reject(new Error(`${failing}: ${problem}`));
        else if (isEnded()) reject(new Error(`${failing}: the watch was ended`));
      };
    });
    waiting.add(check);
    check();
    return within(patience, arrival, late).finally(() => waiting.delete(check));
  };
  return {
    watch(address, port) {
      const id = ask(`watch ${address} ${port}`);
      const failing = `${name} cannot watch ${address}`;
      const late = `${name} does not start to watch ${address}`;
      let isEnded = false;
      const ready = lineOf(`${id} ready`, START_SECONDS, late, failing, () => isEnded).then(() => undefined);
      ready.catch(() => undefined);
      return {
        ready,
        async answerOf(pod, patience) {
          const none = `${name} gets no answer of ${pod} at ${address}`;
          return (await lineOf(`${id} answer ${pod}`, patience, none, failing, () => isEnded))[1];
        },
        end() {
          if (isEnded) return;
          isEnded = true;
          session.send("stop");
          seen.clear();
          wake();
        },
      };
    },
    async timeConnections(addresses, port) {
      const id = ask(`connect ${port} ${addresses.join(" ")}`);
      const [line] = await lineOf(`${id} `, CONNECT_SECONDS, `${name} does not finish`, name);
      const took = /^\d+ connected (.*)$/.exec(line)?.[1]?.split(" ").map(Number);
      if (took === undefined) throw new Error(`${name}: ${line.replace(/^\d+ failed /, "")}`);
      if (took.length !== addresses.length)
        throw new Error(`${name} timed ${took.length} of ${addresses.length} connections`);
      return median(took);
    },
    end: () => session.end(),
  };
}
