import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { create } from "tar";
import { readArchive } from "../../cli/evidenceFile";
import { inspect } from "../../cli/inspect";
import type { Evidence } from "../../datapath/evidence/gather";
import { judgeInspection } from "../../datapath/inspect/inspect";
import type { Inspection } from "../../datapath/inspect/inspection";
import { isDumpFile, readSysdump } from "../../datapath/inspect/sysdump";
import { bugtoolFolder, bugtoolOf, sysdumpOf, zipOf, type Dump } from "./support/sysdump";

const PROBED = JSON.parse(
  gunzipSync(readFileSync(join(__dirname, "evidence", "ebpf-1.20.2-evidence.json.gz"))).toString(),
) as Evidence;
const LIVE: Evidence = { ...PROBED, traffic: undefined, before: [], between: [], after: [] };
const WORKER = "cmlead-worker";
const DUMP = sysdumpOf(LIVE);

const filesOf = (dump: Dump) => ({ paths: [...dump.keys()], read: async (path: string) => dump.get(path)! });
const judged = async (dump: Dump) => judgeInspection(await readSysdump(filesOf(dump)));

/** The dump with other files: undefined leaves one out. */
function changed(changes: Readonly<Record<string, ((text: string) => string | undefined) | undefined>>, only = "") {
  return new Map(
    [...DUMP].flatMap(([path, text]) => {
      const own = Object.entries(changes).find(([name]) => path.includes(name) && path.includes(only));
      const next = own === undefined ? text : own[1]?.(text);
      return next === undefined ? [] : [[path, next] as const];
    }),
  );
}

const row = ({ rows }: Inspection, id: string) => rows.find((each) => each.id === id)!;
const wrong = ({ rows }: Inspection) =>
  rows.flatMap(({ id, verdict, nodes }) =>
    verdict === "in force" || verdict === "not observable"
      ? []
      : [[id, verdict, nodes.find((each) => each.verdict === verdict)!.reason]],
  );

