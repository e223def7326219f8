import { createDecipheriv, randomBytes } from "node:crypto";
import { join } from "node:path";

import { Redis } from "ioredis";

import { connectAmqp, type AmqpConnection } from "../../adapters/amqp/connection.ts";
import { browse, queueDepths } from "../../adapters/amqp/inspect.ts";
import { createKeyHash, generatePepper } from "../../adapters/crypto/key-hash.ts";
import { connectPostgres, type Database } from "../../adapters/postgres/connect.ts";
import { createDatabaseOn } from "../../local/stack/own-database.ts";
import { uniqueQueuePrefix } from "../../local/stack/queue-prefix.ts";
import { claimRedisIndex } from "../../local/stack/redis-index.ts";
import type { BenchServers } from "../machine/servers.ts";

/** What the peer has stored and published so far. */
export interface Stored {
  rows: number;
  messages: number;
  /** One prompt as it lies in the table and one as it lies in the queue; undefined while there is none. */
  rowPrompt: Uint8Array | undefined;
  messagePrompt: Uint8Array | undefined;
}

export interface BentoRoom {
  env: Record<string, string>;
  read: () => Promise<Stored>;
  /** The content of a record that the peer encrypted. @throws on one that it did not */
  open: (record: Uint8Array) => string;
}

const READY_MS = 10_000;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/**
 * A database, an index of Redis with the hashes of `apiKeys`, and a quorum queue as Tollgate's, all its own.
 * `undo` takes how each is removed.
 */
export async function makeBentoRoom(
  { urls }: BenchServers,
  apiKeys: readonly string[],
  undo: AsyncDisposableStack,
): Promise<BentoRoom> {
  const { sql, url } = await makeDatabase(urls.postgres, undo);
  const redis = await claimRedisIndex(urls.redis);
  undo.defer(() => redis.release());
  const pepper = generatePepper();
  await storeKeys(redis.url, pepper, apiKeys);
  const queue = `${uniqueQueuePrefix()}inference_requests`;
  const broker = await makeQueue(urls.amqp, queue, undo);
  const encryptionKey = randomBytes(KEY_BYTES);
  return {
    env: {
      DATABASE_URL: url,
      REDIS_URL: redis.url,
      AMQP_URL: urls.amqp,
      PEER_QUEUE: queue,
      PEER_PEPPER: pepper,
      PEER_ENCRYPTION_KEY: encryptionKey.toString("hex"),
    },
    read: () => readStored(sql, broker, queue),
    open: (record) => openRecord(record, encryptionKey),
  };
}

async function makeDatabase(
  server: string,
  undo: AsyncDisposableStack,
): Promise<{ sql: Database; url: string }> {
  const database = await createDatabaseOn(server);
  undo.defer(() => database.drop());
  const sql = connectPostgres({
    url: database.url,
    poolMax: 1,
    statementTimeoutMs: READY_MS,
    deadlineMs: READY_MS,
    name: "tollgate-bench",
  });
  undo.defer(() => sql.close());
  const schema = await Bun.file(join(import.meta.dir, "bento/schema.sql")).text();
  await sql.run("make the schema", (run) => run.unsafe(schema).simple());
  const dsn = new URL(database.url);
  dsn.searchParams.set("sslmode", "disable");
  return { sql, url: dsn.toString() };
}

/** Where accept.yaml looks them up: `key:<keyed hash>`, the user's id as the value. */
async function storeKeys(url: string, pepper: string, apiKeys: readonly string[]): Promise<void> {
  const hash = createKeyHash(pepper);
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on("error", () => {});
  const keyOf = (key: string): string => `key:${hash(key).toString("hex")}`;
  try {
    await redis.mset(apiKeys.flatMap((key, index) => [keyOf(key), `user-${index}`]));
  } finally {
    redis.disconnect();
  }
}

async function makeQueue(
  url: string,
  queue: string,
  undo: AsyncDisposableStack,
): Promise<AmqpConnection> {
  const broker = connectAmqp({ url, heartbeatSeconds: 20, name: "tollgate-bench", log: silent });
  undo.defer(() => broker.close());
  await broker.whenUp(READY_MS);
  await broker.withChannel(async (channel) => {
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.bindQueue(queue, "amq.direct", queue);
  });
  undo.defer(async () => {
    await broker.withChannel((channel) => channel.deleteQueue(queue));
  });
  return broker;
}

async function readStored(sql: Database, broker: AmqpConnection, queue: string): Promise<Stored> {
  const [row] = await sql.run(
    "count rows",
    (run) => run<{ n: number; prompt: Buffer | null }[]>`
      select count(*)::int as n, (select prompt from requests limit 1) as prompt
      from requests`,
  );
  const depths = await queueDepths(broker, [queue]);
  const [message] = await browse(broker, queue, { limit: 1 });
  return {
    rows: row?.n ?? 0,
    messages: depths.get(queue)?.ready ?? 0,
    rowPrompt: row?.prompt ?? undefined,
    messagePrompt: message?.body,
  };
}

/** Nonce, ciphertext, tag. */
export function openRecord(record: Uint8Array, key: Uint8Array): string {
  const decipher = createDecipheriv("aes-256-gcm", key, record.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(record.subarray(-TAG_BYTES));
  const text = record.subarray(NONCE_BYTES, -TAG_BYTES);
  return Buffer.concat([decipher.update(text), decipher.final()]).toString();
}
