import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { record, replay, type Recording } from "../../cluster/recording";
import type { AttachableCluster } from "../../cluster/read";

/** A session that prints some output and ends. */
function printing(output: string) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  stdout.end(output);
  stderr.end("listening\n");
  return { stdout, stderr, send: () => undefined, end: () => undefined };
}

function runningCluster(): AttachableCluster {
  let counter = 0;
  return {
    now: () => Date.parse("2026-11-28T10:00:00.500Z"),
    nodes: () => Promise.resolve([{ metadata: { name: "a", creationTimestamp: new Date("2026-11-28T09:00:00Z") } }]),
    ciliumPodCidrs: () => Promise.resolve(new Map([["a", ["10.0.0.0/24"]]])),
    configMap: () => Promise.resolve(undefined),
    exec: (_namespace: string, pod: string) =>
      pod === "gone"
        ? Promise.reject(new Error("the connection to gone was closed"))
        : Promise.resolve({ exitCode: 0, stdout: `${(counter += 1)}`, stderr: "" }),
    onNode: (node: string) => Promise.resolve(`rules of ${node}`),
    startOutside: () =>
      Promise.resolve({
        address: "172.18.0.9",
        run: (script: string) => Promise.resolve(`ran ${script}`),
        end: () => Promise.resolve(),
      }),
    start: () => printing("captured"),
  } as Partial<AttachableCluster> as AttachableCluster;
}

/** Ask everything of a cluster; the same of a recorded one must answer the same. */
async function askAll(cluster: AttachableCluster) {
  const count = async () => (await cluster.exec("default", "net", "net", ["count"])).stdout;
  const outside = await cluster.startOutside!("image");
  const session = cluster.start("default", "net", "net", ["tcpdump"]);
  const answers = {
    now: cluster.now(),
    nodes: await cluster.nodes(),
    cidrs: await cluster.ciliumPodCidrs(),
    configMap: await cluster.configMap("kube-system", "cilium-config"),
    counts: [await count(), await count()],
    failure: await cluster.exec("default", "gone", "net", ["true"]).catch((error: Error) => error.message),
    rules: await cluster.onNode!("a", ["iptables-save"]),
    outside: [outside.address, await outside.run("curl")],
    captured: await Promise.all([text(session.stdout), text(session.stderr)]),
  };
  await outside.end();
  return answers;
}

describe("a recorded cluster", () => {
  const recorded = async (): Promise<{ answers: unknown; recording: Recording }> => {
    const { cluster, recording } = record(runningCluster());
    const answers = await askAll(cluster);
    await new Promise(setImmediate);
    return { answers, recording: JSON.parse(JSON.stringify(recording())) as Recording };
  };

  it("answers as the running one did, in the same order", async () => {
    const { answers, recording } = await recorded();
    expect(await askAll(replay(recording))).toEqual(answers);
    expect(answers).toMatchObject({ counts: ["1", "2"], captured: ["captured", "listening\n"] });
  });

  it("has what a session printed after it was taken", async () => {
    const { cluster, recording } = record(runningCluster());
    const start = (from: AttachableCluster) => from.start("default", "net", "net", ["tcpdump"]);
    const session = start(cluster);
    const taken = recording();
    await Promise.all([text(session.stdout), text(session.stderr)]);
    await new Promise(setImmediate);
    const replayed = start(replay(JSON.parse(JSON.stringify(taken)) as Recording));
    expect(await text(replayed.stdout)).toBe("captured");
  });

  it("repeats its last answer, and refuses what it was not asked", async () => {
    const cluster = replay<AttachableCluster>((await recorded()).recording);
    for (const expected of ["1", "2", "2"])
      expect((await cluster.exec("default", "net", "net", ["count"])).stdout).toBe(expected);
    await expect(cluster.exec("default", "net", "net", ["reboot"])).rejects.toThrow(
      /was not asked this: exec\(.*reboot/,
    );
  });

  it("keeps no word of the shells in which commands ran", () => {
    const end = jest.fn();
    const { cluster, recording } = record({ ...runningCluster(), keepShells: () => end });
    cluster.keepShells!()();
    expect([end.mock.calls.length, recording().calls]).toEqual([1, {}]);
  });

  it("says when it was recorded, and keeps equal answers once", async () => {
    const { recording } = await recorded();
    expect(recording.recordedAt).toBe("2026-11-28T10:00:00.500Z");
    expect(new Set(recording.answers).size).toBe(recording.answers.length);
  });
});
