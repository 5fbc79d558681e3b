import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { COVERAGE } from "../../datapath/evidence/coverage";
import { probeScript, triesOf } from "../../datapath/evidence/probing";
import { describeIf, missingPrograms } from "../support/project";

const CLIENT = join(__dirname, "../../images/nettool/probe");

describe("probes", () => {
  it("cover every flow with at least one small packet, and say why combinations are left out", () => {
    for (const flow of Object.values(COVERAGE)) {
      expect(flow.shapes.some((shape) => shape.endsWith("/small"))).toBe(true);
      expect(flow.omitted).toBeTruthy();
    }
  });

  it("are read as the client prints them", () => {
    expect(
      triesOf(
        "0 1 ok 12 0 pod=nettool-a client=10.0.1.5:4711 bytes=30\n1 2 ok 0 1 ttl=62 bytes=32\n2 1 failed 4010 0 no connection within 4 s\n",
      ),
    ).toEqual([
      { target: "0", milliseconds: 12, lost: 0, pod: "nettool-a", client: "10.0.1.5", ttl: undefined },
      { target: "1", milliseconds: 0, lost: 1, pod: undefined, client: undefined, ttl: 62 },
      { target: "2", milliseconds: 4010, lost: 0, failure: "no connection within 4 s" },
    ]);
  });

  it("are left to bash where there is no perl, as far as bash can send them", () => {
    const target = { id: "0", address: "10.0.0.1", port: 80, bytes: 0, tries: 1, distinct: 0, seconds: 4 };
    const script = probeScript([
      { ...target, protocol: "tcp" },
      { ...target, id: "1", protocol: "icmp" },
    ]);
    expect(script).toContain("bash 0,tcp,10.0.0.1,80,0,1,0,4");
    expect(script.split("\n").at(-1)).not.toContain("1,icmp");
  });

  describeIf(missingPrograms("perl"), "of a client that did not get the processor", () => {
    /** The client's first connection waits while the client stands still for longer than a try may take. */
    it.each([
      ["an answer that came meanwhile", "before", 262_144],
      ["an answer to a request that was sent late", "after", 0],
    ] as const)("take %s for no failure", async (_what, answered, bytes) => {
      const server = createServer((socket) => socket.on("error", () => undefined).once("data", () => answer(socket)));
      const answer = (socket: Socket) => {
        if (answered === "before") client.kill("SIGSTOP");
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes + 7}\r\n\r\npod=me ${"x".repeat(bytes)}`);
      };
      await once(server.listen(0, "127.0.0.1"), "listening");
      const { port } = server.address() as AddressInfo;
      const client = spawn("perl", [CLIENT, `0,tcp,127.0.0.1,${port},${bytes},1,0,1`]);
      if (answered === "after") server.once("connection", () => client.kill("SIGSTOP"));
      try {
        const output = text(client.stdout);
        await once(server, "connection");
        await setTimeout(1_500);
        client.kill("SIGCONT");
        expect(triesOf(await output)).toMatchObject([{ target: "0", pod: "me" }]);
      } finally {
        client.kill("SIGKILL");
        server.close();
      }
    });

    it("still take silence for a failure", async () => {
      const server = createServer(() => undefined);
      await once(server.listen(0, "127.0.0.1"), "listening");
      const { port } = server.address() as AddressInfo;
      const client = spawn("perl", [CLIENT, `0,tcp,127.0.0.1,${port},0,1,0,1`]);
      try {
        expect(triesOf(await text(client.stdout))).toMatchObject([
          { failure: "no answer on an open connection within 1 s" },
        ]);
      } finally {
        client.kill("SIGKILL");
        server.close();
      }
    });
  });
});
