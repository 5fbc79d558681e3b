import { createServer, type AddressInfo, connect } from "node:net";
import { forwardUi } from "../../cli/forwardUi";
import type { AttachableCluster } from "../../cluster/read";

const READY = [{ type: "Ready", status: "True" }];

/** A cluster whose UI answers with where it was asked. */
function clusterOf(pods: readonly object[], service: object | undefined): AttachableCluster {
  return {
    service: async () => service,
    pods: async () => pods,
    forward: async (namespace: string, pod: string, port: number, stream: NodeJS.WritableStream) =>
      void stream.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${namespace}/${pod}:${port}`),
  } as unknown as AttachableCluster;
}

const SERVICE = { spec: { ports: [{ port: 80, targetPort: 8081 }] } };
const POD = { metadata: { name: "hubble-ui-1" }, status: { conditions: READY } };

describe("the way to Hubble's UI", () => {
  it("leads from this machine alone to a ready pod's port, until it is closed", async () => {
    const starting = {
      metadata: { name: "hubble-ui-0" },
      status: { conditions: [{ type: "Ready", status: "False" }] },
    };
    const { server, address } = await forwardUi(clusterOf([starting, POD], SERVICE), "ebpf", 0);
    expect((server.address() as AddressInfo).address).toBe("127.0.0.1");
    expect(await (await fetch(address)).text()).toBe("kube-system/hubble-ui-1:8081");
    const kept = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await new Promise((resolve) => kept.once("connect", resolve));
    await new Promise((resolve) => server.close(resolve));
  });

  it("is reported as missing, with the settings that enable it", async () => {
    await expect(forwardUi(clusterOf([], undefined), "ebpf", 0)).rejects.toThrow(
      "The cluster of stack ebpf has no Hubble UI; run: pulumi config set hubble.relay true -s ebpf, pulumi config set hubble.ui true -s ebpf, pulumi up -s ebpf",
    );
  });

  it("is not opened before the UI is ready", async () => {
    await expect(forwardUi(clusterOf([], SERVICE), "ebpf", 0)).rejects.toThrow("No pod of hubble-ui is ready");
  });

  it("says when the port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    await expect(forwardUi(clusterOf([POD], SERVICE), "ebpf", port)).rejects.toThrow(
      `Port ${port} of this machine is taken; choose another with --port, or 0 for any`,
    );
    other.close();
  });
});
