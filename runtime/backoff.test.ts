import { describe, expect, test } from "bun:test";

import { type Backoff, backoffMs } from "./backoff.ts";

const backoffOf = (jitter: number): Backoff => ({ firstMs: 100, longestMs: 5_000, jitter });
const FAILURES = [1, 2, 3, 7, 10_000];

describe("the pause before what failed is tried again", () => {
  test("doubles with each failure, and never grows beyond the longest", () => {
    const pauses = FAILURES.map((failures) => backoffMs(backoffOf(0), failures, 0.3));

    expect(pauses).toEqual([100, 200, 400, 5_000, 5_000]);
  });

  test("is left to chance for the share that is asked for, and for no more", () => {
    const shortest = FAILURES.map((failures) => backoffMs(backoffOf(0.5), failures, 0));
    const longest = FAILURES.map((failures) => backoffMs(backoffOf(0.5), failures, 1));

    expect(shortest).toEqual([50, 100, 200, 2_500, 2_500]);
    expect(longest).toEqual([100, 200, 400, 5_000, 5_000]);
  });

  test("can be anything down to nothing when all of it is left to chance", () => {
    expect(backoffMs(backoffOf(1), 3, 0)).toBe(0);
    expect(backoffMs(backoffOf(1), 3, 0.25)).toBe(100);
  });
});
