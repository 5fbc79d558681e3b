import { setImmediate as turn } from "node:timers/promises";
import { limited } from "../../cluster/limited";

describe("work on many items", () => {
  it("is done for some of them at the same time at most, and its results keep the items' order", async () => {
    let [running, most] = [0, 0];
    const items = Array.from({ length: 50 }, (_, index) => index);
    const results = await limited(
      items,
      async (item) => {
        most = Math.max(most, (running += 1));
        // the later ones end first
        for (let turns = items.length - item; turns > 0; turns -= 1) await turn();
        running -= 1;
        return item * 2;
      },
      7,
    );
    expect(most).toBe(7);
    expect(results).toEqual(items.map((item) => item * 2));
  });

  it("does not wait for one that hangs before it begins the others", async () => {
    const begun: number[] = [];
    void limited(
      [0, 1, 2, 3],
      async (item) => {
        begun.push(item);
        if (item === 0) await new Promise(() => undefined);
      },
      2,
    );
    for (let turns = 10; turns > 0; turns -= 1) await turn();
    expect(begun).toEqual([0, 1, 2, 3]);
  });
});
