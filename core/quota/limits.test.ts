import { expect, test } from "bun:test";

import type { TierConfig } from "../config/schema.ts";
import { effectiveLimits, NO_LIMIT, type UserQuota } from "./limits.ts";

const TIERS: Record<string, TierConfig> = {
  free: {
    daily: { requests: 10, tokens: 1_000, failed_executions: 7 },
    monthly: { requests: null, tokens: 20_000, failed_executions: 70 },
    concurrent_requests: 2,
    weight: 1,
    priority_max: "normal",
  },
  pro: {
    daily: { requests: 100, tokens: null, failed_executions: 900 },
    monthly: { requests: null, tokens: null, failed_executions: null },
    concurrent_requests: null,
    weight: 1,
    priority_max: "normal",
  },
};

const quota = (overrides: Partial<UserQuota>): UserQuota => ({
  window: "daily",
  tier: "free",
  requests: null,
  tokens: null,
  ...overrides,
});

test("a user of whom nothing is stored has the default tier", () => {
  expect(effectiveLimits({ quotas: [], concurrentRequests: null }, TIERS, "free")).toEqual({
    windows: {
      daily: { requests: 10, tokens: 1_000 },
      monthly: { requests: null, tokens: 20_000 },
    },
    failedExecutions: { daily: 7, monthly: 70 },
    concurrentRequests: 2,
  });
});

test("what is stored for a user goes before the tier, zero included, and -1 lifts the tier's limit", () => {
  const quotas = [
    quota({ requests: 0, tokens: NO_LIMIT }),
    quota({ window: "monthly", tokens: 7 }),
  ];

  expect(effectiveLimits({ quotas, concurrentRequests: NO_LIMIT }, TIERS, "pro")).toEqual({
    windows: { daily: { requests: 0, tokens: null }, monthly: { requests: null, tokens: 7 } },
    failedExecutions: { daily: 7, monthly: 70 },
    concurrentRequests: null,
  });
});

test("each window has the tier of its own row, and the daily row's tier caps the open requests", () => {
  const quotas = [quota({ tier: "pro" })];

  expect(effectiveLimits({ quotas, concurrentRequests: null }, TIERS, "free")).toEqual({
    windows: {
      daily: { requests: 100, tokens: null },
      monthly: { requests: null, tokens: 20_000 },
    },
    failedExecutions: { daily: 900, monthly: 70 },
    concurrentRequests: null,
  });
});

test("a tier that is no longer configured is taken for the default one, not for no limit", () => {
  const quotas = [quota({ tier: "gold" })];

  expect(
    effectiveLimits({ quotas, concurrentRequests: null }, TIERS, "free").windows.daily.requests,
  ).toBe(10);
});
