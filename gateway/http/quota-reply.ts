import { explainQuota } from "../../core/quota/explain.ts";
import type { Consumption, QuotaSnapshot } from "../../core/quota/quota.ts";
import { type WindowKind, windowEndMs, windowIdOf } from "../../core/quota/windows.ts";
import type { ExplainReply, QuotaReply } from "./schemas.ts";

const iso = (ms: number): string => new Date(ms).toISOString();

/** The state of a user's windows as the API shows it. */
export function quotaReply(snapshot: QuotaSnapshot): QuotaReply {
  const { day, openRequests, concurrentRequests } = snapshot;
  const measureOf = (kind: WindowKind, measure: keyof Consumption) => {
    const { limit, used, held } = snapshot.windows[kind];
    const most = limit[measure];
    return {
      limit: most,
      used: used[measure],
      held: held[measure],
      remaining: most === null ? null : most - used[measure],
    };
  };
  const failuresOf = (kind: WindowKind) => {
    const { limit, used } = snapshot.failedExecutions[kind];
    return { limit, used, remaining: limit === null ? null : Math.max(0, limit - used) };
  };
  const windowOf = (kind: WindowKind) => ({
    window: windowIdOf(kind, day),
    resets_at: iso(windowEndMs(kind, day)),
    requests: measureOf(kind, "requests"),
    tokens: measureOf(kind, "tokens"),
    failed_executions: failuresOf(kind),
  });
  return {
    at: iso(snapshot.atMs),
    windows: { daily: windowOf("daily"), monthly: windowOf("monthly") },
    concurrent_requests: { open: openRequests, limit: concurrentRequests },
  };
}

/**
 * Whether a request of `tokens` would be admitted in the state of `snapshot`; if not, what refuses it and
 * until when.
 */
export function explainReply(snapshot: QuotaSnapshot, tokens: number): ExplainReply {
  const { refusals, neverFits, retryAfterSeconds } = explainQuota(snapshot, tokens);
  const ends = refusals.flatMap(({ window }) =>
    window === "concurrent" ? [] : [windowEndMs(window, snapshot.day)],
  );
  return {
    fits: refusals.length === 0,
    estimated_tokens: tokens,
    refusals,
    never_fits: neverFits,
    retry_after_seconds: retryAfterSeconds,
    // Open requests end at any time, so a refusal by the concurrency cap alone has no such instant.
    fits_at: neverFits || ends.length === 0 ? null : iso(Math.max(...ends)),
  };
}
