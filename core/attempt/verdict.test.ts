import { describe, expect, test } from "bun:test";

import { loadSignalOf, type InferenceOutcome, type UpstreamFaultCode } from "./outcome.ts";
import { judgeOutcome } from "./verdict.ts";

const POLICY = { attemptsMax: 3, delaysMs: [1_000, 5_000] };
const failure = (
  code: UpstreamFaultCode,
  retryAfterMs: number | null = null,
): InferenceOutcome => ({
  ok: false,
  code,
  message: "our words",
  retryAfterMs,
});

describe("the verdict on an attempt", () => {
  test("is done when the ML service answered", () => {
    const choices = [{ index: 0, text: "hi", finish_reason: "stop" }];
    const usage = { promptTokens: 1, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 };

    expect(judgeOutcome({ ok: true, choices, usage }, 3, POLICY, 0)).toEqual({
      kind: "done",
      result: { choices },
      usage,
    });
  });

  test.each([
    ["UPSTREAM_TIMEOUT", "retry", "too_much"],
    ["UPSTREAM_UNREACHABLE", "put_off", null],
    ["UPSTREAM_UNAVAILABLE", "put_off", null],
    ["UPSTREAM_REFUSED", "put_off", null],
    ["UPSTREAM_BUSY", "put_off", "too_much"],
    ["UPSTREAM_FAILED", "retry", null],
    ["UPSTREAM_REPLY_INVALID", "retry", null],
    ["UPSTREAM_REJECTED", "dead", "answered"],
    ["UPSTREAM_REPLY_TOO_LARGE", "dead", "answered"],
  ] as const)("on %s is %s, and tells the model's limit %p", (code, kind, signal) => {
    expect(judgeOutcome(failure(code), 1, POLICY, 0).kind).toBe(kind);
    expect(loadSignalOf(failure(code))).toBe(signal);
  });

  test("is dead when the attempts are used up, with the ML service's fault and our words", () => {
    expect(judgeOutcome(failure("UPSTREAM_FAILED"), 3, POLICY, 0)).toEqual({
      kind: "dead",
      error: { code: "UPSTREAM_FAILED", message: "our words (attempt 3 of 3)" },
    });
  });

  test("is never dead for what was no execution, however many attempts were made", () => {
    expect(judgeOutcome(failure("UPSTREAM_BUSY", 600_000), 3, POLICY, 0)).toEqual({
      kind: "put_off",
      error: { code: "UPSTREAM_BUSY", message: "our words" },
    });
  });

  test("honours Retry-After with a step at least that long", () => {
    expect(judgeOutcome(failure("UPSTREAM_FAILED", 3_000), 1, POLICY, 0)).toMatchObject({
      kind: "retry",
      delay: { stepMs: 5_000, expirationMs: 3_000 },
    });
  });
});
