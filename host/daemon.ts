import { hostname, release } from "node:os";
import { z } from "zod";
import { CommandError, lastLines, run } from "./exec";
import type { MachineFinding } from "./finding";

/** Docker's daemon and the machine that it runs on. */
export interface Daemon {
  readonly version: string;
  readonly kernel: string;
  readonly operatingSystem: string;
  readonly cpus: number;
  /** Total memory; undefined where the daemon does not report it. */
  readonly memoryBytes: number | undefined;
  readonly cgroupVersion: string;
  readonly driver: string;
  /** Whether containerd stores the images instead of a graph driver. */
  readonly containerdStore: boolean;
  readonly rootless: boolean;
  /** Folder of images and containers. */
  readonly folder: string;
  /** Whether it runs on this kernel, and not in a virtual machine (Docker Desktop) or on another machine. */
  readonly isHere: boolean;
  readonly proxies: Readonly<Record<"HTTP_PROXY" | "HTTPS_PROXY" | "NO_PROXY", string>>;
}

const Info = z.object({
  ServerVersion: z.string(),
  KernelVersion: z.string(),
  Name: z.string(),
  OperatingSystem: z.string().default(""),
  NCPU: z.number().default(0),
  MemTotal: z.number().default(0),
  CgroupVersion: z.string().default(""),
  Driver: z.string().default(""),
  DriverStatus: z.array(z.array(z.string())).nullish(),
  SecurityOptions: z.array(z.string()).nullish(),
  DockerRootDir: z.string().default(""),
  HttpProxy: z.string().default(""),
  HttpsProxy: z.string().default(""),
  NoProxy: z.string().default(""),
});

/** The daemon; undefined if `docker info` prints something unexpected. @throws CommandError without a daemon */
export async function readDaemon(): Promise<Daemon | undefined> {
  const output = await run("docker", ["info", "--format", "{{json .}}"]);
  const info = Info.safeParse(parsed(output)).data;
  return info && daemonOf(info);
}

function daemonOf(info: z.infer<typeof Info>): Daemon {
  const status = (info.DriverStatus ?? []).flat().join(" ");
  return {
    version: info.ServerVersion,
    kernel: info.KernelVersion,
    operatingSystem: info.OperatingSystem,
    cpus: info.NCPU,
    memoryBytes: info.MemTotal > 0 ? info.MemTotal : undefined,
    cgroupVersion: info.CgroupVersion,
    driver: info.Driver,
    containerdStore: status.includes("io.containerd.snapshotter"),
    rootless: (info.SecurityOptions ?? []).some((option) => option.startsWith("name=rootless")),
    folder: info.DockerRootDir,
    isHere: process.platform === "linux" && info.Name === hostname() && info.KernelVersion === release(),
    proxies: { HTTP_PROXY: info.HttpProxy, HTTPS_PROXY: info.HttpsProxy, NO_PROXY: info.NoProxy },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const NODES = "all modes: nodes are containers";

/** Why Docker cannot be used: not installed, no permission, or not running. */
export function dockerProblem(error: Error): MachineFinding {
  const subject = "Docker";
  const words = error instanceof CommandError ? `${error.reason}\n${error.stderr}` : error.message;
  if (/ENOENT/.test(words)) {
    const remedy = "install it from https://docs.docker.com/get-docker/";
    return { subject, verdict: "fail", seen: "the docker command is not on the PATH", matters: NODES, remedy };
  }
  if (/permission denied/i.test(words)) {
    const remedy = "run: sudo usermod -aG docker $USER, and log in again";
    return { subject, verdict: "fail", seen: "this user may not use the daemon", matters: NODES, remedy };
  }
  const last = error instanceof CommandError ? lastLines(error.stderr, 1)[0] : undefined;
  return {
    subject,
    verdict: "fail",
    seen: `the daemon does not respond${last === undefined ? "" : ` (${last.trim()})`}`,
    matters: NODES,
    remedy: "start Docker Desktop, or run: sudo systemctl start docker",
  };
}

/** First Kubernetes minor whose kubelet refuses cgroup v1 by default: https://kubernetes.io/docs/concepts/architecture/cgroups/ */
const CGROUP_V2_FROM = 35;

/** Check the daemon for clusters of a Kubernetes version. */
export function judgeDaemon(daemon: Daemon, kubernetes: string): MachineFinding[] {
  const { version, operatingSystem, rootless, isHere, cgroupVersion, driver, containerdStore, cpus } = daemon;
  const minor = Number(kubernetes.split(".")[1]);
  const refuses = cgroupVersion === "1" && minor >= CGROUP_V2_FROM;
  return [
    {
      subject: "Docker",
      verdict: rootless ? "warning" : "pass",
      seen: [version, operatingSystem, ...(rootless ? ["rootless"] : [])].filter(Boolean).join(", "),
      matters: NODES,
      ...(rootless ? { remedy: "use a daemon that runs as root: Cilium does not support rootless nodes" } : {}),
    },
    {
      subject: "nodes' addresses",
      verdict: isHere ? "pass" : "warning",
      seen: isHere ? "reachable from this machine" : "Docker runs in a virtual machine or on another machine",
      matters: "NodePorts from this machine; the cluster itself does not need it",
      ...(isHere ? {} : { remedy: "map node ports to this machine with cluster.portMappings" }),
    },
    {
      subject: "cgroups",
      verdict: refuses ? "fail" : cgroupVersion === "2" ? "pass" : "warning",
      seen: refuses ? `version 1, which Kubernetes ${kubernetes} rejects` : `version ${cgroupVersion || "unknown"}`,
      matters: "replacement, ebpf: Cilium translates service addresses at the pods' cgroups",
      ...(cgroupVersion === "2"
        ? {}
        : {
            remedy: refuses
              ? "boot with systemd.unified_cgroup_hierarchy=1, or set cluster.kubernetesVersion to 1.34.0 or older"
              : "boot with systemd.unified_cgroup_hierarchy=1",
          }),
    },
    {
      subject: "image store",
      verdict: driver === "vfs" ? "warning" : "pass",
      seen: containerdStore ? `containerd (${driver})` : driver,
      matters: "disk and time: every node unpacks its images",
      ...(driver === "vfs"
        ? { remedy: "use a file system that supports overlay2 for Docker: vfs copies whole images" }
        : {}),
    },
    {
      subject: "CPUs",
      verdict: cpus === 1 ? "warning" : "pass",
      seen: String(cpus || "unknown"),
      matters: "time until the cluster is ready",
      ...(cpus === 1 ? { remedy: "give Docker two CPUs or more" } : {}),
    },
  ];
}