describe("an inspection of a sysdump", () => {
  it("has what the cluster's own has, except what a dump cannot show", async () => {
    const [live, dumped] = [judgeInspection({ evidence: LIVE, logs: {}, readAt: "", seconds: 0 }), await judged(DUMP)];
    expect(dumped.mode).toEqual(live.mode);
    expect(wrong(dumped)).toEqual([]);
    expect([dumped.silent, dumped.nodes]).toEqual([{}, { looked: 3, all: 3 }]);
    expect(dumped.inspectedAt).toBe("2026-11-30T05:40:31.000Z");
    const hidden = ["services", "masquerading", "attachment", "devices"];
    for (const { id, nodes } of live.rows.filter((each) => ![...hidden, "programs"].includes(each.id)))
      expect([id, row(dumped, id).nodes]).toEqual([id, nodes.map((node) => ({ ...node, requested: undefined }))]);
    expect(row(dumped, "programs").nodes[1]).toMatchObject({
      verdict: "not observable",
      reason: expect.stringContaining("which programs TCX has attached is not in this dump"),
    });
    for (const id of hidden) {
      expect([id, row(dumped, id).verdict]).toEqual([id, "not observable"]);
      expect(row(dumped, id).nodes[1]).toMatchObject({
        reported: row(live, id).nodes[1]!.reported,
        reason: expect.stringMatching(
          /^which programs TCX has attached is not in this dump: it has pins of cilium_host, .*eth0.*may be detached/,
        ),
      });
    }
  });

  it("does not know where a rule sends packets whose table it lacks", async () => {
    const path = [...DUMP.keys()].find((each) => each.includes(WORKER) && each.endsWith("/cmd/ip--4-r.md"))!;
    const ruled = async (rule: string) => {
      const rules = `0:\tfrom all lookup local proto kernel\n${rule}\n32766:\tfrom all lookup main proto kernel\n`;
      return row(await judged(new Map([...DUMP, [path.replace("ip--4-r", "ip--d-rule"), rules]])), "network");
    };
    expect((await ruled("50:\tfrom 172.19.0.2 lookup 99 proto static")).verdict).toBe("in force");
    expect(await ruled("50:\tfrom all lookup 99 proto static")).toMatchObject({
      verdict: "not observable",
      nodes: expect.arrayContaining([
        expect.objectContaining({ reason: "rule 50 looks up table 99, whose routes are not in this dump" }),
      ]),
    });
  });

  it("tells a ConfigMap that was changed from a node's own override, by what each agent runs with", async () => {
    const newer = await judged(
      changed({ "cilium-configmap": (text) => text.replace(/(enable-bpf-masquerade: )"true"/, '$1"false"') }),
    );
    expect(wrong(newer).map(([id, verdict]) => [id, verdict])).toEqual([
      ["host-routing", "drift"],
      ["masquerading", "drift"],
      ["configuration", "drift"],
    ]);
    const argument = await judged(
      changed({ "k8s-pods": (text) => text.replaceAll(/( +)- --config-dir.*\n/g, "$&$1- --enable-l7-proxy=true\n") }),
    );
    expect(wrong(argument)).toEqual([["l7-proxy", "drift", expect.stringContaining("argument or variable")]]);
  });

  it("names nodes whose pods are older than their DaemonSet", async () => {
    const container = { name: "cilium-agent", image: "lab/cilium:v1.20.2-newer", args: [] };
    const daemonSet = { metadata: {}, spec: { template: { spec: { containers: [container] } } } };
    const path = [...DUMP.keys()].find((each) => each.includes("k8s-pods"))!.replace("k8s-pods", "cilium-daemonset");
    const text = `apiVersion: apps/v1\nitems:\n- ${JSON.stringify(daemonSet)}\nkind: DaemonSetList\n`;
    expect(isDumpFile(path)).toBe(true);
    expect(row(await judged(new Map([...DUMP, [path, text]])), "version").nodes[0]).toMatchObject({
      verdict: "drift",
      reason: expect.stringMatching(/^the DaemonSet asks for cilium:v1.20.2-newer now/),
    });
  });

  it("names a fallback by the log and by Helm's values", async () => {
    const line = 'level=warning msg="BPF bandwidth manager could not read procfs. Disabling the feature."\n';
    const dump = changed({
      "cilium-debuginfo": (text) => text.replace(/"label-prefix-file:"/, '"enable-bandwidth-manager:true"'),
      "logs-": () => line,
    });
    dump.set("x/cilium-helm-values-20261130-054029.yaml", "socketLB:\n  enabled: false\n");
    expect(wrong(await judged(dump))).toEqual([
      ["socket-lb", "fallback", expect.stringMatching(/always enables.*47417/)],
      ["bandwidth-manager", "fallback", expect.stringContaining("could not read procfs")],
    ]);
  });

  it("contradicts agents by what a dump does show", async () => {
    const none = "CgroupPath\nID       AttachType      AttachFlags     Name\n";
    expect(wrong(await judged(changed({ "bpftool-cgroup-tree": () => none }, WORKER)))).toEqual([
      ["socket-lb", "contradiction", "the agent reports everywhere, and the datapath has off"],
    ]);
    const rule = "[3:180] -A CILIUM_POST_nat -s 10.0.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE\n";
    const cut =
      "[3:180] -A CILIUM_POST_n# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\nat -s 10.0.0.0/24 -j MASQUERADE\n";
    for (const added of [rule, cut])
      expect(wrong(await judged(changed({ "iptables-nft-save": (text) => text + added }, WORKER)))).toEqual([
        ["masquerading", "contradiction", "the agent reports BPF, and the datapath has iptables"],
      ]);
  });

  it("sees programs that bpftool lists", async () => {
    const listed = `xdp:
eth0(2) driver id 77

tc:
eth0(2) tcx/ingress cil_from_netdev prog_id 12 link_id 3 
eth0(2) tcx/egress cil_to_netdev prog_id 13 link_id 4 

flow_dissector:
`;
    const inspection = await judged(changed({ "bpftool-net-show": () => listed }));
    expect(wrong(inspection)).toEqual([
      ["xdp", "contradiction", "the agent reports disabled, and the datapath has native"],
      ["programs", "contradiction", expect.stringContaining("no program at cil_from_container on lxc")],
    ]);
    for (const [id, observed] of [
      ["services", "Cilium"],
      ["attachment", "tcx"],
      ["devices", "eth0"],
      ["masquerading", "BPF"],
    ] as const)
      expect(row(inspection, id).nodes[0]).toMatchObject({ observed, verdict: "in force" });
    const classic = listed
      .replaceAll("tcx/", "clsact/")
      .replaceAll(/(cil_\w+) prog_id (\d+) link_id \d+/g, "$1-eth0 id $2")
      .replace(/eth0.*driver.*/, "");
    const older = changed({
      "bpftool-net-show": () => classic,
      "cilium-debuginfo": (text) => text.replaceAll('"attach-mode":"tcx"', '"attach-mode":"legacy tc"'),
    });
    expect(row(await judged(older), "attachment").nodes[0]).toMatchObject({ reported: "tc", observed: "tc" });
  });

  it.each([
    ["iptables-", () => undefined, "services", "iptables-save--c.md is not in this dump"],
    [
      "iptables-",
      (text: string) => text.slice(0, -200),
      "masquerading",
      "iptables-save--c.md in this dump is cut short",
    ],
    ["bpftool-cgroup", () => "", "socket-lb", "bpftool-cgroup-tree-*.md in this dump is empty"],
    ["bpftool-net", () => "", "attachment", "bpftool-net-show.md in this dump is empty"],
    ["iptables-", () => "", "masquerading", "iptables-save--c.md in this dump is empty"],
    ["ip--4-r", () => "", "network", "ip--4-r.md in this dump is empty"],
    ["ip--d", () => undefined, "mtu", "ip--d--s--s-l.md is not in this dump"],
    ["tc-qdisc", () => "> Error while running 'tc qdisc show':  exit status 2\n\n", "bandwidth-manager", undefined],
    ["cilium-debuginfo", (text: string) => text.slice(0, 900), "version", undefined],
  ])("takes a missing, cut or empty %s for no evidence", async (file, change, id, reason) => {
    const inspection = await judged(changed({ [file]: change }, WORKER));
    expect(wrong(inspection)).toEqual([]);
    const cell = row(inspection, id).nodes.find(({ node }) => node === WORKER)!;
    if (reason !== undefined) expect([cell.observed, cell.reason]).toEqual([undefined, reason]);
  });

  it("takes a list that is cut short for none, instead of one with fewer objects", async () => {
    const inspection = await judged(
      changed({ ciliumnodes: (text) => text.slice(0, text.lastIndexOf("\n- ") + 1), "k8s-nodes": () => "items:\n- {" }),
    );
    expect([inspection.nodes, wrong(inspection)]).toEqual([{ looked: 3, all: 3 }, []]);
    const { api } = (await readSysdump(filesOf(changed({ ciliumnodes: (text) => text.slice(0, -60) })))).evidence;
    expect(api.ciliumNodes).toEqual({ error: "ciliumnodes-*.yaml in this dump is cut short, or no YAML" });
  });

  it("finds the cgroups where the agent has mounted them", async () => {
    const root = "/sys/fs/cgroup";
    const dump = new Map(
      [...DUMP].map(([path, text]) => [
        path.replace("-run-cilium-cgroupv2.md", "-sys-fs-cgroup.md"),
        path.includes("/cmd/") ? text.replaceAll("/run/cilium/cgroupv2", root) : text,
      ]),
    );
    const inspection = await judged(dump);
    expect(row(inspection, "socket-lb").nodes[0]).toMatchObject({ observed: "on", verdict: "in force" });
    const elsewhere = await judged(
      changed({ "cilium-debuginfo": (text) => text.replace("/run/cilium/cgroupv2", root) }),
    );
    expect(row(elsewhere, "socket-lb").nodes[0]).toMatchObject({
      ...{ observed: undefined, verdict: "not observable" },
      reason: "bpftool-cgroup-tree--sys-fs-cgroup.md is not in this dump",
    });
  });

  it("names nodes without a bugtool", async () => {
    const inspection = await judged(changed({ "/cmd/": undefined }, WORKER + "2"));
    expect(inspection.silent).toEqual({ "cmlead-worker2": "the bugtool of cmlead-worker2 is not in this dump" });
    expect([wrong(inspection), inspection.mode.name]).toEqual([[], "ebpf"]);
    const none = await judged(changed({ "/cmd/": undefined }));
    expect([wrong(none), Object.keys(none.silent)]).toEqual([
      [],
      ["cmlead-control-plane", "cmlead-worker", "cmlead-worker2"],
    ]);
  });

  it("reads one node's bugtool alone, and names of older versions", async () => {
    const node = LIVE.nodes.find((each) => each.node === WORKER)!;
    const older = new Map(
      [...bugtoolOf(node)].map(([name, text]) => [
        `cilium-bugtool-20261130-054030.5+0000-UTC-177/cmd/${name.replace("ip--d--s--s-l", "ip--d--s-l").replace("ip--s-xfrm", "ip-xfrm")}`,
        text,
      ]),
    );
    const inspection = await judged(older);
    expect([wrong(inspection), inspection.mode.name, inspection.nodes]).toEqual([[], "ebpf", { looked: 1, all: 1 }]);
    expect(row(inspection, "socket-lb").nodes).toEqual([
      { node: WORKER, configured: "everywhere", reported: "everywhere", observed: "on", verdict: "in force" },
    ]);
    // what follows from other nodes is not guessed
    expect(row(inspection, "network").nodes[0]!.reason).toBe("ciliumnodes-*.yaml is not in this dump");
    expect(row(inspection, "mtu").nodes[0]!.reason).toBe("k8s-nodes-*.yaml is not in this dump");
    expect(row(inspection, "configuration").nodes[0]!.reason).toBe("cilium-configmap-*.yaml is not in this dump");
  });
});

