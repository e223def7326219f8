import type { RedisConnection } from "./connection.ts";
import { APPLIED_TIERS_KEY } from "./keys.ts";

/** Which tiers the loaded users have their limits from. Both functions throw `QUOTA_UNAVAILABLE`. */
export interface AppliedTiers {
  /** undefined: not known, which after a loss of memory means that nobody is loaded either. */
  read: () => Promise<string | undefined>;
  /** Remembers them for a month; repeat it. */
  note: (tiers: string) => Promise<void>;
}

const TTL_SECONDS = 31 * 86_400;

export function createAppliedTiers(redis: RedisConnection): AppliedTiers {
  return {
    read: async () => (await redis.run(({ client }) => client.get(APPLIED_TIERS_KEY))) ?? undefined,
    note: async (tiers) => {
      await redis.run(({ client }) => client.set(APPLIED_TIERS_KEY, tiers, "EX", TTL_SECONDS));
    },
  };
}
