import type { Config } from "../../core/config/schema.ts";
import { Fault } from "../../core/faults.ts";
import { effectiveLimits } from "../../core/quota/limits.ts";
import type { QuotaTruth } from "../../core/quota/quota.ts";
import { createQuotaGate, type QuotaGate } from "./quota-gate.ts";
import type { Database } from "../postgres/connect.ts";
import { quotaTruthOf } from "../postgres/quotas.ts";
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
    const { truth, unstored } = await quotaTruthOf(database, userId, recentRequestIds);
    if (truth === undefined) throw new Fault("USER_INACTIVE", "the user does not exist any more");
    const { tiers, default_tier: defaultTier } = config();
    return {
      limits: effectiveLimits(truth.limits, tiers, defaultTier),
      days: truth.days,
      holds: truth.holds,
      unstored,
    };
  }

  return { store, gate: createQuotaGate({ ...store, readTruth }) };
}
