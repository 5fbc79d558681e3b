import { createSocket } from "node:dgram";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { dockerProblem, judgeDaemon, readDaemon, type Daemon } from "../../host/daemon";
import { judgeDisk, readFreeBytes } from "../../host/limits";
import { judgeHostNetworks, readHostNetworks } from "../../host/networks";
import { judgePorts } from "../../host/ports";
import { hostOf, judgeProxies, judgeSource, missingImages } from "../../host/reach";
import { judgeKubectl, judgeNode, judgePulumi, missingPlugins } from "../../host/tools";
import { CommandError } from "../../host/exec";
import { withOwnPath } from "../support/ownPath";

const own = withOwnPath();

const DAEMON: Daemon = {
  version: "29.0.0",
  kernel: "6.12.0",
  operatingSystem: "Debian GNU/Linux 12",
  cpus: 4,
  memoryBytes: 16e9,
  cgroupVersion: "2",
  driver: "overlay2",
  containerdStore: false,
  rootless: false,
  folder: "/",
  isHere: true,
  proxies: { HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: "" },
};

describe("Docker", () => {
  it.each([
    [
      "is not installed",
      new CommandError("Command could not be started (spawn docker ENOENT)", "docker info", ""),
      "the docker command is not on the PATH",
      "install it from https://docs.docker.com/get-docker/",
    ],
    [
      "rejects this user",
      new CommandError(
        "Command failed with exit code 1",
        "docker info",
        "permission denied while trying to connect to the Docker daemon socket",
      ),
      "this user may not use the daemon",
      "run: sudo usermod -aG docker $USER, and log in again",
    ],
    [
      "is not running",
      new CommandError("Command failed with exit code 1", "docker info", "Cannot connect to the Docker daemon"),
      "the daemon does not respond (Cannot connect to the Docker daemon)",
      "start Docker Desktop, or run: sudo systemctl start docker",
    ],
  ])("dockerProblem explains a Docker that %s, with a remedy", (_case, error, seen, remedy) => {
    expect(dockerProblem(error)).toMatchObject({ subject: "Docker", verdict: "fail", seen, remedy });
  });

  const verdicts = (daemon: Partial<Daemon>, kubernetes = "1.34.0") =>
    Object.fromEntries(
      judgeDaemon({ ...DAEMON, ...daemon }, kubernetes).map(({ subject, verdict, remedy }) => {
        // exactly the findings that are no pass have a remedy
        expect([subject, remedy !== undefined]).toEqual([subject, verdict !== "pass"]);
        return [subject, verdict];
      }),
    );
  const GOOD = { Docker: "pass", "nodes' addresses": "pass", cgroups: "pass", "image store": "pass", CPUs: "pass" };

  it("judgeDaemon passes a daemon that suits kind", () => {
    expect(verdicts({})).toEqual(GOOD);
    expect(verdicts({ containerdStore: true, driver: "overlayfs" }, "1.37.0")).toEqual(GOOD);
  });

  it.each<[string, Partial<Daemon>, Record<string, string>]>([
    ["runs without root", { rootless: true }, { Docker: "warning" }],
    ["runs in a virtual machine", { isHere: false }, { "nodes' addresses": "warning" }],
    ["copies whole images", { driver: "vfs" }, { "image store": "warning" }],
    ["has one CPU", { cpus: 1 }, { CPUs: "warning" }],
    ["has cgroup v1", { cgroupVersion: "1" }, { cgroups: "warning" }],
  ])("judgeDaemon warns about a daemon that %s", (_case, daemon, expected) => {
    expect(verdicts(daemon)).toEqual({ ...GOOD, ...expected });
  });

  it("judgeDaemon fails cgroup v1 for a Kubernetes that rejects it, and names the newest that accepts it", () => {
    expect(verdicts({ cgroupVersion: "1" }, "1.35.0")).toEqual({ ...GOOD, cgroups: "fail" });
    const { remedy } = judgeDaemon({ ...DAEMON, cgroupVersion: "1" }, "1.35.0")[2]!;
    expect(remedy).toContain("cluster.kubernetesVersion to 1.34.0 or older");
  });

  it("readDaemon reads the image store, rootless mode and proxies", async () => {
    const info = {
      ServerVersion: "29.0.0",
      KernelVersion: "6.12.0",
      Name: "elsewhere",
      DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
      SecurityOptions: ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"],
      HttpProxy: "http://proxy:3128",
    };
    own.program("docker", JSON.stringify(info));
    expect(await readDaemon()).toMatchObject({
      containerdStore: true,
      rootless: true,
      isHere: false,
      memoryBytes: undefined,
      proxies: { HTTP_PROXY: "http://proxy:3128", HTTPS_PROXY: "" },
    });
  });
});

