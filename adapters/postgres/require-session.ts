import type postgres from "postgres";

import type { PostgresServer } from "./open-client.ts";
import { openClient } from "./primary.ts";

/** What needs a session of its own was led to a connection that is shared. */
export class NoSession extends Error {
  override readonly name = "NoSession";
}

/**
 * Makes sure that a connection is a session: that a setting which it was opened with is in force. A pooler in
 * transaction mode drops settings, and would leave a lock behind on a connection that goes to somebody else.
 *
 * @throws {NoSession} saying what to configure
 */
export async function requireSession(sql: postgres.Sql, setting: string): Promise<void> {
  const [row] = await sql<{ is_set: boolean }[]>`
    select source = 'client' as is_set from pg_settings where name = ${setting}`;
  if (row?.is_set === true) return;
  throw new NoSession(
    "this connection to PostgreSQL is shared by a pooler in transaction mode: set postgres.direct_url " +
      "(DATABASE_DIRECT_URL) to the server itself",
  );
}

/**
 * The same for a server, on a connection of its own.
 *
 * @throws {NoSession}
 * @throws {NoPrimary} and what postgres.js throws when the server does not answer
 */
export async function checkSession(server: PostgresServer): Promise<void> {
  const settings = { lock_timeout: 5_000 };
  const { sql } = await openClient(server, { name: "tollgate-session-check", max: 1, settings });
  try {
    await requireSession(sql, "lock_timeout");
  } finally {
    await sql.end({ timeout: 1 });
  }
}
