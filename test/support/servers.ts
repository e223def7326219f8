import type { ServerUrls } from "../../adapters/state/server-urls.ts";
import { TLS_VARIABLE } from "../../local/servers/test-servers.ts";
import { type LocalTls, localTlsIn } from "../../local/tls/local-tls.ts";
import { createDatabaseOn, type OwnDatabase } from "../../local/stack/own-database.ts";

/**
 * The servers of a test run. `./tollgate test` starts them and sets these; by hand, set them to servers you
 * may wreck.
 */
function requireUrl(name: "DATABASE_URL" | "REDIS_URL" | "AMQP_URL"): string {
  const url = process.env[name];
  if (url === undefined || url === "")
    throw new Error(`${name} is not set: run the tests with ./tollgate test`);
  return url;
}

export const redisUrl = (): string => requireUrl("REDIS_URL");
export const amqpUrl = (): string => requireUrl("AMQP_URL");
export const serverUrls = (): ServerUrls => ({
  postgres: requireUrl("DATABASE_URL"),
  redis: redisUrl(),
  amqp: amqpUrl(),
});

/** The certificates of those servers, when they take encrypted connections only: then all else does too. */
export function serverTls(): LocalTls | undefined {
  const folder = process.env[TLS_VARIABLE];
  return folder === undefined || folder === "" ? undefined : localTlsIn(folder);
}

/** The environment in which a program believes those servers' authority; empty where they have none. */
export function trustEnvironment(): Record<string, string> {
  const file = serverTls()?.ca;
  return file === undefined ? {} : { SSL_CERT_FILE: file };
}

/** A database of its own for one test file, empty. */
export function createTestDatabase(): Promise<OwnDatabase> {
  return createDatabaseOn(requireUrl("DATABASE_URL"));
}