describe("the disk", () => {
  it.each([
    [0.9e9, "fail"],
    [4.4e9, "warning"],
    [4.5e9, "pass"],
  ])("judgeDisk rates %d free bytes for three nodes as %s", (free, verdict) => {
    const [finding] = judgeDisk(free, 3);
    expect(finding!.verdict).toBe(verdict);
    expect(finding!.remedy !== undefined).toBe(verdict !== "pass");
  });

  it("judgeDisk skips the disk of a Docker on another machine", async () => {
    expect(await readFreeBytes({ ...DAEMON, isHere: false })).toBeUndefined();
    expect(judgeDisk(undefined, 3)).toEqual([]);
  });

  it("readFreeBytes uses the parent of a folder that cannot be read", async () => {
    expect(await readFreeBytes({ ...DAEMON, folder: join(own.folder, "closed") })).toBeGreaterThan(0);
  });
});

describe("port mappings", () => {
  const mapping = (hostPort: number, protocol = "TCP", listenAddress = "127.0.0.1") => ({
    node: "control-plane",
    containerPort: 80,
    hostPort,
    listenAddress,
    protocol,
  });

  const DEFAULT_PORTS = { portMappings: [], apiServerAddress: "127.0.0.1", apiServerPort: 0 };
  const judge = (...portMappings: ReturnType<typeof mapping>[]) => judgePorts({ ...DEFAULT_PORTS, portMappings });

  it("judgePorts fails a UDP port in use, and passes port 0 and a free port", async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", bound));
    const { port } = socket.address();
    const found = await judge(mapping(port, "UDP"), mapping(0));
    socket.close();
    expect(found).toEqual([
      expect.objectContaining({
        verdict: "fail",
        seen: "is in use by another program",
        remedy: expect.stringContaining(`ss -lunp sport = :${port}`),
      }),
      expect.objectContaining({ verdict: "pass", seen: "a free port is chosen" }),
    ]);
    expect((await judge(mapping(port, "UDP")))[0]!.verdict).toBe("pass");
  });

  it.each([18080, 0])("judgePorts fails an address that this machine does not have, with port %d", async (port) => {
    const [finding] = await judge(mapping(port, "TCP", "192.0.2.1"));
    expect(finding).toMatchObject({ verdict: "fail", seen: "192.0.2.1 is not an address of this machine" });
  });

  it("judgePorts fails the API server's address and port too, unless they are the defaults", async () => {
    expect(await judge()).toEqual([]);
    expect(await judgePorts({ ...DEFAULT_PORTS, apiServerAddress: "192.0.2.1" })).toEqual([
      {
        subject: "port 192.0.2.1:0",
        verdict: "fail",
        seen: "192.0.2.1 is not an address of this machine",
        matters: "the API server",
        remedy: "set another cluster.apiServerAddress",
      },
    ]);
  });
});

