import { NODE_IMAGES } from "../../modes/releases";
import { preflight } from "../../providers/kind/kindCli";
import { withOwnPath } from "./support/ownPath";

describe("before a cluster is made", () => {
  const { program } = withOwnPath();

  const images = { old: NODE_IMAGES["1.23.4"]!.image, newest: NODE_IMAGES["1.37.0"]!.image };

  it.each([
    ["kind v0.33.0 go1.26.1 linux/amd64", images.newest],
    ["kind v0.32.0 go1.26.1 linux/amd64", images.old],
    ["kind v0.34.0-alpha+123 go1.26.1 linux/amd64", images.newest],
    ["kind (devel)", images.newest],
  ])("%s can make nodes of %s", async (version, image) => {
    program("docker", "29.0.0");
    program("kind", version);
    await expect(preflight("c", image)).resolves.toBeUndefined();
  });

  it.each([
    ["kind v0.31.0 go1.25 linux/amd64", images.old, "0.32.0", "0.31.0"],
    ["kind v0.32.0 go1.25 linux/amd64", images.newest, "0.33.0", "0.32.0"],
  ])("%s is told too old for %s", async (version, image, oldest, found) => {
    program("docker", "29.0.0");
    program("kind", version);
    await expect(preflight("c", image)).rejects.toThrow(
      `  - kind: ${image} needs ${oldest} or newer, and this is ${found}; install it from https://kind.sigs.k8s.io`,
    );
  });

  it("everything that is missing is told at once", async () => {
    program("docker", "Cannot connect to the Docker daemon", 1);
    await expect(preflight("c", images.old)).rejects.toThrow(
      /nothing was changed:\n {2}- docker: no Docker daemon answers[^\n]*\n {2}- kind: is not on the PATH/,
    );
  });
});
