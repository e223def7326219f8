import { Value } from "@sinclair/typebox/value";

import { type TierConfig, TierSchema } from "../../core/config/schema.ts";
import { textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";

/** Tiers by name. */
export type Tiers = Readonly<Record<string, TierConfig>>;

/**
 * Remembers what tiers allow, so that their users keep it when a tier is removed from the configuration.
 * `unknown`: only those of which nothing is remembered, for whoever may have another file than the services.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function noteTiers(
  database: Database,
  tiers: Tiers,
  which: "all" | "unknown" = "all",
): Promise<void> {
  const entries = Object.entries(tiers).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return;
  await database.run(
    "note tiers",
    (sql) => sql`
      insert into tiers (tier, limits)
      select tier, limits
      from unnest(
        ${textArray(entries.map(([tier]) => tier))}::text[],
        ${textArray(entries.map(([, limits]) => JSON.stringify(limits)))}::jsonb[]
      ) as row (tier, limits)
      on conflict (tier) do update
      set
        limits = excluded.limits,
        noted_at = now()
      where ${which === "all"}::boolean
        and tiers.limits is distinct from excluded.limits`,
  );
}

/**
 * Every tier that was noted, as it was last. One that an older release noted has the defaults of what it did
 * not know; one that does not fit any more is left out.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function readTiers(database: Database): Promise<Record<string, TierConfig>> {
  const rows = await database.run(
    "read tiers",
    (sql) => sql<{ tier: string; limits: unknown }[]>`select tier, limits from tiers`,
  );
  return Object.fromEntries(
    rows.flatMap(({ tier, limits }) => {
      const complete = Value.Default(TierSchema, Value.Clean(TierSchema, limits));
      return Value.Check(TierSchema, complete) ? [[tier, complete]] : [];
    }),
  );
}

/** A tier that users have. */
export interface TierUsers {
  tier: string;
  users: number;
  /** Whether it was noted what the tier allows. */
  isKnown: boolean;
}

/** The tiers that users have, in the order of names. @throws {Fault} STORE_UNAVAILABLE */
export async function tierUsers(database: Database): Promise<TierUsers[]> {
  const rows = await database.run(
    "count the users of tiers",
    (sql) => sql<{ tier: string; users: number; is_known: boolean }[]>`
      select q.tier, count(distinct q.user_id) as users, t.tier is not null as is_known
      from quotas q
        left join tiers t using (tier)
      group by q.tier, t.tier
      order by q.tier`,
  );
  return rows.map(({ tier, users, is_known: isKnown }) => ({ tier, users, isKnown }));
}
