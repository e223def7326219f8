import { expect, test } from "bun:test";

import { inParts } from "./grow.ts";

test("every part is filled once whatever the lanes, and each tenth of the way is told once", async () => {
  const parts: number[][] = [];
  const told: string[] = [];
  const filling = { from: 5, to: 30, say: (share: string) => void told.push(share) };

  await inParts(filling, { size: 10, lanes: 2 }, async (...part) => void parts.push(part));

  expect(parts).toEqual([
    [5, 15],
    [15, 25],
    [25, 30],
  ]);
  expect(told).toEqual(["40 %", "80 %"]);
});

test("after the limit no further part is begun", async () => {
  const begun: number[] = [];
  const parts = { size: 1, limitMs: 0 };

  await inParts({ to: 9, say: () => {} }, parts, async (first) => void begun.push(first));

  expect(begun).toEqual([]);
});
