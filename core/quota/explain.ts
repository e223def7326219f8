import { WINDOW_KINDS, type WindowKind, windowEndMs } from "./windows.ts";
import type { Consumption, QuotaUse } from "./quota.ts";

/** What a limit counts. */
export type Measure = keyof Consumption | "failed_executions";

/** One limit that stands in the way of a request. */
export interface Refusal {
  window: WindowKind | "concurrent";
  measure: Measure;
  limit: number;
  used: number;
  /** What the request would add, or may: an execution that fails. */
  wanted: number;
}

export interface QuotaExplanation {
  /** Empty: the request fits now. */
  refusals: Refusal[];
  /** Larger than the limit of a whole window: waiting does not help. */
  neverFits: boolean;
  /** Whole seconds until the last of the blocking windows starts anew; null when it fits now or never. */
  retryAfterSeconds: number | null;
}

/** Open requests end at any time: it is right to ask again soon. */
const CONCURRENCY_RETRY_SECONDS = 1;

/**
 * Every limit that refuses 1 request of `tokens` in the state of `snapshot`; `lua/admit.lua` decides the
 * same.
 */
export function explainQuota(snapshot: QuotaUse, tokens: number): QuotaExplanation {
  const refusals = [
    ...windowRefusals(snapshot, tokens),
    ...failureRefusals(snapshot),
    ...concurrencyRefusals(snapshot),
  ];
  const neverFits = refusals.some(({ limit, wanted }) => wanted > limit);
  const waits = refusals.map(({ window }) =>
    window === "concurrent" ? CONCURRENCY_RETRY_SECONDS : secondsToReset(snapshot, window),
  );
  return {
    refusals,
    neverFits,
    retryAfterSeconds: refusals.length === 0 || neverFits ? null : Math.max(...waits),
  };
}

/** Whole seconds until a window starts anew, rounded up, at least 1. */
export function secondsToReset({ atMs, day }: QuotaUse, window: WindowKind): number {
  return Math.max(1, Math.ceil((windowEndMs(window, day) - atMs) / 1000));
}

function windowRefusals(snapshot: QuotaUse, tokens: number): Refusal[] {
  const wanted: Consumption = { requests: 1, tokens };
  return WINDOW_KINDS.flatMap((window) => {
    const { limit, used } = snapshot.windows[window];
    return (["requests", "tokens"] as const).flatMap((measure) => {
      const most = limit[measure];
      if (most === null || used[measure] + wanted[measure] <= most) return [];
      return [{ window, measure, limit: most, used: used[measure], wanted: wanted[measure] }];
    });
  });
}

function failureRefusals({ failedExecutions }: QuotaUse): Refusal[] {
  return WINDOW_KINDS.flatMap((window) => {
    const { limit = null, used = 0 } = failedExecutions[window] ?? {};
    if (limit === null || used < limit) return [];
    return [{ window, measure: "failed_executions" as const, limit, used, wanted: 1 }];
  });
}

function concurrencyRefusals({ openRequests, concurrentRequests }: QuotaUse): Refusal[] {
  if (concurrentRequests === null || openRequests < concurrentRequests) return [];
  return [
    {
      window: "concurrent",
      measure: "requests",
      limit: concurrentRequests,
      used: openRequests,
      wanted: 1,
    },
  ];
}
