import type { Analysis } from "../../datapath/compare/analysis";
import { METRICS, type Comparison, type Subject } from "../../datapath/compare/results";
import { NOISY, SIGNIFICANCE } from "../../datapath/compare/statistics";
import { TOOLS } from "../../datapath/compare/tools";
import { numberText } from "../../datapath/compare/words";
import { blocksOf, type Fact, type Section } from "./blocks";
import { duration, moment } from "./format";

/** On what and how it was measured, and how to do it again. */
export function methodSection(
  { machine, method, startedAt, finishedAt, subjects }: Comparison,
  { reference }: Analysis,
): Section {
  const took = duration(startedAt, finishedAt);
  const facts: readonly Fact[] = [
    ["machine", `${machine.cpu}, ${machine.cpus} CPUs (${machine.architecture}), ${numberText(machine.memoryGiB)} GiB`],
    ["kernel", `Linux ${machine.kernel}`],
    ...(machine.docker === undefined ? [] : [["Docker", machine.docker] as const]),
    ["load before", `${machine.load.toFixed(2)} (one-minute average)`],
    ["time", `${moment(startedAt)} to ${moment(finishedAt)}${took === undefined ? "" : `, ${took}`}`],
    ["nodes", same(subjects, ({ inventory }) => String(inventory.nodes.length))],
    ["versions", same(subjects, ({ cilium, kubernetes }) => `Cilium ${cilium} and Kubernetes ${kubernetes}`)],
    [
      "rounds",
      `${method.rounds} of ${numberText(method.seconds)} s for each benchmark, each after ${numberText(method.warmUpSeconds)} s of warm-up that does not count`,
    ],
    [
      "order",
      method.interleaved
        ? "interleaved: the clusters stood side by side, and took turns in every round"
        : "one cluster after the other: what the machine did meanwhile may differ between them",
    ],
    ["tools", toolsText()],
    ...(method.services.length === 0 ? [] : [["Services", method.services.map(numberText).join(", ")] as const]),
    [
      "statistics",
      `medians and quartiles of rounds; ratios to ${reference} with bootstrapped 95 % intervals; a difference is claimed where the interval leaves out 1 and a permutation test, corrected for the ways that a measurement was made on, comes below ${numberText(SIGNIFICANCE * 100)} %`,
    ],
    [
      "noisy",
      `quartiles further apart than ${numberText(NOISY.spread * 100)} % of the median, or fewer than ${NOISY.values} values; shown as they are`,
    ],
  ];
  return {
    id: "method",
    title: "How it was measured",
    blocks: blocksOf(
      { kind: "facts", facts },
      { kind: "heading", text: "To repeat it" },
      { kind: "command", text: method.command },
    ),
  };
}

/** What is said of all subjects at once where it is the same. */
function same(subjects: readonly Subject[], of: (subject: Subject) => string): string {
  const [first, ...others] = new Set(subjects.map(of));
  if (first !== undefined && others.length === 0) return subjects.length > 1 ? `${first} in each` : first;
  return subjects.map((subject) => `${subject.name}: ${of(subject)}`).join("; ");
}

function toolsText(): string {
  const metricsOf = new Map<string, string[]>();
  for (const { program, metrics } of TOOLS)
    metricsOf.set(program, [...(metricsOf.get(program) ?? []), ...metrics.map((metric) => METRICS[metric].title)]);
  return [...metricsOf].map(([program, titles]) => `${program} (${titles.join("; ")})`).join(", ");
}
