import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRecorded } from "../../cli/demo";
import { verifyStack } from "../../cli/verifyStack";
import { expectationOf } from "../../datapath/expectation";
import { judgeInspection } from "../../datapath/inspect/inspect";
import { begin } from "../../host/timings.cjs";
import { readTimings, spansOf } from "../support/timings";

/** The recorded cluster. Jest runs this before the imports above. */
function mockCluster() {
  const { replay } = jest.requireActual<typeof import("../../cluster/recording")>("../../cluster/recording");
  const demo = jest.requireActual<typeof import("../../cli/demo")>("../../cli/demo");
  return replay(demo.readRecorded("ebpf").verification);
}
jest.mock("../../cluster/read", () => ({ connect: mockCluster }));
jest.mock("../../host/outside", () => mockCluster());
jest.mock("../../datapath/inspect/inspect", () => {
  const { judgeInspection: judge } = jest.requireActual<typeof import("../../datapath/inspect/inspect")>(
    "../../datapath/inspect/inspect",
  );
  return { judgeInspection: jest.fn(judge) };
});

const { args, nodePort } = readRecorded("ebpf");
const ENVIRONMENT = {
  CILIUM_MODES_KUBECONFIG: "a kubeconfig",
  CILIUM_MODES_CLUSTER: "c",
  CILIUM_MODES_NODES_ARE: "containers",
  CILIUM_MODES_EXPECTATION: JSON.stringify(expectationOf(args, { isKind: true, nodePort })),
  CILIUM_MODES_VERIFY: "strict",
  CILIUM_MODES_MAX_NODES: "20",
  CILIUM_MODES_SETTLE_SECONDS: "0",
  CILIUM_MODES_REVISION: "3",
};

describe("the verification of pulumi up", () => {
  const before = { ...process.env };
  beforeEach(() => void Object.assign(process.env, ENVIRONMENT));
  afterEach(() => {
    process.env = { ...before };
    jest.restoreAllMocks();
  });

  const run = async () => {
    const out = jest.spyOn(console, "log").mockImplementation(() => undefined);
    const errors = jest.spyOn(console, "error").mockImplementation(() => undefined);
    await verifyStack();
    return { printed: JSON.parse(out.mock.calls[0]![0] as string) as unknown, errors: errors.mock.calls.flat() };
  };

  it("prints the summary of the verification, and the datapath that the same evidence shows", async () => {
    const { printed, errors } = await run();
    expect(printed).toMatchObject({
      ...{ verdict: "pass", proof: "proven", revision: 3 },
      // only traffic shows the host routing
      datapath: { mode: "ebpf", network: "native", hostRouting: "BPF", socketLb: "everywhere", deviations: [] },
    });
    expect(errors).toEqual([]);
  });

  it("records its stages in the timings of the run", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    const file = join(folder, "up.json");
    Object.assign(process.env, { CILIUM_MODES_TIMINGS: file, CILIUM_MODES_TIMINGS_RUN: "this run" });
    begin(file, "a run", "this run");
    await run();
    const seen = readTimings(file);
    expect(spansOf(seen, "Verifying the cluster")).toEqual([
      "Verifying the cluster",
      "Verifying the cluster > Waiting for the API server",
      "Verifying the cluster > Waiting for nodes and probes",
    ]);
    expect(spansOf(seen, "probes")).toEqual([
      ...["counters before", "pings between pods", "counters between", "wait for the client outside", "traffic"],
      "counters after",
    ]);
    const rows = new Set(seen.spans.map(({ row }) => row));
    expect([...rows]).toEqual(expect.arrayContaining(["client outside", "check translation", "check status"]));
    expect([...rows].filter((row) => row.startsWith("evidence of "))).toHaveLength(3);
    expect(readFileSync(file, "utf8")).not.toContain("a kubeconfig");
    rmSync(folder, { recursive: true });
  });

  it("passes without the datapath where the matrix cannot be judged", async () => {
    jest.mocked(judgeInspection).mockImplementationOnce(() => {
      throw new Error("no such row");
    });
    const { printed, errors } = await run();
    expect(printed).toMatchObject({ verdict: "pass" });
    expect(printed).not.toHaveProperty("datapath");
    expect(errors).toEqual(["The output datapath is missing: no such row"]);
  });
});
