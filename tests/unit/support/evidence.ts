import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { CHECKS } from "../../../datapath/checks/all";
import type { Expectation } from "../../../datapath/checks/check";
import { diagnose, type Diagnosis } from "../../../datapath/causes";
import type { Evidence } from "../../../datapath/evidence/gather";
import type { Counter, Section } from "../../../datapath/evidence/node";
import type { Probe } from "../../../datapath/evidence/traffic";
import { expectationOf } from "../../../datapath/expectation";
import { judge, type CheckResult, type Verification } from "../../../datapath/verify";
import type { CiliumValuesArgs } from "../../../modes/ciliumValues";
import type { RoutingMode } from "../../../modes/contract";

const read = (name: string) =>
  gunzipSync(readFileSync(join(__dirname, `../evidence/${name}-evidence.json.gz`))).toString("utf8");
const RECORDED = read("ebpf-1.20.2");

/** A change of recorded evidence: every part can be written. */
export type Change = (evidence: Writable<Evidence>) => void;

type Writable<T> = T extends readonly (infer E)[]
  ? Writable<E>[]
  : T extends object
    ? { -readonly [K in keyof T]: Writable<T[K]> }
    : T;

/** What a healthy cluster in mode ebpf showed, with a change. */
export function recordedEvidence(change: Change = () => undefined): Evidence {
  const evidence = JSON.parse(RECORDED) as Writable<Evidence>;
  change(evidence);
  return evidence;
}

/** The same of a healthy dual-stack cluster, which is called `cmdual`. */
export function recordedDualStack(change: Change = () => undefined): Evidence {
  const evidence = JSON.parse(read("dual-1.20.2")) as Writable<Evidence>;
  change(evidence);
  return evidence;
}

/** What the recorded cluster is verified against, or another mode. */
export function recordedExpectation(mode: RoutingMode = "ebpf", more: Partial<CiliumValuesArgs> = {}): Expectation {
  const args: CiliumValuesArgs = {
    version: "1.20.2",
    mode,
    tunnel: "disabled",
    clusterName: "cmlead",
    nodeCount: 3,
    podCidr: "10.0.0.0/16",
    nativeRoutingCIDR: "10.0.0.0/8",
    images: { agent: {}, operator: {}, envoy: {} },
    extraValues: {},
    ...more,
  };
  return expectationOf(args, { isKind: true, nodePort: 32000 });
}

/** Checks that judge the common evidence alone: the others read for themselves. */
export const PURE = CHECKS.filter(({ id, read }) => read === undefined || ["status", "kube-proxy-rules"].includes(id));

/** What the checks say of evidence, and the causes. */
export function judged(
  evidence: Evidence,
  expectation = recordedExpectation(),
  checks = PURE,
): { results: CheckResult[]; causes: Diagnosis[] } {
  const results = checks.map((check) => judge(check, evidence, expectation, new Map()));
  return { results, causes: diagnose(results) };
}

/** Of the recorded cluster: the first worker's pod network and a pod's address there, and the same of the second one. */
export const RECORDED_PODS = (() => {
  const { nodes, traffic } = recordedEvidence();
  const podOn = (name: string) =>
    /inet (10\.\d+\.\d+\.\d+)\/32/.exec(traffic!.pods.find(({ node }) => node === name)!.output!)![1]!;
  const [own, peer] = [podOn("cmlead-worker"), podOn("cmlead-worker2")];
  const network = (address: string) => address.replace(/\d+$/, "0/24");
  const neighbor = nodes.find(({ node }) => node === "cmlead-worker2")!.sections.addresses!;
  const peerNode = /"local":"(172\.18\.0\.\d+)"/.exec("value" in neighbor ? neighbor.value : "")![1]!;
  return { own, ownNetwork: network(own), peer, peerNetwork: network(peer), peerNode };
})();

/** Change what one pod said of its own network. */
export function inPod(node: string, change: (output: string) => string): Change {
  return ({ traffic }) => {
    const pod = traffic!.pods.find((each) => each.node === node)!;
    const changed = change(pod.output!);
    if (changed === pod.output) throw new Error(`what ${pod.pod} said did not change`);
    pod.output = changed;
  };
}

/** Change a part of what one node said; all of them without a name. */
export function inNode(section: Section, change: (text: string) => string, name?: string): Change {
  return ({ nodes }) => {
    for (const node of nodes) {
      if (name !== undefined && node.node !== name) continue;
      const reading = node.sections[section]!;
      if (!("value" in reading)) throw new Error(`${section} was not recorded`);
      const changed = change(reading.value);
      if (changed === reading.value) throw new Error(`${section} of ${node.node} did not change`);
      node.sections[section] = { value: changed };
    }
  };
}

/** Let every try of some probes fail. */
export const failing =
  (wanted: (probe: Probe) => boolean, why = "no answer within 4 s"): Change =>
  ({ traffic }) => {
    for (const probe of traffic!.probes) if (wanted(probe)) for (const each of probe.tries) each.failure = why;
  };

/** Change a key of cilium-config, in the ConfigMap and in every agent. */
export const inConfig =
  (key: string, value: string): Change =>
  (evidence) => {
    const { config } = evidence.api;
    if ("value" in config) (config.value.data as Record<string, string>)[key] = value;
    inNode("config", (text) => `${text.replace(new RegExp(`^${key}=.*\n`, "m"), "")}\n${key}=${value}\n`)(evidence);
  };

/** Add rules to a table of what iptables-save printed. */
export const inTable = (table: string, rules: string) => (text: string) =>
  text.replace(
    new RegExp(`^\\*${table}\\n([^]*?)^COMMIT`, "m"),
    (_, own: string) => `*${table}\n${own}${rules}\nCOMMIT`,
  );

/** Change a counter that one node told. */
export const inCounters =
  (when: "before" | "between" | "after", counter: Counter, node: string, change: (text: string) => string): Change =>
  (evidence) => {
    const { sections } = evidence[when].find((each) => each.node === node)!;
    const reading = sections[counter]!;
    if (!("value" in reading)) throw new Error(`${node} did not tell its ${counter}`);
    const changed = change(reading.value);
    if (changed === reading.value) throw new Error(`${counter} did not change`);
    reading.value = changed;
  };

/** Several changes. */
export const both =
  (...changes: Change[]): Change =>
  (evidence) =>
    changes.forEach((change) => change(evidence));

/** Ids of the checks that found something. */
export const bad = (results: readonly CheckResult[]) =>
  results.filter(({ verdict }) => verdict !== "pass" && verdict !== "skipped").map(({ id }) => id);

/** A verification in which nothing was found. */
export const PASSED: Verification = {
  verdict: "pass",
  proof: "proven",
  mode: "ebpf",
  causes: [],
  results: [],
  seconds: 5,
  verifiedAt: "2026-11-26T06:00:00.000Z",
  nodes: { looked: 3, all: 3 },
};
