import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer, type WebSocket } from "ws";
import { readRecorded } from "../cli/demo";
import { CERTIFICATE, KEY } from "../tests/unit/support/selfSigned";

/** A cluster of copies of recorded nodes. */
export interface FakeCluster {
  readonly nodes: number;
  /** Time until a command in a pod, or a log, is answered, in milliseconds. */
  readonly delay: number;
  /** Pods on each node, without Cilium's and those of the recording, each in a namespace of its own. Default: 0. */
  readonly pods?: number | undefined;
  /** Size of each agent's log, in KiB. Default: 0. */
  readonly log?: number | undefined;
  /** Time for each page of a list, in milliseconds. Default: 0. */
  readonly listDelay?: number | undefined;
  /** Numbers of nodes whose agents never answer. */
  readonly silent?: readonly number[] | undefined;
  /** Numbers of nodes whose kubelets refuse connections. */
  readonly refusing?: readonly number[] | undefined;
}

/** What the server was asked. */
export interface Asked {
  commands: number;
  logs: number;
  /** Commands that ran at the same time, at most. */
  mostAtOnce: number;
  /** Objects in a list, at most. */
  longestList: number;
}

const WORKERS = 2;

/** Sections of a node that name every node of the cluster. */
const WHOLE = new Set(["services", "lb", "revnat"]);

type Json = Record<string, unknown> & { metadata: { name: string; namespace?: string } };
interface Pod extends Json {
  readonly spec: { readonly nodeName: string; readonly hostNetwork?: boolean };
}

interface CiliumNode extends Json {
  readonly spec: {
    readonly addresses: readonly { readonly type: string; readonly ip: string }[];
    readonly ipam: { readonly podCIDRs: readonly string[] };
  };
}

