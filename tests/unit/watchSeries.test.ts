import { judgeFlow, stallsOf, type Probe, type Series } from "../../datapath/watch/series";

const METHOD = { intervalMs: 100, timeoutMs: 1000 };

/** A probe every 100 ms from -2 s to +8 s, each answered after 1 ms; `change` says what became of some. */
function seriesOf(
  change: (sentAt: number) => Partial<Probe> | "unsent" = () => ({}),
  more: Partial<Series> = {},
): Series {
  const probes: Probe[] = [];
  for (let sentAt = -2000; sentAt <= 8000; sentAt += 100) {
    const changed = change(sentAt);
    if (changed !== "unsent") probes.push({ sentAt, answeredAt: sentAt + 1, ...changed });
  }
  return { probes, breaks: [], unobserved: [], ...more };
}

const LOST = { answeredAt: undefined, why: "no answer" };
const lostBetween = (from: number, to: number) => (at: number) => (at >= from && at < to ? LOST : {});
/** As of a process that did not run: nothing sent, and what had come before is read after. */
const stalledBetween = (from: number, to: number) => (at: number) => (at > from && at < to ? ("unsent" as const) : {});

describe("the judgement of a flow", () => {
  it("passes a flow whose probes were all answered", () => {
    const result = judgeFlow(seriesOf(), [], METHOD);
    expect(result).toMatchObject({ sent: 81, lost: 0, gaps: [], longest: undefined, verdict: "ok" });
    expect(result.baseline).toEqual({ sent: 20, lost: 0 });
  });

  it("finds lost probes, their reasons, and the gap around them", () => {
    const result = judgeFlow(seriesOf(lostBetween(1000, 4600)), [], METHOD);
    expect(result).toMatchObject({ sent: 81, lost: 36, verdict: "interrupted", reasons: [["no answer", 36]] });
    expect(result.longest).toEqual({ from: 901, to: 4601, excusedMs: 0 });
  });

  it("reports the longest of several gaps", () => {
    const change = (at: number) => ({ ...lostBetween(1000, 1500)(at), ...lostBetween(3000, 5000)(at) });
    const result = judgeFlow(seriesOf(change), [], METHOD);
    expect(result.gaps.map(({ from, to }) => [from, to])).toEqual([
      [901, 1501],
      [2901, 5001],
    ]);
    expect(result.longest?.from).toBe(2901);
  });

  it("extends a gap at the end to the last probe", () => {
    expect(judgeFlow(seriesOf(lostBetween(6000, 9000)), [], METHOD).longest).toEqual({
      from: 5901,
      to: 8000,
      excusedMs: 0,
    });
  });

  it("is silent for a flow without any answer", () => {
    expect(
      judgeFlow(
        seriesOf(() => LOST),
        [],
        METHOD,
      ).verdict,
    ).toBe("silent");
  });

  it("fails a broken connection without other losses", () => {
    const breaks = [{ at: 3000, why: "connection reset by peer" }];
    expect(judgeFlow(seriesOf(undefined, { breaks }), [], METHOD)).toMatchObject({
      lost: 0,
      breaks,
      verdict: "interrupted",
    });
  });

  it("fails a kept connection that stalled for longer than a probe's timeout, even without losses", () => {
    const late = (at: number) => (at >= 1000 && at < 3500 ? { answeredAt: 3500 } : {});
    expect(judgeFlow(seriesOf(late), [], METHOD)).toMatchObject({ lost: 0, verdict: "interrupted" });
    const littleLate = (at: number) => (at >= 1000 && at < 1500 ? { answeredAt: 1500 } : {});
    const { longest, verdict } = judgeFlow(seriesOf(littleLate), [], METHOD);
    expect([longest, verdict]).toEqual([{ from: 901, to: 1500, excusedMs: 0 }, "ok"]);
  });

  it("ignores losses that were as frequent in the baseline", () => {
    const everyTenth = (at: number) => (at % 1000 === 0 ? LOST : {});
    const result = judgeFlow(seriesOf(everyTenth), [], METHOD);
    expect(result).toMatchObject({ lost: 9, baseline: { sent: 20, lost: 2 } });
    expect(result.verdict).toBe("interrupted"); // 9 of 81 are more than 2 of 20
    expect(
      judgeFlow(
        seriesOf((at) => (at % 1000 === 0 && at !== 8000 ? LOST : {})),
        [],
        METHOD,
      ).verdict,
    ).toBe("ok");
  });

  it("ignores gaps that were as long in the baseline", () => {
    const slow = (at: number) => (at >= -1000 && at < -500 ? { answeredAt: -500 } : {});
    const both = (at: number) => ({ ...slow(at), ...(at >= 1000 && at < 1500 ? { answeredAt: 1500 } : {}) });
    expect(judgeFlow(seriesOf(both), [], METHOD).gaps).toEqual([]);
  });
});

describe("a stall of the machine", () => {
  const stalls = stallsOf([seriesOf(), seriesOf(stalledBetween(1000, 1800))], METHOD);

  it("starts when a control flow's next answer was due", () => {
    expect(stalls).toEqual([{ from: 1101, to: 1801 }]);
  });

  it("does not include unobserved time", () => {
    const unobserved = [{ from: 901, to: 1801 }];
    expect(stallsOf([seriesOf(stalledBetween(900, 1800), { unobserved })], METHOD)).toEqual([]);
  });

  it("excuses a gap of its length, but not a longer one", () => {
    const stalled = judgeFlow(seriesOf(stalledBetween(1000, 1800)), stalls, METHOD);
    expect(stalled).toMatchObject({ lost: 0, gaps: [], verdict: "ok" });
    const interrupted = judgeFlow(seriesOf(lostBetween(1000, 4000)), stalls, METHOD);
    expect(interrupted.longest).toEqual({ from: 901, to: 4001, excusedMs: 700 });
    expect(interrupted.verdict).toBe("interrupted");
  });

  it("explains the losses that it covers, and no others", () => {
    const result = judgeFlow(seriesOf(lostBetween(1000, 2000)), stalls, METHOD);
    expect(result).toMatchObject({ lostByMachine: 4, lost: 6 });
  });
});

describe("unobserved time", () => {
  it("is not a gap of the flow", () => {
    const unobserved = [{ from: 901, to: 3050 }];
    const result = judgeFlow(seriesOf(stalledBetween(900, 3000), { unobserved }), [], METHOD);
    expect(result).toMatchObject({ lost: 0, gaps: [], verdict: "ok" });
  });
});
