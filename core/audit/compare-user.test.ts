import { describe, expect, test } from "bun:test";

import type { Hold } from "../quota/quota.ts";
import type { LedgerBooks, QuotaBooks } from "./books.ts";
import { compareUser } from "./compare-user.ts";
import { driftTokens } from "./difference.ts";

const USER = "user-1";
const DAY = "2026-11-21";

const hold = (requestId: string, tokens: number, day = DAY): Hold => ({
  userId: USER,
  requestId,
  day,
  tokens,
});

/**
 * One hold of 40 tokens and 100 tokens billed today, 30 earlier this month: what both sides say when they
 * agree.
 */
function agreeing(): { redis: QuotaBooks; postgres: LedgerBooks } {
  return {
    redis: {
      day: DAY,
      windows: {
        daily: { used: { requests: 3, tokens: 140 }, held: { requests: 1, tokens: 40 } },
        monthly: { used: { requests: 4, tokens: 170 }, held: { requests: 1, tokens: 40 } },
      },
      failedExecutions: { daily: 1, monthly: 4 },
      holds: [hold("a", 40)],
    },
    postgres: {
      days: [
        { day: "2026-11-03", requests: 1, tokens: 30, failedExecutions: 3 },
        { day: DAY, requests: 2, tokens: 100, failedExecutions: 1 },
      ],
      holds: [hold("a", 40)],
    },
  };
}

describe("the books of a user", () => {
  test("agree when used is the ledger's sum plus the open estimates of the window", () => {
    const { redis, postgres } = agreeing();

    expect(compareUser(USER, redis, postgres)).toEqual([]);
  });

  test("differ where a settle was lost, in each window and unit that it misses in", () => {
    const { redis, postgres } = agreeing();
    redis.windows.daily.used.tokens = 90;
    redis.windows.monthly.used.tokens = 120;

    const differences = compareUser(USER, redis, postgres);

    expect(differences).toEqual([
      {
        kind: "used_differs",
        userId: USER,
        window: "daily",
        windowId: DAY,
        unit: "tokens",
        redis: 90,
        postgres: 140,
      },
      {
        kind: "used_differs",
        userId: USER,
        window: "monthly",
        windowId: "2026-11",
        unit: "tokens",
        redis: 120,
        postgres: 170,
      },
    ]);
    expect(driftTokens(differences)).toBe(50);
  });

  test("differ where a request count is off although the tokens agree", () => {
    const { redis, postgres } = agreeing();
    redis.windows.daily.used.requests = 4;

    expect(compareUser(USER, redis, postgres)).toMatchObject([
      { kind: "used_differs", window: "daily", unit: "requests", redis: 4, postgres: 3 },
    ]);
  });

  test("differ where failed executions were counted in one place only", () => {
    const { redis, postgres } = agreeing();
    redis.failedExecutions.monthly = 5;

    const differences = compareUser(USER, redis, postgres);

    expect(differences).toMatchObject([
      { kind: "used_differs", window: "monthly", unit: "failed_executions", redis: 5, postgres: 4 },
    ]);
    expect(driftTokens(differences)).toBe(0);
  });

  test("name a hold whose request has ended", () => {
    const { redis, postgres } = agreeing();
    redis.holds.push(hold("b", 7));

    expect(compareUser(USER, redis, postgres)).toEqual([
      { kind: "hold_without_request", userId: USER, requestId: "b", tokens: 7 },
    ]);
  });

  test("name an open request for which nothing is held, and the sums that miss it", () => {
    const { redis, postgres } = agreeing();
    postgres.holds.push(hold("b", 7));

    const kinds = compareUser(USER, redis, postgres).map(({ kind }) => kind);

    expect(kinds[0]).toBe("request_without_hold");
    expect(kinds).toContain("used_differs");
    expect(kinds).toContain("held_differs");
  });

  test("name a hold of another amount", () => {
    const { redis, postgres } = agreeing();
    redis.holds = [hold("a", 41)];

    expect(compareUser(USER, redis, postgres)).toEqual([
      {
        kind: "hold_differs",
        userId: USER,
        requestId: "a",
        redis: `41 tokens of ${DAY}`,
        postgres: `40 tokens of ${DAY}`,
      },
    ]);
  });

  test("count a hold of yesterday in the month but not in today", () => {
    const { redis, postgres } = agreeing();
    redis.holds.push(hold("y", 5, "2026-11-20"));
    postgres.holds.push(hold("y", 5, "2026-11-20"));
    redis.windows.monthly.used = { requests: 5, tokens: 175 };
    redis.windows.monthly.held = { requests: 2, tokens: 45 };

    expect(compareUser(USER, redis, postgres)).toEqual([]);
  });

  test("leave out of both windows a hold of last month", () => {
    const { redis, postgres } = agreeing();
    redis.holds.push(hold("m", 5, "2026-10-31"));
    postgres.holds.push(hold("m", 5, "2026-10-31"));

    expect(compareUser(USER, redis, postgres)).toEqual([]);
  });
});
