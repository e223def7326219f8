import { createHash } from "node:crypto";

import { generateApiKey } from "../../adapters/crypto/key-hash.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import type { QuotaLimits } from "../../core/quota/quota.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Session } from "../scenarios/session.ts";
import type { BenchUser } from "../stack/users.ts";
import { everyTenth, partsOf } from "./parts.ts";

const USERS_PER_STATEMENT = 50_000;
const LOADS_AT_ONCE = 500;
/** Redis is filled for this long at most; what is missing then is told. */
const LOAD_LIMIT_MS = 150_000;
const NO_LIMITS: QuotaLimits = {
  windows: { daily: { requests: null, tokens: null }, monthly: { requests: null, tokens: null } },
  concurrentRequests: null,
};

/** The id of the nth user, the same here as in `fillUsers`. Spread over the index, as random ids are. */
export function nthUserId(n: number): string {
  const hex = createHash("md5").update(`bench-user-${n}`).digest("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * Writes the users from `from` to `to` with a quota for each window and a key that nobody has, by statements inside PostgreSQL;
 * then vacuums and analyzes, as autovacuum would have by the time there are so many. Plans that were made for ten users are no plans for a million.
 */
export async function fillUsers(
  database: Database,
  { from, to }: { from: number; to: number },
  say: (text: string) => void,
): Promise<void> {
  const tell = everyTenth(to - from, say);
  for (const [first, end] of partsOf(to, USERS_PER_STATEMENT, from)) {
    await database.run(
      "fill users",
      (sql) => sql`
        with part as (
          select n, md5('bench-user-' || n)::uuid as user_id
          from generate_series(${first}::int, ${end - 1}::int) as n
        ),
        new_users as (
          insert into users (user_id, name, email, concurrent_limit)
          select user_id, 'Ada', 'user-' || n || '@example.org', -1
          from part
        ),
        new_quotas as (
          insert into quotas (user_id, tier, reset_frequency, request_limit, token_limit)
          select user_id, 'unlimited', kind, -1, -1
          from part, unnest(array['daily', 'monthly']) as kind
        )
        insert into api_keys (key_id, user_id, key_hash, prefix, last4, name)
        select gen_random_uuid(), user_id, sha256(convert_to('bench-key-' || n, 'UTF8')), 'tg_none', 'none', 'bench'
        from part`,
    );
    tell(end - from);
  }
  await database.run("analyze", (sql) => sql`vacuum (analyze) users, quotas, api_keys`);
}

/** So many of the first `users` users, evenly spread, with a key each that is yet to be stored. */
export function pickCallers(users: number, count: number): BenchUser[] {
  return Array.from({ length: Math.min(users, count) }, (_, i) => ({
    userId: nthUserId(Math.floor((i * users) / Math.min(users, count))),
    apiKey: generateApiKey(),
  }));
}

/** First calls cost a gateway and its servers several times as much as later ones, so that a machine keeps up with fewer. */
const FIRST_CALLS_PER_SECOND = 200;

/** Lets each user of these calls call once, so that what is measured afterwards is no first call. */
export async function callOnce(
  session: Session,
  { files, users }: { files: CallFiles; users: number },
): Promise<void> {
  const { expected: answered } = await session.load({
    name: `each of ${users.toLocaleString("en")} users calls once`,
    generator: "paced",
    files,
    ratePerSecond: FIRST_CALLS_PER_SECOND,
    seconds: Math.ceil(users / FIRST_CALLS_PER_SECOND),
    connections: 64,
    expectStatus: 202,
  });
  if (answered < users)
    session.note(`only ${answered} of ${users} users were known when it was measured`);
}

/**
 * Makes Redis know the users from `from` to `to`, by the product's own script, as their first calls would. Answers how many it loaded:
 * it stops after some minutes.
 */
export async function loadUsers(
  { stack }: Session,
  { from, to }: { from: number; to: number },
  say: (text: string) => void,
): Promise<number> {
  const { quota } = stack.books;
  const tell = everyTenth(to - from, say);
  const startedAt = performance.now();
  let loaded = 0;
  async function load(n: number): Promise<void> {
    const userId = nthUserId(n);
    const ticket = await quota.beginLoad(userId);
    if (ticket === undefined) return;
    await quota.load(userId, ticket, { limits: NO_LIMITS, days: [], holds: [] });
    loaded += 1;
  }
  for (const [first, end] of partsOf(to, LOADS_AT_ONCE, from)) {
    if (performance.now() - startedAt > LOAD_LIMIT_MS) break;
    await Promise.all(Array.from({ length: end - first }, (_, i) => load(first + i)));
    tell(end - from);
  }
  return loaded;
}
