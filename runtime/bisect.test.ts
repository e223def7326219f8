import { expect, test } from "bun:test";

import { runBisected } from "./bisect.ts";

const BAD = new Error("bad item");
const isBad = (error: unknown): boolean => error === BAD;

test("one bad item of many fails alone, the others come through in order", async () => {
  const run = async (items: number[]): Promise<number[]> => {
    if (items.includes(13)) throw BAD;
    return items.map((item) => item * 2);
  };
  const items = Array.from({ length: 50 }, (_, index) => index);

  const outcomes = await runBisected(items, run, isBad);

  expect(outcomes.map((outcome) => (outcome.ok ? outcome.value : "bad"))).toEqual(
    items.map((item) => (item === 13 ? "bad" : item * 2)),
  );
});

test("an error that is not an item's fails the batch at once, without trying its halves", async () => {
  let calls = 0;
  const run = (): Promise<number[]> => {
    calls += 1;
    return Promise.reject(new Error("server gone"));
  };

  expect(runBisected([1, 2, 3], run, isBad)).rejects.toThrow("server gone");
  expect(calls).toBe(1);
});
