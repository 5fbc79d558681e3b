import { existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { CommandError, lastLines, run } from "../../host/exec";
import { parseResolvConf, resolversFor } from "../../host/resolvers";
import { forwardTo } from "../../providers/kind/nodeSetup";
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

describe("CoreDNS forwarding", () => {
  it("switches CoreDNS between given resolvers and the node's own, and changes nothing else", () => {
    const forwarded = forwardTo(COREFILE, ["192.0.2.1", "192.0.2.2"]);
    expect(forwarded).toBe(COREFILE.replace("forward . /etc/resolv.conf {", "forward . 192.0.2.1 192.0.2.2 {"));
    expect(forwardTo(forwarded, [])).toBe(COREFILE);
    expect(forwardTo(forwarded, ["192.0.2.1", "192.0.2.2"])).toBe(forwarded);
  });

  it("changes a forward line without options", () => {
    expect(forwardTo(".:53 {\n    forward . /etc/resolv.conf\n    cache 30\n}\n", ["192.0.2.1"])).toBe(
      ".:53 {\n    forward . 192.0.2.1\n    cache 30\n}\n",
    );
  });

  it("resolversFor returns a list unchanged, and none for the node's own resolver", async () => {
    const addresses = ["192.0.2.9", "192.0.2.1"];
    expect(await resolversFor(addresses, "10.0.0.0/8")).toEqual({ addresses });
    expect(await resolversFor("node", "10.0.0.0/8")).toEqual({ addresses: [] });
  });

  it("resolversFor skips resolvers in the native routing network, and reports a problem when none is left", async () => {
    expect(await resolversFor("auto", "0.0.0.0/0")).toEqual({
      addresses: [],
      problem: expect.stringMatching(/^this machine('s resolver .* is in|\shas no resolver)/),
    });
  });

  it("parseResolvConf keeps IPv4 resolvers without loopback addresses", () => {
    expect(
      parseResolvConf(
        "# nameserver 192.0.2.9\nsearch lan\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n nameserver\t192.0.2.2\nnameserver fe80::1\n",
      ),
    ).toEqual(["192.0.2.1", "192.0.2.2"]);
  });
});

describe("run", () => {
  it("returns standard output, passes standard input and reports lines of standard error", async () => {
    const lines: string[] = [];
    expect(
      await run("sh", ["-c", "cat; echo one >&2; printf two >&2"], {
        stdin: "input",
        onLine: (line) => lines.push(line),
      }),
    ).toBe("input");
    expect(lines).toEqual(["one", "two"]);
  });

  it("decodes a character that arrives in two pieces", async () => {
    const lines: string[] = [];
    await run("sh", ["-c", "printf '\\342\\200' >&2; sleep 0.2; printf '\\242 step\\n' >&2"], {
      onLine: (line) => lines.push(line),
    });
    expect(lines).toEqual(["• step"]);
  });

  it("reports the exit code, the quoted command and the last lines of a failed command", async () => {
    const failed = run("sh", ["-c", "echo first >&2; echo last >&2; exit 3"]);
    await expect(failed).rejects.toThrow(CommandError);
    await expect(failed).rejects.toThrow(
      "Command failed with exit code 3: sh -c 'echo first >&2; echo last >&2; exit 3'\n    first\n    last",
    );
  });

  it("reports standard output of a failed command without standard error", async () => {
    await expect(run("sh", ["-c", "echo why; exit 1"])).rejects.toThrow(
      /exit code 1: sh -c 'echo why; exit 1'\n {4}why$/,
    );
  });

  it("reports the signal that ended a command", async () => {
    await expect(run("sh", ["-c", "kill -9 $$"])).rejects.toThrow(/^Command failed with SIGKILL: /);
  });

  it("reports only the last twenty lines of a failed command", async () => {
    const script = "for (let line = 1; line <= 25; line += 1) console.error(line); process.exit(1)";
    const failed: CommandError = await run(process.execPath, ["-e", script]).catch((error) => error);
    const repeated = failed.message.split("\n").slice(1);
    expect(repeated).toEqual(Array.from({ length: 20 }, (_, index) => `    ${index + 6}`));
  });

  it("quotes a command for the shell, including empty words and quotes", async () => {
    await expect(run("sh", ["-c", "exit 1", "", "it's", "$a"])).rejects.toThrow(
      /: sh -c 'exit 1' '' 'it'\\''s' '\$a'$/,
    );
  });

  it("reports a line once that arrives in several pieces", async () => {
    const lines: string[] = [];
    await run("sh", ["-c", "printf on >&2; sleep 0.5; echo e >&2"], { onLine: (line) => lines.push(line) });
    expect(lines).toEqual(["one"]);
  });

  it("adds variables to the inherited environment", async () => {
    const script = 'echo "$ADDED ${PATH:+inherited}"';
    expect(await run("sh", ["-c", script], { env: { ADDED: "added" } })).toBe("added inherited\n");
  });

  it("reports a program that does not exist", async () => {
    await expect(run("no-such-program", ["a b"])).rejects.toThrow(
      /^Command could not be started \(.*ENOENT\): no-such-program 'a b'$/,
    );
  });

  it("ends a cancelled command together with its child processes", async () => {
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
    // a zombie still accepts signals, so its state is read instead; a busy machine takes a while to end a process
    const stat = `/proc/${child}/stat`;
    const state = () => (existsSync(stat) ? readFileSync(stat, "utf8").split(" ")[2]! : "ended");
    for (let tries = 0; tries < 100 && !["ended", "Z"].includes(state()); tries += 1) await delay(50);
    expect(["ended", "Z"]).toContain(state());
  });

  it("does not start a command after cancellation", async () => {
    await expect(run("sh", ["-c", "exit 0"], { signal: AbortSignal.abort() })).rejects.toThrow(
      /^Cancelled before it started: /,
    );
  });

  it("lastLines returns the last lines without empty ones and colours", () => {
    expect(lastLines("a\n\nb\n\u001b[0;32mc\u001b[0m\n", 2)).toEqual(["b", "c"]);
  });
});

describe("the kind provider", () => {
  const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: { token: "t" } };

  it("unwraps the engine's secrets", () => {
    expect(plain({ a: [SECRET, 1], b: { c: SECRET }, d: null })).toEqual({
      a: [{ token: "t" }, 1],
      b: { c: { token: "t" } },
      d: null,
    });
  });

  it("unwraps a secret inside a secret", () => {
    expect(plain({ ...SECRET, value: { inner: SECRET } })).toEqual({ inner: { token: "t" } });
  });

  it("lists its resource types in the error for an unknown one", async () => {
    const urn = "urn:pulumi:s::p::kind:index:Other::x";
    await expect(kindProvider().check!(urn, {}, {})).rejects.toThrow(
      "The kind provider has no resource type kind:index:Other; it has kind:index:CiliumInstallation, kind:index:CiliumReadiness, kind:index:Cluster, kind:index:Mark, kind:index:NodeImages, kind:index:NodeSettings, kind:index:StackMark, kind:index:WorkloadGround, kind:index:WorkloadReadiness",
    );
  });

  const diff = async (type: string, olds: object, news: object) =>
    kindProvider().diff!("id", `urn:pulumi:s::p::${type}::x`, olds, news);

  it("replaces NodeImages of another cluster, and updates them for other or missing images", async () => {
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

  it("updates NodeSettings in place when they change or are no longer in force", async () => {
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

  it("replaces a cluster when an input changes that kind sets at creation, and updates it for the others, without Docker", async () => {
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
      // states of earlier versions do not have these inputs
      const defaults = {
        nodeLabels: {},
        featureGates: {},
        kubeadmConfigPatches: [],
        apiServerAddress: "127.0.0.1",
        apiServerPort: 0,
      };
      expect(await diff(type, olds, { ...news, ...defaults })).toMatchObject({ changes: false, replaces: [] });
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
        ipFamily: "dual",
        portMappings: [1],
        mounts: [1],
        nodeLabels: { "worker-1": { a: "b" } },
        featureGates: { AllAlpha: true },
        kubeadmConfigPatches: ["kind: KubeletConfiguration"],
        apiServerAddress: "0.0.0.0",
        apiServerPort: 6443,
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

  it("rejects NodeImages with a digest", async () => {
    const { failures } = await kindProvider().check!(
      "urn:pulumi:s::p::kind:index:NodeImages::x",
      {},
      { clusterName: "c", clusterInstance: "i", images: ["a@sha256:0", "b:1"] },
    );
    expect(failures).toEqual([
      { property: "images", reason: "a@sha256:0: an image with a digest cannot be loaded into nodes; use its tag" },
    ]);
  });
});
