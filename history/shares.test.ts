import { expect, test } from "bun:test";

import type { RequestFact } from "./facts.ts";
import { findUnfair, sharesOf } from "./shares.ts";

interface Turns {
  userId: string;
  /** Requests that end one after the other, this far apart, milliseconds. */
  everyMs: number;
  tokens?: number;
  fromMs?: number;
}

/** 1,000 requests that all wait from the beginning. */
function requestsOf({ userId, everyMs, tokens = 10, fromMs = 0 }: Turns): RequestFact[] {
  return Array.from({ length: 1_000 }, (_, index) => ({
    requestId: `${userId}-${index}`,
    userId,
    model: "m",
    state: "completed",
    attempts: 1,
    totalTokens: tokens,
    errorCode: null,
    createdAtMs: fromMs,
    completedAtMs: fromMs + (index + 1) * everyMs,
    keyHash: null,
  }));
}

const ONE_AND_TWO = {
  model: "m",
  weights: new Map([
    ["ada", 1],
    ["bob", 2],
  ]),
} as const;

function unfairOf(...turns: readonly Turns[]): string[] {
  return findUnfair(sharesOf(turns.flatMap(requestsOf), ONE_AND_TWO));
}

test("shares that follow the weights are fair", () => {
  expect(unfairOf({ userId: "ada", everyMs: 20 }, { userId: "bob", everyMs: 10 })).toEqual([]);
});

test("shares count in tokens, not in requests", () => {
  const ada = { userId: "ada", everyMs: 10, tokens: 50 };

  expect(unfairOf(ada, { userId: "bob", everyMs: 10, tokens: 100 })).toEqual([]);
  expect(unfairOf(ada, { userId: "bob", everyMs: 10, tokens: 50 })).toHaveLength(2);
});

test("shares off by more than a tenth are named, however the weights were", () => {
  const found = unfairOf({ userId: "ada", everyMs: 12 }, { userId: "bob", everyMs: 10 });

  expect(found).toEqual([
    "ada: 45.4 % of the tokens, by weight 33.3 %",
    "bob: 54.6 % of the tokens, by weight 66.7 %",
  ]);
});

test("only the time counts in which all of them wait", () => {
  const ada = { userId: "ada", everyMs: 20 };
  const { contendedMs, ended } = sharesOf(
    [...requestsOf(ada), ...requestsOf({ userId: "bob", everyMs: 10, fromMs: 5_000 })],
    ONE_AND_TWO,
  );

  // Until bob has fewer than 40 left, which then may all be under way.
  expect(contendedMs).toBe(9_610);
  expect(ended).toBe(480 + 961);
});

test("what ended outside the stretch that was asked for does not count", () => {
  const requests = [
    ...requestsOf({ userId: "ada", everyMs: 20 }),
    ...requestsOf({ userId: "bob", everyMs: 10 }),
  ];

  const { contendedMs, ended } = sharesOf(requests, {
    ...ONE_AND_TWO,
    within: { fromMs: 2_000, toMs: 4_000 },
  });

  expect(contendedMs).toBe(2_000);
  expect(ended).toBe(100 + 200);
});

test("when nobody waits beside others, nothing is proven", () => {
  const late = { userId: "bob", everyMs: 10, fromMs: 50_000 };

  expect(unfairOf({ userId: "ada", everyMs: 20 }, late)).toEqual([
    "only 0 requests ended in 0 ms while all waited",
  ]);
});
