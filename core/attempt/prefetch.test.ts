import { describe, expect, test } from "bun:test";

import {
  afterTurn,
  isWorthResizing,
  prefetchOf,
  type TurnTimes,
  waitingMaxOf,
} from "./prefetch.ts";

describe("how many deliveries of a model a worker owns", () => {
  test.each([
    ["as many as may run while nothing was measured", 32, null, 32],
    ["no more than may run of a slow model", 1, { callMs: 2_000, concludeMs: 20 }, 1],
    ["no more of many slow calls either", 32, { callMs: 2_000, concludeMs: 20 }, 32],
    ["those that are being concluded as well", 32, { callMs: 56, concludeMs: 20 }, 48],
    ["at least one more where one call is followed at once", 1, { callMs: 56, concludeMs: 20 }, 2],
    ["four limits at most of a model that replies at once", 32, { callMs: 0, concludeMs: 20 }, 128],
  ])("%s", (_name, limit, times, prefetch) => {
    expect(prefetchOf(limit, times)).toBe(prefetch);
  });

  test.each([
    ["what a prefetch allows", 16, 48, { callMs: 2_000, concludeMs: 20 }, 32],
    ["what has its turn in a moment", 16, 16, { callMs: 50, concludeMs: 20 }, 80],
    ["nothing of a slow model", 16, 16, { callMs: 5_000, concludeMs: 20 }, 0],
    ["what a prefetch allows while nothing was measured", 16, 20, null, 4],
  ])("may wait there: %s", (_name, limit, prefetch, times, waiting) => {
    expect(waitingMaxOf(limit, prefetch, times)).toBe(waiting);
  });

  test("follows a change of the times within some tens of turns, and not one odd turn", () => {
    let times: TurnTimes | null = null;
    for (let turn = 0; turn < 10; turn += 1) {
      times = afterTurn(times, { callMs: 100, concludeMs: 10 });
    }
    const after1 = afterTurn(times, { callMs: 1_000, concludeMs: 10 });
    for (let turn = 0; turn < 100; turn += 1) {
      times = afterTurn(times, { callMs: 1_000, concludeMs: 10 });
    }

    expect(after1.callMs).toBeWithin(100, 200);
    expect(times?.callMs).toBeWithin(950, 1_001);
    expect(times?.concludeMs).toBe(10);
  });

  test.each([
    [32, 40, false],
    [32, 41, true],
    [32, 24, false],
    [32, 23, true],
    [1, 2, true],
    [1, 1, false],
  ])("is changed only by more than a quarter: %d to %d: %p", (present, wanted, isChanged) => {
    expect(isWorthResizing(present, wanted)).toBe(isChanged);
  });
});
