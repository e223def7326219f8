import { afterAll, beforeAll, expect, test } from "bun:test";

import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { sqlQueries } from "../../test/k8s/dashboards.ts";
import type { Database } from "./connect.ts";
import { grantReader } from "./reader.ts";

const ROLE = `tollgate-reader-${crypto.randomUUID().slice(0, 8)}`;
const SECRET_COLUMNS = {
  users: ["email", "email_folded"],
  requests: ["prompt", "result", "metadata", "error_detail", "error_message"],
} as const;
const READABLE = ["quotas", "requests", "token_days", "token_logs", "users"];

let server: MigratedDatabase;
let reader: Database;
beforeAll(async () => {
  server = await createMigratedDatabase();
  const wish = { role: ROLE, password: 'it\'s a \\ "password"' };
  await grantReader({ url: server.url }, { ...wish, password: "of before" });
  await grantReader({ url: server.url }, wish);
  const url = new URL(server.url);
  url.username = ROLE;
  url.password = encodeURIComponent(wish.password);
  reader = server.connect({ url: url.toString() });
});
afterAll(async () => {
  await server.database.run("drop", (sql) => sql.unsafe(`drop owned by "${ROLE}"`));
  await server.database.run("drop", (sql) => sql.unsafe(`drop role "${ROLE}"`));
  await server.drop();
});

/** The SQLSTATE of a refusal; null: it was done. */
async function refusalOf(statement: string): Promise<string | null> {
  try {
    await reader.run("try", (sql) => sql.unsafe(statement));
    return null;
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return cause?.code ?? String(error);
  }
}

const tables = (): Promise<{ name: string; column: string }[]> =>
  server.database.run(
    "list",
    (sql) => sql<{ name: string; column: string }[]>`
      select relname as name, min(attname) as column
      from pg_class
      join pg_attribute on attrelid = pg_class.oid and attnum > 0 and attgenerated = '' and attidentity = ''
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
      group by relname`,
  );

const INSUFFICIENT_PRIVILEGE = "42501";

test("a reader's own credentials read what the dashboards ask for", async () => {
  const queries = sqlQueries.map(({ query }) =>
    query
      .replaceAll(/\$__timeFilter\(([^)]*)\)/g, "$1 > now()")
      .replaceAll("'${tiers:raw}'", "'{}'")
      .replaceAll(/\$\{\w+:singlequote\}/g, "''"),
  );

  expect(queries.length).toBeGreaterThan(5);
  for (const query of queries) expect([query, await refusalOf(query)]).toEqual([query, null]);
});

test("they read no prompt, result, key or email", async () => {
  for (const [table, columns] of Object.entries(SECRET_COLUMNS))
    for (const column of columns)
      expect([column, await refusalOf(`select ${column} from ${table}`)]).toEqual([
        column,
        INSUFFICIENT_PRIVILEGE,
      ]);
  for (const { name } of await tables()) {
    const mayRead = READABLE.includes(name) && !(name in SECRET_COLUMNS);
    const refusal = await refusalOf(`select * from "${name}"`);
    expect([name, refusal]).toEqual([name, mayRead ? null : INSUFFICIENT_PRIVILEGE]);
  }
});

test("they change no table, and make and drop none", async () => {
  for (const { name, column } of await tables())
    for (const statement of [
      `insert into "${name}" default values`,
      `update "${name}" set "${column}" = null`,
      `delete from "${name}"`,
      `truncate "${name}"`,
      `drop table "${name}"`,
      `alter table "${name}" add column more text`,
      `do $$ begin lock table "${name}" in exclusive mode; end $$`,
    ])
      expect([statement, await refusalOf(statement)]).toEqual([statement, INSUFFICIENT_PRIVILEGE]);
  for (const statement of [
    "create table mine ()",
    "create role another",
    "create schema another",
    `alter role "${ROLE}" createrole`,
    "copy (select 1) to program 'true'",
    "select pg_read_file('/etc/passwd')",
  ])
    expect([statement, await refusalOf(statement)]).toEqual([statement, INSUFFICIENT_PRIVILEGE]);
});
