import type { Database } from "../../adapters/postgres/connect.ts";
import { untilTrue } from "../../local/stack/eventually.ts";

/** Every row of every table as text, by table; the same text means the same bytes. */
export async function contentOf(database: Database): Promise<Record<string, string>> {
  const tables = await database.run(
    "list tables",
    (sql) => sql<{ name: string }[]>`
      select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
      order by relname`,
  );
  const content: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await database.run(
      "hash a table",
      (sql) => sql<{ count: number; hash: string }[]>`
        select count, coalesce(encode(sha256(convert_to(content, 'UTF8')), 'hex'), '') as hash
        from (
          select count(*), string_agg(t::text, E'\n' order by t::text) as content
          from ${sql(name)} t
        ) as whole`,
    );
    content[name] = `${row?.count} rows ${row?.hash}`;
  }
  return content;
}

/** A moment that lies behind every commit so far and before every later one, Unix milliseconds. */
export async function momentOf(database: Database): Promise<number> {
  const now = async (): Promise<number> => {
    const [row] = await database.run(
      "read the clock",
      (sql) => sql<{ ms: number }[]>`
        select ceil(extract(epoch from clock_timestamp()) * 1000)::bigint as ms`,
    );
    return row?.ms ?? 0;
  };
  const moment = (await now()) + 1;
  await untilTrue("the clock is past the moment", 1_000, async () => (await now()) > moment + 1);
  return moment;
}
