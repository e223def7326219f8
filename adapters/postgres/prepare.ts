import { connectPostgres } from "./connect.ts";
import { migrate } from "./migrate.ts";
import type { PostgresServer } from "./open-client.ts";
import { foldEmails } from "./users.ts";
import { ensurePartitions, PARTITION_DAYS_AHEAD } from "./partitions.ts";

const STATEMENT_TIMEOUT_MS = 30_000;
const DEADLINE_MS = 35_000;

/**
 * Makes a database ready: the schema, and the partitions of the first days, without which the first requests
 * of a new installation would have to be moved when the keeper makes them. Folds the emails that an older
 * release stored. Returns the migrations applied.
 *
 * @throws what `migrate` throws
 */
export async function prepareDatabase(server: PostgresServer): Promise<string[]> {
  const applied = await migrate(server);
  const database = connectPostgres({
    ...server,
    poolMax: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    deadlineMs: DEADLINE_MS,
    name: "tollgate-migrate",
  });
  try {
    await ensurePartitions(database, PARTITION_DAYS_AHEAD);
    await foldEmails(database);
  } finally {
    await database.close();
  }
  return applied;
}
