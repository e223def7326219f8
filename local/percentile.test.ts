import { expect, test } from "bun:test";

import { percentile } from "./percentile.ts";

test("a percentile is a value that was measured, the smallest that the share does not exceed", () => {
  const sorted = Array.from({ length: 100 }, (_, index) => index + 1);

  expect(percentile(sorted, 0.5)).toBe(50);
  expect(percentile(sorted, 0.99)).toBe(99);
  expect(percentile(sorted, 1)).toBe(100);
  expect(percentile([7], 0.01)).toBe(7);
});
