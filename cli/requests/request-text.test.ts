import { expect, test } from "bun:test";

import { formatKnown, type KnownRequest, knownJson } from "./request-text.ts";

const AT_MS = Date.parse("2026-11-27T12:00:00Z");

const WAITS: KnownRequest = {
  request: {
    requestId: "r1",
    userId: "u1",
    model: "fast",
    state: "queued",
    estimatedTokens: 1_200,
    promptTokens: null,
    completionTokens: null,
    totalTokens: null,
    attempts: 0,
    createdAtMs: AT_MS - 65_000,
    startedAtMs: null,
    completedAtMs: null,
    errorCode: null,
    errorMessage: null,
    metadata: null,
    result: null,
    errorDetail: null,
    prompt: new Uint8Array(40),
    windowDay: "2026-11-27",
    expiresAtMs: AT_MS + 3_600_000,
  },
  email: "ada@example.org",
  billedTokens: null,
  hints: {
    started: undefined,
    lastStartedAtMs: 0,
    attemptsMade: 1,
    delayedUntilMs: AT_MS + 4_000,
    lastError: { code: "UPSTREAM_TIMEOUT", message: "no answer" },
  },
  parked: { priority: "high", attempt: 2 },
  waiting: { reason: "fair_share", ahead: 12, startsInSeconds: 90, lastError: null },
  actions: [
    {
      actor: "o\u001B[2J",
      action: "request.reveal",
      target: "r1",
      detail: {},
      reason: null,
      before: null,
      after: null,
      actionId: 1,
      atMs: AT_MS,
    },
  ],
};

test("a request that waits tells why, how long still, and what its last attempt met", () => {
  const text = formatKnown(WAITS, AT_MS);

  expect(text).toMatch(/^accepted +2026-11-27 11:58:55 UTC, 1m 5s ago/m);
  expect(text).toMatch(/^waits +fair share, 12 requests ahead, starts in about 1m 30s$/m);
  expect(text).toMatch(/^parked +class high, for its attempt 2$/m);
  expect(text).toMatch(/^next attempt +within 4s$/m);
  expect(text).toMatch(/^last error +UPSTREAM_TIMEOUT: no answer$/m);
  expect(text).toMatch(/^content +prompt 40 bytes, sealed$/m);
  expect(text).not.toContain("\u001B");
  expect(knownJson(WAITS)).toMatchObject({
    status: "queued",
    attempts_made: 1,
    waiting: { reason: "fair_share", ahead: 12, starts_in_seconds: 90 },
    parked: { priority: "high" },
    operator_actions: [{ action: "request.reveal" }],
  });
});

test("one that is executed is in progress, and one that ended says what it was billed", () => {
  const started = { attempt: 2, startedAtMs: AT_MS - 3_000 };
  const hints = { ...WAITS.hints, started, lastStartedAtMs: 0, attemptsMade: 1 };
  const runs = {
    ...WAITS,
    waiting: undefined,
    hints: { delayedUntilMs: 0, lastError: null, ...hints },
  };
  const done = {
    ...WAITS,
    billedTokens: 900,
    request: { ...WAITS.request, state: "completed" as const, completedAtMs: AT_MS - 1_000 },
  };

  expect(formatKnown(runs, AT_MS)).toMatch(/^status +in progress$/m);
  expect(knownJson(runs)).toMatchObject({ status: "in_progress", attempts: 2, waiting: null });
  expect(formatKnown(done, AT_MS)).toMatch(/^billed +900 tokens$/m);
  expect(knownJson(done)).not.toHaveProperty("attempts_made");
});

test("without Redis it says that attempts are not known", () => {
  const text = formatKnown({ ...WAITS, hints: undefined, waiting: undefined }, AT_MS);

  expect(text).toContain("not known: Redis does not answer");
});
