import type { Redis } from "ioredis";

import { openClient } from "../../../adapters/postgres/primary.ts";
import { createClient } from "../../../adapters/redis/client.ts";
import { silentLog } from "../../../runtime/log.ts";
import type { Books } from "../../../local/stack/books.ts";

/** Columns of a database, as `table.column`, that hold a text anywhere, be they text, JSON or bytes. */
export async function findInPostgres(url: string, text: string): Promise<string[]> {
  const { sql } = await openClient({ url }, { name: "search", max: 1 });
  try {
    const columns = await sql<{ table: string; column: string; type: string }[]>`
      select table_name as table, column_name as column, data_type as type
      from information_schema.columns
      where table_schema = 'public'`;
    const found: string[] = [];
    for (const { table, column, type } of columns) {
      const where =
        type === "bytea"
          ? sql`position(convert_to(${text}, 'UTF8') in ${sql(column)}) > 0`
          : sql`position(${text} in ${sql(column)}::text) > 0`;
      const [hit] = await sql`select 1 from ${sql(table)} where ${where} limit 1`;
      if (hit !== undefined) found.push(`${table}.${column}`);
    }
    return found;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Keys of a Redis database whose name or value holds a text. */
export async function findInRedis(url: string, text: string): Promise<string[]> {
  const options = { url, commandTimeoutMs: 5_000, name: "search", log: silentLog };
  const redis = createClient(options, false);
  try {
    await redis.connect();
    const found: string[] = [];
    for (const key of await redis.keys("*")) {
      const value = await readValue(redis, key);
      if (key.includes(text) || value.includes(text)) found.push(key);
    }
    return found;
  } finally {
    redis.disconnect();
  }
}

async function readValue(redis: Redis, key: string): Promise<string> {
  const type = await redis.type(key);
  switch (type) {
    case "string":
      return (await redis.get(key)) ?? "";
    case "hash":
      return JSON.stringify(await redis.hgetall(key));
    case "set":
      return JSON.stringify(await redis.smembers(key));
    case "zset":
      return JSON.stringify(await redis.zrange(key, "0", "-1"));
    case "list":
      return JSON.stringify(await redis.lrange(key, 0, -1));
    case "stream":
      return (await redis.xrangeBuffer(key, "-", "+"))
        .flatMap(([, fields]) => fields.map((field) => field.toString("latin1")))
        .join("\n");
    case "none":
      return "";
    default:
      throw new Error(`a key of type ${type}, which is not looked into`);
  }
}

/** Queues, without their prefix, with a message that holds a text in its body or headers. */
export async function findInQueues(books: Books, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const queue of Object.keys(await books.depths())) {
    const messages = await books.messages(queue);
    const hit = messages.some(
      ({ body, headers, messageId }) =>
        Buffer.from(body).includes(text) || JSON.stringify([headers, messageId]).includes(text),
    );
    if (hit) found.push(queue);
  }
  return found;
}
