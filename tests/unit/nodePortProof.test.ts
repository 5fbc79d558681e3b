import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { V1Pod } from "@kubernetes/client-node";
import type { ClusterReader, ExecResult } from "../../datapath/cluster";
import { askDns, askNodePort, askNodePorts, fetchFromHere, fetchFromPod } from "../../datapath/nodePortProof";

const LINE = "PodName: nettool-x | PodIP: eth0 10.0.1.40/32";
const TARGET = { name: "c1-worker", url: "http://172.18.0.3:32000" };
const NOW_OR_NEVER = 0;

/** A cluster whose pods answer every command like this; everything else is out of reach. */
function cluster(pods: string[], exec: (pod: string, command: readonly string[]) => ExecResult): ClusterReader {
  const unreachable = () => Promise.reject(new Error("not asked in this test"));
  return {
    nodes: unreachable,
    daemonSet: unreachable,
    deployment: unreachable,
    ciliumPodCidrs: unreachable,
    configMap: unreachable,
    log: unreachable,
    pods: () =>
      Promise.resolve(
        pods.map((name) => ({ metadata: { name }, spec: { nodeName: `node-of-${name}` } }) as unknown as V1Pod),
      ),
    exec: (_namespace, pod, _container, command) => Promise.resolve(exec(pod, command)),
  };
}

