import { createDecipheriv, randomBytes } from "node:crypto";
import { join } from "node:path";

import { browse, queueDepths } from "../../adapters/amqp/inspect.ts";
import { createKeyHash, generatePepper } from "../../adapters/crypto/key-hash.ts";
import type { Session } from "../measure/session.ts";
import { startPeer } from "./peer.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FOLDER = join(import.meta.dir, "bento");

/** A pipeline under way. */
export interface RunningBento {
  url: string;
  /** Given how many calls it answered 202: notes what it left behind, and fails if that is too little. */
  judge: (accepted: number) => Promise<void>;
}

/**
 * Starts the pipeline on the servers of the stack, with a table, a queue and hashes of the users' keys of its
 * own; `undo` takes how the queue is removed, the rest goes with the stack. Without the program it notes why,
 * and returns undefined.
 */
export async function startBento(
  session: Session,
  undo: AsyncDisposableStack,
): Promise<RunningBento | undefined> {
  const { tools, folder, stack, users } = session;
  const { bento } = tools;
  if (bento === undefined || "problem" in bento) {
    session.note(`left out: ${bento?.problem ?? "its scenario does not say that it needs Bento"}`);
    return undefined;
  }
  const { database, broker, redis } = stack.books;
  const schema = await Bun.file(join(FOLDER, "schema.sql")).text();
  await database.run("make the table", (sql) => sql.unsafe(schema).simple());
  const dsn = new URL(stack.urls.postgres);
  dsn.searchParams.set("sslmode", "disable");

  const pepper = generatePepper();
  const hash = createKeyHash(pepper);
  // Where accept.yaml looks them up.
  const keys = users.map(({ apiKey }) => `peer-key:${hash(apiKey).toString("hex")}`);
  await redis.run(({ client }) => client.mset(keys.flatMap((key, i) => [key, `user-${i}`])));

  // A quorum queue, as Tollgate's.
  const queue = `${stack.config.amqp.queue_prefix}bento`;
  await broker.withChannel(async (channel) => {
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.bindQueue(queue, "amq.direct", queue);
  });
  undo.defer(() => broker.withChannel(async (channel) => void (await channel.deleteQueue(queue))));

  const encryptionKey = randomBytes(KEY_BYTES);
  const env = {
    DATABASE_URL: dsn.toString(),
    REDIS_URL: stack.urls.redis,
    AMQP_URL: stack.urls.amqp,
    PEER_QUEUE: queue,
    PEER_PEPPER: pepper,
    PEER_ENCRYPTION_KEY: encryptionKey.toString("hex"),
    // Go's collector may use more memory than by default.
    GOGC: "400",
    HOME: folder,
  };
  const command = [bento.command, "-c", join(FOLDER, "accept.yaml")];
  const url = await startPeer(session, { part: "Bento", command, env }, undo);
  return {
    url,
    judge: async (accepted) => {
      await probeUnknownKey(session, url);
      await judgeStored(session, { queue, encryptionKey }, accepted);
    },
  };
}

/** A call with a key that nobody has must be refused, or the peer checks none. */
async function probeUnknownKey({ fail }: Session, url: string): Promise<void> {
  const { status } = await fetch(`${url}/generate`, {
    method: "POST",
    headers: { authorization: "Bearer nobody", "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a", max_tokens: 1 }),
    signal: AbortSignal.timeout(5_000),
  });
  if (status !== 401)
    fail(`Bento answered ${status} to an unknown key: it does not do the same job`);
}

/** It may have stored more than it answered in time, never less. */
async function judgeStored(
  { stack: { books }, note, fail }: Session,
  { queue, encryptionKey }: { queue: string; encryptionKey: Uint8Array },
  accepted: number,
): Promise<void> {
  const [row] = await books.database.run(
    "count rows",
    (sql) => sql<{ n: number; prompt: Buffer | null }[]>`
      select count(*)::int as n, (select prompt from bento_requests limit 1) as prompt
      from bento_requests`,
  );
  const rows = row?.n ?? 0;
  const messages = (await queueDepths(books.broker, [queue])).get(queue)?.ready ?? 0;
  const seen = `${accepted} calls were answered 202; ${rows} rows, ${messages} messages`;
  note(`Bento: ${seen}`);
  if (rows < accepted || messages < accepted) fail(`Bento stored too little: ${seen}`);
  const [message] = await browse(books.broker, queue, { limit: 1 });
  for (const record of [row?.prompt, message?.body]) {
    try {
      if (!record || openRecord(record, encryptionKey) === "") fail("Bento stored no prompt");
    } catch {
      fail("a prompt that Bento stored is not encrypted with the key it was given");
    }
  }
}

/** What the peer encrypted: nonce, ciphertext, tag. @throws when it was not encrypted with this key */
export function openRecord(record: Uint8Array, key: Uint8Array): string {
  const decipher = createDecipheriv("aes-256-gcm", key, record.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(record.subarray(-TAG_BYTES));
  const text = record.subarray(NONCE_BYTES, -TAG_BYTES);
  return Buffer.concat([decipher.update(text), decipher.final()]).toString();
}
