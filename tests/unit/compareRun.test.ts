import { measure, type RunRequest } from "../../cli/compareRun";
import type { Subject } from "../../compare/results";

const done: string[] = [];
/** What happens at a step, such as `A grows to 10`. */
const happenings = new Map<string, () => void>();

jest.mock("../../cli/compareSubject", () => ({
  ComparedStack: class {
    private readonly omitted: string[] = [];
    constructor(private readonly name: string) {}
    static of(name: string): Promise<unknown> {
      return Promise.resolve(new this(name));
    }
    private step(what: string): Promise<void> {
      done.push(`${this.name} ${what}`);
      happenings.get(`${this.name} ${what}`)?.();
      return Promise.resolve();
    }
    inspect = () => this.step("is inspected");
    prepareBench = async () => {
      await this.step("is made ready");
      return { measure: async () => undefined };
    };
    endBench = () => this.step("ends its benchmarks");
    growTo = (services: number) => this.step(`grows to ${services}`);
    measureGrowth = () => this.step("is measured");
    close = () => this.step("is left");
    omit = (sentence: string) => this.omitted.push(sentence);
    subject = () => ({ name: this.name, omitted: this.omitted }) as Partial<Subject>;
  },
}));

const REQUEST: RunRequest = {
  set: undefined,
  benchmarks: true,
  method: { rounds: 1, seconds: 1, warmUpSeconds: 0.5 },
  services: [1, 10],
  servicesAreNamed: true,
  growthRounds: 2,
};

describe("a comparison's run", () => {
  beforeEach(() => {
    done.length = 0;
    happenings.clear();
  });
  // set on failures
  afterEach(() => (process.exitCode = undefined));
  const run = (signal = new AbortController().signal, request = REQUEST) =>
    measure(["A", "B"], request, () => undefined, signal);

  it("lets clusters take turns, and cleans up", async () => {
    const subjects = await run();
    expect(subjects.map(({ omitted }) => omitted)).toEqual([[], []]);
    expect(done.slice(0, 12)).toEqual([
      "A is inspected",
      "B is inspected",
      "A is made ready",
      "B is made ready",
      "A ends its benchmarks",
      "B ends its benchmarks",
      "A grows to 1",
      "B grows to 1",
      "A is measured",
      "B is measured",
      "A is measured",
      "B is measured",
    ]);
    expect(done.slice(-2)).toEqual(["A is left", "B is left"]);
  });

  it("continues without a failed cluster, and keeps its earlier results", async () => {
    happenings.set("B grows to 10", () => {
      throw new Error("no space left on device");
    });
    const [a, b] = await run();
    expect(a!.omitted).toEqual([]);
    expect(b!.omitted).toEqual(["10 Services, from this point on: no space left on device"]);
    expect(done.filter((step) => step.endsWith("is measured"))).toEqual([
      ...["A", "B", "A", "B"].map((name) => `${name} is measured`),
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
      "A is inspected",
      "B is inspected",
      "A is made ready",
      "A ends its benchmarks",
      "B ends its benchmarks",
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
