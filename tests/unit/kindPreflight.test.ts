import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { NODE_IMAGES } from "../../modes/releases";
import { createCluster, nodesLastWords, preflight, type PreflightInputs } from "../../providers/kind/kindCli";
import { kindProvider } from "../../providers/kind/provider";
import { withOwnPath } from "../support/ownPath";

const cluster = (nodeImage: string): PreflightInputs => ({
  name: "c",
  mode: "replacement",
  kubeProxyMode: "none",
  nodeImage,
  workers: 0,
  portMappings: [],
  apiServerAddress: "127.0.0.1",
  apiServerPort: 0,
});

describe("preflight", () => {
  const { program } = withOwnPath();

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

  it.each([
    ["fc00:f853:ccd:e793::/64\n172.18.0.0/16", "dual", []],
    ["172.18.0.0/16", "ipv4", []],
    [
      "172.18.0.0/16",
      "dual",
      [
        {
          property: "ipFamily",
          reason: expect.stringContaining(
            "the Docker network kind was made without IPv6 (it has 172.18.0.0/16), and kind does not change it; delete the clusters in it, then run: docker network rm kind; kind makes it again with IPv6.",
          ) as string,
        },
      ],
    ],
    [
      "fd00:10::/64\n172.18.0.0/16",
      "dual",
      [
        {
          property: "podCidr",
          reason: expect.stringContaining("cluster.podCidr fd00:10::/56 overlaps fd00:10::/64 of") as string,
        },
      ],
    ],
  ])("finds in Docker's network of %j what keeps a cluster of %s from it", async (subnets, ipFamily, failures) => {
    const docker = program("docker", "");
    writeFileSync(docker, `#!/bin/sh\ncase "$2" in ls) echo kind ;; inspect) echo '${subnets}' ;; esac\n`);
    const second = ipFamily === "dual" ? [",fd00:10::/56", ",fd00:10:96::/112"] : ["", ""];
    const networks = { podCidr: `10.0.0.0/16${second[0]}`, serviceCidr: `10.96.0.0/16${second[1]}` };
    const urn = "urn:pulumi:s::p::kind:index:Cluster::x";
    const checked = await kindProvider().check!(urn, {}, { ...cluster(images.newest), ...networks, ipFamily });
    expect(checked.failures ?? []).toEqual(failures);
  });

  it("rejects another runtime of nodes than Docker", async () => {
    program("docker", "29.0.0");
    program("kind", "kind v0.33.0");
    process.env["KIND_EXPERIMENTAL_PROVIDER"] = "podman";
    await expect(
      preflight(cluster(images.old)).finally(() => delete process.env["KIND_EXPERIMENTAL_PROVIDER"]),
    ).rejects.toThrow(
      "  - kind: KIND_EXPERIMENTAL_PROVIDER is podman, and this project supports nodes in Docker only; run: unset KIND_EXPERIMENTAL_PROVIDER",
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

  it("rejects a kernel without IPVS where kube-proxy is to use it, as a container of the node image shows", async () => {
    const info = { ServerVersion: "29.0.0", KernelVersion: "6.18.0", Name: "elsewhere" };
    const file = program("docker", JSON.stringify(info), 0, "info");
    writeFileSync(
      file,
      `${readFileSync(file, "utf8").replace("exit 0", "{ [ $1 = run ] && echo 'ipvs no'; exit 0; }")}`,
    );
    program("kind", "kind v0.33.0");
    const wanted = { ...cluster(images.old), mode: "kubeproxy" } as const;
    await expect(preflight({ ...wanted, kubeProxyMode: "ipvs" })).rejects.toThrow(
      "  - IPVS: not available (probed); boot a kernel with IPVS, or remove the setting that needs it",
    );
    await expect(preflight({ ...wanted, kubeProxyMode: "iptables" })).resolves.toBeUndefined();
  });
});

describe("a warning about this machine", () => {
  const { program } = withOwnPath();
  afterEach(() => delete process.env["CILIUM_MODES_EXAMINED"]);

  it("is given by preflight, unless npm start has had doctor give it", async () => {
    const info = { ServerVersion: "29.0.0", KernelVersion: "6.8.0", Name: "elsewhere", MemTotal: 2e9 };
    program("docker", JSON.stringify(info), 0, "info");
    program("kind", "kind v0.33.0");
    const warnings: string[] = [];
    const log = { status: () => undefined, warn: (message: string) => void warnings.push(message) };
    const examine = async () => {
      await preflight({ ...cluster("own:1"), mode: "ebpf", workers: 2 }, log);
    };
    await examine();
    expect(warnings.map((line) => line.split(" ")[0])).toEqual(["memory:"]);
    process.env["CILIUM_MODES_EXAMINED"] = "true";
    await examine();
    expect(warnings).toHaveLength(1);
  });
});

describe("a failed creation", () => {
  const own = withOwnPath();
  const script = (name: string, lines: string) => {
    const file = join(own.folder, name);
    writeFileSync(file, `#!/bin/sh\n${lines}\n`);
    chmodSync(file, 0o755);
  };
  const log = { status: () => undefined, warn: () => undefined };

  it("reports kubeadm's reason without its steps and without Go's stack", async () => {
    script(
      "kind",
      `/bin/cat >&2 <<'END'
ERROR: failed to create cluster: failed to init node with kubeadm: command "docker exec c-control-plane kubeadm init" failed with error: exit status 1
Command Output: I1128 05:43:37.123456     137 initconfiguration.go:255] loading configuration
I1128 05:43:38.123456     137 round_trippers.go:553] GET https://c-control-plane:6443/healthz?timeout=10s
[kubelet-check] The kubelet is not running
timed out waiting for the condition
couldn't initialize a Kubernetes cluster
k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/init.runWaitControlPlanePhase
\tcmd/kubeadm/app/cmd/phases/init/waitcontrolplane.go:110
k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/workflow.(*Runner).Run.func1
\tcmd/kubeadm/app/cmd/phases/workflow/runner.go:259
runtime.goexit
\t/usr/local/go/src/runtime/asm_amd64.s:1598
error execution phase wait-control-plane
main.main
\tcmd/kubeadm/kubeadm.go:25
END
exit 1`,
    );
    const failure = createCluster("c", {}, "kubeconfig", log, new AbortController().signal);
    const { message } = await failure.then(
      () => new Error("created"),
      (error: Error) => error,
    );
    expect(message.split("\n").slice(1)).toEqual([
      expect.stringContaining("ERROR: failed to create cluster"),
      expect.stringContaining("Command Output: I1128"),
      "    [kubelet-check] The kubelet is not running",
      "    timed out waiting for the condition",
      "    couldn't initialize a Kubernetes cluster",
      "    error execution phase wait-control-plane",
    ]);
  });

  it("shows the end of each node's log with the kubelet's last different errors", async () => {
    const node = {
      ...{ Id: "0", Name: "/c-control-plane", State: { Running: true }, Mounts: [] },
      ...{ Config: { Labels: {} }, NetworkSettings: { Networks: {} } },
    };
    script(
      "docker",
      `case "$1" in
ps) echo 0 ;;
inspect) echo '${JSON.stringify([node])}' ;;
logs) echo "Reached target Multi-User System" ;;
exec) /bin/cat <<'END'
I1128 05:43:36.123456    1234 server.go:520] "Kubelet version" kubeletVersion="v1.34.0"
E1128 05:43:37.123456    1234 run.go:72] "command failed" err="failed to run Kubelet: running with swap on is not supported"
kubelet.service: Main process exited, code=exited, status=1/FAILURE
E1128 05:43:38.123456    1235 run.go:72] "command failed" err="failed to run Kubelet: running with swap on is not supported"
END
esac`,
    );
    expect(await nodesLastWords("c")).toEqual([
      "  end of the log of c-control-plane:",
      "    Reached target Multi-User System",
      '    kubelet: "command failed" err="failed to run Kubelet: running with swap on is not supported"',
    ]);
  });
});
