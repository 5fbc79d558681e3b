import type { DrillResult } from "../datapath/faults/drill";
import type { Fault } from "../datapath/faults/fault";
import type { Settings } from "../settings/parse";
import { table, type Look } from "../render/terminal";

/** One result, as it is reported while the drill goes on. */
export function resultLine({ fault, outcome, cause, causes, seconds }: DrillResult): string {
  const [other] = causes;
  const named =
    cause !== undefined ? `cause named: ${cause}` : other !== undefined ? `other cause: ${other}` : "no cause";
  return `${outcome.padEnd("not-repaired".length)} ${fault} (${outcome === "caught" ? `${named}, ` : ""}${seconds} s)`;
}

/** The results of a drill as a table, with a summary. */
export function drillText(results: readonly DrillResult[], { mode }: Pick<Settings, "mode">, look: Look): string {
  const { bold, green, red, yellow } = look.colors;
  const paint = { caught: green, missed: red, "not-injected": yellow, "not-repaired": red } as const;
  const rows = results.map(
    ({ fault, class: kind, outcome, causeNamed, causes, red: checks, verifySeconds, seconds, problem }) => [
      fault,
      kind,
      paint[outcome](outcome),
      causeNamed ? green("yes") : "no",
      `${verifySeconds}`,
      `${seconds}`,
      problem ?? (causes.length > 0 ? causes.join(", ") : checks.join(", ")),
    ],
  );
  const head = ["fault", "class", "outcome", "cause named", "verify s", "total s", "causes, or red checks"].map(bold);
  const count = (wanted: DrillResult["outcome"]) => results.filter(({ outcome }) => outcome === wanted).length;
  const named = results.filter(({ outcome, causeNamed }) => outcome === "caught" && causeNamed).length;
  return [
    table([head, ...rows], look),
    "",
    `${mode}: ${faultsText(results.length)}, ${count("caught")} caught (${named} with the cause named), ${count("missed")} missed, ${count("not-injected")} not injected, ${count("not-repaired")} not repaired`,
  ].join("\n");
}

const faultsText = (faults: number) => (faults === 1 ? "1 fault" : `${faults} faults`);

/** The catalogue as a table for each class. */
export function catalogueText(faults: readonly Fault[], look: Look): string {
  const { bold, dim } = look.colors;
  const tables = [...new Set(faults.map((fault) => fault.class))].map((kind) => {
    const own = faults.filter((fault) => fault.class === kind);
    const rows = own.map((fault) => {
      const condition = conditionOf(fault);
      return [fault.name, `${fault.title}${condition === "" ? "" : dim(` (${condition})`)}`];
    });
    return `${bold(kind)} (${faultsText(own.length)})\n${table(rows, look, "  ", true)}\n`;
  });
  return [...tables, `${faultsText(faults.length)} in all`].join("\n");
}

/** The modes, the tunnel and the families that a fault needs; empty where it applies to every cluster. */
export function conditionOf({ modes, tunnel, kubeProxy, ipFamily }: Fault): string {
  const parts = [
    ...(modes === undefined ? [] : [modes.join(", ")]),
    ...(tunnel === undefined ? [] : [tunnel ? "with a tunnel" : "native routing"]),
    ...(kubeProxy === undefined ? [] : [`kube-proxy in mode ${kubeProxy}`]),
    ...(ipFamily === undefined ? [] : ["dual stack"]),
  ];
  return parts.join("; ");
}

/** The catalogue as JSON, without the scripts. */
export function catalogueJson(faults: readonly Fault[]): string {
  const shown = faults.map(({ name, class: kind, title, teaches, expect, modes, tunnel, kubeProxy, ipFamily }) => ({
    name,
    class: kind,
    title,
    teaches,
    expect,
    modes,
    tunnel,
    kubeProxy,
    ipFamily,
  }));
  return JSON.stringify(shown, undefined, 2);
}