describe("this machine's networks", () => {
  const ROUTES = `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t0000140A\t00000000\t0001\t0\t0\t50\t0000FFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
br-1234\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
  const cluster = {
    podCidr: "10.0.0.0/16",
    serviceCidr: "10.96.0.0/16",
    nativeRoutingCIDR: "10.0.0.0/8",
    tunnel: "disabled" as const,
  };

  it("readHostNetworks reads the kernel's table without networks of containers and the default route", async () => {
    const file = join(own.folder, "route");
    writeFileSync(file, ROUTES);
    expect(await readHostNetworks(file)).toEqual([
      { device: "eth0", cidr: "192.168.2.0/24" },
      { device: "tun0", cidr: "10.20.0.0/16" },
    ]);
    expect(await readHostNetworks(join(own.folder, "none"))).toEqual([]);
  });

  const vpn = (cidr: string) => [{ device: "tun0", cidr }];

  it("judgeHostNetworks warns about a network in nativeRoutingCIDR, but not with a tunnel", () => {
    const [finding, ...others] = judgeHostNetworks(vpn("10.20.0.0/16"), cluster);
    expect(finding).toMatchObject({
      subject: "cilium.nativeRoutingCIDR",
      verdict: "warning",
      seen: "10.0.0.0/8 contains 10.20.0.0/16, which this machine reaches through tun0",
      remedy: "set cilium.nativeRoutingCIDR to 10.0.0.0/16 if pods must reach it",
    });
    expect(others).toEqual([]);
    expect(judgeHostNetworks(vpn("10.20.0.0/16"), { ...cluster, tunnel: "vxlan" })[0]!.verdict).toBe("pass");
  });

  it.each([
    ["pods", "10.0.3.0/24", "cluster.podCidr"],
    ["services", "10.96.0.0/12", "cluster.serviceCidr"],
  ])("judgeHostNetworks warns about a network that overlaps that of %s", (_whose, cidr, subject) => {
    const found = judgeHostNetworks(vpn(cidr), { ...cluster, nativeRoutingCIDR: "10.0.0.0/16" });
    expect(found.map(({ subject: each, verdict }) => [each, verdict])).toEqual([[subject, "warning"]]);
  });

  it("judgeHostNetworks passes other networks", () => {
    expect(judgeHostNetworks(vpn("192.168.2.0/24"), cluster)).toEqual([
      expect.objectContaining({ verdict: "pass", seen: "192.168.2.0/24: no overlap with the cluster's" }),
    ]);
  });
});

describe("downloads", () => {
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = createServer((_request, response) => response.writeHead(401).end());
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/`;
  });
  afterAll(() => void server.close());

  const source = (...urls: string[]) => ({
    what: "chart",
    hosts: urls.map(hostOf),
    matters: "all modes",
    remedy: "set another",
  });

  it("judgeSource passes when any host responds, whatever the status", async () => {
    expect(await judgeSource(source("http://127.0.0.1:1/", url))).toMatchObject({
      verdict: "pass",
      seen: expect.stringMatching(/^127\.0\.0\.1:1 does not respond \(.*\); 127\.0\.0\.1:\d+ responds$/),
    });
  });

  it("judgeSource only warns about a source that does not respond, since Docker may reach it another way", async () => {
    const found = await judgeSource(source("http://bob:s3cret@127.0.0.1:1/"));
    expect(found).toMatchObject({
      verdict: "warning",
      seen: expect.stringContaining("127.0.0.1:1 does not respond"),
      remedy: "set another",
    });
    expect(JSON.stringify(found)).not.toContain("s3cret");
  });

  it("missingImages lists the images that Docker lacks", async () => {
    const docker = join(own.folder, "docker");
    writeFileSync(docker, '#!/bin/sh\n[ "$5" = "here:1" ]\n');
    chmodSync(docker, 0o755);
    expect(await missingImages(["here:1", "gone:1"])).toEqual(["gone:1"]);
  });

  it("judgeProxies warns when this machine has a proxy and Docker has none", () => {
    const proxy = { HTTPS_PROXY: "http://proxy:3128" };
    expect(judgeProxies({}, {})).toEqual([]);
    expect(judgeProxies(proxy, {})[0]).toMatchObject({ verdict: "warning", remedy: expect.stringContaining("Docker") });
    expect(judgeProxies(proxy, proxy)[0]!.verdict).toBe("pass");
    expect(judgeProxies({}, proxy)[0]!.verdict).toBe("pass");
  });
});

describe("tools", () => {
  it.each([
    ["18.20.0", "fail"],
    ["20.18.3", "fail"],
    ["20.20.2", "warning"],
    ["24.1.0", "pass"],
  ])("judgeNode rates Node.js %s as %s", (version, verdict) => {
    expect(judgeNode(version).verdict).toBe(verdict);
    expect(judgeNode(version).remedy !== undefined).toBe(verdict !== "pass");
  });

  it("judgePulumi only warns when Pulumi is missing, since npm start installs it", async () => {
    expect(await judgePulumi()).toMatchObject({ verdict: "warning", remedy: expect.stringContaining("npm start") });
    own.program("pulumi", "v3.259.0");
    expect(await judgePulumi()).toMatchObject({ verdict: "pass", seen: "3.259.0" });
  });

  it("judgeKubectl warns only with the setting that needs kubectl", async () => {
    expect((await judgeKubectl(false)).verdict).toBe("skipped");
    expect((await judgeKubectl(true)).verdict).toBe("warning");
  });

  it("missingPlugins finds plugins on the PATH and, by version, in Pulumi's folder", async () => {
    own.program("pulumi-resource-docker", "");
    mkdirSync(join(own.folder, "plugins", "resource-kubernetes-v4.32.0"), { recursive: true });
    const plugins = [
      { name: "docker", version: "5.2.0" },
      { name: "kubernetes", version: "4.32.0" },
      { name: "command", version: "1.2.1" },
    ];
    expect(await missingPlugins(plugins, own.folder, own.folder)).toEqual([plugins[2]]);
    const older = [{ name: "kubernetes", version: "4.31.0" }];
    expect(await missingPlugins(older, own.folder, own.folder)).toEqual(older);
  });
});
