import { dayOf } from "../../core/quota/windows.ts";
import type { Database } from "./connect.ts";

/** For how many days partitions are made ahead of time: a week without a keeper does no harm. */
export const PARTITION_DAYS_AHEAD = 7;

/**
 * Makes the day partitions of `requests` from yesterday to `daysAhead` days from now (UTC), where they are
 * missing; returns the days made. Several processes may call it at once.
 *
 * @throws {Fault} STORE_UNAVAILABLE when it would have to wait long for the table: try again later
 */
export async function ensurePartitions(database: Database, daysAhead: number): Promise<string[]> {
  const rows = await database.run(
    "make partitions",
    (sql) => sql<{ day: string }[]>`
      select day
      from (
        select (now() at time zone 'utc')::date + ahead as day
        from generate_series(-1, ${daysAhead}::integer) as ahead
        order by ahead
      ) as days
      where ensure_request_partition(day)`,
  );
  return rows.map((row) => row.day);
}

/** The UTC days that have a partition and ended before an instant, oldest first. @throws as `Database.run` */
export async function partitionsBefore(
  database: Database,
  createdBeforeMs: number,
): Promise<string[]> {
  const rows = await database.run(
    "find old partitions",
    (sql) => sql<{ day: string }[]>`
      select to_date(right(partition.relname, 8), 'YYYYMMDD') as day
      from pg_inherits i
        join pg_class partition on partition.oid = i.inhrelid
      where i.inhparent = 'requests'::regclass
        and partition.relname ~ '^requests_[0-9]{8}$'
        and partition.relname < 'requests_' || to_char(${dayOf(createdBeforeMs)}::date, 'YYYYMMDD')
      order by day`,
  );
  return rows.map((row) => row.day);
}

/**
 * `open`: the day has an open request; `read`: somebody reads it, and is not waited for; `absent`: it is gone
 * already.
 */
export type DropOutcome = "dropped" | "open" | "read" | "absent";

/**
 * Drops the requests of a UTC day, in a transaction of its own. The ledger stays.
 *
 * @throws {Fault} STORE_UNAVAILABLE when it would have to wait long for the whole table: try again later
 */
export async function dropPartition(database: Database, day: string): Promise<DropOutcome> {
  const [row] = await database.run(
    "drop an old partition",
    (sql) => sql<{ outcome: DropOutcome }[]>`
      select drop_request_partition(${day}::date) as outcome`,
  );
  if (row === undefined) throw new Error("select returned no row");
  return row.outcome;
}

/** Deletes requests outside every day partition that are older and have ended. @throws as `Database.run` */
export async function deleteStraysBefore(
  database: Database,
  createdBeforeMs: number,
): Promise<void> {
  await database.run(
    "delete old requests without a partition",
    (sql) => sql`
      delete from requests_default
      where request_id < uuid_floor(${dayOf(createdBeforeMs)}::date)
        and status <> 'queued'`,
  );
}
