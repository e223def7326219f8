import { expect, test } from "bun:test";

import { resultOf, START_MS } from "../../test/support/collector-world.ts";
import { clampUsage, finishOf, TOKENS_MAX } from "./finishes.ts";

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

test("what expired was not executed and is not billed, whatever the message says", () => {
  const decoded = { kind: "result" as const, result: resultOf("a", { state: "expired" }) };

  expect(finishOf(decoded, START_MS)).toMatchObject({ usage: null, attempts: 0, result: null });
});
