import { expect, test } from "bun:test";
import { explainQuota, secondsToReset } from "./explain.ts";
import type { Consumption, FailureUse, QuotaSnapshot, WindowLimit } from "./quota.ts";

const AT_MS = Date.UTC(2026, 10, 21, 23, 59, 30, 500);
const UNLIMITED: WindowLimit = { requests: null, tokens: null };
const NONE_FAILED: FailureUse = { limit: 100, used: 0 };

function snapshotOf(given: {
  daily?: WindowLimit;
  monthly?: WindowLimit;
  used?: Consumption;
  openRequests?: number;
  concurrentRequests?: number;
  failedExecutions?: QuotaSnapshot["failedExecutions"];
}): QuotaSnapshot {
  const used = given.used ?? { requests: 0, tokens: 0 };
  const held = { requests: 0, tokens: 0 };
  return {
    atMs: AT_MS,
    day: "2026-11-21",
    windows: {
      daily: { limit: given.daily ?? UNLIMITED, used, held },
      monthly: { limit: given.monthly ?? UNLIMITED, used, held },
    },
    openRequests: given.openRequests ?? 0,
    concurrentRequests: given.concurrentRequests ?? null,
    failedExecutions: given.failedExecutions ?? { daily: NONE_FAILED, monthly: NONE_FAILED },
  };
}

test("a request that fills a window to the last token fits", () => {
  const snapshot = snapshotOf({
    daily: { requests: 3, tokens: 100 },
    used: { requests: 2, tokens: 60 },
  });

  expect(explainQuota(snapshot, 40)).toEqual({
    refusals: [],
    neverFits: false,
    retryAfterSeconds: null,
  });
});

test("a request one token too large is refused until the window resets, in whole seconds rounded up", () => {
  const snapshot = snapshotOf({
    daily: { requests: null, tokens: 100 },
    used: { requests: 2, tokens: 60 },
  });

  const { refusals, retryAfterSeconds } = explainQuota(snapshot, 41);

  expect(refusals).toEqual([
    { window: "daily", measure: "tokens", limit: 100, used: 60, wanted: 41 },
  ]);
  expect(retryAfterSeconds).toBe(30);
});

test("the last of the blocking windows decides how long to wait", () => {
  const used = { requests: 5, tokens: 100 };
  const snapshot = snapshotOf({
    daily: { requests: 5, tokens: null },
    monthly: { requests: null, tokens: 100 },
    used,
  });

  const { refusals, retryAfterSeconds } = explainQuota(snapshot, 1);

  expect(refusals.map(({ window, measure }) => [window, measure])).toEqual([
    ["daily", "requests"],
    ["monthly", "tokens"],
  ]);
  expect(retryAfterSeconds).toBe(9 * 86_400 + 30);
});

test("a request larger than a whole window never fits, so no time to retry is named", () => {
  const snapshot = snapshotOf({ monthly: { requests: null, tokens: 100 } });

  expect(explainQuota(snapshot, 101)).toMatchObject({ neverFits: true, retryAfterSeconds: null });
});

test("a window in debt refuses even a request without tokens, but not for ever", () => {
  const snapshot = snapshotOf({
    daily: { requests: null, tokens: 100 },
    used: { requests: 1, tokens: 130 },
  });

  expect(explainQuota(snapshot, 0)).toMatchObject({ neverFits: false, retryAfterSeconds: 30 });
});

test("too many open requests are refused for a moment", () => {
  const snapshot = snapshotOf({ openRequests: 4, concurrentRequests: 4 });

  expect(explainQuota(snapshot, 1)).toEqual({
    refusals: [{ window: "concurrent", measure: "requests", limit: 4, used: 4, wanted: 1 }],
    neverFits: false,
    retryAfterSeconds: 1,
  });
});

test("as many failed executions as a window allows refuse everything until it resets", () => {
  const daily = { limit: 5, used: 4 };
  const monthly = { limit: 20, used: 20 };

  const below = explainQuota(snapshotOf({ failedExecutions: { daily, monthly: daily } }), 0);
  const reached = explainQuota(snapshotOf({ failedExecutions: { daily, monthly } }), 0);

  expect(below.refusals).toEqual([]);
  expect(reached).toEqual({
    refusals: [{ window: "monthly", measure: "failed_executions", limit: 20, used: 20, wanted: 1 }],
    neverFits: false,
    retryAfterSeconds: 9 * 86_400 + 30,
  });
});

test("a window resets at the next UTC midnight or month, also over the end of a year", () => {
  const snapshot = {
    ...snapshotOf({}),
    day: "2026-12-31",
    atMs: Date.UTC(2026, 11, 31, 23, 59, 59),
  };

  expect([secondsToReset(snapshot, "daily"), secondsToReset(snapshot, "monthly")]).toEqual([1, 1]);
});
