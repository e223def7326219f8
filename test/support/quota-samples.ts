import { randomUUIDv7 } from "bun";
import type { QuotaLimits, QuotaTruth } from "../../core/quota/quota.ts";

export const newId = (): string => randomUUIDv7();

interface LimitsByName {
  dailyRequests?: number;
  dailyTokens?: number;
  monthlyRequests?: number;
  monthlyTokens?: number;
  dailyFailed?: number;
  monthlyFailed?: number;
  concurrent?: number;
}

/** Limits of a user; what is not named is unlimited. */
export function limitsOf(limits: LimitsByName = {}): QuotaLimits {
  return {
    windows: {
      daily: { requests: limits.dailyRequests ?? null, tokens: limits.dailyTokens ?? null },
      monthly: { requests: limits.monthlyRequests ?? null, tokens: limits.monthlyTokens ?? null },
    },
    failedExecutions: { daily: limits.dailyFailed ?? null, monthly: limits.monthlyFailed ?? null },
    concurrentRequests: limits.concurrent ?? null,
  };
}

/** A user of whom PostgreSQL knows only the limits. */
export function freshTruth(limits: QuotaLimits): QuotaTruth {
  return { limits, days: [], holds: [] };
}