describe("asking a NodePort", () => {
  it("passes with the line of the nettool server, and repeats it", async () => {
    expect(await askNodePort(TARGET, () => Promise.resolve(`${LINE}\n`), NOW_OR_NEVER)).toEqual({
      question: "c1-worker http://172.18.0.3:32000",
      ok: true,
      said: LINE,
    });
  });

  it("fails when somebody else answers", async () => {
    expect(await askNodePort(TARGET, () => Promise.resolve("<h1>nginx</h1>"), NOW_OR_NEVER)).toMatchObject({
      ok: false,
      said: "answered, but not the nettool server: <h1>nginx</h1>",
    });
  });

  it("fails with the network's reason when nobody answers", async () => {
    const refused = new Error("fetch failed", { cause: new Error("connect ECONNREFUSED 172.18.0.3:32000") });
    expect(await askNodePort(TARGET, () => Promise.reject(refused), NOW_OR_NEVER)).toMatchObject({
      ok: false,
      said: "connect ECONNREFUSED 172.18.0.3:32000",
    });
  });

  it.each(["PodName: nettool-x", `x${LINE}`, "PodName: nettool-x | PodIP: eth0 10.0.1.40/24", ""])(
    "fails for the answer %j, which is not the server's line",
    async (body) => {
      expect(await askNodePort(TARGET, () => Promise.resolve(body), NOW_OR_NEVER)).toMatchObject({ ok: false });
    },
  );

  it("finds the server's line among others", async () => {
    const body = `<html>\n${LINE}\n</html>`;
    expect(await askNodePort(TARGET, () => Promise.resolve(body), NOW_OR_NEVER)).toMatchObject({
      ok: true,
      said: LINE,
    });
  });

  it("tells a timeout in words", async () => {
    const late = () => Promise.reject(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    expect(await askNodePort(TARGET, late, NOW_OR_NEVER)).toMatchObject({ ok: false, said: "no answer within 3 s" });
  });

  it("gives up at the deadline with the last answer", async () => {
    let asked = 0;
    const never = () => Promise.reject(new Error(`refusal ${++asked}`));
    const { ok, said } = await askNodePort(TARGET, never, Date.now() + 500);
    expect([ok, said]).toEqual([false, "refusal 2"]);
  });

  it("asks again until the deadline", async () => {
    let asked = 0;
    const later = () => (++asked < 2 ? Promise.reject(new Error("not yet")) : Promise.resolve(LINE));
    expect((await askNodePort(TARGET, later, Date.now() + 10_000)).ok).toBe(true);
    expect(asked).toBe(2);
  });
});

describe("asking all NodePorts", () => {
  const other = { name: "c1-worker2", url: "http://172.18.0.4:32000" };
  const pod = { name: "net", fetch: () => Promise.resolve(LINE) };

  it("keeps a failure when this machine reaches some of them", async () => {
    const here = (url: string) => (url === TARGET.url ? Promise.resolve(LINE) : Promise.reject(new Error("refused")));
    expect((await askNodePorts([TARGET, other], here, pod, NOW_OR_NEVER)).map(({ ok }) => ok)).toEqual([true, false]);
  });

  it("asks from a pod when this machine reaches none, and says so", async () => {
    const answers = await askNodePorts([TARGET, other], () => Promise.reject(new Error("no route")), pod, NOW_OR_NEVER);
    expect(answers.map(({ ok }) => ok)).toEqual([true, true]);
    expect(answers[0]!.question).toBe("c1-worker http://172.18.0.3:32000 (from pod net; this machine: no route)");
  });

  it("gets a pod's reason from curl", async () => {
    const failing = cluster([], () => ({ exitCode: 28, stdout: "", stderr: "curl: (28) timed out\n" }));
    await expect(fetchFromPod(failing, "default", "net")(TARGET.url)).rejects.toThrow("curl: (28) timed out");
  });
});

describe("asking cluster DNS", () => {
  it("passes when every pod gets an address", async () => {
    const answering = cluster(["p1", "p2"], () => ({
      exitCode: 0,
      stdout: "10.96.0.1 STREAM kubernetes.default\n",
      stderr: "",
    }));
    expect(await askDns(answering, "default", "app=nettool", 2, NOW_OR_NEVER)).toEqual([
      { question: "DNS from p1 on node-of-p1: kubernetes.default.svc.cluster.local", ok: true, said: "10.96.0.1" },
      { question: "DNS from p2 on node-of-p2: kubernetes.default.svc.cluster.local", ok: true, said: "10.96.0.1" },
    ]);
  });

  it("fails for the pod that gets none", async () => {
    const half = cluster(["p1", "p2"], (pod) =>
      pod === "p1"
        ? { exitCode: 0, stdout: "10.96.0.1 STREAM\n", stderr: "" }
        : { exitCode: 2, stdout: "", stderr: "" },
    );
    expect((await askDns(half, "default", "app=nettool", 2, NOW_OR_NEVER))[1]).toMatchObject({
      ok: false,
      said: "no address (exit code 2)",
    });
  });

  it("fails when success came without an answer", async () => {
    const silent = cluster(["p1"], () => ({ exitCode: 0, stdout: "", stderr: "" }));
    expect((await askDns(silent, "default", "app=nettool", 1, NOW_OR_NEVER))[0]!.ok).toBe(false);
  });

  it("fails when a pod is missing that should be asked from", async () => {
    expect(
      await askDns(
        cluster(["p1"], () => ({ exitCode: 0, stdout: "x", stderr: "" })),
        "default",
        "app=nettool",
        2,
        NOW_OR_NEVER,
      ),
    ).toEqual([{ question: "DNS from pods app=nettool", ok: false, said: "1 of 2 pods are there" }]);
  });

  it("asks again until every pod is there and has an answer", async () => {
    let counted = 0;
    let asked = 0;
    const slow = {
      ...cluster([], () =>
        ++asked < 2 ? { exitCode: 2, stdout: "", stderr: "" } : { exitCode: 0, stdout: "10.96.0.1 x", stderr: "" },
      ),
      pods: () =>
        Promise.resolve(++counted < 2 ? [] : [{ metadata: { name: "p1" }, spec: { nodeName: "n" } } as V1Pod]),
    };
    expect((await askDns(slow, "default", "app=nettool", 1, Date.now() + 10_000)).map(({ ok }) => ok)).toEqual([true]);
    expect([counted, asked]).toEqual([2, 2]);
  });

  it("fails with the reason when a pod cannot be reached", async () => {
    const broken: ClusterReader = {
      ...cluster(["p1"], () => ({ exitCode: 0, stdout: "", stderr: "" })),
      exec: () => Promise.reject(new Error("container not found")),
    };
    expect((await askDns(broken, "default", "app=nettool", 1, NOW_OR_NEVER))[0]).toMatchObject({
      ok: false,
      said: "container not found",
    });
  });
});

describe("fetching from this machine", () => {
  let server: Server;
  let url: string;
  let answer: { status: number; body: string };
  const connections: (string | undefined)[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      connections.push(request.headers.connection);
      response.writeHead(answer.status).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it("gives the body, on a connection of its own, so that each request can reach another pod", async () => {
    answer = { status: 200, body: LINE };
    expect(await fetchFromHere(url)).toBe(LINE);
    expect(connections).toEqual(["close"]);
  });

  it("takes no other status for an answer", async () => {
    answer = { status: 503, body: LINE };
    await expect(fetchFromHere(url)).rejects.toThrow("status 503");
  });
});
