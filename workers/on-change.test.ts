import { expect, test } from "bun:test";

import { onChange } from "./on-change.ts";

test("a gauge is told each change of each series, and nothing else", () => {
  const told: unknown[] = [];
  const gauge = onChange({ set: (...args) => void told.push(args) });

  gauge.set(1, "a");
  gauge.set(1, "a");
  gauge.set(1, "b");
  gauge.set(0, "a");
  gauge.set(1, "a");

  expect(told).toEqual([
    [1, "a"],
    [1, "b"],
    [0, "a"],
    [1, "a"],
  ]);
});
