import { describe, expect, test } from "bun:test";

import { healthSignalOf, type InferenceOutcome, type UpstreamFaultCode } from "./outcome.ts";
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
    const usage = { promptTokens: 1, completionTokens: 2 };

    expect(judgeOutcome({ ok: true, choices, usage }, 3, POLICY, 0)).toEqual({
      kind: "done",
      choices,
      usage,
    });
  });

  test.each([
    ["UPSTREAM_TIMEOUT", "retry", "timeout"],
    ["UPSTREAM_UNREACHABLE", "retry", "broken"],
    ["UPSTREAM_BUSY", "retry", "busy"],
    ["UPSTREAM_FAILED", "retry", "broken"],
    ["UPSTREAM_REPLY_INVALID", "retry", "broken"],
    ["UPSTREAM_REJECTED", "dead", "answered"],
    ["UPSTREAM_REPLY_TOO_LARGE", "dead", "answered"],
  ] as const)("on %s is %s, and tells the model's gate %s", (code, kind, signal) => {
    expect(judgeOutcome(failure(code), 1, POLICY, 0).kind).toBe(kind);
    expect(healthSignalOf(failure(code))).toBe(signal);
  });

  test("is dead when the attempts are used up, with the ML service's fault and our words", () => {
    expect(judgeOutcome(failure("UPSTREAM_FAILED"), 3, POLICY, 0)).toEqual({
      kind: "dead",
      error: { code: "UPSTREAM_FAILED", message: "our words (attempt 3 of 3)" },
    });
  });

  test("honours Retry-After with a step at least that long", () => {
    expect(judgeOutcome(failure("UPSTREAM_BUSY", 3_000), 1, POLICY, 0)).toMatchObject({
      kind: "retry",
      delay: { stepMs: 5_000, expirationMs: 3_000 },
    });
  });
});
