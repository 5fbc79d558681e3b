import { measure, type RunRequest } from "../../cli/compareRun";
import type { Contender } from "../../cli/compareVariants";
import type { MetricId, PathId, Subject } from "../../compare/results";
import type { Tool } from "../../compare/measure/tools";

const done: string[] = [];
/** What a stack measures; by default nothing. */
let valueOf: ((stack: string, metric: string, place: PathId | number, round: number) => number) | undefined;
/** What happens at a step, such as `A grows to 10`. */
const happenings = new Map<string, () => void>();

jest.mock("../../cli/compareSubject", () => ({
  ComparedStack: class {
    private readonly omitted: string[] = [];
    constructor(private readonly name: string) {}
    static of({ name }: Contender): Promise<unknown> {
      return Promise.resolve(new this(name));
    }
    private step(what: string): Promise<void> {
      done.push(`${this.name} ${what}`);
      happenings.get(`${this.name} ${what}`)?.();
      return Promise.resolve();
    }
    verify = () => this.step("is verified");
    inspect = () => this.step("is inspected");
    private readonly series: { metric: MetricId; path: PathId; values: number[] }[] = [];
    private readonly growth: { metric: string; services: number; values: number[] }[] = [];
    get measured() {
      const { name, series, growth } = this;
      return { name, mode: name === "A" ? "kubeproxy" : "ebpf", tunnel: "disabled", series, growth };
    }
    private services = 0;
    prepareBench = async () => {
      await this.step("is made ready");
      const measure = async (path: PathId, { metrics }: Tool) => {
        if (valueOf === undefined) return;
        for (const metric of metrics) {
          let own = this.series.find((each) => each.path === path && each.metric === metric);
          if (own === undefined) this.series.push((own = { path, metric, values: [] }));
          own.values.push(valueOf(this.name, metric, path, own.values.length));
        }
      };
      return { name: this.name, measure };
    };
    endBench = () => this.step("ends its benchmarks");
    async *growTo(services: number): AsyncGenerator<number, void, void> {
      await this.step(`grows to ${(this.services = services)}`);
      yield 0;
    }
    async *measureGrowth(wanted?: ReadonlySet<string>): AsyncGenerator<number, void, void> {
      await this.step("is measured");
      if (valueOf === undefined) return;
      for (const metric of wanted ?? ["new-service", "kept-connection"]) {
        const { services, growth } = this;
        let own = growth.find((each) => each.services === services && each.metric === metric);
        if (own === undefined) growth.push((own = { services, metric, values: [] }));
        own.values.push(valueOf(this.name, metric, services, own.values.length));
      }
      yield 0;
    }
    close = () => this.step("is left");
    omit = (sentence: string) => this.omitted.push(sentence);
    subject = () => ({ ...this.measured, omitted: this.omitted }) as Partial<Subject>;
  },
}));

const REQUEST: RunRequest = {
  benchmarks: true,
  method: { rounds: 2, seconds: 1, warmUpSeconds: 0.5 },
  extras: [],
  services: [1, 10],
  servicesAreNamed: true,
  stopping: undefined,
};

describe("a comparison's run", () => {
  beforeEach(() => {
    done.length = 0;
    happenings.clear();
    lines.length = 0;
    valueOf = undefined;
  });
  // set on failures
  afterEach(() => (process.exitCode = undefined));
  const lines: string[] = [];
  const run = async (signal = new AbortController().signal, request = REQUEST) => {
    let subjects: Subject[] = [];
    const deliver = async (results: Subject[]) => {
      done.push("the results are delivered");
      subjects = results;
    };
    const contenders = ["A", "B"].map((name) => ({
      name,
      stack: name.toLowerCase(),
      set: undefined,
      isDualStack: false,
    }));
    await measure(contenders, request, (line) => lines.push(line), signal, deliver);
    return subjects;
  };

  it("lets clusters take turns, and cleans up", async () => {
    const subjects = await run();
    expect(subjects.map(({ omitted }) => omitted)).toEqual([[], []]);
    expect(done.slice(0, 14)).toEqual([
      "A is verified",
      "A is inspected",
      "B is verified",
      "B is inspected",
      "A is made ready",
      "B is made ready",
      "A ends its benchmarks",
      "B ends its benchmarks",
      "A grows to 1",
      "B grows to 1",
      "A is measured",
      "B is measured",
      "B is measured",
      "A is measured",
    ]);
    expect(done.slice(-3)).toEqual(["the results are delivered", "A is left", "B is left"]);
  });

  it("ends ratios whose difference is shown or too small, and goes on with the others", async () => {
    const noise = [1, 1.02, 0.98, 1.01, 0.99];
    valueOf = (stack, metric, place, round) => {
      const base = stack === "A" ? 100 : 100 * noise[round]!;
      if (stack === "B" && (metric === "new-service" || place === "outside")) return 3 * base;
      // worse, but not yet shown by three rounds
      if (stack === "B" && metric === "connections" && place === "same-node") return [75, 90, 78, 85, 80][round]!;
      return base;
    };
    const stopping = { first: 3, last: 5, errorRate: 0.05 };
    const [, b] = await run(undefined, { ...REQUEST, method: { ...REQUEST.method, rounds: 5 }, stopping });
    const roundsOf = (metric: string, place: PathId | number) =>
      [...b!.series, ...b!.growth].find(
        (each) => each.metric === metric && ("path" in each ? each.path : each.services) === place,
      )!.values.length;
    expect([roundsOf("throughput-1", "outside"), roundsOf("throughput-1", "cross-node")]).toEqual([3, 3]);
    expect(roundsOf("connections", "same-node")).toBeGreaterThan(3);
    expect([roundsOf("new-service", 10), roundsOf("kept-connection", 10)]).toEqual([3, 3]);
    expect(
      lines.some((line) => /^benchmarks: round 4 of 5, 1 of 20 measurements, about \d+ min left$/.test(line)),
    ).toBe(true);
    expect(lines).not.toContainEqual(expect.stringMatching(/^10 Services: round 4/));
  });

  it("continues without a failed cluster, and keeps its earlier results", async () => {
    happenings.set("B grows to 10", () => {
      throw new Error("no space left on device");
    });
    const [a, b] = await run();
    expect(a!.omitted).toEqual([]);
    expect(b!.omitted).toEqual(["10 Services, from this point on: no space left on device"]);
    expect(done.filter((step) => step.endsWith("is measured"))).toEqual([
      ...["A", "B", "B", "A"].map((name) => `${name} is measured`),
      ...["A", "A"].map((name) => `${name} is measured`),
    ]);
    expect(done.slice(-2)).toEqual(["A is left", "B is left"]);
  });

  it("keeps its results if it is interrupted", async () => {
    const controller = new AbortController();
    happenings.set("A is made ready", () => controller.abort(new Error("Interrupted")));
    for (const { omitted } of await run(controller.signal))
      expect(omitted).toEqual([
        "benchmarks, from this point on: interrupted",
        "1 Service, from this point on: interrupted",
      ]);
    expect(done).toEqual([
      "A is verified",
      "A is inspected",
      "B is verified",
      "B is inspected",
      "A is made ready",
      "A ends its benchmarks",
      "B ends its benchmarks",
      "the results are delivered",
      "A is left",
      "B is left",
    ]);
  });

  it("fails if a cluster cannot be inspected, and cleans up", async () => {
    happenings.set("B is inspected", () => {
      throw new Error("the API server does not answer");
    });
    await expect(run()).rejects.toThrow("the API server does not answer");
    expect(done.slice(-2)).toEqual(["A is left", "B is left"]);
  });
});
