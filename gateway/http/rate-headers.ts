import { secondsToReset } from "../../core/quota/explain.ts";
import type { QuotaUse } from "../../core/quota/quota.ts";
import { WINDOW_KINDS } from "../../core/quota/windows.ts";

const MEASURES = ["requests", "tokens"] as const;

/** Length of a window for `w=`: a day, and the longest month. */
const WINDOW_SECONDS = { daily: 86_400, monthly: 2_678_400 } as const;

/** Whole seconds as Go, and so OpenAI, writes a duration: `1s`, `6m0s`, `26h3m0s`. */
export function goDuration(seconds: number): string {
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor((seconds % 3_600) / 60);
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

/**
 * The state of a caller's quota as headers: `RateLimit-Policy` and `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers), and the older
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` for the window with the least left. A window
 * without limit is left out.
 */
export function rateHeaders(snapshot: QuotaUse): Record<string, string> {
  const policies: string[] = [];
  const states: string[] = [];
  const headers: Record<string, string> = {};
  for (const measure of MEASURES) {
    let least = Number.POSITIVE_INFINITY;
    for (const kind of WINDOW_KINDS) {
      const { limit, used } = snapshot.windows[kind];
      const most = limit[measure];
      if (most === null) continue;
      const remaining = Math.max(0, most - used[measure]);
      const reset = secondsToReset(snapshot, kind);
      policies.push(`"${kind}-${measure}";q=${most};w=${WINDOW_SECONDS[kind]}`);
      states.push(`"${kind}-${measure}";r=${remaining};t=${reset}`);
      if (remaining >= least) continue;
      least = remaining;
      headers[`x-ratelimit-limit-${measure}`] = String(most);
      headers[`x-ratelimit-remaining-${measure}`] = String(remaining);
      headers[`x-ratelimit-reset-${measure}`] = goDuration(reset);
    }
  }
  if (policies.length > 0) {
    headers["ratelimit-policy"] = policies.join(", ");
    headers["ratelimit"] = states.join(", ");
  }
  return headers;
}
