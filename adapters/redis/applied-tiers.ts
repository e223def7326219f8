import type { RedisConnection } from "./connection.ts";
import { APPLIED_TIERS_KEY } from "./keys.ts";

/**
 * The tiers that the loaded users have their limits from.
 *
 * @throws {Fault} QUOTA_UNAVAILABLE, by both functions
 */
export interface AppliedTiers {
  /** undefined: not known. After a loss of memory that also means that nobody is loaded. */
  read: () => Promise<string | undefined>;
  /** Remembers them for a month; call it again before that. */
  note: (tiers: string) => Promise<void>;
}

const TTL_SECONDS = 31 * 86_400;

export function createAppliedTiers(redis: RedisConnection): AppliedTiers {
  return {
    read: async () => {
      const key = APPLIED_TIERS_KEY;
      return (await redis.run(({ client }) => client.get(key), key)) ?? undefined;
    },
    note: async (tiers) => {
      const key = APPLIED_TIERS_KEY;
      await redis.run(({ client }) => client.set(key, tiers, "EX", TTL_SECONDS), key);
    },
  };
}
