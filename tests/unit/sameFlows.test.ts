import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { readSameFlows } from "../../datapath/evidence/sameFlows";

const TARGETS = ["a", "b"].map((node, index) => ({ node, address: `10.0.0.${index}`, port: 32000 }));

describe("connections from the same port", () => {
  it("ask every node from each port, from other ports in the next verification", async () => {
    const scripts: string[] = [];
    // curl answers with its own arguments
    const client = {
      async run(script: string) {
        scripts.push(script);
        const fake = 'curl() { case "$*" in *10.0.0.1:*) ;; *) echo "pod=p$5-of client=$*" ;; esac; }';
        const { stdout } = await promisify(execFile)("sh", ["-c", `${fake}\n${script}`]);
        return stdout;
      },
    };
    const flows = await readSameFlows(client, TARGETS, 1_000);
    expect(flows).toHaveLength(16);
    expect(flows.slice(0, 2)).toEqual([
      { port: 61_008, node: "a", pod: "p61008-of" },
      { port: 61_008, node: "b", pod: undefined },
    ]);
    await readSameFlows(client, TARGETS, 2_000);
    expect(scripts[1]).toContain("61016");
    expect(scripts[1]).not.toContain("61008");
  });
});
