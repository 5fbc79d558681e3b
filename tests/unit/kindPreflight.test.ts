import { createServer, type AddressInfo } from "node:net";
import { NODE_IMAGES } from "../../modes/releases";
import { preflight, type PreflightInputs } from "../../providers/kind/kindCli";
import { withOwnPath } from "./support/ownPath";

describe("preflight", () => {
  const { program } = withOwnPath();

  const cluster = (nodeImage: string): PreflightInputs => ({
    name: "c",
    mode: "replacement",
    nodeImage,
    workers: 0,
    portMappings: [],
  });
  const images = { old: NODE_IMAGES["1.23.4"]!.image, newest: NODE_IMAGES["1.37.0"]!.image };

  it.each([
    ["kind v0.33.0 go1.26.1 linux/amd64", images.newest],
    ["kind v0.32.0 go1.26.1 linux/amd64", images.old],
    ["kind v0.34.0-alpha+123 go1.26.1 linux/amd64", images.newest],
    ["kind (devel)", images.newest],
  ])("accepts %s for nodes of %s", async (version, image) => {
    program("docker", "29.0.0");
    program("kind", version);
    await expect(preflight(cluster(image))).resolves.toBeUndefined();
  });

  it.each([
    ["kind v0.31.0 go1.25 linux/amd64", images.old, "0.32.0", "0.31.0"],
    ["kind v0.32.0 go1.25 linux/amd64", images.newest, "0.33.0", "0.32.0"],
  ])("rejects %s as too old for %s", async (version, image, oldest, found) => {
    program("docker", "29.0.0");
    program("kind", version);
    await expect(preflight(cluster(image))).rejects.toThrow(
      `  - kind: ${image} needs ${oldest} or newer (got ${found}); install it from https://kind.sigs.k8s.io`,
    );
  });

  it("reports everything that is missing in one error", async () => {
    program("docker", "Cannot connect to the Docker daemon", 1);
    await expect(preflight(cluster(images.old))).rejects.toThrow(
      /nothing was changed:\n {2}- Docker: the daemon does not respond \(Cannot connect[^\n]*; start Docker Desktop[^\n]*\n {2}- kind: is not on the PATH; install it/,
    );
  });

  it("rejects a host port that another program uses, and names the setting", async () => {
    const holder = createServer();
    await new Promise<void>((listening) => holder.listen(0, "127.0.0.1", listening));
    const { port } = holder.address() as AddressInfo;
    program("docker", "29.0.0");
    program("kind", "kind v0.33.0");
    const mapping = {
      node: "control-plane",
      containerPort: 80,
      hostPort: port,
      listenAddress: "127.0.0.1",
      protocol: "TCP",
    };
    await expect(preflight({ ...cluster(images.old), portMappings: [mapping] })).rejects.toThrow(
      `  - port 127.0.0.1:${port}: is in use by another program; set another hostPort in cluster.portMappings`,
    );
    holder.close();
  });

  it("rejects a kernel that lacks a feature of the mode", async () => {
    const info = { ServerVersion: "29.0.0", KernelVersion: "5.4.0-200-generic", Name: "elsewhere" };
    program("docker", JSON.stringify(info), 0, "info");
    program("kind", "kind v0.33.0");
    await expect(preflight({ ...cluster(images.old), mode: "ebpf" })).rejects.toThrow(
      "  - BPF host routing: not available (by kernel version: Linux 5.10 or newer has it); boot Linux 5.10 or newer, or remove the setting that needs it",
    );
    await expect(preflight(cluster(images.old))).resolves.toBeUndefined();
  });
});
