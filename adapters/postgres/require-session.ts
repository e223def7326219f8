import type postgres from "postgres";

import { Fault } from "../../core/faults.ts";
import { isRefusedSetting } from "./errors.ts";
import type { PostgresServer } from "./open-client.ts";
import { openClient } from "./primary.ts";

/** A connection that was taken for a session is shared by a pooler. The message says what to configure. */
export class NoSession extends Error {
  override readonly name = "NoSession";

  constructor(options?: ErrorOptions) {
    super(
      "this connection to PostgreSQL is shared by a pooler in transaction mode: set postgres.direct_url " +
        "(DATABASE_DIRECT_URL) to the server itself",
      options,
    );
  }
}

/**
 * Makes sure that a connection is a session: that a setting which it was opened with is in force. A pooler in
 * transaction mode drops settings or refuses them, and would leave a lock behind on a connection that goes to
 * somebody else.
 *
 * @throws {NoSession}
 */
export async function requireSession(sql: postgres.Sql, setting: string): Promise<void> {
  try {
    const [row] = await sql<{ is_set: boolean }[]>`
      select source = 'client' as is_set from pg_settings where name = ${setting}`;
    if (row?.is_set !== true) throw new NoSession();
  } catch (error) {
    throw isRefusedSetting(error) ? new NoSession({ cause: error }) : error;
  }
}

/**
 * The same for a server, on a connection of its own.
 *
 * @throws {NoSession}
 * @throws {Fault} STORE_UNAVAILABLE with its cause when the server does not answer
 */
export async function checkSession(server: PostgresServer): Promise<void> {
  const settings = { lock_timeout: 5_000 };
  try {
    const { sql } = await openClient(server, { name: "tollgate-session-check", max: 1, settings });
    try {
      await requireSession(sql, "lock_timeout");
    } finally {
      await sql.end({ timeout: 1 });
    }
  } catch (cause) {
    if (cause instanceof NoSession) throw cause;
    throw new Fault("STORE_UNAVAILABLE", "PostgreSQL failed: session check", { cause });
  }
}
