import { connect } from "amqplib";

import { readPostgresUrl, withDatabase } from "../core/config/postgres-url.ts";
import { openClient } from "./postgres/primary.ts";

import { readAmqpUrl } from "../core/config/amqp-url.ts";
import { checkTlsFiles, filesOfUrl } from "./tls/tls-files.ts";
import { silentLog } from "../runtime/log.ts";
import { createClient } from "./redis/client.ts";

/**
 * Makes a round trip to PostgreSQL on a connection of its own.
 *
 * @throws when it does not answer within the limit
 */
export async function pingPostgres(url: string, limitMs: number): Promise<void> {
  await checkTlsFiles(readPostgresUrl(url).tls);
  const connectTimeoutSeconds = limitMs / 1_000;
  const { sql } = await openClient(
    { url },
    { name: "tollgate-ping", max: 1, connectTimeoutSeconds },
  );
  try {
    await within(limitMs, sql`select 1`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Makes the database that the URL names, if it is missing, through the server's `postgres` database.
 *
 * @throws when the server does not answer within the limit, or does not allow it
 */
export async function ensureDatabase(url: string, limitMs: number): Promise<void> {
  const { database: name } = readPostgresUrl(url);
  if (name === null) return;
  const connectTimeoutSeconds = limitMs / 1_000;
  const { sql } = await openClient(
    { url: withDatabase(url, "postgres") },
    { name: "tollgate-ping", max: 1, connectTimeoutSeconds },
  );
  try {
    const [existing] = await within(limitMs, sql`select from pg_database where datname = ${name}`);
    if (existing === undefined) await within(limitMs, sql`create database ${sql(name)}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Writes to a Redis that stands alone: a server that still loads its data refuses that.
 *
 * @throws when it does not answer within the limit
 */
export async function pingRedis(url: string, limitMs: number): Promise<void> {
  const options = { url, commandTimeoutMs: limitMs, name: "tollgate-ping", log: silentLog };
  const redis = createClient(options, false);
  let refused: unknown;
  // Without a listener ioredis prints connection errors itself; the calls below throw a vaguer one.
  redis.on("error", (error) => (refused = error));
  try {
    await redis.connect();
    await redis.set("tollgate:ping", "1", "PX", limitMs);
  } catch (error) {
    throw refused ?? error;
  } finally {
    redis.disconnect();
  }
}

/** Declares a queue that ends with its connection. @throws when RabbitMQ does not answer within the limit */
export async function pingAmqp(url: string, limitMs: number): Promise<void> {
  const { tls, ...place } = readAmqpUrl(url);
  await checkTlsFiles(tls);
  const socket = { timeout: limitMs, ...filesOfUrl(tls)?.current() };
  const connection = await within(limitMs, connect(place, socket));
  connection.on("error", () => {});
  try {
    const channel = await within(limitMs, connection.createChannel());
    channel.on("error", () => {});
    await within(limitMs, channel.assertQueue("", { exclusive: true }));
  } finally {
    await within(limitMs, connection.close()).catch(() => {});
  }
}

async function within<Value>(limitMs: number, reply: PromiseLike<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no reply within ${limitMs} ms`)), limitMs);
  try {
    return await Promise.race([reply, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
