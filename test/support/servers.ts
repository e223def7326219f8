import { randomUUIDv7 } from "bun";
import postgres from "postgres";

import type { ServerUrls } from "../../adapters/state/server-urls.ts";

/** The servers of a test run. `./tollgate test` starts them and sets these; by hand, set them to servers you may wreck. */
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

export interface TestDatabase {
  url: string;
  drop: () => Promise<void>;
}

/** A database of its own for one test file, empty. */
export function createTestDatabase(): Promise<TestDatabase> {
  return createTestDatabaseOn(requireUrl("DATABASE_URL"));
}

/** A database of its own on the server of a URL, empty. */
export async function createTestDatabaseOn(server: string): Promise<TestDatabase> {
  const name = `test_${randomUUIDv7().replaceAll("-", "")}`;
  const runOnServer = async (statement: "create" | "drop"): Promise<void> => {
    const sql = postgres(server, { max: 1, onnotice: () => {} });
    try {
      if (statement === "create") await sql`create database ${sql(name)}`;
      else await sql`drop database if exists ${sql(name)} with (force)`;
    } finally {
      await sql.end({ timeout: 5 });
    }
  };
  await runOnServer("create");
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.toString(), drop: () => runOnServer("drop") };
}

/** A prefix for queue names that no other test file uses. */
export function uniqueQueuePrefix(): string {
  return `test-${randomUUIDv7().slice(-12)}.`;
}
