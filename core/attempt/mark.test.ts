import { describe, expect, test } from "bun:test";

import { judgeMark, longestAttemptMs } from "./mark.ts";

const ATTEMPT_MAX_MS = 1_000;
const START_MS = 50_000;

const judgeAt = (nowMs: number, startedAtMs: number | undefined, attemptsMade: number) =>
  judgeMark(
    { started: startedAtMs === undefined ? undefined : { startedAtMs }, attemptsMade },
    ATTEMPT_MAX_MS,
    nowMs,
  );

describe("the mark of a request", () => {
  test("that no worker has begun is none", () => {
    expect(judgeAt(START_MS, undefined, 0)).toBe("none");
  });

  test("whose last attempt has ended is between two attempts, however many there were", () => {
    expect([1, 2, 7].map((made) => judgeAt(START_MS, undefined, made))).toEqual([
      "between",
      "between",
      "between",
    ]);
  });

  test("is under way as long as an attempt may take, and overdue from then on", () => {
    const at = (ms: number) => judgeAt(START_MS + ms, START_MS, 0);

    expect([at(0), at(ATTEMPT_MAX_MS), at(ATTEMPT_MAX_MS + 1)]).toEqual([
      "under_way",
      "under_way",
      "overdue",
    ]);
  });

  test("of a later attempt counts from its own start", () => {
    expect(judgeAt(START_MS + 10, START_MS, 2)).toBe("under_way");
    expect(judgeAt(START_MS + ATTEMPT_MAX_MS + 1, START_MS, 2)).toBe("overdue");
  });

  test("that a worker made whose clock is ahead is under way", () => {
    expect(judgeAt(START_MS - 5_000, START_MS, 0)).toBe("under_way");
  });
});

test("no attempt takes longer than the slowest model and two publishes may", () => {
  const models = {
    quick: { timeout_ms: 3_000 },
    slow: { timeout_ms: 60_000 },
    odd: { timeout_ms: 100 },
  };

  expect(longestAttemptMs({ models, amqp: { confirm_timeout_ms: 5_000 } })).toBe(70_000);
});
