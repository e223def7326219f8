import type { UserLimits, UserQuota } from "../../core/quota/limits.ts";
import type { QuotaTruth } from "../../core/quota/quota.ts";
import type { WindowKind } from "../../core/quota/windows.ts";
import { numberArray, textArray } from "./arrays.ts";
import type { Database, Sql } from "./connect.ts";
import { type Act, noteChanges } from "./operator-actions.ts";

/** A user's `QuotaTruth` before the configured tiers complete the limits (`effectiveLimits`). */
export interface StoredQuota {
  userId: string;
  limits: UserLimits;
  days: QuotaTruth["days"];
  holds: QuotaTruth["holds"];
}

interface TruthRow {
  kind: "user" | "quota" | "day" | "hold" | "stored";
  user_id: string;
  /** The window of a quota, the request of a hold. */
  id: string | null;
  tier: string | null;
  day: string | null;
  requests: number | null;
  tokens: number | null;
  failed_executions: number | null;
}

/**
 * Reads everything that Redis must know of users in one snapshot: the limits stored for them, the ledger's
 * sums by day since the first of yesterday's UTC month (clocks may differ at its end), and a hold for each
 * open request of whatever day. Returned in order; undefined: there is no such user.
 */
export async function quotaTruth(
  database: Database,
  userIds: readonly string[],
): Promise<(StoredQuota | undefined)[]> {
  return collect(userIds, await readTruth(database, userIds, []));
}

/** Reads `quotaTruth` of one user and, in the same snapshot, which of some requests are not stored. */
export async function quotaTruthOf(
  database: Database,
  userId: string,
  recentRequestIds: readonly string[],
): Promise<{ truth: StoredQuota | undefined; unstored: string[] }> {
  const rows = await readTruth(database, [userId], recentRequestIds);
  const stored = new Set(rows.filter((row) => row.kind === "stored").map((row) => row.id));
  const [truth] = collect([userId], rows);
  return { truth, unstored: recentRequestIds.filter((requestId) => !stored.has(requestId)) };
}

function readTruth(
  database: Database,
  userIds: readonly string[],
  recentRequestIds: readonly string[],
): Promise<TruthRow[]> {
  const [onlyUser] = userIds;
  const ofUsers = (sql: Sql) =>
    userIds.length === 1
      ? sql`user_id = ${onlyUser ?? null}::uuid`
      : sql`user_id = any(${textArray(userIds)}::uuid[])`;
  const stored = (sql: Sql) => sql`
      union all
      select 'stored', user_id, request_id::text, null, null, null, null, null
      from requests
      where request_id = any(${textArray(recentRequestIds)}::uuid[])`;
  return database.run(
    "read quotas",
    // One statement is one snapshot.
    (sql) => sql<TruthRow[]>`
      select
        'user' as kind, user_id, null as id, null as tier, null::date as day,
        concurrent_limit::bigint as requests, null::bigint as tokens, null::bigint as failed_executions
      from users
      where ${ofUsers(sql)}
      union all
      select 'quota', user_id, reset_frequency, tier, null, request_limit, token_limit, null
      from quotas
      where ${ofUsers(sql)}
      union all
      select
        'day', user_id, null, null, window_day, sum(requests)::bigint, sum(total_tokens)::bigint,
        sum(failed_executions)::bigint
      from token_days
      where ${ofUsers(sql)}
        and window_day >= date_trunc('month', now() at time zone 'utc' - interval '1 day')::date
      group by user_id, window_day
      union all
      (
        select 'hold', user_id, request_id::text, null, window_day, 1, estimated_tokens, null
        from requests
        where ${ofUsers(sql)}
          and status = 'queued'
        -- In the order of the index to use: while all are empty another one looks as cheap, and that has the
        -- requests of everybody.
        order by requests.request_id
      )
      ${recentRequestIds.length === 0 ? sql`` : stored(sql)}`,
    // Open requests may lie in any partition: planning all of them costs ten times as much as reading one
    // user. A plan for many users would have to guess their number.
    userIds.length === 1 ? "once" : "each",
  );
}

function collect(
  userIds: readonly string[],
  rows: readonly TruthRow[],
): (StoredQuota | undefined)[] {
  const byUser = new Map<string, { truth: StoredQuota; quotas: UserQuota[] }>();
  for (const row of rows) {
    if (row.kind === "user") byUser.set(row.user_id, emptyTruth(row));
  }
  for (const row of rows) addRow(byUser.get(row.user_id), row);
  return userIds.map((userId) => byUser.get(userId)?.truth);
}

function emptyTruth(row: TruthRow): { truth: StoredQuota; quotas: UserQuota[] } {
  const quotas: UserQuota[] = [];
  const limits = { quotas, concurrentRequests: row.requests };
  return { truth: { userId: row.user_id, limits, days: [], holds: [] }, quotas };
}

function addRow(
  user: { truth: StoredQuota; quotas: UserQuota[] } | undefined,
  row: TruthRow,
): void {
  if (user === undefined) return; // The ledger outlives users.
  switch (row.kind) {
    case "user":
    case "stored":
      return;
    case "quota":
      user.quotas.push({
        window: row.id as WindowKind,
        tier: row.tier ?? "",
        requests: row.requests,
        tokens: row.tokens,
      });
      return;
    case "day":
      user.truth.days.push({
        day: row.day ?? "",
        requests: row.requests ?? 0,
        tokens: row.tokens ?? 0,
        failedExecutions: row.failed_executions ?? 0,
      });
      return;
    case "hold":
      user.truth.holds.push({
        userId: row.user_id,
        requestId: row.id ?? "",
        day: row.day ?? "",
        tokens: row.tokens ?? 0,
      });
  }
}

