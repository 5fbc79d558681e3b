import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { agentLog } from "../../cluster/agentLog";
import { missingCrds } from "../../cluster/agents";
import type { ClusterReader } from "../../cluster/read";
import { fallbackLines } from "../../datapath/checks/status";

const OPTIONS = `2026-11-30T05:00:00Z stderr F time=x level=info msg="  --enable-bpf-masquerade=true"`;
const REASON = "BPF bandwidth manager could not read procfs. Disabling the feature.";
const LATER = "Falling back to legacy host routing";
const line = (message: string) => `2026-11-30T05:00:01Z stderr F time=x level=warn msg="${message}"\n`;

let pods: string;
beforeEach(() => {
  pods = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
  const logs = join(pods, "kube-system_cilium-x_3f2a", "cilium-agent");
  mkdirSync(logs, { recursive: true });
  const noise = line("datapath trace").repeat(5000);
  const files = {
    "0.log.20261130-050000.gz": gzipSync(`${OPTIONS}\n${line(REASON)}${noise}`),
    "0.log.20261130-051500": Buffer.from(`${noise}${line(LATER)}`),
    "0.log": Buffer.from(noise),
  };
  Object.entries(files).forEach(([name, content], index) => {
    writeFileSync(join(logs, name), content);
    utimesSync(join(logs, name), index + 1, index + 1);
  });
});
afterEach(() => rmSync(pods, { recursive: true }));

/** A cluster whose API server has this log; each command on a node is counted. */
function clusterWith(log: string) {
  const asked: string[] = [];
  const cluster = {
    log: () => Promise.resolve(log),
    onNode: (node: string, [shell, option, script]: [string, string, string]) => {
      asked.push(node);
      const { stdout, status } = spawnSync(shell, [option, script.replace("/var/log/pods", pods)], {
        encoding: "utf8",
      });
      return status === 0 ? Promise.resolve(stdout) : Promise.reject(new Error(`exit code ${status}`));
    },
  } as unknown as ClusterReader;
  return { cluster, asked };
}

describe("an agent's log", () => {
  it("has its beginning and its fallbacks from rotated files of the node", async () => {
    const { cluster, asked } = clusterWith(line("datapath trace"));
    const log = await agentLog(cluster, { node: "worker", pod: "cilium-x" });
    expect(asked).toEqual(["worker"]);
    expect(log.startsWith(OPTIONS)).toBe(true);
    expect(fallbackLines(log)).toEqual([REASON, LATER]);
    expect(log.length).toBeLessThan(600_000);
  });

  it("asks no node while the API server has the beginning, and needs none", async () => {
    const { cluster, asked } = clusterWith(`${OPTIONS}\n${line(REASON)}`);
    expect(fallbackLines(await agentLog(cluster, { node: "worker", pod: "cilium-x" }))).toEqual([REASON]);
    expect(asked).toEqual([]);
    const unreachable = clusterWith(line(LATER));
    expect(await agentLog(unreachable.cluster, { node: "worker", pod: "another" })).toBe(line(LATER));
  });
});

describe("CRDs that an agent waits for", () => {
  const FOUND = 'time=3 level=info msg="All Cilium CRDs have been found and are available" subsys=k8s';
  const lines = (...said: string[]) => ['time=1 level=info msg="Serving"', ...said, ""].join("\n");

  it.each([
    [
      "1.18",
      'time=2 level=info msg="Still waiting for Cilium Operator to register CRDs" module=agent CRDs="[crd:ciliumnodes.cilium.io crd:ciliumcidrgroups.cilium.io]"',
    ],
    [
      "1.16",
      'level=info msg="Still waiting for Cilium Operator to register the following CRDs: [crd:ciliumnodes.cilium.io crd:ciliumcidrgroups.cilium.io]" subsys=k8s',
    ],
    [
      "1.12, when it gives up",
      'level=fatal msg="Unable to find all Cilium CRDs necessary within 5m0s timeout. The following CRDs were not found: [crd:ciliumnodes.cilium.io crd:ciliumcidrgroups.cilium.io]" error="context deadline exceeded" subsys=k8s',
    ],
  ])("are in its log, as %s writes it, until they are there", (_version, line) => {
    expect(missingCrds(lines(line))).toEqual(["ciliumcidrgroups.cilium.io", "ciliumnodes.cilium.io"]);
    expect(fallbackLines(lines(line))).toEqual([
      "the agent waits for CRDs that the cluster does not have: ciliumcidrgroups.cilium.io, ciliumnodes.cilium.io",
    ]);
    expect(fallbackLines(lines(line, FOUND))).toEqual([]);
  });
});
