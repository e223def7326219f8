import type { TierConfig } from "../config/schema.ts";
import type { WindowKind } from "./windows.ts";
import type { QuotaLimits, WindowLimit } from "./quota.ts";

/** How "no limit" is written for one user, where null means "as the tier says". */
export const NO_LIMIT = -1;

/**
 * One row of `quotas`: what is particular to a user in one window. null: the tier's limit; `NO_LIMIT`: none.
 */
export interface UserQuota {
  window: WindowKind;
  tier: string;
  requests: number | null;
  tokens: number | null;
}

/** What is stored of a user's limits, before the tiers of the configuration fill the gaps. */
export interface UserLimits {
  quotas: readonly UserQuota[];
  /** null: the tier's; `NO_LIMIT`: none. */
  concurrentRequests: number | null;
}

/**
 * The tier of a name. null, and one that is no longer configured, take the default tier.
 *
 * @throws {Error} when the default tier is not configured, which the check of the configuration rules out
 */
export function tierOf(
  name: string | null,
  tiers: Readonly<Record<string, TierConfig>>,
  defaultTier: string,
): TierConfig {
  const tier = tiers[name ?? defaultTier] ?? tiers[defaultTier];
  if (tier === undefined) throw new Error(`the default tier ${defaultTier} is not configured`);
  return tier;
}

/**
 * The limits that apply to a user: what is stored for the user goes before the tier's. A window without a
 * row, and a tier that is no longer configured, take the default tier. The cap on open requests is that of
 * the daily row's tier, and that on failed executions always the tier's.
 *
 * @throws {Error} when the default tier is not configured, which the check of the configuration rules out
 */
export function effectiveLimits(
  stored: UserLimits,
  tiers: Readonly<Record<string, TierConfig>>,
  defaultTier: string,
): QuotaLimits {
  const rowOf = (window: WindowKind): UserQuota | undefined =>
    stored.quotas.find((quota) => quota.window === window);
  const tierOfWindow = (window: WindowKind): TierConfig =>
    tierOf(rowOf(window)?.tier ?? null, tiers, defaultTier);
  const limitOf = (window: WindowKind): WindowLimit => {
    const row = rowOf(window);
    const tier = tierOfWindow(window)[window];
    return {
      requests: effective(row?.requests ?? null, tier.requests),
      tokens: effective(row?.tokens ?? null, tier.tokens),
    };
  };
  return {
    windows: { daily: limitOf("daily"), monthly: limitOf("monthly") },
    failedExecutions: {
      daily: tierOfWindow("daily").daily.failed_executions,
      monthly: tierOfWindow("monthly").monthly.failed_executions,
    },
    concurrentRequests: effective(
      stored.concurrentRequests,
      tierOfWindow("daily").concurrent_requests,
    ),
  };
}

function effective(own: number | null, tier: number | null): number | null {
  if (own === null) return tier;
  return own === NO_LIMIT ? null : own;
}
