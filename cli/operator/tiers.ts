import { noteTiers, readTiers } from "../../adapters/postgres/tiers.ts";
import type { Config } from "../../core/config/schema.ts";
import type { Operation } from "./operate.ts";

/** What the limits of users follow from. */
export type LimitsConfig = Pick<Config, "tiers" | "default_tier">;

/**
 * The tiers of the configuration, and those that it no longer has as they were last, which their users keep.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function tiersInForce({
  config: { tiers, default_tier },
  database,
}: Pick<Operation, "config" | "database">): Promise<LimitsConfig> {
  return { tiers: { ...(await readTiers(database)), ...tiers }, default_tier };
}

/** Remembers what a tier allows before a user gets it. @throws {Fault} STORE_UNAVAILABLE */
export async function rememberTier(
  { config: { tiers }, database }: Pick<Operation, "config" | "database">,
  tier: string,
): Promise<void> {
  const limits = tiers[tier];
  if (limits !== undefined) await noteTiers(database, { [tier]: limits }, "unknown");
}

/** A tier as it is shown: one that the configuration does not have is marked. */
export const describeTier = (tier: string, { tiers }: Pick<Config, "tiers">): string =>
  Object.hasOwn(tiers, tier) ? tier : `${tier} (removed)`;
