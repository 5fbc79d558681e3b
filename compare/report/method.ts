import type { Analysis } from "../analyse/analysis";
import { METRICS, type Comparison, type Subject } from "../results";
import { NOISY, SIGNIFICANCE } from "../analyse/statistics";
import { measurementsOf, toolsIn, type Tool } from "../measure/tools";
import { numberText } from "../analyse/words";
import { blocksOf, type Fact, type Section } from "./blocks";
import { duration, moment } from "./format";

/** Machine and method, and how to repeat the comparison. */
export function methodSection(
  { machine, method, startedAt, finishedAt, subjects }: Comparison,
  { reference }: Analysis,
): Section {
  const took = duration(startedAt, finishedAt);
  const { stopping } = method;
  const facts: readonly Fact[] = [
    ["machine", `${machine.cpu}, ${machine.cpus} CPUs (${machine.architecture}), ${numberText(machine.memoryGiB)} GiB`],
    ["kernel", `Linux ${machine.kernel}`],
    ...(machine.docker === undefined ? [] : [["Docker", machine.docker] as const]),
    ["load before the start", `${machine.load.toFixed(2)} (one-minute average)`],
    ["time", `${moment(startedAt)} to ${moment(finishedAt)}${took === undefined ? "" : `, ${took}`}`],
    ["nodes", same(subjects, ({ inventory }) => String(inventory.nodes.length))],
    ["versions", same(subjects, ({ cilium, kubernetes }) => `Cilium ${cilium} and Kubernetes ${kubernetes}`)],
    [
      "rounds",
      `${stopping === undefined ? method.rounds : `${stopping.first} to ${stopping.last}`} of ${numberText(method.seconds)} s per benchmark${method.warmUpSeconds > 0 ? `, each after ${numberText(method.warmUpSeconds)} s of warm-up` : ""}`,
    ],
    [
      "order",
      method.interleaved
        ? "interleaved: the clusters ran side by side and took turns in every round"
        : "one cluster after the other: other load of the machine may have differed",
    ],
    ["tools", toolsText(toolsIn(measurementsOf(method.extras ?? [])))],
    ...(method.services.length === 0 ? [] : [["Services", method.services.map(numberText).join(", ")] as const]),
    [
      "statistics",
      `medians and quartiles of rounds; ratios to ${reference} with ${stopping === undefined ? FIXED : SEQUENTIAL}`,
    ],
    [
      "noisy",
      `an interquartile range above ${numberText(NOISY.spread * 100)} % of the median, or fewer than ${NOISY.values} values`,
    ],
  ];
  return {
    id: "method",
    title: "Method",
    blocks: blocksOf(
      { kind: "facts", facts },
      { kind: "heading", text: "Repeat" },
      { kind: "command", text: method.command },
    ),
  };
}

const FIXED = `bootstrapped 95 % intervals; a difference is significant if its interval excludes 1 and a permutation test, corrected for the number of paths, is below ${numberText(SIGNIFICANCE * 100)} %`;
const SEQUENTIAL = `95 % intervals of the differences in each round; a difference is significant if its interval excludes 1 and a t-test of these differences, with one variance for each metric and corrected for the number of looks and paths, is below ${numberText(SIGNIFICANCE * 100)} %`;

/** A text about all subjects if it is the same for all. */
function same(subjects: readonly Subject[], of: (subject: Subject) => string): string {
  const [first, ...others] = new Set(subjects.map(of));
  if (first !== undefined && others.length === 0) return subjects.length > 1 ? `${first} in each` : first;
  return subjects.map((subject) => `${subject.name}: ${of(subject)}`).join("; ");
}

function toolsText(tools: readonly Tool[]): string {
  const metricsOf = new Map<string, string[]>();
  for (const { program, metrics, family } of tools) {
    const by = family === "IPv6" ? " by IPv6" : "";
    metricsOf.set(program, [...(metricsOf.get(program) ?? []), ...metrics.map((metric) => METRICS[metric].title + by)]);
  }
  return [...metricsOf].map(([program, titles]) => `${program} (${titles.join("; ")})`).join(", ");
}
