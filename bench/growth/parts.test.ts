import { expect, test } from "bun:test";

import { inParts } from "./parts.ts";

test("every part is filled once whatever the lanes, and each tenth of the way is told once", async () => {
  const parts: [number, number][] = [];
  const told: string[] = [];

  await inParts(
    { from: 5, to: 30, size: 10, lanes: 2, say: (share) => told.push(share) },
    (...part) => Promise.resolve(parts.push(part)),
  );

  expect(parts).toEqual([
    [5, 15],
    [15, 25],
    [25, 30],
  ]);
  expect(told).toEqual(["40 %", "80 %"]);
});

test("after the limit no further part is begun", async () => {
  const parts: number[] = [];

  await inParts({ to: 9, size: 1, limitMs: 0, say: () => {} }, (first) =>
    Promise.resolve(parts.push(first)),
  );

  expect(parts).toEqual([]);
});
