import { formatInstant, formatTable } from "../../adapters/terminal/table.ts";
import type { WindowTiers } from "../../adapters/postgres/quotas.ts";
import type { User } from "../../adapters/postgres/users.ts";
import { WINDOW_KINDS, type WindowKind } from "../../core/quota/windows.ts";

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

export const listedJson = (user: ListedUser) => ({
  user_id: user.userId,
  name: user.name,
  email: user.email,
  tiers: user.tiers,
  active: user.active,
  created_at: new Date(user.createdAtMs).toISOString(),
});

export function formatUsers(users: readonly ListedUser[]): string {
  const rows = users.map((user) => [
    user.userId,
    user.name,
    user.email,
    describeTiers(user.tiers),
    user.active ? "yes" : "no",
    formatInstant(user.createdAtMs),
  ]);
  return formatTable(["USER", "NAME", "EMAIL", "TIER", "ACTIVE", "ADDED (UTC)"], rows);
}

/** One word for all windows, or one for each where somebody has set them apart in the database. */
function describeTiers(tiers: ListedUser["tiers"]): string {
  if (new Set(Object.values(tiers)).size === 1) return tiers.daily;
  return WINDOW_KINDS.map((window) => `${window} ${tiers[window]}`).join(", ");
}