describe("the command inspect with a dump", () => {
  const folder = mkdtempSync(join(tmpdir(), "sysdump-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: Buffer | string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const unpacked = (name: string, dump: Dump) => {
    for (const [path, text] of dump) {
      mkdirSync(dirname(join(folder, name, path)), { recursive: true });
      writeFileSync(join(folder, name, path), text);
    }
    return join(folder, name);
  };
  const run = async (path: string) => {
    const printed = jest.spyOn(console, "log").mockImplementation(() => undefined);
    try {
      const code = await inspect([path], { json: true });
      return { code, ...(JSON.parse(String(printed.mock.calls[0]![0])) as Inspection) };
    } finally {
      printed.mockRestore();
    }
  };

  it("reads a zip, a folder, and archives of bugtools in either", async () => {
    const folderPath = unpacked("folder", DUMP);
    symlinkSync("/etc", join(folderPath, "cmd"));
    const zip = file("dump.zip", zipOf([...DUMP, ["__MACOSX/cmd/ip-a.md", "x"], ["cilium-sysdump/", ""]]));
    const found = [await run(zip), await run(folderPath)];
    const bugtool = bugtoolFolder(WORKER);
    await create({ gzip: true, file: join(folder, "worker.tgz"), cwd: join(folderPath, bugtool) }, ["cmd"]);
    const packed = changed({ [bugtool]: undefined });
    const archives = zipOf([...packed, [`${bugtool}.tar.gz`, readFileSync(join(folder, "worker.tgz"))]]);
    found.push(await run(file("archives.zip", archives)));
    for (const { code, mode, silent, nodes } of found)
      expect([code, mode.name, silent, nodes]).toEqual([0, "ebpf", {}, { looked: 3, all: 3 }]);
    await create({ file: join(folder, "worker.tar"), cwd: join(folderPath, bugtool) }, ["cmd"]);
    for (const name of ["worker.tar", "worker.tgz"])
      expect((await run(join(folder, name))).nodes).toEqual({ looked: 1, all: 1 });
  });

  it.each([
    ["cut.zip", zipOf(DUMP).subarray(0, 90_000), /cut\.zip is cut short, or no zip/],
    ["other.zip", zipOf([["word/document.xml", "<x/>"]]), /other\.zip holds no output of cilium sysdump/],
    ["outside.zip", zipOf([["../../etc/cmd/ip-a.md", "x"]]), /invalid relative path/],
    ["secret.zip", zipOf(DUMP, 1), /secret\.zip has a password; unpack it/],
    ["link.zip", zipOf(DUMP, 0, 0xa1ff0000), /link\.zip holds no output/],
    ["cut.tar.gz", undefined, /cut\.tar\.gz is cut short, or no archive/],
    ["empty", undefined, /empty holds no output of cilium sysdump/],
  ])("refuses %s with one error", async (name, content, message) => {
    if (name === "empty") mkdirSync(join(folder, name));
    else if (name === "cut.tar.gz") file(name, readFileSync(join(folder, "worker.tgz")).subarray(0, 3000));
    else file(name, content!);
    await expect(run(join(folder, name))).rejects.toThrow(message);
  });

  it("is what verify points to", async () => {
    const path = file("verify.zip", zipOf(DUMP));
    await expect(readArchive(path)).rejects.toThrow(
      /a sysdump lacks what verify needs; use cilium-modes inspect .*verify\.zip$/,
    );
    await expect(inspect([path], { save: join(folder, "kept.json.gz") })).rejects.toThrow(/--save keeps the evidence/);
  });
});
