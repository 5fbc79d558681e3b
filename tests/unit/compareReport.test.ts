import { analyse, type Analysis } from "../../compare/analyse/analysis";
import { compareToBaseline, type BaselineAnalysis } from "../../compare/analyse/baseline";
import { reportHtml } from "../../compare/report/html";
import { reportMarkdown } from "../../compare/report/markdown";
import { reportOf, type Report } from "../../compare/report/report";
import { reportText } from "../../compare/report/text";
import {
  BASIC_PATHS,
  GROWTH_METRICS,
  METRICS,
  type Comparison,
  type Series,
  type Subject,
} from "../../compare/results";
import { numberText, ratioText } from "../../compare/analyse/words";
import { sampleComparison, sampleSubject, slowed, withValues } from "./support/comparisons";
import { xmlProblem } from "./support/xml";

const FORMATS: Readonly<Record<string, (report: Report) => string>> = {
  html: reportHtml,
  markdown: reportMarkdown,
  text: (report) => reportText(report),
};

const SAMPLE = sampleComparison();
const ANALYSIS = analyse(SAMPLE);
const PAGE = reportHtml(reportOf(SAMPLE, ANALYSIS));

/** The sample with two subjects, a changed ebpf, and few measurements, so that the analysis is fast. */
function small(overrides: Partial<Subject> = {}, change = (subject: Subject) => subject): Comparison {
  const subjects = [sampleSubject("kubeproxy"), change(sampleSubject("ebpf", overrides))];
  const isKept = ({ metric }: Series) => metric === "latency-p99" || metric === "connections";
  return sampleComparison({
    subjects: subjects.map((subject) => ({ ...subject, growth: [], series: subject.series.filter(isKept) })),
  });
}

const analysed = (comparison: Comparison) => ({ comparison, analysis: analyse(comparison) });
const NOISY = analysed(small({}, (subject) => withValues(subject, "latency-p99", [50, 120, 300, 70, 190])));
const LACKING = analysed(
  small({ omitted: ["new connections: the image has no wrk"] }, (subject) => ({
    ...subject,
    series: subject.series.filter(({ metric }) => metric !== "connections"),
  })),
);
const FAILED = analysed(
  small({ verification: { verdict: "fail", failed: ["status on worker: Host Routing is Legacy"] } }),
);
const THEN = small();
const SLOWER = analysed({
  ...small({}, (subject) => slowed(subject, 1.5, ({ path }) => path === "cross-node")),
  machine: { ...SAMPLE.machine, kernel: "6.19.0-test" },
});
const SLOWER_THAN_THEN = compareToBaseline(SLOWER.comparison, THEN, 10);
const SLOW = analysed(small({}, (subject) => slowed(subject, 2, () => true)));
const SLOW_THAN_THEN = compareToBaseline(SLOW.comparison, THEN, 10);
/** With UDP, a path between nodes, and what a server sees of a client outside. */
const MORE = analysed({
  ...THEN,
  method: { ...THEN.method, extras: ["udp", "host"] },
  subjects: THEN.subjects.map((subject) => ({
    ...subject,
    inventory: { ...subject.inventory, outside: [{ node: "other", address: "node" }] },
    series: subject.series.flatMap((series): Series[] =>
      series.path === "cross-node" && series.metric === "latency-p99"
        ? [series, { ...series, path: "host" }, { ...series, metric: "udp-latency-p99" }]
        : [series],
    ),
  })),
});
const ALONE = analysed(sampleComparison({ subjects: [sampleSubject("ebpf", { growth: [] })] }));

/** A sequential comparison with two subjects, whose connections ended early. */
const EARLY = analysed({
  ...small({}, (subject) => slowed(subject, 1.5, ({ path }) => path === "cross-node")),
  method: { ...SAMPLE.method, stopping: { first: 3, last: 5, errorRate: 0.05 } },
});
EARLY.comparison.subjects.forEach(({ series }) =>
  series.filter(({ metric }) => metric === "connections").forEach(({ values }) => values.splice(3)),
);
EARLY.analysis = analyse(EARLY.comparison);

