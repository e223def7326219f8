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
  const pooled = await serverOf(url);
  return { pooled, direct: directUrl === url ? pooled : await serverOf(directUrl) };
}

export function openDatabase(
  { postgres }: Pick<Config, "postgres">,
  server: PostgresServer,
  name: string,
): Database {
  return connectPostgres({
    ...server,
    poolMax: postgres.pool_max,
    statementTimeoutMs: postgres.statement_timeout_ms,
    deadlineMs: postgres.deadline_ms,
    name,
  });
}

/** @throws as `postgresServers` */
export async function openPostgres(
  config: Pick<Config, "postgres">,
  name: string,
  context: TlsContext,
): Promise<Database> {
  const { pooled } = await postgresServers(config, context);
  return openDatabase(config, pooled, name);
}
