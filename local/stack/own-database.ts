import { randomUUIDv7 } from "bun";

import { connectPostgres, type Sql } from "../../adapters/postgres/connect.ts";
import { withDatabase } from "../../core/config/postgres-url.ts";

/** A database that nobody else uses, on a server that others may use too. */
export interface OwnDatabase {
  url: string;
  drop: () => Promise<void>;
}

const STATEMENT_TIMEOUT_MS = 30_000;
const DEADLINE_MS = 35_000;

/** Makes an empty database on the server of a URL. */
export async function createDatabaseOn(serverUrl: string): Promise<OwnDatabase> {
  const name = `test_${randomUUIDv7().replaceAll("-", "")}`;
  await onServer(serverUrl, (sql) => sql`create database ${sql(name)}`);
  return {
    url: withDatabase(serverUrl, name),
    drop: () =>
      onServer(serverUrl, (sql) => sql`drop database if exists ${sql(name)} with (force)`),
  };
}

async function onServer(url: string, statement: (sql: Sql) => PromiseLike<unknown>): Promise<void> {
  const database = connectPostgres({
    url,
    poolMax: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    deadlineMs: DEADLINE_MS,
    name: "tollgate-stack",
  });
  try {
    await database.run("own database", statement);
  } finally {
    await database.close();
  }
}
