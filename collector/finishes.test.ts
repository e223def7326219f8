import { expect, test } from "bun:test";

import { resultOf, START_MS } from "../test/support/collector/world.ts";
import { clampUsage, finishOf, TOKENS_MAX } from "./finishes.ts";
import { retryPauseMs } from "./persist.ts";

test.each([
  [10, 10],
  [-5, 0],
  [2.9, 2],
  [Number.NaN, 0],
  [Number.POSITIVE_INFINITY, TOKENS_MAX],
  [1e18, TOKENS_MAX],
])("a token count of %p is billed as %p", (reported, billed) => {
  const usage = clampUsage({ promptTokens: reported, completionTokens: 0, source: "reported" });

  expect(usage.promptTokens).toBe(billed);
});

test("what expired is not billed, whatever the message says", () => {
  const decoded = { kind: "result" as const, result: resultOf("a", { state: "expired" }) };

  expect(finishOf(decoded, START_MS)).toMatchObject({ usage: null, result: null });
});

test("the pause between two tries doubles up to five seconds, half of it at random", () => {
  expect(retryPauseMs(1, 0)).toBe(25);
  expect(retryPauseMs(1, 0.999)).toBeCloseTo(50, 0);
  expect(retryPauseMs(4, 0)).toBe(200);
  expect(retryPauseMs(1_000, 0)).toBe(2_500);
});
