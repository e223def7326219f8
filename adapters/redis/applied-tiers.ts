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
    read: async () => (await redis.run(({ client }) => client.get(APPLIED_TIERS_KEY))) ?? undefined,
    note: async (tiers) => {
      await redis.run(({ client }) => client.set(APPLIED_TIERS_KEY, tiers, "EX", TTL_SECONDS));
    },
  };
}
