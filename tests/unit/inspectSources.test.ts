import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { inspectionHtml } from "../../cli/inspectHtml";
import type { Evidence } from "../../datapath/evidence/gather";
import type { NodeEvidence, Section } from "../../datapath/evidence/node";
import { judgeInspection } from "../../datapath/inspect/inspect";
import { sourcesIn } from "../../datapath/inspect/sources";

const EVIDENCE = JSON.parse(
  gunzipSync(readFileSync(join(__dirname, "evidence", "ebpf-1.20.2-evidence.json.gz"))).toString(),
) as Evidence;
const WORKER = "cmlead-worker";

const kept = (evidence: Evidence) => ({ evidence, logs: {}, readAt: "2026-11-29T23:00:00.000Z", seconds: 3.2 });
const sourcesOf = (row: string, evidence = EVIDENCE) => sourcesIn(kept(evidence))(row, WORKER);
const pageOf = (evidence: Evidence) =>
  inspectionHtml("prod", judgeInspection(kept(evidence)), sourcesIn(kept(evidence)));

/** Evidence in which sections of every node say something else. */
function changed(changes: Partial<Record<Section, (text: string) => string>>): Evidence {
  const nodes = EVIDENCE.nodes.map((node): NodeEvidence => {
    const sections = { ...node.sections };
    for (const [section, change] of Object.entries(changes)) {
      const reading = sections[section as Section]!;
      if ("value" in reading) sections[section as Section] = { value: change(reading.value) };
    }
    return { ...node, sections };
  });
  return { ...EVIDENCE, nodes };
}

describe("the sources of an inspection's cells", () => {
  it("are the keys, the status's fields and the lines of commands by which a row is judged", () => {
    const keys = ["enable-ipv4-masquerade: true", "enable-bpf-masquerade: true"];
    const configured = { from: `cilium-config as the agent on ${WORKER} has it`, lines: keys, left: 0 };
    expect(sourcesOf("masquerading")).toEqual({
      requested: [{ from: "Helm's record of the release: cilium-config", lines: keys, left: 0 }],
      configured: [configured],
      reported: [{ from: "cilium status -o json --all-controllers", lines: ["masquerading.mode: BPF"], left: 0 }],
      observed: [
        {
          from: "iptables-save -c",
          lines: [
            ":CILIUM_POST_nat - [0:0]",
            '[464:79624] -A POSTROUTING -m comment --comment "cilium-feeder: CILIUM_POST_nat" -j CILIUM_POST_nat',
          ],
          left: 76,
        },
        { from: "bpftool net show -j", lines: [], left: 0 },
        {
          from: "bpf(BPF_PROG_QUERY) of every device",
          lines: ['{"devname":"eth0","kind":"tcx/egress","name":"cil_to_netdev"}'],
          left: 7,
        },
        configured,
      ],
    });
  });

  it("are the counters around the pings where traffic shows it", () => {
    const observed = sourcesOf("host-routing").observed!;
    expect(observed.map(({ from }) => from)).toEqual(
      expect.arrayContaining([
        "pings between pods",
        "head -n 2 /proc/net/snmp (before the pings)",
        "head -n 2 /proc/net/snmp (after the pings)",
      ]),
    );
    expect(observed[0]!.lines).toHaveLength(3);
  });

  it("say which of two configurations an agent has, and what overrides it", () => {
    const overridden = changed({
      config: (text) => text.replace("enable-bpf-masquerade=true", "enable-bpf-masquerade=false"),
      arguments: (text) => `${text}--enable-ipv4-masquerade=false\n`,
    });
    expect(sourcesOf("masquerading", overridden).configured![0]!.lines).toEqual([
      "enable-ipv4-masquerade: false, by an argument or variable of the agent; the ConfigMap has true",
    ]);
    expect(sourcesOf("host-routing", overridden).configured![0]!.lines).toContain("kube-proxy-replacement: true");
    const older = changed({
      config: (text) => text.replace("enable-bpf-masquerade=true", "enable-bpf-masquerade=false"),
    });
    expect(sourcesOf("masquerading", older).configured![0]!.lines[1]).toBe(
      "enable-bpf-masquerade: false; the ConfigMap has true",
    );
  });

  it("name a key and a field that are missing, and keep lists short", () => {
    expect(sourcesOf("socket-lb").reported![0]!.lines).toContain(
      "kube-proxy-replacement.features.bpfSocketLBHostnsOnly: (absent)",
    );
    expect(sourcesOf("mtu").configured![0]!.lines).toEqual(["mtu: (not set)"]);
    const chains = Array.from({ length: 300 }, (_, index) => `:KUBE-SVC-${index} - [0:0]`).join("\n");
    const busy = changed({ iptables: (text) => `${text}\n${chains}` });
    const rules = sourcesOf("services", busy).observed!.find(({ from }) => from.startsWith("iptables"))!;
    expect([rules.lines.length, rules.left]).toEqual([12, 366]);
  });

  it("are known for every node that answered, and for none other", () => {
    const silent = EVIDENCE.nodes.map((node) =>
      node.node === WORKER ? { node: WORKER, error: "the agent does not answer", sections: {}, lookups: {} } : node,
    );
    const own = sourcesOf("masquerading", { ...EVIDENCE, nodes: silent });
    expect([own.configured!.map(({ from }) => from), own.reported]).toEqual([["ConfigMap cilium-config"], []]);
    expect(sourcesIn(kept(EVIDENCE))("masquerading", "another")).toEqual({});
  });
});

