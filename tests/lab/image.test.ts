import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { DEFAULTS } from "../../modes/defaults";
import { labMissing, MINUTES } from "../support/lab";
import { describeIf } from "../support/project";

const docker = (...args: string[]) =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Every node unpacks it while Cilium starts. */
const MOST_BYTES = 60e6;

/** What scripts do with the tools, what they print then, and the tool that the image may lack. */
const USES: Readonly<Record<string, readonly [script: string, output: RegExp, optional?: string]>> = {
  "answers TCP": ["curl -s http://127.0.0.1/", /^PodName: /],
  "sends probes": [
    `perl - 0,tcp,127.0.0.1,80,9,1,0,3 1,udp,127.0.0.1,80,30,1,0,3 2,icmp,127.0.0.1,0,30,1,0,3 </usr/local/bin/probe | sort`,
    /^0 1 ok .*\n1 1 ok .*\n2 1 ok /,
  ],
  "sends flows": ["sleep 0.5 | flow 100 2000 a,tcp,127.0.0.1,80 b,icmp,127.0.0.1,0", /^a \d+ ok [^]*^b \d+ ok /m],
  pings: ["ping -c 1 -W 1 localhost", /1 received/],
  "resolves names": ["getent hosts localhost; getent passwd root", /localhost[^]*^root:x:0:/m],
  "asks for names by dig": ["dig +tries=1 +time=1 @127.0.0.1 a.invalid. 2>&1; true", /timed? ?out|refused/, "dig"],
  captures: [
    "{ sleep 0.5; ping -c 1 127.0.0.1 >/dev/null; } & timeout 5 tcpdump -i any -y LINUX_SLL2 -n -Z root -c 1 -w - icmp 2>/dev/null | tcpdump -nr - 2>/dev/null",
    /ICMP echo request/,
  ],
  "knows routing tables": ["ip route show table local", /^local 127\.0\.0\.1/m],
  "shapes packets": [
    "tc qdisc add dev lo root tbf rate 9mbit burst 9k latency 9ms && tc qdisc show dev lo && tc qdisc del dev lo root",
    /tbf/,
  ],
  "reads connections": ["conntrack -L 2>&1", /flow entries have been shown/],
  "measures time": [
    "perl -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC -MIO::Handle -e 'print clock_gettime(CLOCK_MONOTONIC)'",
    /^\d+\.\d/,
  ],
  "measures throughput": ["iperf3 -s -D; sleep 0.5; iperf3 -c 127.0.0.1 -t 1 -J", /"sum_received"/, "iperf3"],
  "measures latency": [
    "sockperf server --tcp -p 11111 >/dev/null 2>&1 & sleep 0.5; sockperf ping-pong --tcp -i 127.0.0.1 -p 11111 -t 1 2>&1",
    /percentile 50\.000/,
    "sockperf",
  ],
  "measures connections": ["wrk -t 1 -c 1 -d 1s http://127.0.0.1/", /Requests\/sec/, "wrk"],
  "has a file system": ["mktemp; stat -c %a / /tmp /usr/lib; ls -d /var/run/", /^\/tmp\/\S+\n755\n1777\n755\n/],
};

describeIf(labMissing(), "the workload's image", () => {
  const image = `cmtest/nettool-image:${process.pid}`;
  let container: string;
  beforeAll(() => {
    const settings = JSON.parse(readFileSync(process.env["CILIUM_MODES_LAB_SETTINGS"]!, "utf8")) as {
      readonly nettool?: { readonly baseImage?: string };
    };
    const base = settings.nettool?.baseImage ?? DEFAULTS.nettool.baseImage;
    docker("build", "--build-arg", `BASE_IMAGE=${base}`, "--tag", image, "images/nettool");
    container = docker("run", "--detach", "--rm", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", image).trim();
  }, 5 * MINUTES);
  afterAll(() => {
    docker("rm", "--force", container);
    docker("rmi", image);
  });
  const run = (script: string) => docker("exec", container, "bash", "-c", script);

  it(`has at most ${MOST_BYTES / 1e6} MB`, () => {
    expect(Number(docker("image", "inspect", "--format", "{{.Size}}", image))).toBeLessThanOrEqual(MOST_BYTES);
  });

  it("has all required tools, and the libraries of all tools", () => {
    const lines = readFileSync("images/nettool/tools", "utf8").match(/^[^#].*$/gm)!;
    const files = (kinds: RegExp) => {
      const tools = lines.filter((line) => kinds.test(line)).flatMap((line) => line.split(" ").slice(2));
      const programs = tools.filter((tool) => !tool.includes("::"));
      const found = run(`type -P ${programs.join(" ")} || true`)
        .split("\n")
        .filter(Boolean);
      return { found, missing: programs.filter((program) => !found.some((file) => file.endsWith(`/${program}`))) };
    };
    expect(files(/ required /).missing).toEqual([]);
    const trace = files(/ /).found.map((file) => `LD_TRACE_LOADED_OBJECTS=1 ${file} 2>&1 | sed 's|^|${file} |'`);
    expect(run(trace.join("\n"))).not.toContain("not found");
  });

  it.each(Object.keys(USES))("%s", (use) => {
    const [script, output, optional] = USES[use]!;
    if (optional !== undefined && run(`type -P ${optional} || true`) === "") return;
    expect(run(script)).toMatch(output);
  });
});
