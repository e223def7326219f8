import type { Log } from "../../runtime/log.ts";
import type { Config } from "../../core/config/schema.ts";
import { readPostgresUrl } from "../../core/config/postgres-url.ts";
import { connectPostgres, type Database } from "../postgres/connect.ts";
import type { PostgresServer } from "../postgres/open-client.ts";
import { createPrimary } from "../postgres/primary.ts";
import { openTlsFiles, type TlsContext } from "../tls/tls-files.ts";

/** The PostgreSQL of a configuration; `direct`: past a pooler, for what needs a session. */
export interface PostgresServers {
  pooled: PostgresServer;
  direct: PostgresServer;
}

/** @throws {Error} naming the file, when a certificate cannot be read */
export async function postgresServers(
  { postgres: { url, direct_url: directUrl = url, tls: files } }: Pick<Config, "postgres">,
  context: TlsContext,
): Promise<PostgresServers> {
  const serverOf = async (serverUrl: string): Promise<PostgresServer> => {
    const wanted = { ...files, ...readPostgresUrl(serverUrl).tls };
    const hasTls = Object.keys(wanted).length > 0 || files !== undefined;
    const server = {
      url: serverUrl,
      ...(hasTls && { tls: await openTlsFiles(wanted, { ...context, name: "postgres" }) }),
    };
    return { ...server, primary: createPrimary(server) };
  };
  const server = await serverOf(url);
  if (directUrl === url) return { pooled: server, direct: server };
  return { pooled: { ...server, isPooled: true }, direct: await serverOf(directUrl) };
}

export function openDatabase(
  { postgres }: Pick<Config, "postgres">,
  server: PostgresServer,
  name: string,
  { log }: Pick<TlsContext, "log">,
): Database {
  const database = connectPostgres({
    ...server,
    poolMax: postgres.pool_max,
    statementTimeoutMs: postgres.statement_timeout_ms,
    deadlineMs: postgres.deadline_ms,
    name,
  });
  if (server.isPooled === true) void tellUnbounded(database, log);
  return database;
}

/** A pooler drops our settings, so that a statement behind a lock could wait for ever on the server. */
async function tellUnbounded(database: Database, log: Log): Promise<void> {
  try {
    const [row] = await database.run(
      "look for a statement_timeout",
      (sql) => sql<{ timeout: string; role: string }[]>`
        select current_setting('statement_timeout') as timeout, current_user as role`,
    );
    if (row?.timeout === "0")
      log.warn(
        { role: row.role },
        "nothing bounds statements behind the pooler: alter role … set statement_timeout = '10s'",
      );
  } catch {
    // Whoever uses the database learns of it.
  }
}

/** @throws as `postgresServers` */
export async function openPostgres(
  config: Pick<Config, "postgres">,
  name: string,
  context: TlsContext,
): Promise<Database> {
  const { pooled } = await postgresServers(config, context);
  return openDatabase(config, pooled, name, context);
}