/** Serve a fake cluster on this machine. */
export async function serveFakeCluster(
  cluster: FakeCluster,
): Promise<{ kubeconfig: string; asked: Asked; close: () => void }> {
  const asked: Asked = { commands: 0, logs: 0, mostAtOnce: 0, longestList: 0 };
  const answers = answersOf(cluster);
  // as much of a URL as a real API server takes
  const server = createServer({ cert: CERTIFICATE, key: KEY, maxHeaderSize: 1024 * 1024 }, (request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    const url = new URL(request.url!, "https://fake");
    const list = answers.list(url.pathname, url.searchParams);
    const log = /\/pods\/(.*)\/log$/.exec(url.pathname);
    if (log !== null) {
      asked.logs += 1;
      await sleep(cluster.delay);
      return response.end(answers.log.slice(0, Number(url.searchParams.get("limitBytes") ?? answers.log.length)));
    }
    response.setHeader("content-type", "application/json");
    if (list !== undefined) {
      const limit = Number(url.searchParams.get("limit") ?? 0) || list.length;
      const from = Number(url.searchParams.get("continue") ?? 0);
      const next = from + limit < list.length ? String(from + limit) : undefined;
      await sleep(cluster.listDelay ?? 0);
      asked.longestList = Math.max(asked.longestList, Math.min(limit, list.length));
      response.write(`{"kind":"List","apiVersion":"v1","metadata":${JSON.stringify({ continue: next })},"items":[`);
      for (let index = from; index < Math.min(from + limit, list.length); index += 1) {
        const more = response.write((index === from ? "" : ",") + list.at(index));
        if (!more) await once(response, "drain");
      }
      return response.end("]}");
    }
    const object = answers.object(url.pathname);
    if (object === undefined) response.statusCode = 404;
    return response.end(object ?? JSON.stringify({ kind: "Status", status: "Failure", reason: "NotFound", code: 404 }));
  };
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "v4.channel.k8s.io" });
  let running = 0;
  server.on("upgrade", (request: IncomingMessage, socket, head) => {
    const url = new URL(request.url!, "https://fake");
    const pod = /\/pods\/(.*)\/exec$/.exec(url.pathname)?.[1] ?? "";
    const node = answers.nodeOf(pod);
    if (node === undefined || cluster.refusing?.includes(node)) {
      socket.end("HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      const command = url.searchParams.getAll("command").join(" ");
      const isShell = command.includes("read -r seconds bytes mark");
      const run = (script: string, done: (told: string) => void) => {
        asked.commands += 1;
        running += 1;
        asked.mostAtOnce = Math.max(asked.mostAtOnce, running);
        if (cluster.silent?.includes(node)) return void opened.once("close", () => (running -= 1));
        setTimeout(() => {
          running -= 1;
          done(answers.command(node, script));
        }, cluster.delay);
      };
      if (!isShell) return run(command, (told) => say(opened, told));
      onScript(opened, (script, mark) =>
        run(script, (told) => {
          send(opened, CHANNELS.stdout, `${told}\n${mark} 0\n`);
          send(opened, CHANNELS.stderr, `\n${mark}\n`);
        }),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    kubeconfig: JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "fake",
      clusters: [
        {
          name: "fake",
          cluster: {
            server: `https://127.0.0.1:${port}`,
            "certificate-authority-data": Buffer.from(CERTIFICATE).toString("base64"),
          },
        },
      ],
      users: [{ name: "fake", user: { token: "fake" } }],
      contexts: [{ name: "fake", context: { cluster: "fake", user: "fake" } }],
    }),
    asked,
    close() {
      sockets.clients.forEach((client) => client.terminate());
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Kubelets send output in pieces of this size. */
const PIECE = 32 * 1024;

/** The first byte of each message. */
const CHANNELS = { stdin: 0, stdout: 1, stderr: 2, status: 3 } as const;

function send(socket: WebSocket, channel: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += PIECE) {
    socket.send(Buffer.concat([Buffer.from([channel]), bytes.subarray(from, from + PIECE)]));
  }
}

/** Send the output of a command, and that it succeeded. */
function say(socket: WebSocket, output: string): void {
  send(socket, CHANNELS.stdout, output);
  send(socket, CHANNELS.status, JSON.stringify({ metadata: {}, status: "Success" }));
}

/** Do something with each script that is sent to a shell of `cluster/podShells.ts`. */
function onScript(socket: WebSocket, work: (script: string, mark: string) => void): void {
  let sent = Buffer.alloc(0);
  socket.on("message", (message: Buffer) => {
    if (message[0] === CHANNELS.stdin) sent = Buffer.concat([sent, message.subarray(1)]);
    for (;;) {
      const [line, bytes, mark] = /^\d+ (\d+) (.*)\n/.exec(sent.toString("latin1")) ?? [];
      const end = (line?.length ?? Infinity) + Number(bytes);
      if (line === undefined || sent.length < end) return;
      work(sent.toString("utf8", line.length, end), mark!);
      sent = sent.subarray(end);
    }
  });
}

/** A list whose objects are written when they are sent. */
interface List {
  readonly length: number;
  at(index: number): string;
}

/** The recorded nodes, the control plane first: name, agent, address, and where their pods' addresses begin. */
function nodesIn(recorded: (call: string) => unknown) {
  const agents = recorded('pods("kube-system","k8s-app=cilium")') as Pod[];
  const all = recorded('list("cilium.io/v2","ciliumnodes")') as CiliumNode[];
  return all
    .map(({ metadata: { name }, spec }) => ({
      name,
      agent: agents.find((each) => each.spec.nodeName === name)!.metadata.name,
      address: spec.addresses.find(({ type }) => type === "InternalIP")!.ip,
      pods: spec.ipam.podCIDRs[0]!.replace(/\d+\/\d+$/, ""),
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

function answersOf({ nodes, pods: more = 0, log = 0 }: FakeCluster) {
  const { calls, answers } = readRecorded("ebpf").verification;
  const recorded = (call: string): unknown => {
    const key = Object.keys(calls).find((each) => each.startsWith(call))!;
    const text = answers[calls[key]![0]!]!.replaceAll(/\{"\$date":("[^"]*")\}/g, "$1");
    return (JSON.parse(text) as { value: unknown }).value;
  };
  const recordedNodes = nodesIn(recorded);
  const agentNames = new RegExp(`\\b(?:${recordedNodes.map(({ agent }) => agent).join("|")})\\b`, "g");
  const numbers = Array.from({ length: nodes }, (_, index) => index);
  const originOf = (index: number) => (index === 0 ? 0 : 1 + ((index - 1) % WORKERS));
  const pick = (node: number) => recordedNodes[originOf(node)]!;
  const nameOf = (node: number) => `${pick(node).name}-${node}`;
  const addressOf = (node: number) => `172.18.${1 + Math.floor(node / 250)}.${2 + (node % 250)}`;
  const podsOf = (node: number) => `10.${1 + Math.floor(node / 250)}.${node % 250}.`;

  /** What a recorded node said, with the names and addresses of the copy. Other nodes stay the first copies. */
  const copied = (node: number, isWhole = false) => {
    const own = pick(node);
    const tokens = recordedNodes.map((each, origin) => {
      const isOwn = each === own;
      return {
        address: addressOf(isOwn ? node : origin),
        pods: podsOf(isOwn && !isWhole ? node : origin),
      };
    });
    // the workload of the recording is somebody's, which sends no probes here
    const isCopy = node > WORKERS;
    return (text: string) =>
      text
        .replaceAll(/\b172\.18\.0\.\d+\b/g, (found) => {
          const origin = recordedNodes.findIndex(({ address }) => address === found);
          return tokens[origin]?.address ?? found;
        })
        .replaceAll(/\b10\.0\.\d+\.(?!0\/(?:8|16)\b)/g, (found) => {
          const origin = recordedNodes.findIndex(({ pods }) => pods === found);
          return tokens[origin]?.pods ?? found;
        })
        .replaceAll(/\bcilium-modes-ebpf-(?:control-plane|worker2?)\b/g, (name) =>
          name === own.name ? nameOf(node) : nameOf(recordedNodes.findIndex((each) => each.name === name)),
        )
        .replaceAll(agentNames, (name) => `${name}-${node}`)
        .replaceAll(/\b(?:nettool-\w{5}|coredns-66bc5c9577-\w{5})\b/g, (name) => (isCopy ? `${name}-${node}` : name))
        .replaceAll("nettool/net", isCopy ? `nettool/net-${node}` : "nettool/net")
        .replaceAll(isCopy ? /nettool|kube-dns/g : /nettool/g, isCopy ? "load" : "shop");
  };

  const said = recordedNodes.map(({ agent }) => {
    const answerTo = (script: string) =>
      (recorded(`exec("kube-system","${agent}","cilium-agent",["sh","-c","errors=${script}`) as { stdout: string })
        .stdout;
    const sectionsIn = (text: string) =>
      [...text.matchAll(/([^]*?)\n@@@ (\w+) (\d+ ?.*)(?:\n|$)/g)].map(
        ([, told, name, code]) => [name!, { text: told!, code: code! }] as const,
      );
    const [sections, lookups] = answerTo("$(mktemp)\\nsilent=0\\n( cd").split("\n@@@ lookups\n") as [string, string];
    const counters = new Map(sectionsIn(answerTo("$(mktemp)\\nsilent=0\\nif")));
    return { sections: new Map([...sectionsIn(sections), ["pressure", counters.get("metrics")!]]), lookups };
  });

  /** Lines that every node has of every other one, without its own. */
  const others = (line: (node: number) => string) => {
    const lines = numbers.map(line);
    const whole = lines.join("");
    let at = 0;
    const starts = lines.map((each) => (at += each.length) - each.length);
    return (node: number, own = "") =>
      whole.slice(0, starts[node]) + own + whole.slice(starts[node]! + lines[node]!.length);
  };
  const otherRoutes = others((node) => `${podsOf(node)}0/24 via ${addressOf(node)} dev eth0 proto kernel \n`);
  const routesOf = (node: number, text: string) => {
    const isPeer = /^10\.0\.\d\.0\/24 via 172\.18\.0\.\d dev eth0 .*\n/gm;
    return copied(node)(text.replaceAll(isPeer, "")) + otherRoutes(node);
  };
  type Cache = Record<string, readonly string[]>;
  const caches = said.map(({ sections }) => JSON.parse(sections.get("ipcache")!.text) as Cache);
  /** What an ipcache has of one node: as others see it, or as it sees itself. */
  const cached = (node: number, isOwn: boolean) => {
    const origin = originOf(node);
    const { pods, address } = pick(node);
    const seen = Object.entries(caches[isOwn ? origin : (origin + 1) % recordedNodes.length]!);
    const own = seen.filter(([key]) => key.startsWith(pods) || key === `${address}/32`);
    return own
      .map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)},\n`)
      .map(copied(node))
      .join("");
  };
  const otherCaches = others((node) => cached(node, false));
  const ipcacheOf = (node: number) =>
    `{${otherCaches(node, cached(node, true))}"0.0.0.0/0":${JSON.stringify(caches[0]!["0.0.0.0/0"])}}\n`;

  /** What a node's agent says: the sections that the command asks for. */
  const command = (node: number, script: string): string => {
    if (script.includes("cilium version")) return "Client: 1.20.2 fake\nDaemon: 1.20.2 fake\n";
    const { sections, lookups } = said[originOf(node)]!;
    const wanted = [...script.matchAll(/@@@ (\w+) %s/g)].map(([, name]) => name!);
    const answered = wanted.map((name) => {
      if (name === "health") {
        const places = /for place in (.*); do/.exec(script)?.[1]?.split(" ") ?? [];
        return `${places.map((_, index) => `${index}\n`).join("")}\n@@@ health 0 \n`;
      }
      const { text, code } = sections.get(name) ?? { text: "", code: "0 " };
      const own =
        name === "routes"
          ? routesOf(node, text)
          : name === "ipcache"
            ? ipcacheOf(node)
            : copied(node, WHOLE.has(name))(text);
      return `${own}\n@@@ ${name} ${code}\n`;
    });
    return script.includes("@@@ lookups")
      ? `${answered.join("")}@@@ lookups\n${copied(node)(lookups.slice(lookups.indexOf("> 198.51.100.1")))}`
      : answered.join("");
  };

  const pods = recorded("allPods()") as Pod[];
  const agents = recordedNodes.map(({ agent }) => JSON.stringify(pods.find(({ metadata }) => metadata.name === agent)));
  const isOf = (node: number) => (each: Pod) => {
    const isOwn = each.spec.nodeName === pick(node).name;
    // what a cluster has once, the copies do not have
    return isOwn && (node <= WORKERS || /^(?:cilium-\w{5}|nettool-|coredns-|net$)/.test(each.metadata.name));
  };
  const renamed = (pod: Pod, node: number): Pod =>
    pod.metadata.name === "net" && node > WORKERS
      ? { ...pod, metadata: { ...pod.metadata, name: `net-${node}` } }
      : pod;
  const filler = (node: number, index: number): Pod => {
    const pod = pods.find(({ metadata }) => metadata.name.startsWith("nettool-"))!;
    return {
      ...pod,
      metadata: { ...pod.metadata, name: `other-${node}-${index}`, namespace: `other-${index}` },
      spec: { ...pod.spec, nodeName: pick(node).name, hostNetwork: true },
    };
  };
  const written = numbers.flatMap((node) => {
    const own = pods.filter(isOf(node));
    return [
      ...own.map((pod) => () => copied(node)(JSON.stringify(renamed(pod, node)))),
      ...Array.from({ length: more }, (_, index) => () => copied(node)(JSON.stringify(filler(node, index)))),
    ];
  });
  const eachNode = (objects: readonly Json[]): List => ({
    length: nodes,
    at: (node) => copied(node)(JSON.stringify(objects.find(({ metadata }) => metadata.name === pick(node).name)!)),
  });
  const fixed = (objects: readonly unknown[]): List => ({
    length: objects.length,
    at: (index) => copied(0)(JSON.stringify(objects[index])),
  });
  const endpoints = recorded('list("cilium.io/v2","ciliumendpoints")') as Json[];
  const ownEndpoints = numbers.flatMap((node) =>
    endpoints
      .filter((each) => JSON.stringify(each).includes(`"${pick(node).address}"`))
      .map((each) => () => copied(node)(JSON.stringify(renamed(each as Pod, node)))),
  );
  const lazily = (objects: readonly (() => string)[]): List => ({
    length: objects.length,
    at: (index) => objects[index]!(),
  });
  const lists: Readonly<Record<string, List>> = {
    "/api/v1/nodes": eachNode(recorded("nodes()") as Json[]),
    "/api/v1/pods": lazily(written),
    "/api/v1/services": fixed(recorded("services()") as unknown[]),
    "/apis/discovery.k8s.io/v1/endpointslices": fixed(recorded('list("discovery') as unknown[]),
    "/apis/cilium.io/v2/ciliumnodes": eachNode(recorded('list("cilium.io/v2","ciliumnodes")') as Json[]),
    "/apis/cilium.io/v2/ciliumendpoints": lazily(ownEndpoints),
    "/apis/coordination.k8s.io/v1/leases": fixed(recorded('list("coordination') as unknown[]),
  };
  const agentPods: List = { length: nodes, at: (node) => copied(node)(agents[originOf(node)]!) };
  const objects: Readonly<Record<string, unknown>> = {
    "/api/v1/namespaces/kube-system/configmaps/cilium-config": recorded("configMap("),
    "/apis/apps/v1/namespaces/kube-system/deployments/cilium-operator": recorded(
      'deployment("kube-system","cilium-operator")',
    ),
    "/apis/apps/v1/namespaces/kube-system/deployments/coredns": recorded('deployment("kube-system","coredns")'),
  };
  const line = 'time=2026-11-29T22:16:24Z level=info msg="A line that fills the log of a fake agent" module=fake\n';
  return {
    command,
    log: line.repeat(Math.ceil((log * 1024) / line.length)),
    nodeOf: (pod: string) => {
      const number = /-(\d+)$/.exec(pod)?.[1];
      return number === undefined ? undefined : Number(number);
    },
    list: (path: string, query: URLSearchParams): List | undefined => {
      if (path === "/api/v1/namespaces/kube-system/pods" && query.get("labelSelector") === "k8s-app=cilium")
        return agentPods;
      const isList = /^\/api(?:s\/[^/]+)?\/[^/]+\/(?:namespaces\/[^/]+\/)?[a-z]+$/.test(path);
      return lists[path] ?? (isList ? fixed([]) : undefined);
    },
    object: (path: string) => (objects[path] === undefined ? undefined : copied(0)(JSON.stringify(objects[path]))),
  };
}
