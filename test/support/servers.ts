import type { ServerUrls } from "../../adapters/state/server-urls.ts";
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

/** A database of its own for one test file, empty. */
export function createTestDatabase(): Promise<OwnDatabase> {
  return createDatabaseOn(requireUrl("DATABASE_URL"));
}
