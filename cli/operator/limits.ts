import { type UserLimits, type UserQuota } from "../../core/quota/limits.ts";
import { WINDOW_KINDS, type WindowKind } from "../../core/quota/windows.ts";

/** A limit as it is stored: a number, `NO_LIMIT`, or null for the tier's. */
export type StoredLimit = number | null;

/** What an operator asks to change; what is absent stays. */
export interface LimitChange {
  tier?: string;
  daily: { requests?: StoredLimit; tokens?: StoredLimit };
  monthly: { requests?: StoredLimit; tokens?: StoredLimit };
  concurrentRequests?: StoredLimit;
}

/** Where a limit comes from. */
export type LimitSource = "tier" | "user";

/** The rows of `quotas` that a change rewrites; windows it does not touch are left out. */
export function changedQuotas(
  stored: UserLimits,
  change: LimitChange,
  defaultTier: string,
): UserQuota[] {
  return WINDOW_KINDS.filter(
    (window) => change.tier !== undefined || Object.keys(change[window]).length > 0,
  ).map((window) => ({
    ...(quotaOf(stored, window) ?? { tier: defaultTier, requests: null, tokens: null }),
    ...change[window],
    ...(change.tier === undefined ? {} : { tier: change.tier }),
    window,
  }));
}

const quotaOf = (stored: UserLimits, window: WindowKind): UserQuota | undefined =>
  stored.quotas.find((quota) => quota.window === window);

/** The tier whose limits a window takes where the user has none; see `effectiveLimits`. */
export const tierOf = (stored: UserLimits, window: WindowKind, defaultTier: string): string =>
  quotaOf(stored, window)?.tier ?? defaultTier;

export function sourceOf(
  stored: UserLimits,
  window: WindowKind,
  measure: "requests" | "tokens",
): LimitSource {
  return (quotaOf(stored, window)?.[measure] ?? null) === null ? "tier" : "user";
}
