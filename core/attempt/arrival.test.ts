import { describe, expect, test } from "bun:test";

import { type Arrival, DELIVERIES_MAX, isSuspect, judgeArrival } from "./arrival.ts";

const FRESH: Arrival = {
  attempt: 1,
  expiresAtMs: 1_000,
  nowMs: 500,
  deliveryCount: 0,
  crashes: 0,
  crashesMax: 3,
  cancelled: false,
};

const outcomeOf = (arrival: Partial<Arrival>): string => {
  const verdict = judgeArrival({ ...FRESH, ...arrival });
  return "error" in verdict ? `${verdict.kind} ${verdict.error.code}` : verdict.kind;
};

describe("a delivery whose turn has come", () => {
  test.each([
    ["fresh", {}, "run"],
    ["at the last moment", { nowMs: 1_000 }, "run"],
    ["expired before its first attempt", { nowMs: 1_001 }, "end QUEUE_TTL_PASSED"],
    ["past its time but on its second attempt", { nowMs: 1_001, attempt: 2 }, "run"],
    ["past its time but started by a worker that died", { nowMs: 1_001, crashes: 1 }, "run"],
    ["cancelled", { cancelled: true }, "end CANCELLED"],
    ["cancelled and expired", { cancelled: true, nowMs: 2_000 }, "end CANCELLED"],
    ["below the crash limit", { crashes: 2, deliveryCount: 2 }, "run"],
    ["a killer of workers", { crashes: 3, deliveryCount: 3 }, "dead WORKER_CRASHED"],
    ["delivered too often", { deliveryCount: DELIVERIES_MAX }, "dead WORKER_CRASHED"],
  ])("%s: %j -> %s", (_name, arrival, expected) => {
    expect(outcomeOf(arrival)).toBe(expected);
  });

  test("is a suspect from its second redelivery on", () => {
    expect([0, 1, 2, 3].map(isSuspect)).toEqual([false, false, true, true]);
  });
});
