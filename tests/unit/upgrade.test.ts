import { upgradeProblem } from "../../modes/releases";

describe("upgradeProblem", () => {
  it.each([
    ["1.20.0", "1.20.2"],
    ["1.20.2", "1.20.0"],
    ["1.19.6", "1.20.2"],
    ["1.20.2", "1.19.6"],
    ["1.12.4", "1.13.0-rc5"],
    ["1.16.0", "04da6b54-80e4-46f7-96ec"],
  ])("accepts a change from %s to %s", (installed, wanted) => {
    expect(upgradeProblem(installed, wanted)).toBeUndefined();
  });

  it.each([
    ["1.18.12", "1.20.2", "set cilium.version to 1.19.6 and run pulumi up before 1.20.2"],
    ["1.20.2", "1.16.19", "set cilium.version to 1.19.6 and run pulumi up before 1.16.19"],
    ["1.20.2", "1.23.0", "set cilium.version to 1.21.<patch> and run pulumi up before 1.23.0"],
    ["1.20.2", "2.0.0", "can only be upgraded one minor at a time"],
  ])("rejects a change from %s to %s, and names the next step", (installed, wanted, words) => {
    expect(upgradeProblem(installed, wanted)).toContain(words);
  });
});
