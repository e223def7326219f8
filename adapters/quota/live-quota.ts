import type { Config } from "../../core/config/schema.ts";
import { Fault } from "../../core/faults.ts";
import { effectiveLimits } from "../../core/quota/limits.ts";
import type { QuotaTruth } from "../../core/quota/quota.ts";
import { createQuotaGate, type QuotaGate } from "../../core/quota/rebuild.ts";
import type { Database } from "../postgres/connect.ts";
import { quotaTruth } from "../postgres/quotas.ts";
import { statesOf } from "../postgres/open-requests.ts";
import type { RedisConnection } from "../redis/connection.ts";
import { createQuotaStore, type QuotaStore } from "../redis/quota-store.ts";

export interface LiveQuota {
  store: QuotaStore;
  gate: QuotaGate;
}

/** The quota as Redis counts it, rebuilt from PostgreSQL whenever Redis does not know a user. */
export function createLiveQuota(
  redis: RedisConnection,
  database: Database,
  config: () => Pick<Config, "tiers" | "default_tier">,
): LiveQuota {
  const store = createQuotaStore(redis);

  async function readTruth(userId: string, recentRequestIds: string[]): Promise<QuotaTruth> {
    // Before the snapshot: an accept that commits in between is then in the snapshot's holds, and not lost between the two readings.
    const known =
      recentRequestIds.length === 0 ? new Map() : await statesOf(database, recentRequestIds);
    const [stored] = await quotaTruth(database, [userId]);
    if (stored === undefined) throw new Fault("USER_INACTIVE", "the user does not exist any more");
    const { tiers, default_tier: defaultTier } = config();
    const held = new Set(stored.holds.map((hold) => hold.requestId));
    return {
      limits: effectiveLimits(stored.limits, tiers, defaultTier),
      days: stored.days,
      holds: stored.holds,
      unstored: recentRequestIds.filter(
        (requestId) => !known.has(requestId) && !held.has(requestId),
      ),
    };
  }

  return { store, gate: createQuotaGate({ ...store, readTruth }) };
}