/** What to store of a user's limits; windows that are absent stay. null limits: the tier's; -1: none. */
export interface LimitSettings {
  quotas: readonly UserQuota[];
  /** Requests that may be open at once; undefined: stays. */
  concurrentRequests: number | null | undefined;
}

/**
 * Sets limits of a user and notes what they were. Redis keeps the old limits until it is told. Returns
 * whether there is such a user.
 */
export async function setLimits(
  database: Database,
  userId: string,
  { quotas, concurrentRequests }: LimitSettings,
  act: Act,
): Promise<boolean> {
  const isConcurrencySet = concurrentRequests !== undefined;
  const rows = await database.run(
    "set limits",
    (sql) => sql`
      with before as (
        select user_id, concurrent_limit from users where user_id = ${userId} for update
      ),
      given as (
        select *
        from unnest(
          ${textArray(quotas.map(({ window }) => window))}::text[],
          ${textArray(quotas.map(({ tier }) => tier))}::text[],
          ${numberArray(quotas.map(({ requests }) => requests))}::bigint[],
          ${numberArray(quotas.map(({ tokens }) => tokens))}::bigint[]
        ) as t (reset_frequency, tier, request_limit, token_limit)
      ),
      quotas_before as (
        select jsonb_object_agg(q.reset_frequency, ${quotaJson(sql)}) as quotas
        from quotas q
        join before using (user_id)
        where q.reset_frequency in (select reset_frequency from given)
      ),
      written as (
        insert into quotas (user_id, reset_frequency, tier, request_limit, token_limit)
        select b.user_id, g.reset_frequency, g.tier, g.request_limit, g.token_limit
        from given g
        cross join before b
        cross join quotas_before
        on conflict (user_id, reset_frequency) do update
        set
          tier = excluded.tier,
          request_limit = excluded.request_limit,
          token_limit = excluded.token_limit
      ),
      limited as (
        update users u
        set concurrent_limit = ${concurrentRequests ?? null}
        from before b
        where u.user_id = b.user_id
          and ${isConcurrencySet}::boolean
      ),
      noted as (${noteChanges(
        sql,
        act,
        "user.quota",
        sql`
          select
            b.user_id as target, '{}'::jsonb as detail,
            coalesce(quotas, '{}') || ${concurrencyJson(sql, isConcurrencySet, sql`b.concurrent_limit`)}
              as before,
            (select coalesce(jsonb_object_agg(q.reset_frequency, ${quotaJson(sql)}), '{}') from given q)
              || ${concurrencyJson(sql, isConcurrencySet, sql`${concurrentRequests ?? null}::integer`)}
              as after
          from before b
          cross join quotas_before`,
      )})
      select from before`,
  );
  return rows.length > 0;
}

const quotaJson = (sql: Sql) => sql`
  jsonb_build_object('tier', q.tier, 'requests', q.request_limit, 'tokens', q.token_limit)`;

const concurrencyJson = (sql: Sql, isSet: boolean, value: ReturnType<Sql>) =>
  isSet ? sql`jsonb_build_object('concurrent_requests', ${value})` : sql`'{}'::jsonb`;

/** The tiers stored for a user, by window; a window that is absent has the default tier. */
export type WindowTiers = Partial<Record<WindowKind, string>>;

/** The stored tiers of users; who has none is absent. */
export async function findTiers(
  database: Database,
  userIds: readonly string[],
): Promise<Map<string, WindowTiers>> {
  const rows = await database.run(
    "find tiers",
    (sql) => sql<{ user_id: string; reset_frequency: WindowKind; tier: string }[]>`
      select user_id, reset_frequency, tier
      from quotas
      where user_id = any(${textArray(userIds)}::uuid[])`,
  );
  const found = new Map<string, WindowTiers>();
  for (const row of rows)
    found.set(row.user_id, { ...found.get(row.user_id), [row.reset_frequency]: row.tier });
  return found;
}

/** Reads the limits stored for a user; undefined: there is no such user. */
export async function findLimits(
  database: Database,
  userId: string,
): Promise<UserLimits | undefined> {
  const rows = await database.run(
    "read limits",
    (sql) => sql<
      {
        concurrent_limit: number | null;
        reset_frequency: WindowKind | null;
        tier: string | null;
        request_limit: number | null;
        token_limit: number | null;
      }[]
    >`
      select u.concurrent_limit, q.reset_frequency, q.tier, q.request_limit, q.token_limit
      from users u
      left join quotas q using (user_id)
      where u.user_id = ${userId}
      order by q.reset_frequency`,
  );
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    concurrentRequests: first.concurrent_limit,
    quotas: rows.flatMap((row) =>
      row.reset_frequency === null || row.tier === null
        ? []
        : [
            {
              window: row.reset_frequency,
              tier: row.tier,
              requests: row.request_limit,
              tokens: row.token_limit,
            },
          ],
    ),
  };
}
