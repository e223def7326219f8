import { expect, test } from "bun:test";

import {
  type InferenceOutcome,
  isExecution,
  troubleOf,
  type UpstreamFaultCode,
} from "./outcome.ts";

const failedWith = (code: UpstreamFaultCode): InferenceOutcome => ({
  ok: false,
  code,
  message: "it failed",
  retryAfterMs: null,
});

test.each([
  ["UPSTREAM_UNREACHABLE", "unreachable"],
  ["UPSTREAM_BUSY", "busy"],
  ["UPSTREAM_UNAVAILABLE", "unavailable"],
  ["UPSTREAM_REFUSED", "refused"],
] as const)("%s is no execution: the service did not begin to work", (code, trouble) => {
  expect(isExecution(failedWith(code))).toBe(false);
  expect(troubleOf(failedWith(code))).toBe(trouble);
});

test.each([
  ["UPSTREAM_TIMEOUT", "failing"],
  ["UPSTREAM_FAILED", "failing"],
  ["UPSTREAM_REPLY_INVALID", "failing"],
  ["UPSTREAM_REJECTED", null],
  ["UPSTREAM_REPLY_TOO_LARGE", null],
] as const)("%s is an execution", (code, trouble) => {
  expect(isExecution(failedWith(code))).toBe(true);
  expect(troubleOf(failedWith(code))).toBe(trouble);
});

test("so is a reply, which is no trouble", () => {
  const outcome: InferenceOutcome = { ok: true, choices: [], usage: null };

  expect(isExecution(outcome)).toBe(true);
  expect(troubleOf(outcome)).toBeNull();
});
