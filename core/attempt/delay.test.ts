import { describe, expect, test } from "bun:test";

import { retryDelay } from "./delay.ts";

const STEPS = [1_000, 5_000, 25_000];

describe("the delay before a retry", () => {
  test.each([
    // retry, Retry-After, random, step, expiration
    [1, null, 0, 1_000, 500],
    [1, null, 0.999_999, 1_000, 1_000],
    [2, null, 0.5, 5_000, 3_750],
    [3, null, 0, 25_000, 12_500],
    [4, null, 0, 25_000, 12_500],
    [99, null, 0, 25_000, 12_500],
    [0, null, 0, 1_000, 500],
  ])(
    "goes through the steps and repeats the last: retry %d",
    (retry, after, random, stepMs, expirationMs) => {
      expect(retryDelay(STEPS, retry, after, random)).toEqual({ stepMs, expirationMs });
    },
  );

  test.each([
    [1, 800, 0, 1_000, 800],
    [1, 1_000, 0, 1_000, 1_000],
    [1, 2_000, 0, 5_000, 2_500],
    [1, 4_000, 0, 5_000, 4_000],
    [3, 10, 0, 25_000, 12_500],
    [1, 3_600_000, 0, 25_000, 25_000],
  ])(
    "is never shorter than a Retry-After within the steps: retry %d after %d ms",
    (retry, after, random, stepMs, expirationMs) => {
      expect(retryDelay(STEPS, retry, after, random)).toEqual({ stepMs, expirationMs });
    },
  );

  test("needs a step", () => {
    expect(() => retryDelay([], 1, null, 0)).toThrow(RangeError);
  });
});
