import type { Database } from "../../adapters/postgres/connect.ts";

interface DumpRow {
  line: string;
}

/**
 * Returns the schema as text, for people to read and tests to compare. It comes from the catalogue and not
 * from pg_dump, whose output differs between versions. Day partitions are left out: they come and go.
 */
export async function dumpSchema(database: Database): Promise<string> {
  const parts = await Promise.all([
    tables(database),
    indexes(database),
    functions(database),
    triggers(database),
  ]);
  return `-- The schema after all migrations. Compared with the migrated database by
-- adapters/postgres/migrate.test.ts, which also says how to write it anew. Change it only by adding a
-- migration.

${parts.flat().join("\n\n")}
`;
}

async function linesOf(
  database: Database,
  query: Parameters<Database["run"]>[1],
): Promise<string[]> {
  const rows = (await database.run("dump the schema", query)) as DumpRow[];
  return rows.map((row) => row.line);
}

function tables(database: Database): Promise<string[]> {
  return linesOf(
    database,
    (sql) => sql<DumpRow[]>`
      with shown as (
        select c.oid, c.relname, c.relkind, c.reloptions
        from pg_class c
        where c.relnamespace = 'public'::regnamespace
          and c.relkind in ('r', 'p')
          and not c.relispartition
      ),
      parts as (
        select
          a.attrelid as oid,
          1 as section,
          a.attnum::text as rank,
          format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
            || case when a.attstorage <> t.typstorage
                 then ' storage ' || case a.attstorage
                   when 'e' then 'external' when 'm' then 'main' when 'p' then 'plain' else 'extended' end
                 else '' end
            || case when a.attgenerated = 's'
                 then format(' generated always as %s stored', pg_get_expr(d.adbin, d.adrelid))
                 when d.adbin is not null then format(' default %s', pg_get_expr(d.adbin, d.adrelid))
                 else '' end
            || case when a.attnotnull then ' not null' else '' end as text
        from shown s
        join pg_attribute a on a.attrelid = s.oid and a.attnum > 0 and not a.attisdropped
        join pg_type t on t.oid = a.atttypid
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        union all
        select k.conrelid, 2, k.conname, format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid))
        from shown s
        join pg_constraint k on k.conrelid = s.oid and k.contype in ('p', 'u', 'c', 'f')
      )
      select format(
          E'create table %I (\n%s\n)%s%s;',
          s.relname,
          (select string_agg(
               '  ' || p.text, E',\n'
               order by
                 p.section,
                 case when p.section = 1 then lpad(p.rank, 4, '0') else p.rank end collate "C"
             )
             from parts p where p.oid = s.oid),
          case when s.relkind = 'p' then ' partition by ' || pg_get_partkeydef(s.oid) else '' end,
          coalesce(' with (' || array_to_string(s.reloptions, ', ') || ')', '')
        )
        as line
      from shown s
      order by s.relname collate "C"`,
  );
}

function indexes(database: Database): Promise<string[]> {
  return linesOf(
    database,
    (sql) => sql<DumpRow[]>`
      select pg_get_indexdef(i.indexrelid) || ';' as line
      from pg_index i
      join pg_class c on c.oid = i.indexrelid
      join pg_class t on t.oid = i.indrelid
      where c.relnamespace = 'public'::regnamespace
        and not t.relispartition
        and not exists (
          select 1 from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u')
        )
      order by c.relname collate "C"`,
  );
}

function functions(database: Database): Promise<string[]> {
  return linesOf(
    database,
    (sql) => sql<DumpRow[]>`
      select rtrim(pg_get_functiondef(p.oid), E' \n') || ';' as line
      from pg_proc p
      where p.pronamespace = 'public'::regnamespace
      order by p.proname collate "C"`,
  );
}

function triggers(database: Database): Promise<string[]> {
  return linesOf(
    database,
    (sql) => sql<DumpRow[]>`
      select pg_get_triggerdef(g.oid) || ';' as line
      from pg_trigger g
      join pg_class c on c.oid = g.tgrelid
      where not g.tgisinternal and c.relnamespace = 'public'::regnamespace
      order by g.tgname collate "C"`,
  );
}
