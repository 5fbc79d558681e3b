import type { Matches } from "./matching";
import type { Comparison, Machine } from "./results";
import { numberText } from "./words";

/** What is another than before: the machine, the method, and each subject's versions; a sentence each. */
export function changesOf(now: Comparison, before: Comparison, { pairs }: Matches): readonly string[] {
  return [
    ...changes("the machine's", machineOf(now.machine), machineOf(before.machine)),
    ...changes("the method's", methodOf(now), methodOf(before)),
    ...pairs.flatMap((pair) =>
      changes(
        `${pair.now.name}'s`,
        { Cilium: pair.now.cilium, Kubernetes: pair.now.kubernetes },
        { Cilium: pair.before.cilium, Kubernetes: pair.before.kubernetes },
      ),
    ),
  ];
}

/** Whole GiB: the kernel of one machine keeps more or less of it for itself. */
const machineOf = ({ cpu, cpus, memoryGiB, kernel, architecture, docker }: Machine) => ({
  CPU: cpu,
  "number of CPUs": numberText(cpus),
  memory: `${Math.round(memoryGiB)} GiB`,
  kernel,
  architecture,
  Docker: docker ?? "none",
});

const methodOf = ({ method: { rounds, seconds, warmUpSeconds, interleaved, services } }: Comparison) => ({
  rounds: String(rounds),
  duration: `${seconds} s`,
  "warm-up": `${warmUpSeconds} s`,
  order: interleaved ? "in turns" : "one after the other",
  "numbers of Services": services.map(numberText).join(", ") || "none",
});

function changes<Key extends string>(whose: string, now: Record<Key, string>, before: Record<Key, string>): string[] {
  const keys = Object.keys(now) as Key[];
  return keys
    .filter((key) => now[key] !== before[key])
    .map((key) => `${whose} ${key}: ${now[key]}, before ${before[key]}`);
}
