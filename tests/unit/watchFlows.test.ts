import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "../../datapath/watch/client";
import { chooseFlows, choosePods, flowArguments, FLOWS, type Targets } from "../../datapath/watch/flows";

const IMAGE = join(__dirname, "../../images/nettool");
const TARGETS: Targets = {
  near: { address: "10.0.1.2", port: 80 },
  far: { address: "10.0.2.2", port: 80 },
  "far-node": { address: "172.18.0.3", port: 0 },
  "cluster-ip": { address: "10.96.5.5", port: 80 },
  "node-port": { address: "172.18.0.3", port: 32000 },
  dns: { address: "10.96.0.10", port: 53, name: "serversvc.nettool.svc.cluster.local" },
  outside: { address: "172.18.0.9", port: 80 },
};

describe("the flows of a watch", () => {
  it("have unique ids", () => {
    expect(new Set(FLOWS.map(({ id }) => id)).size).toBe(FLOWS.length);
  });

  it("are all sent if nothing is missing", () => {
    const { flows, omitted } = chooseFlows(TARGETS, new Set(["pod", "node", "outside"]));
    expect([flows.length, omitted]).toEqual([FLOWS.length, []]);
  });

  it("are omitted with reasons if something is missing", () => {
    const { outside: _, far: __, ...some } = TARGETS;
    const { flows, omitted } = chooseFlows(some, new Set(["pod"]));
    expect(flows.every(({ from, to }) => from === "pod" && to !== "outside" && to !== "far")).toBe(true);
    expect(omitted).toContainEqual({ title: "pod to pod, other node, ping", reason: "the cluster has only one node" });
    expect(omitted).toContainEqual({
      title: "node to node, ping",
      reason: "commands cannot run on the cluster's nodes",
    });
    expect(flows.length + omitted.length).toBe(FLOWS.length);
  });

  it("lead to a worker on another node if there is one", () => {
    const place = (node: string) => ({ pod: `server-${node}`, node, address: "10.0.0.1" });
    const servers = ["c-control-plane", "c-worker", "c-worker2"].map(place);
    const chosen = choosePods(place("c-worker"), servers);
    expect([chosen.near?.node, chosen.far?.node]).toEqual(["c-worker", "c-worker2"]);
    expect(choosePods(place("c-control-plane"), servers.slice(0, 1)).far).toBeUndefined();
  });

  it("become the program's arguments", () => {
    const flows = FLOWS.filter(({ id }) => ["same-node-icmp", "dns", "control-pod"].includes(id));
    expect(flowArguments(flows, TARGETS, 100, 1000)).toEqual([
      "100",
      "1000",
      "same-node-icmp,icmp,10.0.1.2,80,",
      "dns,dns,10.96.0.10,53,serversvc.nettool.svc.cluster.local",
      "control-pod,self,,0,",
    ]);
  });
});

const hasPerl = spawnSync("perl", ["-MSocket", "-e", "1"]).status === 0;

(hasPerl ? describe : describe.skip)("the program flow", () => {
  const PORT = 18_000 + (process.pid % 2000);
  let server: ChildProcess;
  beforeAll(async () => {
    server = spawn("perl", [join(IMAGE, "serve")], { env: { ...process.env, PORT: String(PORT) } });
    await new Promise((resolve) => server.stdout!.once("data", resolve));
  });
  afterAll(() => server.kill());

  const running: ChildProcess[] = [];
  const clientOf = (...flows: readonly string[]) => {
    const began = performance.now();
    const start = () => {
      const child = spawn("perl", [join(IMAGE, "flow"), "50", "300", ...flows], { stdio: "pipe" });
      running.push(child);
      const { stdin, stdout, stderr } = child;
      stdin.on("error", () => undefined);
      return { stdout, stderr, end: () => void stdin.write("\n") };
    };
    const ids = new Set(flows.map((flow) => flow.split(",")[0]!));
    return new Client("here", ids, start, () => performance.now() - began);
  };

  it("gets answers over new and kept connections, UDP and the loopback interface", async () => {
    const client = clientOf(
      ...["tcp", "kept", "udp"].map((protocol) => `${protocol},${protocol},127.0.0.1,${PORT}`),
      "self,self,,",
    );
    await client.ready;
    await sleep(600);
    await client.end();
    for (const flow of ["tcp", "kept", "udp", "self"]) {
      const { probes, breaks, unobserved } = client.series(flow);
      expect([flow, probes.length > 5, breaks, unobserved]).toEqual([flow, true, [], []]);
      expect(probes.filter(({ answeredAt }) => answeredAt === undefined)).toEqual([]);
    }
  });

  it("reports why probes are lost", async () => {
    const client = clientOf("refused,tcp,127.0.0.1,1", "kept,kept,127.0.0.1,1");
    await client.ready;
    await sleep(200);
    await client.end();
    for (const flow of ["refused", "kept"]) {
      const { probes, breaks } = client.series(flow);
      expect(new Set(probes.map(({ why }) => why))).toEqual(new Set(["connection refused"]));
      expect(breaks).toEqual([]);
    }
  });

  it("reports a broken connection, and opens a new one", async () => {
    const sockets: Socket[] = [];
    const echo = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.write("HTTP/1.1 200 OK\r\nX-Echo: lines\r\n\r\n");
      socket.on("data", (data: Buffer) => void socket.write(data.toString().replace(/^GET .*\r\n\r\n/s, "")));
    });
    await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
    const client = clientOf(`kept,kept,127.0.0.1,${(echo.address() as AddressInfo).port}`);
    await client.ready;
    await sleep(300);
    sockets[0]!.resetAndDestroy();
    await sleep(300);
    await client.end();
    echo.close();
    expect(sockets).toHaveLength(2);
    const { probes, breaks } = client.series("kept");
    expect(breaks).toEqual([{ at: expect.any(Number) as number, why: "connection reset by peer" }]);
    expect(
      probes.filter(({ sentAt, answeredAt }) => answeredAt !== undefined && sentAt > breaks[0]!.at).length,
    ).toBeGreaterThan(2);
  });

  it("is restarted when it dies, and the time in between is unobserved", async () => {
    const client = clientOf("self,self,,");
    await client.ready;
    await sleep(200);
    running.at(-1)!.kill("SIGKILL");
    await sleep(1000);
    await client.end();
    const holes = client.unobserved();
    expect(holes).toHaveLength(1);
    expect(holes[0]!.to - holes[0]!.from).toBeGreaterThan(400);
    const { probes } = client.series("self");
    expect(probes.some(({ sentAt }) => sentAt > holes[0]!.to - 50)).toBe(true);
    expect(probes.filter(({ sentAt }) => sentAt > holes[0]!.from + 50 && sentAt < holes[0]!.to - 50)).toEqual([]);
  });

  it("ends when its input closes", async () => {
    const child = spawn("perl", [join(IMAGE, "flow"), "50", "300", "self,self,,"], { stdio: "pipe" });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.stdin.end();
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(0);
  });

  it("fails with its own message if it cannot start", async () => {
    const client = new Client(
      "net",
      new Set(["self"]),
      () => {
        const { stdin, stdout, stderr } = spawn("sh", ["-c", "echo 'flow: not found' >&2; exit 127"], {
          stdio: "pipe",
        });
        return { stdout, stderr, end: () => void stdin.end() };
      },
      () => performance.now(),
    );
    await expect(client.ready).rejects.toThrow("net: flow: not found");
    await client.end();
  });
});
