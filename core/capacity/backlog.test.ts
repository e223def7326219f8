import { expect, test } from "bun:test";

import { type Peak, planBacklog } from "./backlog.ts";

const PEAK: Peak = {
  requestsPerSecond: 100,
  seconds: 600,
  afterRequestsPerSecond: 20,
  servedPerSecond: 40,
  tokensPerRequest: 500,
};

test("what is not served piles up for as long as the peak lasts, and is worked off by what is spare", () => {
  expect(planBacklog(PEAK)).toEqual({
    growthPerSecond: 60,
    requestsAtEnd: 36_000,
    tokensAtEnd: 18_000_000,
    lastWaitSeconds: 900,
    drainSeconds: 1_800,
  });
});

test("nothing piles up when everything is served", () => {
  const backlog = planBacklog({ ...PEAK, servedPerSecond: 100 });

  expect(backlog.requestsAtEnd).toBe(0);
  expect(backlog.drainSeconds).toBe(0);
});

test("a backlog never ends when the traffic afterwards takes all that is served", () => {
  expect(planBacklog({ ...PEAK, afterRequestsPerSecond: 40 }).drainSeconds).toBeNull();
});
