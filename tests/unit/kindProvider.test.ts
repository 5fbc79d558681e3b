import { existsSync, readFileSync } from "node:fs";
import { CommandError, lastLines, run } from "../../host/exec";
import { forwardTo, parseResolvConf, resolversFor, type Log } from "../../providers/kind/nodeSetup";
import { kindProvider, plain } from "../../providers/kind/provider";

/** As kubeadm writes it for Kubernetes 1.34.2. */
const COREFILE = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
`;

const SILENT: Log = { status: () => undefined, warn: () => undefined };

describe("CoreDNS's forwarding", () => {
  it("goes to the given resolvers, and back to the node's own, with nothing else changed", () => {
    const forwarded = forwardTo(COREFILE, ["192.0.2.1", "192.0.2.2"]);
    expect(forwarded).toBe(COREFILE.replace("forward . /etc/resolv.conf {", "forward . 192.0.2.1 192.0.2.2 {"));
    expect(forwardTo(forwarded, [])).toBe(COREFILE);
    expect(forwardTo(forwarded, ["192.0.2.1", "192.0.2.2"])).toBe(forwarded);
  });

  it("is found without a block of options too", () => {
    expect(forwardTo(".:53 {\n    forward . /etc/resolv.conf\n    cache 30\n}\n", ["192.0.2.1"])).toBe(
      ".:53 {\n    forward . 192.0.2.1\n    cache 30\n}\n",
    );
  });

  it("takes a list as it is, and leaves the node's resolver alone when asked to", async () => {
    expect(await resolversFor(["192.0.2.9", "192.0.2.1"], "10.0.0.0/8", SILENT)).toEqual(["192.0.2.9", "192.0.2.1"]);
    expect(await resolversFor("node", "10.0.0.0/8", SILENT)).toEqual([]);
  });

  it("never goes to a resolver in the native routing network, and warns when none is left", async () => {
    const warnings: string[] = [];
    const found = await resolversFor("auto", "0.0.0.0/0", { ...SILENT, warn: (message) => warnings.push(message) });
    expect(found).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("Set dns.forward to resolvers that pods reach.")]);
  });

  it("takes resolvers that are IPv4 and no loopback", () => {
    expect(
      parseResolvConf(
        "# nameserver 192.0.2.9\nsearch lan\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n nameserver\t192.0.2.2\nnameserver fe80::1\n",
      ),
    ).toEqual(["192.0.2.1", "192.0.2.2"]);
  });
});

describe("a command", () => {
  it("gives its standard output, reads its input and tells its lines as they come", async () => {
    const lines: string[] = [];
    expect(
      await run("sh", ["-c", "cat; echo one >&2; printf two >&2"], {
        stdin: "input",
        onLine: (line) => lines.push(line),
      }),
    ).toBe("input");
    expect(lines).toEqual(["one", "two"]);
  });

  it("tells characters whole that come in two pieces", async () => {
    const lines: string[] = [];
    await run("sh", ["-c", "printf '\\342\\200' >&2; sleep 0.2; printf '\\242 step\\n' >&2"], {
      onLine: (line) => lines.push(line),
    });
    expect(lines).toEqual(["• step"]);
  });

  it("that fails says how, what could be pasted, and its last words", async () => {
    const failed = run("sh", ["-c", "echo first >&2; echo last >&2; exit 3"]);
    await expect(failed).rejects.toThrow(CommandError);
    await expect(failed).rejects.toThrow(
      "Command failed with exit code 3: sh -c 'echo first >&2; echo last >&2; exit 3'\n    first\n    last",
    );
  });

  it("that fails without a word on standard error repeats its standard output", async () => {
    await expect(run("sh", ["-c", "echo why; exit 1"])).rejects.toThrow(
      /exit code 1: sh -c 'echo why; exit 1'\n {4}why$/,
    );
  });

  it("that a signal ended says which", async () => {
    await expect(run("sh", ["-c", "kill -9 $$"])).rejects.toThrow(/^Command failed with SIGKILL: /);
  });

  it("that fails repeats its last twenty lines and no earlier one", async () => {
    const failed: CommandError = await run("sh", ["-c", "seq 1 25 >&2; exit 1"]).catch((error) => error);
    const repeated = failed.message.split("\n").slice(1);
    expect(repeated).toEqual(Array.from({ length: 20 }, (_, index) => `    ${index + 6}`));
  });

  it("is shown as a shell takes it, with empty words and quotes", async () => {
    await expect(run("sh", ["-c", "exit 1", "", "it's", "$a"])).rejects.toThrow(
      /: sh -c 'exit 1' '' 'it'\\''s' '\$a'$/,
    );
  });

  it("tells a line once, in however many pieces it comes", async () => {
    const lines: string[] = [];
    await run("sh", ["-c", "printf on >&2; sleep 0.5; echo e >&2"], { onLine: (line) => lines.push(line) });
    expect(lines).toEqual(["one"]);
  });

  it("gets what is added to the environment that it inherits", async () => {
    const script = 'echo "$ADDED ${PATH:+inherited}"';
    expect(await run("sh", ["-c", script], { env: { ADDED: "added" } })).toBe("added inherited\n");
  });

  it("that does not exist says that it could not be started", async () => {
    await expect(run("no-such-program", ["a b"])).rejects.toThrow(
      /^Command could not be started \(.*ENOENT\): no-such-program 'a b'$/,
    );
  });

  it("is ended by cancellation together with everything that it started", async () => {
    const cancellation = new AbortController();
    let child = 0;
    const running = run("sh", ["-c", "sleep 60 & echo $! >&2; wait"], {
      signal: cancellation.signal,
      onLine: (line) => {
        child = Number(line);
        cancellation.abort();
      },
    });
    await expect(running).rejects.toThrow(/^Cancelled: sh -c /);
    expect(child).toBeGreaterThan(0);
    // a zombie that nobody has collected yet still takes signals, so what it does is asked
    const stat = `/proc/${child}/stat`;
    expect(["", "Z"]).toContain(existsSync(stat) ? readFileSync(stat, "utf8").split(" ")[2] : "");
  });

  it("is not started after cancellation", async () => {
    await expect(run("sh", ["-c", "exit 0"], { signal: AbortSignal.abort() })).rejects.toThrow(
      /^Cancelled before it started: /,
    );
  });

  it("repeats only so many last lines, without colours", () => {
    expect(lastLines("a\n\nb\n\u001b[0;32mc\u001b[0m\n", 2)).toEqual(["b", "c"]);
  });
});

describe("the kind provider", () => {
  const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: { token: "t" } };

  it("sees plain values where the engine wraps secrets", () => {
    expect(plain({ a: [SECRET, 1], b: { c: SECRET }, d: null })).toEqual({
      a: [{ token: "t" }, 1],
      b: { c: { token: "t" } },
      d: null,
    });
  });

  it("sees plain values where a secret holds a secret", () => {
    expect(plain({ ...SECRET, value: { inner: SECRET } })).toEqual({ inner: { token: "t" } });
  });

  it("names its resource types when asked for another", async () => {
    const urn = "urn:pulumi:s::p::kind:index:Other::x";
    await expect(kindProvider().check!(urn, {}, {})).rejects.toThrow(
      "The kind provider has no resource type kind:index:Other; it has kind:index:CiliumInstallation, kind:index:Cluster, kind:index:Mark, kind:index:NodeImages, kind:index:NodeSettings, kind:index:StackMark, kind:index:WorkloadGround",
    );
  });

  const diff = async (type: string, olds: object, news: object) =>
    kindProvider().diff!("id", `urn:pulumi:s::p::${type}::x`, olds, news);

  it("replaces a NodeImages of another cluster, updates one with other images, and one that a node has lost", async () => {
    const olds = { clusterName: "c", clusterInstance: "c/1", images: ["a:1"], loaded: { "a:1": { n: "sha256:1" } } };
    const news = { clusterName: "c", clusterInstance: "c/1", images: ["a:1"] };
    const type = "kind:index:NodeImages";
    expect(await diff(type, olds, news)).toMatchObject({ changes: false, replaces: [] });
    expect(await diff(type, olds, { ...news, clusterInstance: "c/2" })).toMatchObject({
      changes: true,
      replaces: ["clusterInstance"],
    });
    expect(await diff(type, olds, { ...news, images: ["a:2"] })).toMatchObject({ changes: true, replaces: [] });
    expect(await diff(type, { ...olds, loaded: { "a:1": { n: "" } } }, news)).toMatchObject({
      changes: true,
      replaces: [],
    });
  });

  it("updates NodeSettings in place, also when they are no longer in force", async () => {
    const news = {
      clusterName: "c",
      clusterInstance: "c/1",
      registryMirrors: {},
      dnsForward: "auto",
      nativeRoutingCIDR: "10.0.0.0/8",
    };
    const olds = { ...news, dnsResolvers: [], inForce: true };
    const type = "kind:index:NodeSettings";
    expect(await diff(type, olds, news)).toMatchObject({ changes: false, replaces: [] });
    expect(await diff(type, olds, { ...news, dnsForward: ["192.0.2.1"] })).toMatchObject({
      changes: true,
      replaces: [],
    });
    expect(await diff(type, { ...olds, inForce: false }, news)).toMatchObject({ changes: true, replaces: [] });
    expect(await diff(type, olds, { ...news, clusterInstance: "c/2" })).toMatchObject({
      changes: true,
      replaces: ["clusterInstance"],
    });
  });

  it("replaces a cluster for what kind fixes at creation, and takes over the rest; without Docker that is all it can tell", async () => {
    const news = {
      name: "c",
      nodeImage: "i",
      workers: 2,
      kubeProxyMode: "none",
      podCidr: "p",
      serviceCidr: "s",
      portMappings: [],
      mounts: [],
      exportKubeconfig: false,
      images: [],
      owner: "o",
    };
    const olds = { ...news, containers: ["1"], status: "running", nodes: [], endpoint: "e", kubeconfig: "k" };
    const type = "kind:index:Cluster";
    const path = process.env["PATH"];
    process.env["PATH"] = "";
    try {
      expect(await diff(type, olds, news)).toMatchObject({ changes: false, replaces: [] });
      expect(await diff(type, olds, { ...news, exportKubeconfig: true })).toMatchObject({
        changes: true,
        replaces: [],
      });
      for (const [key, value] of Object.entries({
        name: "d",
        nodeImage: "j",
        workers: 1,
        kubeProxyMode: "iptables",
        podCidr: "q",
        serviceCidr: "t",
        portMappings: [1],
        mounts: [1],
      })) {
        expect(await diff(type, olds, { ...news, [key]: value })).toMatchObject({ changes: true, replaces: [key] });
      }
      expect(await diff(type, { ...olds, status: "incomplete" }, news)).toMatchObject({
        changes: true,
        replaces: ["status"],
      });
      for (const status of ["stopped", "restarted"]) {
        expect(await diff(type, { ...olds, status }, news)).toMatchObject({ changes: true, replaces: [] });
      }
    } finally {
      process.env["PATH"] = path;
    }
  });

  it("refuses to load images by digest", async () => {
    const { failures } = await kindProvider().check!(
      "urn:pulumi:s::p::kind:index:NodeImages::x",
      {},
      { clusterName: "c", clusterInstance: "i", images: ["a@sha256:0", "b:1"] },
    );
    expect(failures).toEqual([
      { property: "images", reason: "a@sha256:0: an image with a digest cannot be loaded into nodes; name its tag" },
    ]);
  });
});
