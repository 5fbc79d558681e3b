import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as timings from "../../host/timings.cjs";
import { readTimings, spansOf } from "../support/timings";

const RUN = "CILIUM_MODES_TIMINGS_RUN";

describe("timings", () => {
  const before = { ...process.env };
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    file = join(folder, "up.json");
    process.env["CILIUM_MODES_TIMINGS"] = file;
    process.env[RUN] = "this run";
    jest.resetModules();
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(folder, { recursive: true });
  });

  /** The module as another process has it. */
  function another(): typeof timings {
    jest.resetModules();
    return require("../../host/timings.cjs") as typeof timings;
  }
  const begin = (run = "this run") => another().begin(file, "a run", run);

  it("several processes append spans to one file, which opens at any time", async () => {
    begin();
    const [one, other] = [another(), another()];
    const step = one.steps("npm start");
    step("doctor");
    await other.span("kind", "create", () =>
      other.span("kind", "nodes", async () => expect(readTimings(file).spans).toHaveLength(3)),
    );
    step("pulumi up");
    const seen = readTimings(file);
    expect(seen.title).toBe("a run");
    expect(spansOf(seen, "npm start")).toEqual(["doctor", "pulumi up…"]);
    expect(spansOf(seen, "kind")).toEqual(["create", "create > nodes"]);
  });

  it("what fails has ended, too", async () => {
    begin();
    await expect(another().span("kind", "create", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(spansOf(readTimings(file), "kind")).toEqual(["create"]);
  });

  it("processes that follow each other share a row of the same name", () => {
    begin();
    for (const phase of ["preview", "update"]) another().start("cilium-release", phase)();
    expect(spansOf(readTimings(file), "cilium-release")).toEqual(["preview", "update"]);
  });

  it("nothing is written without the variable, into another run's file, or after the file was removed", () => {
    begin("an earlier run");
    const text = readFileSync(file, "utf8");
    another().start("a row", "a span")();
    expect(readFileSync(file, "utf8")).toBe(text);
    rmSync(file);
    another().start("a row", "a span")();
    delete process.env["CILIUM_MODES_TIMINGS"];
    another().start("a row", "a span")();
    expect(existsSync(file)).toBe(false);
  });

  it("outside npm start and Pulumi, commands write nothing", () => {
    begin();
    delete process.env[RUN];
    another().start("a row", "a span")();
    expect(readTimings(file).spans).toEqual([]);
  });

  it("a new run replaces the timings of an earlier one, and no other file", () => {
    begin("an earlier run");
    process.env[RUN] = "an earlier run";
    const end = another().start("kind", "create");
    begin();
    // a process that the earlier run left
    end();
    expect(readTimings(file).spans).toEqual([]);
    writeFileSync(file, "{}");
    expect(() => begin()).toThrow(
      `The timings cannot be written to ${file}: it exists and holds no timings; name another file`,
    );
    expect(readFileSync(file, "utf8")).toBe("{}");
  });

  it.each([
    ["a folder that does not exist", "no/up.json", "the folder FOLDER/no does not exist; run: mkdir -p FOLDER/no"],
    ["a folder", "sub", "it is not a regular file; name another one"],
    ["a path below a file", "file/up.json", "ENOTDIR; name a file in a folder that you may write"],
  ])("%s is refused", (_, path, why) => {
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "file"), "");
    expect(() => another().begin(join(folder, path), "a run", "this run")).toThrow(why.replaceAll("FOLDER", folder));
  });
});
