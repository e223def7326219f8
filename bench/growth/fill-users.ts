import type { Database } from "../../adapters/postgres/connect.ts";
import type { QuotaLimits } from "../../core/quota/quota.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Session } from "../measure/session.ts";
import { type BenchUser, insertUsers, nthUser, nthUserId } from "../measure/users.ts";
import { type Filling, inParts } from "./parts.ts";

/** Redis is filled for this long at most. */
const LOAD_LIMIT_MS = 150_000;
const NO_LIMITS: QuotaLimits = {
  windows: { daily: { requests: null, tokens: null }, monthly: { requests: null, tokens: null } },
  failedExecutions: { daily: null, monthly: null },
  concurrentRequests: null,
};

/**
 * Writes users, each with a key that nobody has, by statements inside PostgreSQL; then vacuums and analyzes,
 * as autovacuum would have by the time there are so many: plans for ten users are no plans for a million.
 */
export async function fillUsers(
  database: Database,
  filling: Pick<Filling, "from" | "to" | "say">,
): Promise<void> {
  await inParts({ ...filling, size: 50_000 }, async (first, end) => {
    await insertUsers(database, first, end);
    await database.run(
      "insert keys",
      (sql) => sql`
        insert into api_keys (key_id, user_id, key_hash, prefix, last4, name)
        select
          gen_random_uuid(), md5('bench-user-' || n)::uuid,
          sha256(convert_to('bench-key-' || n, 'UTF8')), 'tg_none', 'none', 'bench'
        from generate_series(${first}::int, ${end - 1}::int) as n`,
    );
  });
  await database.run("analyze", (sql) => sql`vacuum (analyze) users, quotas, api_keys`);
}

/** So many of the first `users` users, evenly spread. */
export function pickCallers(users: number, count: number): BenchUser[] {
  const picked = Math.min(users, count);
  return Array.from({ length: picked }, (_, i) => nthUser(Math.floor((i * users) / picked)));
}

/** First calls cost a gateway and its servers several times as much as later ones: fewer of them keep up. */
const FIRST_CALLS_PER_SECOND = 200;

/** Lets each of so many users call once, so that what is measured afterwards is no first call. */
export async function callOnce(session: Session, files: CallFiles, users: number): Promise<void> {
  const seconds = Math.ceil(users / FIRST_CALLS_PER_SECOND);
  const pace = { ratePerSecond: FIRST_CALLS_PER_SECOND, seconds, connections: 64 };
  const name = `each of ${users.toLocaleString("en")} users calls once`;
  const { expected: answered } = await session.load(name, files, pace);
  if (answered < users)
    session.note(`only ${answered} of ${users} users were known when it was measured`);
}

/**
 * Makes Redis know users by the product's own script, as their first calls would. Returns how many it loaded:
 * it stops after some minutes.
 */
export async function loadUsers(
  { stack: { books } }: Session,
  filling: Pick<Filling, "from" | "to" | "say">,
): Promise<number> {
  let loaded = 0;
  async function load(n: number): Promise<void> {
    const userId = nthUserId(n);
    const ticket = await books.quota.beginLoad(userId);
    if (ticket === undefined) return;
    await books.quota.load(userId, ticket, { limits: NO_LIMITS, days: [], holds: [] });
    loaded += 1;
  }
  await inParts({ ...filling, size: 500, limitMs: LOAD_LIMIT_MS }, (first, end) =>
    Promise.all(Array.from({ length: end - first }, (_, i) => load(first + i))),
  );
  return loaded;
}

/** Makes Redis forget all users, so that their next calls are first calls. */
export async function forgetUsers({ stack, users }: Session): Promise<void> {
  for (const { userId } of users) await stack.books.quota.forget(userId);
}
