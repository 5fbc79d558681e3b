import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../host/exec";
import { registryOf } from "../host/registries";
import type { HelmValues } from "../modes/ciliumValues";
import { withoutDigest } from "../modes/images";
import { CERTS_DIRECTORY } from "../modes/registryMirrors";

/** Network namespace of the registry, and this machine's end of the line to it. */
const NAMESPACE = "cmbench-line";
const DEVICE = "cmbench-line0";
const [NEAR, FAR] = ["10.251.0.1", "10.251.0.2"];
const PORT = 5000;

/**
 * A registry behind a line of limited rate, which all nodes share as they would share a laptop's. Needs root, iproute2,
 * iptables and docker-registry.
 */
export class Line {
  private readonly folder = mkdtempSync(join(tmpdir(), "cmbench-line-"));
  private registry: ChildProcess | undefined;

  /** @param rate as tc takes it, such as 100mbit */
  constructor(private readonly rate: string) {}

  /** Settings of stacks that pull Cilium's images over the line. Docker pushes images by tag, so nodes pull them by tag. */
  get settings(): HelmValues {
    const byTag = { useDigest: false };
    return {
      cluster: { mounts: [{ hostPath: this.certs, containerPath: CERTS_DIRECTORY, readOnly: true }] },
      cilium: { images: { load: false, agent: byTag, operator: byTag, envoy: byTag } },
    };
  }

  /** Start the registry with these images of this machine's Docker. */
  async open(images: readonly string[]): Promise<void> {
    for (const image of images) {
      const folder = join(this.certs, registryOf(image));
      mkdirSync(folder, { recursive: true });
      const capabilities = 'capabilities = ["pull", "resolve"]';
      const url = `http://${FAR}:${PORT}`;
      writeFileSync(join(folder, "hosts.toml"), `server = "${url}"\n[host."${url}"]\n  ${capabilities}\n`);
    }
    await this.fill(images);
    await cut();
    await run("ip", ["netns", "add", NAMESPACE]);
    await run("ip", ["link", "add", DEVICE, "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE]);
    await run("ip", ["address", "add", `${NEAR}/30`, "dev", DEVICE]);
    await run("ip", ["link", "set", DEVICE, "up"]);
    await run("ip", ["-n", NAMESPACE, "address", "add", `${FAR}/30`, "dev", "eth0"]);
    await run("ip", ["-n", NAMESPACE, "link", "set", "eth0", "up"]);
    await run("ip", ["-n", NAMESPACE, "route", "add", "default", "via", NEAR]);
    const limit = ["tbf", "rate", this.rate, "burst", "256kb", "latency", "50ms"];
    await run("tc", ["-n", NAMESPACE, "qdisc", "add", "dev", "eth0", "root", ...limit]);
    // Docker's own rules let containers reach published ports and the outside only
    for (const direction of ["-i", "-o"])
      await run("iptables", ["-I", "DOCKER-USER", direction, DEVICE, "-j", "ACCEPT"]);
    this.registry = await this.serve(`${FAR}:${PORT}`, ["ip", "netns", "exec", NAMESPACE]);
  }

  async close(): Promise<void> {
    await end(this.registry);
    await cut();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get certs(): string {
    return join(this.folder, "certs.d");
  }

  /** Docker pushes over plain HTTP to this machine only. */
  private async fill(images: readonly string[]): Promise<void> {
    const port = await freePort();
    const registry = await this.serve(`127.0.0.1:${port}`, []);
    for (const image of images.map(withoutDigest)) {
      const host = registryOf(image);
      const pushed = `127.0.0.1:${port}/${image.startsWith(`${host}/`) ? image.slice(host.length + 1) : image}`;
      await run("docker", ["tag", image, pushed]);
      try {
        await run("docker", ["push", "--quiet", pushed]);
      } finally {
        await run("docker", ["rmi", pushed]);
      }
    }
    await end(registry);
  }

  private async serve(address: string, prefix: readonly string[]): Promise<ChildProcess> {
    const config = join(this.folder, "registry.yml");
    writeFileSync(config, "version: 0.1\n");
    const [command, ...args] = [...prefix, "docker-registry", "serve", config];
    const child = spawn(command!, args, {
      env: {
        ...process.env,
        REGISTRY_HTTP_ADDR: address,
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(this.folder, "images"),
      },
      stdio: "ignore",
    });
    for (;;) {
      if (child.exitCode !== null) throw new Error(`docker-registry ended with exit code ${child.exitCode}`);
      const isUp = await fetch(`http://${address}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isUp) return child;
      await sleep(200);
    }
  }
}

/** Remove the line, also one that a killed run left. */
async function cut(): Promise<void> {
  for (const direction of ["-i", "-o"])
    await run("iptables", ["-D", "DOCKER-USER", direction, DEVICE, "-j", "ACCEPT"]).catch(() => undefined);
  await run("ip", ["link", "delete", DEVICE]).catch(() => undefined);
  await run("ip", ["netns", "delete", NAMESPACE]).catch(() => undefined);
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const closed = once(child, "close");
  child.kill();
  await closed;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