/** The visible text of any format, one line per table row. */
function readable(report: string): string {
  return report
    .replace(/<(style|title)>[^]*?<\/\1>|<svg[^]*?<\/svg>/g, "")
    .replace(/<\/(?:p|h\d|li|tr|caption|figcaption|dd|pre|summary)>/g, "\n")
    .replace(/<[^>]*>/g, " ")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&")
    .replace(/\\(.)/g, "$1")
    .replace(/\*\*?/g, "")
    .replace(/[ \t|]+/g, " ");
}

/** The table of a measurement, with its heading. */
function tableOf(report: string, title: string): readonly string[] {
  const text = readable(report);
  const start = text.search(new RegExp(`^[# ]*${title.replace(/[()]/g, "\\$&")} *\\n\\s*[^\\n]*is better`, "im"));
  return text.slice(start, start + 3000).split("\n");
}

describe.each(Object.entries(FORMATS))("a comparison as %s", (_, format) => {
  const render = (comparison: Comparison, analysis: Analysis, baseline?: BaselineAnalysis) =>
    format(reportOf(comparison, analysis, baseline));
  const whole = render(SAMPLE, ANALYSIS);
  const sample = readable(whole);

  it("starts with the verdicts, before any table", () => {
    expect(ANALYSIS.verdicts.length).toBeGreaterThan(0);
    for (const verdict of ANALYSIS.verdicts) {
      expect(sample).toContain(verdict);
      expect(sample.indexOf(verdict)).toBeLessThan(sample.search(/Gbit\/s, higher is better/));
    }
  });

  it("describes each subject with mode, versions, memory and CPU", () => {
    for (const { mode } of SAMPLE.subjects) expect(sample).toContain(`${mode}, native routing`);
    expect(sample).toContain("213 MiB and 3.1 % CPU per node");
    expect(sample).toContain("not running");
    expect(sample).toContain("1.36.1");
  });

  it("names what handles Services where a stack sets kube-proxy's mode", () => {
    const own = sampleSubject("kubeproxy", { name: "nft" });
    const settings = { ...own.inventory.settings, "kubeProxy.mode": "nftables" };
    const { comparison, analysis } = analysed(small({}, () => ({ ...own, inventory: { ...own.inventory, settings } })));
    const text = readable(render(comparison, analysis));
    expect(text).toContain("Cilium as a plain CNI with kube-proxy: nftables handles Services, iptables masquerading");
    expect(text).toContain("kube-proxy (nftables)");
  });

  it.each(ANALYSIS.benchmarks.map((row) => [row.metric, row.path, row] as const))(
    "has the figures of %s, %s",
    (metric, path, { summaries, ratios }) => {
      const line = tableOf(whole, METRICS[metric].title).find((each) => each.trim().startsWith(path))!;
      for (const { median } of summaries.values()) expect(line).toContain(numberText(median));
      for (const { ratio, low, high, outcome } of ratios.values()) {
        const mark = { better: "▲", worse: "▼", "no difference": "=" }[outcome];
        expect(line).toContain(`${mark} ${ratioText(ratio)}× (${ratioText(low)}–${ratioText(high)})`);
      }
    },
  );

  it("has the figures of each number of Services", () => {
    const table = tableOf(whole, GROWTH_METRICS["new-service"].title);
    for (const { services, summaries } of ANALYSIS.growth.filter(({ metric }) => metric === "new-service")) {
      const line = table.find((each) => each.trim().startsWith(`${numberText(services)} `))!;
      for (const { median } of summaries.values()) expect(line).toContain(numberText(median));
    }
  });

  it("marks noisy results in cells and in sentences", () => {
    const { comparison, analysis } = NOISY;
    const report = render(comparison, analysis);
    expect(analysis.noisy.length).toBeGreaterThan(0);
    for (const sentence of analysis.noisy) expect(readable(report)).toContain(sentence);
    const table = tableOf(report, METRICS["latency-p99"].title);
    for (const path of Object.keys(BASIC_PATHS))
      expect(table.find((line) => line.trim().startsWith(path))).toMatch(/\bnoisy\b/);
    expect(sample).toContain("No measurement was noisy");
  });

  it("shows more measurements where they were included: UDP, what pods cost over their nodes, and clients outside", () => {
    const { comparison, analysis } = MORE;
    const report = readable(render(comparison, analysis));
    expect(report).toMatch(/cost over the nodes' network/i);
    expect(report).toMatch(/= 1\.00× \(/);
    expect(report).toContain("on the path host");
    expect(report).toMatch(/source of outside clients through another node/);
    expect(tableOf(report, METRICS["udp-latency-p99"].title).join("\n")).toContain("cross-node");
    expect(sample).not.toMatch(/cost over the nodes|UDP|source of outside/i);
  });

  it("lists omissions", () => {
    const report = readable(render(LACKING.comparison, LACKING.analysis));
    expect(report).toContain("ebpf: new connections: the image has no wrk");
    expect(report.match(/not measured/g)).toHaveLength(Object.keys(BASIC_PATHS).length);
  });

  it("fails on failed verifications and indistinguishable modes", () => {
    const analysis: Analysis = {
      ...FAILED.analysis,
      indistinguishable: ["replacement and ebpf look the same in everything"],
    };
    const report = readable(render(FAILED.comparison, analysis));
    expect(report).toMatch(/failed/i);
    expect(report).toContain("ebpf did not pass verification (fail): status on worker: Host Routing is Legacy");
    expect(report).toContain("replacement and ebpf look the same in everything");
    expect(sample).not.toMatch(/failed/i);
  });

  it("marks regressions and changes since the baseline", () => {
    const { changed, rows } = SLOWER_THAN_THEN;
    const regressions = rows.filter(({ isRegression }) => isRegression);
    const report = readable(render(SLOWER.comparison, SLOWER.analysis, SLOWER_THAN_THEN));
    expect(regressions.length).toBeGreaterThan(0);
    expect(changed.length).toBeGreaterThan(0);
    for (const sentence of changed) expect(report).toContain(sentence);
    for (const { subject, title, ratio } of regressions) {
      const line = report.split("\n").find((each) => each.trim().startsWith(`${subject}: ${title}`))!;
      expect(line).toMatch(/regression/i);
      expect(line).toContain(`▼ ${ratioText(ratio.ratio)}×`);
    }
    expect(report.match(/^.*\b(?:regression|REGRESSION) ?$/gm)).toHaveLength(regressions.length);
  });

  it("reports how many ratios between subjects agree with the baseline, and lists the others", () => {
    const { agreeing, disagreeing, rows } = SLOWER_THAN_THEN.agreement;
    const report = readable(render(SLOWER.comparison, SLOWER.analysis, SLOWER_THAN_THEN));
    expect(disagreeing).toBeGreaterThan(0);
    expect(report).toContain(`${agreeing} of ${rows.length} ratios to kubeproxy agree with the baseline`);
    expect(report.match(/ in the baseline, .* now$/gm)).toHaveLength(disagreeing);
  });

  it("names the worst regressions in the headline, and counts the others", () => {
    const report = readable(render(SLOW.comparison, SLOW.analysis, SLOW_THAN_THEN));
    const count = SLOW_THAN_THEN.rows.filter(({ isRegression }) => isRegression).length;
    expect(report.match(/Regression in /g)).toHaveLength(5);
    expect(report).toContain(`${count - 5} more regressions`);
  });

  it("is deterministic, and works for a single subject without growth", () => {
    expect(render(SAMPLE, ANALYSIS)).toBe(whole);
    expect(readable(render(ALONE.comparison, ALONE.analysis))).toContain("Measurements of ebpf");
  });

  it("contains the command to repeat it", () => {
    expect(sample).toContain(SAMPLE.method.command);
  });
});

describe("the page", () => {
  const texts = "<script>alert('1')</script> & \"<b>\" | `x` \u0007";
  const { comparison: hostile, analysis } = analysed({
    ...small({ name: texts, cilium: texts, kubernetes: texts, omitted: [texts] }),
    machine: { ...SAMPLE.machine, cpu: texts, kernel: texts, docker: texts },
    method: { ...SAMPLE.method, command: texts },
  });

  it("escapes all texts", () => {
    const page = reportHtml(reportOf(hostile, analysis));
    expect(page).not.toMatch(/<script|<b>"|\u0007/);
    expect(readable(page)).toContain("<script>alert('1')</script>");
  });

  it("loads nothing and runs no script", () => {
    expect(PAGE).not.toMatch(/https?:|\bsrc=|@import|url\((?!#)|<script|<link|\son\w+=/i);
    expect(PAGE).toContain("default-src 'none'");
  });

  it("is well-formed, with unique ids and valid references", () => {
    const tree = PAGE.replace("<!doctype html>", "").replace(/<(meta[^>]*)>/g, "<$1/>");
    expect(xmlProblem(tree.replace(/<style>[^]*?<\/style>/g, ""))).toBeUndefined();
    const ids = [...PAGE.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of PAGE.matchAll(/(?:href="#|url\(#|aria-labelledby=")([^")]*)/g)) expect(ids).toContain(id);
  });

  it("defines every used color, in light and dark", () => {
    const [light, dark] = [0, 1].map((index) => {
      const rules = [...PAGE.matchAll(/:root \{([^}]*)\}/g)].map(([, each]) => each!);
      return rules.filter((_each, at) => at % 2 === index).join("");
    });
    for (const [, name] of PAGE.matchAll(/var\((--[\w-]+)\)/g)) {
      expect(light).toContain(`${name}:`);
      expect(dark).toContain(`${name}:`);
    }
  });

  it("has heads of tables and text alternatives of charts", () => {
    for (const [table] of PAGE.matchAll(/<table>[^]*?<\/table>/g)) {
      expect(table).toMatch(/<caption>[^<]+<\/caption>/);
      expect(table).toContain('<th scope="col">');
      expect(table).toContain('<th scope="row">');
    }
    const figures = [...PAGE.matchAll(/<figure>[^]*?<\/figure>/g)];
    expect(figures.length).toBeGreaterThan(15);
    for (const [figure] of figures) expect(figure).toMatch(/<svg role="img" aria-label="[^"]{30,}"/);
  });

  it("shows differences, and folds equal entries", () => {
    const folded = [...PAGE.matchAll(/<details>[^]*?<\/details>/g)].map(([each]) => readable(each)).join("\n");
    const shown = readable(PAGE.replace(/<details>[^]*?<\/details>/g, ""));
    for (const { name, differs } of ANALYSIS.differences) expect(differs ? shown : folded).toContain(name);
  });
});

describe.each(Object.entries(FORMATS))("a sequential comparison as %s", (_, format) => {
  const report = format(reportOf(EARLY.comparison, EARLY.analysis));
  const text = readable(report);

  it("says after how many rounds a ratio ended, if it ended early", () => {
    const [early, whole] = (["connections", "latency-p99"] as const).map((metric) =>
      tableOf(report, METRICS[metric].title).find((line) => line.trim().startsWith("cross-node")),
    );
    expect(early).toMatch(/▼ 0\.\d+×.* after 3 rounds/);
    expect(whole).not.toContain("after");
  });

  it("says how many rounds the ratios took, why they ended, and the error rate", () => {
    expect(text).toContain("Each ratio took 3 to 5 rounds.");
    expect(text).toContain("the chance of a false difference is at most 5 %");
    const lines = text.split("\n").join(" ");
    expect(lines).toMatch(/5 of 10 ratios\W+3 rounds: the difference is shown/);
    expect(lines).toMatch(/5 of 10 ratios\W+5 rounds: the last round/);
  });
});

describe("a comparison whose ratios took all rounds", () => {
  it("has no section about them", () => {
    expect(reportText(reportOf(SAMPLE, ANALYSIS))).not.toMatch(/^ROUNDS$/m);
    expect(reportText(reportOf(EARLY.comparison, EARLY.analysis))).toMatch(/^ROUNDS$/m);
  });
});

describe("the Markdown", () => {
  it("keeps tables intact with any cell contents", () => {
    const odd = small({ cilium: "1|2\n3 *x* `y` <z>" });
    const lines = reportMarkdown(reportOf(odd, analyse(odd))).split("\n");
    const cells = (line: string) => line.match(/(?<!\\)\|/g)!.length;
    for (const [index, line] of lines.entries())
      if (line.startsWith("|") && lines[index - 1]?.startsWith("|")) expect(cells(line)).toBe(cells(lines[index - 1]!));
    expect(lines.find((line) => line.startsWith("| Cilium |"))).toContain("1\\|2<br>3 \\*x\\* \\`y\\` &lt;z&gt;");
  });
});

describe("the text", () => {
  it("contains no control characters", () => {
    const odd = small({ omitted: ["\u001b[2Jgone"] });
    expect(reportText(reportOf(odd, analyse(odd)))).not.toMatch(/(?!\n)\p{Cc}/u);
  });
});
