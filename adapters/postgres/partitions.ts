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

/**
 * Drops the requests of all UTC days that ended before an instant, except days that still have an open
 * request; returns the days dropped. The ledger stays.
 *
 * @throws {Fault} as `ensurePartitions`
 */
export async function dropPartitionsBefore(
  database: Database,
  createdBeforeMs: number,
): Promise<string[]> {
  const rows = await database.run(
    "drop old partitions",
    (sql) => sql<{ day: string }[]>`
      select day from drop_request_partitions_before(${dayOf(createdBeforeMs)}::date) as day`,
  );
  return rows.map((row) => row.day);
}
