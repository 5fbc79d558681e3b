import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KindNode } from "../../host/docker";
import { writeRegistryMirrors } from "../../providers/kind/nodeSetup";
import { withOwnPath } from "../support/ownPath";

describe("writeRegistryMirrors", () => {
  const own = withOwnPath();
  const node: KindNode = {
    name: "c-control-plane",
    role: "control-plane",
    containerId: "1",
    running: true,
    address: "",
    mountPoints: [],
  };

  it("replaces a registry's folder with a complete one that only root can read, and removes other registries'", async () => {
    const log = join(own.folder, "log");
    const docker = join(own.folder, "docker");
    writeFileSync(docker, `#!/bin/sh\necho "$*" >> ${log}\n`);
    chmodSync(docker, 0o755);
    const endpoint = { url: "https://m", ca: "CA", authorization: "Basic czNjcmV0" };
    await writeRegistryMirrors([node], { "docker.io": { endpoints: [endpoint] } }, ["docker.io", "quay.io"]);
    const certs = "/etc/containerd/certs.d";
    const written = (file: string) =>
      `exec --interactive c-control-plane install -D -m 600 /dev/stdin ${certs}.new/docker.io/${file}`;
    expect(readFileSync(log, "utf8").trim().split("\n")).toEqual([
      `exec c-control-plane rm -rf ${certs}/quay.io`,
      `exec c-control-plane rm -rf ${certs}.new/docker.io`,
      written("0-ca.crt"),
      written("hosts.toml"),
      expect.stringMatching(
        / sh -c rm -rf .* sh \/etc\/containerd\/certs\.d\.new\/docker\.io \/etc\/containerd\/certs\.d\/docker\.io$/,
      ),
    ]);
  });
});
