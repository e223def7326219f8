import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import {
  attemptsPerRequest,
  type ModelSpeed,
  planCapacity,
  type Pools,
  type Traffic,
} from "./plan.ts";

const TRAFFIC: Traffic = {
  requestsPerSecond: 100,
  promptTokens: 300,
  outputTokens: 200,
  outputTokensCap: 256,
  failedShare: 0,
};
/** An attempt takes 0.5 s + 200 / 40 = 5.5 s. */
const SPEED: ModelSpeed = { firstTokenMs: 500, tokensPerSecond: 40, slots: 64 };
const POOLS: Pools = {
  attemptsPerWorker: 32,
  attemptsMax: 5,
  acceptsPerGateway: 1_000,
  utilisation: 0.7,
  gatewaysMin: 2,
  gatewaysMax: 10,
  workersMax: 100,
  mlReplicasMax: 20,
};

describe("the capacity for a traffic", () => {
  test("is rate times duration, spread over slots that are seven tenths busy", () => {
    const plan = planCapacity(TRAFFIC, SPEED, POOLS);

    expect(plan.attemptSeconds).toBe(5.5);
    expect(plan.concurrency).toBe(550);
    // 550 / (64 x 0.7) = 12.3 and 550 / (32 x 0.7) = 24.6
    expect(plan.mlReplicas).toBe(13);
    expect(plan.workers).toBe(25);
    expect(plan.gateways).toBe(2);
    expect(plan.beyondBounds).toEqual([]);
  });

  test("counts prompts and outputs as tokens per minute", () => {
    const plan = planCapacity(TRAFFIC, SPEED, POOLS);

    expect(plan.tokensPerMinute).toBe(100 * 500 * 60);
    expect(plan.perMlReplica.requestsPerSecond).toBeCloseTo(64 / 5.5);
    expect(plan.thresholds.mlTokensPerMinute).toBe(Math.round((64 / 5.5) * 500 * 60 * 0.7));
    expect(plan.thresholds.workerTokensRunnable).toBe(32 * 556);
    // Five minutes of what a full replica does.
    expect(plan.thresholds.mlRequestsRunnable).toBe(Math.ceil((64 / 5.5) * 300));
  });

  test("grows with the attempts that fail and are made again", () => {
    const plan = planCapacity({ ...TRAFFIC, failedShare: 0.5 }, SPEED, POOLS);

    expect(plan.attemptsPerRequest).toBe(1.9375);
    expect(plan.concurrency).toBe(550 * 1.9375);
  });

  test("names every pool whose bound is too low", () => {
    const plan = planCapacity({ ...TRAFFIC, requestsPerSecond: 20_000 }, SPEED, POOLS);

    expect(plan.beyondBounds).toEqual(["gateways", "workers", "ml"]);
  });

  test("is never below one of each, and always enough in the mean", () => {
    const positive = fc.double({ min: 0.001, max: 10_000, noNaN: true });
    fc.assert(
      fc.property(positive, positive, fc.integer({ min: 1, max: 512 }), (rate, speed, slots) => {
        const plan = planCapacity(
          { ...TRAFFIC, requestsPerSecond: rate },
          { ...SPEED, tokensPerSecond: speed, slots },
          POOLS,
        );

        expect(plan.workers).toBeGreaterThanOrEqual(1);
        expect(plan.mlReplicas * plan.perMlReplica.requestsPerSecond).toBeGreaterThanOrEqual(
          rate * (1 - 1e-9),
        );
      }),
    );
  });
});

test("attempts are one when none fails, and at most the bound", () => {
  expect(attemptsPerRequest(0, 5)).toBe(1);
  expect(attemptsPerRequest(0.999999, 5)).toBeCloseTo(5, 4);
});
