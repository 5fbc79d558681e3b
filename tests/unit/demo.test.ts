import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demo, readRecorded, recordedNames, replayed } from "../../cli/demo";
import { replay } from "../../cluster/recording";
import { expectationOf } from "../../datapath/expectation";
import { FAULTS } from "../../datapath/faults/catalogue";
import { verify } from "../../datapath/verify";
import { PLAIN } from "../../render/terminal";

const HEALTHY = "ebpf";

const verified = (name: string) => {
  const { args, nodePort, verification } = readRecorded(name);
  return verify(replay(verification), expectationOf(args, { isKind: true, nodePort }));
};

describe("a recorded cluster of the demo", () => {
  it("is proven if it is healthy, at the time of the recording, and sends nothing", async () => {
    const fetching = jest.spyOn(globalThis, "fetch");
    const { proof, results, verifiedAt } = await verified(HEALTHY);
    expect(fetching).not.toHaveBeenCalled();
    fetching.mockRestore();
    expect([proof, results.filter(({ verdict }) => verdict === "fail")]).toEqual(["proven", []]);
    expect(verifiedAt).toBe(readRecorded(HEALTHY).verification.recordedAt);
  });

  it.each(recordedNames().filter((name) => name !== HEALTHY))("has one cause, which explains %s", async (name) => {
    const { causes } = await verified(name);
    expect(causes).toHaveLength(1);
    expect(FAULTS.find((fault) => fault.name === name)!.expect).toContain(causes[0]!.cause);
  });

  it("shows on which endpoints a policy is enforced", async () => {
    const [cause] = (await verified("policy-without-world")).causes;
    expect(cause!.seen).toContain("enforced on endpoints of the workload: 1");
    expect(cause!.reason).toContain("CiliumNetworkPolicy nettool/drill");
  });

  it("answers everything that the commands ask", async () => {
    const { text, page } = await replayed(readRecorded(HEALTHY), PLAIN);
    expect(text).not.toContain("was not asked");
    expect(text).toContain("PROVEN");
    expect(text).toMatch(/^ebpf: mode ebpf, native routing; nothing contradicts/m);
    expect(page).toContain("<svg");
  });

  it("shows of the matrix what makes the mode, and what contradicts", async () => {
    const { text } = await replayed(readRecorded("socket-lb-host-only-on-one-node"), PLAIN);
    const matrix = text.slice(text.indexOf("VERDICT"), text.indexOf("more rows")).split("\n").slice(1, -2);
    expect(matrix.map((line) => /^(.+?)  /.exec(line)?.[1])).toEqual([
      ...["IN FORCE", "UNSEEN", "IN FORCE", "IN FORCE", "DRIFT", "IN FORCE"],
    ]);
    expect(text).toMatch(/^DRIFT +Socket LB +everywhere +host namespace +host namespace +on +\S+-worker$/m);
    expect(text).toMatch(/^ {2}- Socket LB on \S+-worker: CiliumNodeConfig drill sets bpf-lb-sock-hostns-only/m);
  });

  it("is named first, with its versions and its day, and leaves the page of the trace", async () => {
    const lines: string[] = [];
    const print = jest.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
    const html = join(mkdtempSync(join(tmpdir(), "demo-")), "trace.html");
    await demo({ html, open: false }).finally(() => print.mockRestore());
    expect(lines[0]).toMatch(
      /^This is a recorded cluster.* Cilium 1\.\d+\.\d+, Kubernetes v1\.\d+\.\d+, .* recorded on 20\d\d-/,
    );
    expect(readFileSync(html, "utf8")).toContain("<svg");
  });

  it("refuses a fault without a recording, and names the others", async () => {
    await expect(demo({ fault: "cosmic-ray" })).rejects.toThrow(
      /no recording of the fault cosmic-ray; recorded are .+/,
    );
  });
});