describe("the page of an inspection", () => {
  const idsOf = (page: string) => [...page.matchAll(/<div popover id="([^"]+)"/g)].map(([, id]) => id!);

  it("opens from each value what it was read from, without a script", () => {
    const page = pageOf(changed({ cgroups: () => "" }));
    const ids = idsOf(page);
    expect(ids).toEqual([...new Set(ids)]);
    for (const id of ids) expect(page).toContain(`<button type="button" popovertarget="${id}">`);
    expect(ids).toEqual(expect.arrayContaining(["services-0-requested", "services-0-observed", "mtu-0-observed"]));
    expect(page).toContain('<h3><code>iptables-save -c</code></h3><p class="dim">None of its 78 lines shows it.</p>');
    expect(page).toContain("masquerading.mode: BPF");
    expect(page).not.toContain("<script");
  });

  it("has the sources of nodes that are alike once", () => {
    const { api, nodes } = EVIDENCE;
    const [node] = nodes.filter((each) => each.node === WORKER);
    const many = Array.from({ length: 100 }, (_, index) => ({ ...node!, node: `node-${index}` }));
    const states = "value" in api.nodes ? api.nodes.value.filter(({ name }) => name === WORKER) : [];
    const large: Evidence = {
      ...EVIDENCE,
      traffic: undefined,
      api: { ...api, nodes: { value: many.map((each) => ({ ...states[0]!, name: each.node })) } },
      nodes: many,
    };
    const page = pageOf(large);
    expect(page).toContain("node-0; 99 more nodes have the same value");
    expect(idsOf(page).length).toBeLessThanOrEqual(idsOf(pageOf(EVIDENCE)).length);
  });

  it("has of configuration, status and commands only what rows read", () => {
    const secret = "hunter2";
    const evidence = changed({
      config: (text) => `${text}\netcd-password=${secret}`,
      arguments: (text) => `${text}\nCILIUM_TOKEN=${secret}\n`,
      sysctls: (text) => `${text}\nipv4/tcp_fastopen_key:${secret}`,
      status: (text) => JSON.stringify({ ...(JSON.parse(text) as object), token: secret }),
    });
    expect(JSON.stringify(evidence)).toContain(secret);
    expect(pageOf(evidence)).not.toContain(secret);
  });
});
