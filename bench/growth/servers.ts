import type { QuotaLimits } from "../../core/quota/quota.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Session } from "../measure/session.ts";
import { nthUserId } from "../measure/users.ts";
import { type Filling, inParts } from "./grow.ts";

/** Redis is filled for this long at most. */
const LOAD_LIMIT_MS = 150_000;
const REST_LIMIT_MS = 120_000;
const NO_LIMIT = { requests: null, tokens: null };
const NO_LIMITS: QuotaLimits = {
  windows: { daily: NO_LIMIT, monthly: NO_LIMIT },
  failedExecutions: { daily: null, monthly: null },
  concurrentRequests: null,
};

/**
 * Makes Redis know users by the product's own script, as first calls would, for some minutes at most. Returns
 * how many it did not know.
 */
export async function loadUsers({ stack }: Session, filling: Filling): Promise<number> {
  const { quota } = stack.books;
  let loaded = 0;
  async function load(n: number): Promise<void> {
    const ticket = await quota.beginLoad(nthUserId(n));
    if (ticket === undefined) return;
    await quota.load(nthUserId(n), ticket, { limits: NO_LIMITS, days: [], holds: [] });
    loaded += 1;
  }
  await inParts(filling, { size: 500, limitMs: LOAD_LIMIT_MS }, (first, end) =>
    Promise.all(Array.from({ length: end - first }, (_, i) => load(first + i))),
  );
  return loaded;
}

/** Makes Redis forget all users, so that their next calls are first calls. */
export async function forgetUsers({ stack, users }: Session): Promise<void> {
  for (const { userId } of users) await stack.books.quota.forget(userId);
}

const redisInfo = ({ stack }: Session, section: "memory" | "persistence"): Promise<string> =>
  stack.books.redis.run(({ client }) => client.info(section));

/** Bytes that Redis has given out. */
export const redisBytes = async (session: Session): Promise<number> =>
  Number(/^used_memory:(\d+)/m.exec(await redisInfo(session, "memory"))?.[1] ?? 0);

/**
 * Waits until Redis has written its log anew, which it does after it was filled and which takes a core
 * meanwhile.
 */
export const untilRedisRests = (session: Session): Promise<void> =>
  untilTrue("Redis has rewritten its log", REST_LIMIT_MS, async () => {
    const info = await redisInfo(session, "persistence");
    return !/^aof_rewrite_(?:in_progress|scheduled):1/m.test(info);
  });

export interface PostgresSize {
  /** Heap, without indexes. */
  heap: number;
  indexes: number;
  /** Position in the write-ahead log. */
  wal: number;
}

/** Bytes of these tables, their partitions included, and of the log so far. */
export async function postgresSize(
  { stack }: Session,
  tables: readonly string[],
): Promise<PostgresSize> {
  const [row] = await stack.books.database.run(
    "measure tables",
    (sql) => sql<PostgresSize[]>`
      select
        sum(pg_table_size(c.oid))::bigint as heap,
        sum(pg_indexes_size(c.oid))::bigint as indexes,
        pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal
      from pg_class c
        left join pg_inherits i on i.inhrelid = c.oid
      where c.relkind = 'r'
        and coalesce(i.inhparent, c.oid) = any(${`{${tables.join(",")}}`}::text[]::regclass[])`,
  );
  return row ?? { heap: 0, indexes: 0, wal: 0 };
}
