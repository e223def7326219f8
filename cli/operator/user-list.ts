import { formatInstant, formatTable } from "../../adapters/terminal/table.ts";
import type { WindowTiers } from "../../adapters/postgres/quotas.ts";
import type { User } from "../../adapters/postgres/users.ts";
import type { Config } from "../../core/config/schema.ts";
import { WINDOW_KINDS, type WindowKind } from "../../core/quota/windows.ts";
import { describeTier } from "./tiers.ts";

/** A user as `user list` shows it. */
export interface ListedUser extends User {
  tiers: Record<WindowKind, string>;
}

/** A window without a quota of its own has the default tier; see `effectiveLimits`. */
export const withTiers = (
  user: User,
  tiers: WindowTiers | undefined,
  defaultTier: string,
): ListedUser => ({
  ...user,
  tiers: { daily: defaultTier, monthly: defaultTier, ...tiers },
});

/** `removed_tiers`: those of the user that the configuration does not have. */
export const listedJson = (user: ListedUser, config: Pick<Config, "tiers">) => ({
  user_id: user.userId,
  name: user.name,
  email: user.email,
  tiers: user.tiers,
  removed_tiers: [...new Set(Object.values(user.tiers))].filter(
    (tier) => !Object.hasOwn(config.tiers, tier),
  ),
  active: user.active,
  created_at: new Date(user.createdAtMs).toISOString(),
});

export function formatUsers(users: readonly ListedUser[], config: Pick<Config, "tiers">): string {
  const rows = users.map((user) => [
    user.userId,
    user.name,
    user.email,
    describeTiers(user.tiers, config),
    user.active ? "yes" : "no",
    formatInstant(user.createdAtMs),
  ]);
  return formatTable(["USER", "NAME", "EMAIL", "TIER", "ACTIVE", "ADDED (UTC)"], rows);
}

/** One word for all windows, or one for each where somebody has set them apart in the database. */
function describeTiers(tiers: ListedUser["tiers"], config: Pick<Config, "tiers">): string {
  if (new Set(Object.values(tiers)).size === 1) return describeTier(tiers.daily, config);
  return WINDOW_KINDS.map((window) => `${window} ${describeTier(tiers[window], config)}`).join(
    ", ",
  );
}
