import { stripVTControlCharacters } from "node:util";
import { createColors } from "picocolors";
import { inspectionDiff, inspectionMarkdown, inspectionText } from "../../cli/inspectText";
import { inspectionHtml } from "../../cli/inspectHtml";
import type { ConfigState } from "../../datapath/evidence/api";
import { datapathOf, type Inspection } from "../../datapath/inspect/inspection";
import { HEALTHY, PROBED, WORKER, changed, judged } from "./support/inspection";

describe("an inspection's forms", () => {
  const broken = () => judged(changed({ cgroups: () => "" }, WORKER));

  it("fit a terminal, fold nodes that agree, and put what contradicts below", () => {
    const text = inspectionText("prod", broken(), {
      colors: { bold: String, dim: String, red: String, green: String, yellow: String, cyan: String },
      columns: 100,
    });
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(300);
    expect(text).toMatch(/^CONTRADICTION +Services +Cilium +Cilium +Cilium +none +cmlead-worker$/m);
    expect(text).toMatch(/^ {2}- Services on cmlead-worker: the agent reports Cilium, and the datapath has none$/m);
    expect(text).toMatch(/^prod: .*; 3 rows contradict \(28 rows, 3 nodes, 3\.2 s\)$/m);
    expect(inspectionText("prod", judged(HEALTHY))).toMatch(/^prod: mode ebpf, native routing; nothing contradicts/m);
  });

  it("break long names where the table is wider than the terminal", () => {
    const renamed = JSON.stringify(broken()).replaceAll("cmlead-", "production-eu-central-1-general-");
    for (const hasColors of [false, true]) {
      const look = { colors: createColors(hasColors), columns: 100 };
      const [shown] = inspectionText("prod", JSON.parse(renamed) as Inspection, look).split("\n\n");
      const lines = stripVTControlCharacters(shown!).split("\n");
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
      expect(lines.join("\n")).toMatch(/^CONTRADICTION +Services .* production-eu-\n +central-1-\n/m);
    }
  });

  it("stack the columns of each row in a narrow terminal", () => {
    const renamed = JSON.stringify(broken()).replaceAll("cmlead-", "production-eu-central-1-general-purpose-nodes-");
    for (const columns of [40, 60, 79]) {
      const look = { colors: createColors(false), columns };
      const [shown] = inspectionText("prod", JSON.parse(renamed) as Inspection, look).split("\n\n");
      for (const line of shown!.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
      expect(shown).not.toContain("VERDICT");
    }
    const [shown] = inspectionText("prod", broken(), { colors: createColors(false), columns: 60 }).split("\n\n");
    expect(shown).toContain(`
CONTRADICTION  Services
  nodes        cmlead-worker
  requested    Cilium
  configured   Cilium
  reported     Cilium
  observed     none
IN FORCE       Services
  nodes        cmlead-control-plane, cmlead-worker2
`);
    // what is unknown needs no line
    expect(shown).toMatch(/^UNSEEN {9}IPAM\n {2}requested {4}cluster-pool\n {2}configured {3}cluster-pool\n\S/m);
  });

  it("are markdown and a page without scripts", () => {
    expect(inspectionMarkdown("prod", broken())).toMatch(
      /^\| Services \(cmlead-worker\) \| Cilium \| Cilium \| Cilium \| none \| \*\*contradiction\*\* \|$/m,
    );
    const page = inspectionHtml("<prod>", broken(), () => ({}));
    expect(page).toContain("&lt;prod&gt;");
    expect(page).not.toMatch(/<script|https?:\/\/[^ <]*\.(?:js|css)/);
    // what contradicts comes first
    expect(page.indexOf("CONTRADICTION")).toBeLessThan(page.indexOf("IN FORCE"));
  });

  it("tell two clusters apart", () => {
    expect(inspectionDiff(["a", judged(HEALTHY)], ["b", judged(HEALTHY)])).toBe(
      "a and b have the same datapath: mode ebpf, native routing",
    );
    expect(inspectionDiff(["a", judged(HEALTHY)], ["b", broken()])).toMatch(
      /^Socket LB +on \(in force\) +on, off \(contradiction\)$/m,
    );
    const { value } = HEALTHY.api.config as { value: ConfigState };
    const config = { value: { ...value, data: { ...value.data, "enable-endpoint-routes": "true" } } };
    const newer = judged({ ...HEALTHY, api: { ...HEALTHY.api, config } });
    expect(inspectionDiff(["a", judged(HEALTHY)], ["b", newer])).toMatch(
      /^Configuration +read \(in force\) +read \(drift\)$/m,
    );
  });
});

describe("a stack's output of its datapath", () => {
  it("has the mode, what runs, and no deviation in a healthy cluster", () => {
    expect(datapathOf(judged(PROBED))).toEqual({
      ...{ mode: "ebpf", nearest: undefined, differences: [], network: "native" },
      ...{ services: "Cilium", hostRouting: "BPF", masquerading: "BPF", deviceMode: "veth", attachment: "tcx" },
      ...{ socketLb: "everywhere", loadBalancer: "snat", mtu: "1500", encryption: "off" },
      deviations: [],
    });
  });

  it("has each deviation with its reason and nodes, and what runs on each node", () => {
    const { mode, nearest, differences, socketLb, deviations } = datapathOf(
      judged(changed({ cgroups: () => "" }, WORKER)),
    );
    expect([mode, nearest, socketLb]).toEqual([undefined, "ebpf", "everywhere, off"]);
    expect(differences).toEqual(["services differs between nodes, or is unknown"]);
    const reason = (is: string, has: string) => `the agent reports ${is}, and the datapath has ${has}`;
    expect(deviations).toEqual([
      { title: "Services", verdict: "contradiction", reason: reason("Cilium", "none"), nodes: [WORKER] },
      { title: "Socket LB", verdict: "contradiction", reason: reason("everywhere", "off"), nodes: [WORKER] },
      { title: "Programs", verdict: "contradiction", reason: expect.stringMatching(/^no program at/), nodes: [WORKER] },
    ]);
    const all = datapathOf(judged(changed({ cgroups: () => "" }))).deviations;
    expect(all.map(({ nodes }) => nodes.length)).toEqual([3, 3, 3]);
  });
});

describe("an inspection of 1,000 nodes", () => {
  const numbers = Array.from({ length: 1000 }, (_, index) => index);
  const agreed = judged(HEALTHY);
  /** The same inspection of more nodes. */
  const large = (change: (node: number) => object, silent: Record<string, string> = {}): Inspection => ({
    ...agreed,
    silent,
    nodes: { looked: 1000, all: 5000 },
    rows: agreed.rows.map((row) => ({
      ...row,
      verdict: row.id === "mtu" ? "drift" : row.verdict,
      nodes: numbers.map((number) => ({
        ...row.nodes[0]!,
        node: `node-${number}`,
        ...(row.id === "mtu" ? change(number) : {}),
      })),
    })),
  });
  const few = (text: string) => Math.max(...text.split("\n").map((line) => line.match(/node-\d/g)?.length ?? 0));

  it("names some of the nodes that differ, and counts the others", () => {
    const drift = { verdict: "drift", observed: "1280", reason: "1280 here, 1500 on most nodes" };
    const inspection = large((number) => (number < 400 ? drift : {}));
    const text = inspectionText("prod", inspection);
    expect(text).toMatch(/^DRIFT +MTU .* 1280 +node-0, node-1, node-2 and 397 more$/m);
    expect(text).toMatch(/^ {2}- MTU on node-0, node-1, node-2 and 397 more: 1280 here, 1500 on most nodes$/m);
    expect(text).toMatch(/1 row contradicts \(28 rows, 1,000 of 5,000 nodes, /);
    expect([few(text), few(inspectionMarkdown("prod", inspection))]).toEqual([3, 3]);
  });

  it("shows some lines of a row in which every node is different", () => {
    const text = inspectionText(
      "prod",
      large((number) => ({ observed: `${number}`, verdict: "drift", reason: `${number}` })),
    );
    const lines = text.split("\n");
    const first = lines.findIndex((line) => /^DRIFT +MTU /.test(line));
    expect(lines[first + 5]).toMatch(/^ +… .* 995 more, which differ; --json shows all$/);
    expect(text).toContain("\n  - and 990 more reasons; --json shows all\n");
    expect(lines.length).toBeLessThan(60);
  });

  it("lists nodes that did not answer once, and not in each row", () => {
    const silent = Object.fromEntries(
      numbers.slice(0, 400).map((number) => [`node-${number}`, "no answer within 45 s"]),
    );
    const text = inspectionText(
      "prod",
      large(() => ({}), silent),
    );
    expect(text).toContain("  - node-0: no answer within 45 s\n");
    expect(text).toContain("\n  - and 390 more nodes; --json shows all\n");
    expect(text).toMatch(/1,000 of 5,000 nodes, of which 400 did not answer, /);
    expect(text).toMatch(/^IN FORCE +Masquerading .* all$/m);
  });
});
