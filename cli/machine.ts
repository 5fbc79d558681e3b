import { cpus, loadavg, machine, release, totalmem } from "node:os";
import type { Machine } from "../compare/results";
import { run } from "../host/exec";

/** This machine's hardware and load, with Docker's version where a daemon answers. */
export async function readMachine(): Promise<Machine> {
  const docker = await run("docker", ["version", "--format", "{{.Server.Version}}"]).catch(() => undefined);
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cpus: all.length,
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: release(),
    architecture: machine(),
    ...(docker === undefined ? {} : { docker: docker.trim() }),
    load: Math.round(loadavg()[0]! * 100) / 100,
  };
}
