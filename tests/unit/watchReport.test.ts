import { PLAIN } from "../../render/terminal";
import { watchText } from "../../cli/watchText";
import { judgeFlow, type Probe } from "../../datapath/watch/series";
import type { WatchReport } from "../../datapath/watch/watch";

const METHOD = { intervalMs: 100, timeoutMs: 1000 };

/** A flow whose probes between two moments were lost. */
function flow(title: string, lostFrom: number, lostTo: number, isControl = false): WatchReport["flows"][number] {
  const probes: Probe[] = [];
  for (let sentAt = -1000; sentAt < 10_000; sentAt += 100) {
    const isLost = sentAt >= lostFrom && sentAt < lostTo;
    probes.push({ sentAt, answeredAt: isLost ? undefined : sentAt + 1, why: isLost ? "no answer" : undefined });
  }
  const breaks = title.includes("kept") ? [{ at: 2100, why: "connection reset by peer" }] : [];
  return { id: title, title, isControl, ...judgeFlow({ probes, breaks, unobserved: [] }, [], METHOD) };
}

const report = (more: Partial<WatchReport>): WatchReport => ({
  startedAt: "2026-11-26T06:30:00.000Z",
  seconds: 10,
  method: { ...METHOD, baselineSeconds: 1 },
  flows: [flow("pod to outside, ping", 0, 0), flow("control: pod to itself", 0, 0, true)],
  stalls: [],
  unobserved: [],
  omitted: [],
  verdict: "uninterrupted",
  ...more,
});

describe("the report of a watch", () => {
  it("says in one line that nothing was interrupted", () => {
    expect(watchText("ebpf", report({}), PLAIN)).toBe(
      [
        "flow                    sent  lost  longest gap  at  events",
        "pod to outside, ping    100   0",
        "control: pod to itself  100   0",
        "",
        "ebpf: no flow was interrupted (1 flows, 10 probes a second each, for 10 s)",
      ].join("\n"),
    );
  });

  it("shows what was lost, for how long, since when, and why", () => {
    const flows = [flow("pod to outside, ping", 2000, 5600), flow("pod to outside, kept TCP", 2000, 2100)];
    const text = watchText("ebpf", report({ flows, verdict: "interrupted" }), PLAIN);
    expect(text).toMatch(/^pod to outside, ping +100 +36 +3\.7 s +\+1\.9 s +no answer \(36\)$/m);
    expect(text).toMatch(
      /^pod to outside, kept TCP .* connection broken \+2\.1 s: connection reset by peer; no answer \(1\)$/m,
    );
    expect(text).toMatch(/^ebpf: 2 of 2 flows, .* were interrupted$/m);
  });

  it("names stalls of the machine, senders that were down, and flows that could not be sent", () => {
    const text = watchText(
      "ebpf",
      report({
        stalls: [
          { from: 1000, to: 1400 },
          { from: 3000, to: 3350 },
        ],
        unobserved: [{ sender: "net", from: 5000, to: 17_300 }],
        omitted: [{ title: "pod to outside, ping", reason: "no container outside the cluster" }],
        verdict: "interrupted",
      }),
      PLAIN,
    );
    expect(text).toContain("The machine itself stalled 2 times, for 0.4 s at most (+1.0 s); control flows show it");
    expect(text).toContain("No data from net for 12.3 s (+5.0 s)");
    expect(text).toContain("Not sent: pod to outside, ping: no container outside the cluster");
  });
});
