import type { Session } from "./session.ts";

/**
 * Counts the processes of PostgreSQL that serve a gateway or a collector as `postgres for …` from now on;
 * what is left as `postgres` are its own duties. Only where they are processes of this machine.
 */
export async function labelBackends({ stack, sampler, servers }: Session): Promise<void> {
  if (![...servers.labels.values()].includes("postgres")) return;
  const backends = await stack.books.database.run(
    "find backends",
    (sql) => sql<{ pid: number; part: string }[]>`
      select pid, substring(application_name from '^tollgate-(gateway|collector)-') as part
      from pg_stat_activity
      where datname = current_database()
        and application_name ~ '^tollgate-(gateway|collector)-'`,
  );
  for (const { pid, part } of backends) sampler.watch(pid, `postgres for ${part}`);
}

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
    (sql) => sql<{ heap: number; indexes: number; wal: number }[]>`
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
