import { createDecipheriv, randomBytes } from "node:crypto";
import { join } from "node:path";

import { browse, queueDepths } from "../../adapters/amqp/inspect.ts";
import { createKeyHash, generatePepper } from "../../adapters/crypto/key-hash.ts";
import type { Session } from "../measure/session.ts";

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

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * A table, the hashes of the users' keys, and a quorum queue as Tollgate's, beside what the stack has; `name`
 * tells it from other peers. `undo` takes how the queue is removed, all else goes with the stack.
 */
export async function makeBentoRoom(
  { stack, users }: Session,
  name: string,
  undo: AsyncDisposableStack,
): Promise<BentoRoom> {
  const { database, broker, redis } = stack.books;
  const schema = await Bun.file(join(import.meta.dir, "bento/schema.sql")).text();
  await database.run("make the table", (sql) =>
    sql.unsafe(schema.replaceAll("PEER_TABLE", name)).simple(),
  );
  const dsn = new URL(stack.urls.postgres);
  dsn.searchParams.set("sslmode", "disable");

  const pepper = generatePepper();
  const hash = createKeyHash(pepper);
  // Where accept.yaml looks them up.
  const keys = users.map(({ apiKey }) => `peer-key:${hash(apiKey).toString("hex")}`);
  await redis.run(({ client }) => client.mset(keys.flatMap((key, i) => [key, `user-${i}`])));

  const queue = `${stack.config.amqp.queue_prefix}${name}`;
  await broker.withChannel(async (channel) => {
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.bindQueue(queue, "amq.direct", queue);
  });
  undo.defer(() => broker.withChannel(async (channel) => void (await channel.deleteQueue(queue))));
  const encryptionKey = randomBytes(KEY_BYTES);
  return {
    env: {
      DATABASE_URL: dsn.toString(),
      REDIS_URL: stack.urls.redis,
      AMQP_URL: stack.urls.amqp,
      PEER_TABLE: name,
      PEER_QUEUE: queue,
      PEER_PEPPER: pepper,
      PEER_ENCRYPTION_KEY: encryptionKey.toString("hex"),
    },
    read: async () => {
      const [row] = await database.run(
        "count rows",
        (sql) => sql<{ n: number; prompt: Buffer | null }[]>`
          select count(*)::int as n, (select prompt from ${sql(name)} limit 1) as prompt
          from ${sql(name)}`,
      );
      const depths = await queueDepths(broker, [queue]);
      const [message] = await browse(broker, queue, { limit: 1 });
      return {
        rows: row?.n ?? 0,
        messages: depths.get(queue)?.ready ?? 0,
        rowPrompt: row?.prompt ?? undefined,
        messagePrompt: message?.body,
      };
    },
    open: (record) => openRecord(record, encryptionKey),
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
